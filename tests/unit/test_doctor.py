"""How findings are written down, and what a version of git means."""

import pytest

from bot.doctor import git_version
from bot.findings import Finding, State, as_facts, exit_code, fail, ok, summary, unchecked, warn


def test_a_finding_is_one_line_with_its_remedy_last() -> None:
    finding = fail("git", "It is version\n  2.30.", "Install git 2.38.")
    assert finding.line() == "fail  git: It is version 2.30. Install git 2.38."


def test_states_are_aligned() -> None:
    assert ok("clock", "Fine.").line() == "ok    clock: Fine."
    assert warn("clock", "Off.").line() == "warn  clock: Off."


def test_what_was_not_checked_says_why_and_does_not_fail() -> None:
    finding = unchecked("manifests", "there is no valid catalog")
    assert finding.line() == "warn  manifests: not checked: there is no valid catalog"
    assert exit_code([finding]) == 0


def test_one_failure_among_many_decides_the_exit_code() -> None:
    assert exit_code([ok("a", "x"), warn("b", "y")]) == 0
    assert exit_code([ok("a", "x"), fail("b", "y"), ok("c", "z")]) == 1


def test_json_holds_plain_words() -> None:
    facts = as_facts([fail("a", "x", "Do y.")])
    assert facts == [{"part": "a", "state": "fail", "text": "x", "remedy": "Do y."}]


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ([ok("a", "x")], "All 1 checks passed."),
        ([ok("a", "x"), warn("b", "y")], "0 of 2 checks failed, 1 warning."),
        ([fail("a", "x"), warn("b", "y"), warn("c", "z")], "1 of 3 checks failed, 2 warnings."),
    ],
)
def test_the_summary_counts(findings: list[Finding], words: str) -> None:
    assert summary(findings) == words


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("git version 2.37.9", State.FAIL),
        ("git version 1.99.0", State.FAIL),
        ("git version 2.38.0", State.OK),
        ("git version 2.39.5 (Apple Git-154)", State.OK),
        ("git version 3.0.0", State.OK),
        ("git version unknown", State.WARN),
    ],
)
def test_git_must_be_2_38_or_newer(told: str, state: State) -> None:
    finding = git_version(told)
    assert finding.state is state
    assert ("2.38 or newer" in finding.remedy) is (state is not State.OK)
