"""The benchmark's own honesty: it counts, and what is amiss it notices. How fast things are is not judged here."""

from pathlib import Path

import pytest

from tests.bench.account import Account, settle
from tests.bench.git import git
from tests.bench.measure import Plan, measure
from tests.bench.report import figures
from tests.bench.repository import MAIN, Bump, commit_stream, create

SMALLEST = Plan(
    sizes=(54,), callers=(1, 8), lone=1, waves=1, scripts=1, memory_manifests=54, memory_bumps=8
)  # a few seconds
FIGURES = [
    "lone_ratio",
    "script_ratio_1000",
    "script_ratio_10000",
    "floor_ratio_32",
    "growth_ratio",
    "lost_updates",
    "stray_lines",
    "rss_growth_mb",
]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    create(tmp_path / "config.git", 4)
    return tmp_path / "config.git"


def commit(bare: Path, bump: Bump, files: dict[str, bytes] | None = None) -> tuple[Bump, str]:
    """The bump, or something else under its message, on main: and what would be said to be done."""
    stream = commit_stream(bump.message, {bump.path: bump.text} if files is None else files, on=f"{MAIN}^0")
    git(bare, "fast-import", "--quiet", "--force", stdin=stream)
    return bump, git(bare, "rev-parse", MAIN).decode().strip()


def test_the_smallest_benchmark_loses_no_update_and_changes_no_stray_line(tmp_path: Path) -> None:
    results = measure(SMALLEST, tmp_path, lambda line: None)
    found = figures(results)
    assert (found["lost_updates"], found["stray_lines"]) == (0, 0)
    assert list(found) == FIGURES
    assert {(case.contender, case.callers, case.competitor) for case in results.took} == {
        ("floor", 1, False),
        ("floor", 8, False),
        ("script", 1, False),
        *((("slipway"), callers, competitor) for callers in (1, 8) for competitor in (False, True)),
    }


def test_bumps_of_every_spelling_that_arrived_are_neither_lost_nor_stray(bare: Path) -> None:
    made = [commit(bare, Bump(manifest, 1)) for manifest in range(4)]
    assert settle(bare, made) == Account(lost=0, stray=0)


def test_a_commit_that_is_not_in_the_log_is_lost_and_so_is_its_text(bare: Path) -> None:
    made = commit(bare, Bump(0, 1))
    git(bare, "update-ref", MAIN, f"{MAIN}^")
    assert settle(bare, [made]).lost == 2


def test_a_bump_that_somebody_overwrote_is_lost(bare: Path) -> None:
    made = commit(bare, Bump(1, 2))
    commit(bare, Bump(1, 1))
    assert settle(bare, [made]).lost == 1


def test_a_bump_that_made_no_commit_is_lost(bare: Path) -> None:
    commit(bare, Bump(1, 1))
    assert settle(bare, [(Bump(1, 1), None)]).lost == 1


def test_a_competitors_file_that_is_gone_is_lost(bare: Path) -> None:
    assert settle(bare, [], ["by-hand/0.txt"]).lost == 1


def test_a_line_beside_the_images_is_stray(bare: Path) -> None:
    bump = Bump(1, 1)
    made = commit(bare, bump, {bump.path: bump.text + b"\n"})
    assert settle(bare, [made]).stray == 1


def test_a_line_in_another_file_is_stray(bare: Path) -> None:
    bump = Bump(1, 1)
    made = commit(bare, bump, {bump.path: bump.text, "README.md": b"one\ntwo\n"})
    assert settle(bare, [made]).stray == 3


def test_a_commit_that_changes_nothing_is_noticed(bare: Path) -> None:
    made = [commit(bare, Bump(1, 1)), commit(bare, Bump(1, 1))]
    assert settle(bare, made).stray == 2
