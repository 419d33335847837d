"""Whatever people write where Slipway reads: an answer or one of its errors in words, never a traceback."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.catalog.freeze import parse_freeze
from bot.codeowners import parse_codeowners
from bot.comment_commands import Here, commands, understand
from bot.errors import SlipwayError
from bot.events import Ignored, MalformedPayload, from_json, parse, to_json
from bot.holds import parse_hold
from bot.images import ImageReference
from bot.manifests import bump, find_images, helm, kustomize, parse_documents
from bot.since import parse_since
from bot.trailers import parse_trailers

REPOSITORY = "registry.example.com/site"
IMAGE = ImageReference.parse(f"{REPOSITORY}:new@sha256:{'0' * 64}")

ODD = st.sampled_from(
    ["\0", "\ud800", "\u2028", "\x85", "\ufeff", "\U0001f600", "\t", "\r\n", "\n", "\r", "é", "9" * 400, "x" * 3000]
)
"""Letters and lengths that readers stumble over."""

YAML = st.sampled_from(
    [
        *(
            "- ",
            "\n- ",
            "\n  ",
            "\n    - ",
            ": ",
            "? ",
            "key",
            "images",
            "newTag",
            "newName",
            "name",
            "digest",
            "image",
        ),
        *(
            "&a ",
            "*a",
            "*b",
            "<<: *a",
            "<<: [*a, *a]",
            "!x ",
            "!!python/object:os.system ",
            "!!binary ",
            "!!int ",
            "!!set ",
        ),
        *(
            "---\n",
            "...\n",
            "%YAML 1.1\n---\n",
            "%TAG ! tag:x:\n",
            "|\n  ",
            ">-\n  ",
            "'",
            '"',
            '"\\x',
            "[",
            "]",
            "{",
            "}",
        ),
        *(
            "kind: Deployment\n",
            "spec:\n  containers:\n  - image: ",
            f"{REPOSITORY}:old",
            "resources: [",
            "{{ .Values.x }}",
        ),
        *("reason: ", "release: ", "by: ", "at: ", "2001-99-99", "1e400", ".nan", "0x", "1_0", "~", "true", "null"),
    ]
)
HEAPS = st.lists(YAML | ODD, max_size=25).map("".join)
TEXTS = st.text(max_size=60) | HEAPS
SENT = settings(max_examples=200, derandomize=True)

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
"""Nine anchors of nine references each: whoever follows them all holds 3,486,784,401 values."""


def survives(function: Any, *arguments: Any) -> Any:
    """What it answers; None where it says why not. Anything but one of our errors is a defect."""
    with suppress(SlipwayError):
        return function(*arguments)
    return None


@SENT
@given(TEXTS)
def test_any_manifest_is_read_or_refused_in_words(text: str) -> None:
    survives(find_images, text, "x.yaml")
    survives(parse_documents, text, "x.yaml")
    survives(bump, text, "x.yaml", IMAGE)


def test_a_manifest_that_is_a_bomb_is_refused_or_read_without_following_it() -> None:
    text = f"kind: Pod\n{BOMB}spec:\n  containers:\n  - image: {REPOSITORY}:old\n"
    survives(find_images, text, "x.yaml")
    survives(bump, text, "x.yaml", IMAGE)
    survives(parse_documents, text, "x.yaml")
    survives(parse_hold, BOMB, "x.yaml")
    survives(helm.image_of, [("values.yaml", BOMB)], helm.ImageKeys("a", "b", "c"), REPOSITORY)


def test_a_manifest_that_is_nested_deeply_is_refused_in_words() -> None:
    for text in ("[" * 5000, "{a: " * 5000, "- " * 5000, "".join(f"{' ' * n}a:\n" for n in range(2000))):
        survives(find_images, text, "x.yaml")
        survives(bump, text, "x.yaml", IMAGE)
        survives(parse_hold, text, "x.yaml")


@SENT
@given(TEXTS, TEXTS)
def test_any_kustomization_is_read_or_refused_in_words(text: str, resource: str) -> None:
    files = {"app/kustomization.yaml": text, "app/web.yaml": resource, "kustomization.yaml": text}
    survives(kustomize.images, files.get, "app")
    survives(kustomize.roots, files.get, "app")
    survives(kustomize.images_of, files.get, "app", REPOSITORY)
    survives(kustomize.set_image, files.get, "app", IMAGE)


@SENT
@given(TEXTS, TEXTS)
def test_any_values_of_a_chart_are_read_or_refused_in_words(first: str, second: str) -> None:
    keys = helm.ImageKeys("image.repository", "image.tag", "image.digest")
    survives(helm.image_of, [("values.yaml", first), ("production.yaml", second)], keys, REPOSITORY)


@SENT
@given(TEXTS)
def test_any_hold_is_read_or_refused_in_words(text: str) -> None:
    survives(parse_hold, text, ".slipway/holds/production/shop.yaml")


@SENT
@given(
    st.text()
    | st.lists(st.sampled_from(["Mon", "Fri 16:00", " - ", "25:99", "Europe/London", "2026-02-30"])).map(" ".join)
)
def test_any_freeze_is_read_or_refused_in_words(text: str) -> None:
    with suppress(ValueError):  # which the catalog makes a sentence with the line of
        parse_freeze(text)


@SENT
@given(TEXTS)
def test_any_time_is_read_or_refused_in_words(text: str) -> None:
    survives(parse_since, text, datetime(2026, 1, 1, tzinfo=UTC))


@SENT
@given(
    st.lists(
        st.sampled_from(
            ["/promote", "/rollback", "/hold", " ", "production", "shop", "```\n", "> ", "\n/", "to", "f" * 40]
        )
        | ODD
        | st.text(max_size=5),
        max_size=15,
    ).map("".join)
)
def test_any_comment_is_understood_or_answered_in_words(body: str) -> None:
    here = Here(("shop", "blog"), ("staging", "production"), "production")
    for command in commands(body):
        understand(command, here)


@SENT
@given(
    st.lists(st.sampled_from(["*", "**", "/", "@a", "@a/b", " ", "\n", "#", "\\", "[", "]", "!", "a@b.c"]) | ODD).map(
        "".join
    )
)
def test_any_codeowners_file_can_be_asked_about_any_path(text: str) -> None:
    owners = parse_codeowners(text)
    for path in ("production/shop.yaml", "a b", "[x]", "\ud800", ""):
        owners.of(path)


@SENT
@given(
    st.lists(
        st.sampled_from(["Slipway-Id: ", "App: shop", "\n\n", "\n", "\n ", ": ", "---\n", "Co-authored-by: "]) | ODD
    ).map("".join)
)
def test_any_message_has_trailers_or_none(text: str) -> None:
    for key, value in parse_trailers(text):
        assert key
        assert value


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**30)
    | st.floats()
    | st.text(alphabet=st.characters(), max_size=8)
    | st.sampled_from(["\ud800", "a\0b", "refs/heads/", "x" * 5000, "0" * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
REAL: dict[str, Any] = {
    "action": "created",
    "ref": "refs/heads/main",
    "before": "0" * 40,
    "after": "1" * 40,
    "deleted": False,
    "repository": {"full_name": "a/b"},
    "pusher": {"name": "a"},
    "sender": {"login": "a"},
    "pull_request": {"number": 1, "head": {"ref": "x", "sha": "1" * 40}, "base": {"ref": "y", "sha": "2" * 40}},
    "review": {"id": 1, "state": "approved"},
    "issue": {"number": 1, "pull_request": {}},
    "comment": {"id": 1, "body": "/status", "user": {"login": "a"}},
}


FIELDS = st.sampled_from([*REAL, "number"])


@SENT
@given(
    st.sampled_from(["push", "pull_request", "pull_request_review", "issue_comment"]),
    st.sampled_from(["created", "opened", "closed", "submitted", "synchronize"]),
    st.dictionaries(FIELDS, VALUES, max_size=2),
)
def test_any_payload_is_understood_or_malformed_and_survives_the_queue(
    name: str, action: str, changed: dict[str, Any]
) -> None:
    try:
        event = parse(name, REAL | {"action": action} | changed)
    except MalformedPayload:
        return
    if not isinstance(event, Ignored):
        assert from_json(json.loads(json.dumps(to_json(event)))) == event
