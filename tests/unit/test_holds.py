"""The file that holds an environment: what people write by hand is read, what cannot be read is refused by line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bot.errors import Permanent
from bot.holds import Hold, keeps_out, parse_hold, render_hold

PATH = ".slipway/holds/production/shop.yaml"
SHA, OTHER = "3f2c1ab" + "0" * 33, "9" * 40
WHOLE = Hold("The till is being counted", "dora", "2026-11-20T10:00:00Z")
ONE = Hold("Rollout failed", "slipway[bot]", "2026-11-20T10:00:00Z", f"shop@{SHA}")


def test_a_hold_without_a_release_keeps_everything_out() -> None:
    assert keeps_out(WHOLE, f"shop@{SHA}")
    assert keeps_out(WHOLE, f"shop@{OTHER}")


def test_a_hold_of_one_release_lets_every_other_one_pass() -> None:
    assert keeps_out(ONE, f"shop@{SHA}")
    assert not keeps_out(ONE, f"shop@{OTHER}")


def test_the_file_is_plain_yaml_that_people_can_read() -> None:
    assert render_hold(ONE) == (
        'reason: "Rollout failed"\n'
        'by: "slipway[bot]"\n'
        'at: "2026-11-20T10:00:00Z"\n'
        f'release: "shop@{SHA}"\n'
    )  # fmt: skip
    assert "release" not in render_hold(WHOLE)


@given(st.builds(Hold, st.text(), st.text(), st.text(), st.none() | st.just(f"shop@{SHA}")))
def test_whatever_the_reason_is_it_is_read_as_it_was_written(hold: Hold) -> None:
    text = render_hold(hold)
    read = parse_hold(text, PATH)
    assert render_hold(read) == render_hold(Hold(hold.reason, read.by, hold.at, hold.release))
    assert YAML(typ="safe").load(text)["reason"] == read.reason


@pytest.mark.parametrize(
    ("text", "hold"),
    [
        ("", Hold()),
        ("# see the wiki\n", Hold()),
        ("reason: Christmas: no releases", None),
        ("reason: 'Christmas: no releases'\nby: '@dora'", Hold("Christmas: no releases", "dora")),
        ("reason: |\n  two\n  lines\nat: 2026-11-20T10:00:00Z", Hold("two lines", at="2026-11-20T10:00:00Z")),
        ("reason: 2026\nrelease: ''", Hold("2026")),
    ],
)
def test_what_a_person_writes_by_hand_is_read_or_refused(text: str, hold: Hold | None) -> None:
    if hold is not None:
        assert parse_hold(text, PATH) == hold
        return
    with pytest.raises(Permanent, match=f"{PATH}:1: this is not YAML"):
        parse_hold(text, PATH)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("reason: x\nrelaese: y", f"{PATH}:2: relaese: is not a key; did you mean `release`?"),
        ("until: Monday", f"{PATH}:1: until: is not a key; the keys here are `reason`, `by`, `at` and `release`"),
        ("no releases", f"{PATH}:1: must be a mapping of `reason`, `by`, `at` and `release`"),
        ("reason: [a, b]", f"{PATH}:1: reason: must be text, not a list"),
        ("release: 3f2c1ab", f"{PATH}:1: release: must be a release, like `shop@` and the 40 digits of its commit"),
        ("reason:", f"{PATH}:1: reason: has no value: give it one or delete the line"),
    ],
)
def test_what_cannot_be_read_for_sure_is_refused_by_line_and_field(text: str, problem: str) -> None:
    with pytest.raises(Permanent) as refusal:
        parse_hold(text, PATH)
    assert problem in str(refusal.value)
    assert "Nothing enters there before the file is corrected" in str(refusal.value)
