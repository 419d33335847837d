"""What docs/audit.md says holds: its ten lines answer their questions, its tables name what there is."""

import re
import subprocess
from pathlib import Path

import pytest

from bot.dora import Figures
from bot.trail import Approval, Kind
from bot.trail_facts import COLUMNS, figures_facts
from tests.audit_repo import NEW, NEXT, AuditRepo, everything
from tests.git_stage import HERMETIC

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
LINES = re.findall(r"^### (\d+)\..*?^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FETCH = "git fetch origin refs/notes/slipway:refs/notes/slipway"

ANSWERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "1": ((f"+          image: {NEXT.image}", "2026-11-21T13:10:00"), (f"+          image: {NEW.image}",)),
    "2": (("5656565 to production\n  merged by @dora, approved by @abel",), ("to staging",)),
    "3": ((f"Image: {NEW.image}\nSource: acme/blog@{NEW.sha}\nSource-PR: acme/blog#86",), ("7272727",)),
    "4": (
        ('"outcome": "failed"', '"outcome": "healthy"', '"seconds": 34.0', '"at": "2026-11-20T10:46:00Z"'),
        ("#114",),
    ),
    "5": (("More pods", "Merge pull request #9", "back to 3f3f3f3", "CrashLoopBackOff"), ("to staging", "shop")),
    "6": (("Reason: The pods did not become ready: CrashLoopBackOff.", 'Revert "More pods"'), ("Open the blog",)),
    "7": (("Paula Patch: More pods",), ("5656565", "Revert", "Describe")),
    "8": (
        ("Paula Patch: More pods", 'Dora: Revert "More pods"', "Describe our sites"),
        ("5656565", "back to", "Merge"),
    ),
    "9": (("Dora: shop: hold production\n\nA\t", "Dora: shop: resume production\n\nD\t"), ("More pods",)),
    "10": (("Paula Patch: Ask for two approvals", "approvals: 2"), ("More pods",)),
}
"""For each question: what the answer holds, and what it does not."""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> AuditRepo:
    return everything(tmp_path_factory.mktemp("story") / "origin")


@pytest.fixture(scope="module")
def clone(story: AuditRepo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = story.clone(tmp_path_factory.mktemp("clone") / "config", notes=False)
    assert f"\n{FETCH}\n" in PAGE
    subprocess.run(FETCH.split(), cwd=folder, env=HERMETIC, check=True, capture_output=True)
    return folder


def test_there_are_ten_questions_with_one_git_log_line_each() -> None:
    assert [number for number, _ in LINES] == list(ANSWERS)
    assert all(line.startswith("git log ") and line.count("\n") == 1 for _, line in LINES)


@pytest.mark.parametrize(("number", "line"), LINES)
def test_each_line_answers_its_question(clone: Path, number: str, line: str) -> None:
    done = subprocess.run(["bash", "-c", line], cwd=clone, env=HERMETIC, capture_output=True, text=True, check=True)
    told, not_told = ANSWERS[number]
    for words in told:
        assert words in done.stdout, f"{line}\n{done.stdout}"
    for words in not_told:
        assert words not in done.stdout, f"{line}\n{done.stdout}"


def rows(heading: str) -> list[str]:
    """The names in the first column of the table with this head."""
    table = PAGE.partition(f"\n| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"`([a-z_ ]+)`", "".join(f"{row.split(' | ')[0]}\n" for row in table.split("\n")[2:]))


def test_the_tables_name_every_fact_kind_and_approval() -> None:
    assert rows("name") == list(COLUMNS)
    assert rows("kind") == [kind.value for kind in Kind]
    assert rows("approval") == [approval.value for approval in Approval]


def test_the_figures_are_called_as_the_page_says() -> None:
    table = PAGE.partition("\n| figure |")[2].partition("\n\n")[0]
    names = {name for row in table.split("\n")[2:] for name in re.findall(r"`(\w+)`", row.split(" | ")[-1])}
    assert names == set(figures_facts(Figures(days=1)))
