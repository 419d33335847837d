"""The history in one ``git log``: through the mirror and from a plain clone, held against git's own words."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.adapters.config_repo import GitConfigRepo
from bot.adapters.config_repo.clone import FETCH_ALL, FETCH_NOTES, ConfigClone, is_clone
from bot.errors import Permanent
from bot.facts import Logged
from tests.audit_repo import AuditRepo, begin, everything
from tests.git_stage import GitStage, stage

__all__ = ["stage"]


def log(repo: GitConfigRepo) -> tuple[Logged, ...]:
    return repo.log(repo.fetch())


def clone_log(folder: Path) -> tuple[Logged, ...]:
    with ConfigClone(folder) as clone:
        return clone.log(clone.fetch())


def test_a_commit_comes_with_its_paths_its_trailers_and_its_note(stage: GitStage) -> None:
    sha = stage.commit({"staging/a.yaml": None, "staging/ü n.yaml": "1"}, "Äpfel\n\nBody\n\nApp: a\nSource: x")
    repo = stage.open()
    repo.fetch()
    for line in ('{"one": 1}', "two\x1fthree"):
        repo.add_note(sha, line)
    (newest, *_) = log(repo)
    assert newest.commit == repo.commit(sha)
    assert newest.commit.trailers == (("App", "a"), ("Source", "x"))
    assert newest.changed == (("D", "staging/a.yaml"), ("A", "staging/ü n.yaml"))
    assert newest.notes == repo.notes(sha) == ('{"one": 1}', "two\x1fthree")


def test_a_commit_that_changes_nothing_is_there_too(stage: GitStage) -> None:
    stage.commit({}, "Nothing")
    stage.commit({}, "")
    stage.commit({"x": "1"}, "Something\n\nA\n\n")
    found = log(stage.open())
    assert [(one.commit.subject, one.changed) for one in found[:3]] == [
        ("Something", (("A", "x"),)),
        ("", ()),
        ("Nothing", ()),
    ]


def test_a_merge_brings_what_had_not_arrived_before(stage: GitStage) -> None:
    first = stage.tip()
    side = stage.commit({"a": "1"}, "Side 1", branch="side", base=first)
    second = stage.commit({"a": "2"}, "Side 2", branch="side")
    stage.commit({"b": "1"}, "Main")
    stage.commit({"a": "1"}, "Merge 1", merge=side)
    stage.commit({"a": "2"}, "Merge 2", merge=second)
    found = {one.commit.subject: one for one in log(stage.open())}
    assert list(found) == ["Merge 2", "Merge 1", "Main", "First"]
    assert [one.sha for one in found["Merge 1"].brought] == [side]
    assert [one.sha for one in found["Merge 2"].brought] == [second]
    assert found["Merge 2"].changed == (("M", "a"),)


@pytest.mark.parametrize("seed", range(3))
def test_paths_agree_with_git_on_any_history(stage: GitStage, seed: int) -> None:
    rng = random.Random(seed)
    for number in range(25):
        files = {path: None if rng.random() < 0.3 else str(number) for path in rng.sample("abcd", rng.randint(0, 3))}
        base = rng.choice(stage.git("log", "--first-parent", "-3", "--format=%H", "main").split())
        branch = rng.choice(["main", "main", "side"])
        side = stage.tip("side") if branch == "main" and rng.random() < 0.4 else None
        stage.commit(files, f"Change {number}", branch=branch, base=base if branch == "side" else None, merge=side)
    found = log(stage.open())
    assert [one.commit.sha for one in found] == stage.git("log", "--first-parent", "--format=%H", "main").split()
    for one in found:
        told = stage.git("log", "-1", "-m", "--first-parent", "--root", "--format=", "--name-status", one.commit.sha)
        assert [f"{status}\t{path}" for status, path in one.changed] == told.splitlines()


def test_a_history_of_ten_thousand_commits_takes_two_git_commands_at_most(stage: GitStage) -> None:
    stream = "".join(
        f"commit refs/heads/main\nmark :{number}\ncommitter A <a@b> {1700000000 + number} +0000\ndata 1\nx\n"
        + ("from refs/heads/main^0\n" if number == 1 else "")
        + f"M 644 inline f{number % 50}\ndata {len(str(number))}\n{number}\n"
        for number in range(1, 10_001)
    )
    notes = "".join(f"N inline :{number}\ndata 2\nok\n" for number in range(1, 10_001))
    tail = f"commit refs/notes/slipway\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\n{notes}"
    stage.git("fast-import", "--quiet", stdin=(stream + tail).encode())
    repo = stage.open()
    head = repo.fetch()
    stage.server.requests.clear()
    found = repo.log(head)
    assert len(found) == 10_001
    assert all(one.notes == ("ok",) for one in found[:-1])
    assert stage.server.requests == []


# ---------------------------------------------------------------- a plain clone


@pytest.fixture
def story(tmp_path: Path) -> AuditRepo:
    return everything(tmp_path / "origin")


def linked(story: AuditRepo, folder: Path) -> Path:
    main = story.clone(folder / "main")
    story.git("-C", str(main), "worktree", "add", "--quiet", "--detach", str(folder / "linked"))
    return folder / "linked"


@pytest.mark.parametrize(
    "make",
    [
        lambda story, folder: story.clone(folder),
        lambda story, folder: story.clone(folder, "--bare"),
        lambda story, folder: story.clone(folder, "--shared"),
        lambda story, folder: story.clone(folder) / "staging",
        linked,
    ],
    ids=["plain", "bare", "shared", "below", "linked"],
)
def test_every_kind_of_clone_tells_the_same(
    story: AuditRepo, tmp_path: Path, make: Callable[[AuditRepo, Path], Path]
) -> None:
    folder = make(story, tmp_path / "clone")
    assert clone_log(folder) == clone_log(story.folder)
    assert any(one.notes for one in clone_log(folder))
    assert is_clone(folder, "slipway.yaml")
    with ConfigClone(folder) as clone:
        head = clone.fetch()
        changed = clone.last_change(head, ["production/blog.yaml"])
        assert changed is not None
        assert changed.subject.startswith("Merge pull request #9")
        assert clone.last_change(head, ["nowhere"]) is None
        assert clone.last_change(head, ["../above"]) is None
        assert clone.hints() == ()
        assert clone.branch == ("HEAD" if folder.name == "linked" else "main")


def test_a_clone_without_notes_or_without_its_beginning_says_how_to_get_them(story: AuditRepo, tmp_path: Path) -> None:
    folder = story.clone(tmp_path / "clone", "--depth=2", notes=False)
    with ConfigClone(folder) as clone:
        found = clone.log(clone.fetch())
        without, shallow = clone.hints()
    assert FETCH_NOTES in without
    assert FETCH_ALL in shallow
    assert len(found) == 2
    assert not any(one.notes for one in found)


def test_what_the_clone_s_own_configuration_says_changes_nothing(story: AuditRepo, tmp_path: Path) -> None:
    """``log.showSignature`` would start a program of the clone's choice."""
    folder = story.clone(tmp_path / "clone")
    expected = clone_log(folder)
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path / 'sprung'}\n")
    trap.chmod(0o755)
    for key, value in {
        "log.showSignature": "true",
        "gpg.program": str(trap),
        "core.fsmonitor": str(trap),
        "core.pager": str(trap),
        "color.ui": "always",
        "log.showRoot": "false",
        "log.follow": "true",
        "diff.renames": "copies",
        "diff.relative": "true",
        "i18n.logOutputEncoding": "latin1",
        "notes.displayRef": "refs/notes/*",
        "log.diffMerges": "separate",
    }.items():
        story.git("-C", str(folder), "config", key, value)
    assert clone_log(folder) == expected
    assert not (tmp_path / "sprung").exists()


def test_a_folder_that_is_no_clone_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"is not in a Git repository\. Name a clone of the config repo with --repo"):
        ConfigClone(tmp_path)
    assert not is_clone(tmp_path, "slipway.yaml")


def test_a_clone_without_a_commit_is_refused_in_a_sentence(tmp_path: Path) -> None:
    repo = begin(tmp_path / "origin")
    repo.git("checkout", "--quiet", "--orphan", "empty")
    with ConfigClone(repo.folder) as clone, pytest.raises(Permanent, match="has no commit yet"):
        clone.fetch()
    assert not is_clone(repo.folder, "slipway.yaml")


def test_a_damaged_clone_is_refused_in_a_sentence(story: AuditRepo, tmp_path: Path) -> None:
    folder = story.clone(tmp_path / "clone")
    with ConfigClone(folder) as clone:
        head = clone.fetch()
        for packed in (folder / ".git/objects").rglob("*.pack"):
            packed.unlink()
        with pytest.raises(Permanent, match=r"cannot be read .*git fsck"):
            clone.log(head)
