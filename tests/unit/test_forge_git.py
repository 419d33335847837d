"""The stand-in's git plumbing, on real repositories."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.sandbox.forge.git import EMPTY_TREE, ZERO, GitError, GitRepo, Signature

ANN = Signature("Ann", "ann@example.org", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


@pytest.fixture
def repo(tmp_path: Path) -> GitRepo:
    made = GitRepo(tmp_path / "site.git")
    made.create("master", tmp_path / "hooks")
    return made


def test_a_commit_is_read_as_it_was_written(repo: GitRepo) -> None:
    first = repo.write("master", None, {"a": "1\n"}, "First", ANN)
    sha = repo.write("master", first, {"b/c": "ü\n"}, "Subject\n\nBody\n\nKey: value\n", ANN)
    commit = repo.commit(sha)
    assert (commit.author, commit.committer, commit.parents) == (ANN, ANN, (first,))
    assert (commit.subject, commit.body) == ("Subject", "Body\n\nKey: value")
    assert repo.ref("refs/heads/master") == sha
    assert repo.blob(repo.listing(repo.listing(commit.tree)[1].sha)[0].sha) == "ü\n".encode()


def test_changes_tell_added_removed_modified_and_renamed(repo: GitRepo) -> None:
    long = "".join(f"line {number}\n" for number in range(20))
    old = repo.write("master", None, {"gone": "x\n", "kept": "1\n", "was": long}, "Old", ANN)
    files = {"gone": None, "kept": "2\n", "was": None, "is now": long + "more\n", "new": "y\n"}
    new = repo.write("master", old, files, "New", ANN)
    found = {change.path: change for change in repo.changes(old, new)}
    assert {path: (c.status, c.additions, c.deletions) for path, c in found.items()} == {
        "gone": ("removed", 0, 1),
        "kept": ("modified", 1, 1),
        "is now": ("renamed", 1, 0),
        "new": ("added", 1, 0),
    }
    assert found["is now"].previous == "was"
    assert found["kept"].patch == "@@ -1 +1 @@\n-1\n+2"
    assert found["new"].patch == "@@ -0,0 +1 @@\n+y"


def test_binary_files_and_changed_kinds_have_no_patch_and_disturb_no_other(repo: GitRepo) -> None:
    old = repo.write("master", None, {"a": "\0\1", "b": "text\n", "c": "1\n", "d": ""}, "Old", ANN)
    link = repo.run("hash-object", "-w", "--stdin", feed="c").strip()
    blobs = {
        name: repo.run("hash-object", "-w", "--stdin", feed=text).strip()
        for name, text in (("a", "\0\2"), ("c", "2\n"))
    }
    empty = repo.run("hash-object", "-w", "--stdin", feed="").strip()
    lines = [
        f"100644 blob {blobs['a']}\ta",
        f"120000 blob {link}\tb",
        f"100644 blob {blobs['c']}\tc",
        f"100755 blob {empty}\td",
    ]
    tree = repo.run("mktree", feed="\n".join(lines) + "\n").strip()
    found = {change.path: change for change in repo.changes(old, tree)}
    assert {path: change.status for path, change in found.items()} == {
        "a": "modified",
        "b": "changed",
        "c": "modified",
        "d": "modified",
    }
    assert [found[path].patch is None for path in "ad"] == [True, True]
    assert found["c"].patch == "@@ -1 +1 @@\n-1\n+2"


def test_a_first_commit_is_compared_with_nothing(repo: GitRepo) -> None:
    sha = repo.write("master", None, {"a": "1\n"}, "First", ANN)
    assert repo.changes(EMPTY_TREE, sha) == repo.changes_of(repo.commit(sha))
    assert [change.status for change in repo.changes_of(repo.commit(sha))] == ["added"]


def test_a_ref_moves_only_from_where_it_was_thought_to_be(repo: GitRepo) -> None:
    first = repo.write("master", None, {"a": "1\n"}, "First", ANN)
    second = repo.write("other", first, {"a": "2\n"}, "Second", ANN)
    assert not repo.update_ref("refs/heads/master", second, second)
    assert not repo.update_ref("refs/heads/master", second, ZERO)
    assert repo.update_ref("refs/heads/master", second, first)
    assert repo.update_ref("refs/heads/master", ZERO, second)
    assert repo.ref("refs/heads/master") is None


def test_refs_are_found_loose_and_packed(repo: GitRepo) -> None:
    sha = repo.write("a/b", None, {"a": "1\n"}, "First", ANN)
    assert repo.ref("refs/heads/a/b") == sha
    repo.run("pack-refs", "--all")
    assert repo.ref("refs/heads/a/b") == sha
    assert [repo.ref(name) for name in ("refs/heads/a", "refs/heads/../config", "HEAD", "config")] == [None] * 4


@pytest.mark.parametrize("name", ["", "-x", "--upload-pack=evil", "nothing", "a..b"])
def test_what_names_no_commit_is_none(repo: GitRepo, name: str) -> None:
    repo.write("master", None, {"a": "1\n"}, "First", ANN)
    assert repo.resolve(name) is None


def test_a_change_is_transplanted_and_taken_back(repo: GitRepo) -> None:
    base = repo.write("master", None, {"a": "1\n", "b": "1\n"}, "Base", ANN)
    change = repo.write("topic", base, {"a": "2\n"}, "Change", ANN)
    other = repo.write("master", base, {"b": "2\n"}, "Beside", ANN)
    picked = repo.transplant(base, change, other)
    assert picked
    assert [c.path for c in repo.changes(other, picked)] == ["a"]
    assert repo.transplant(change, base, change) == repo.commit(base).tree
    clash = repo.write("clash", base, {"a": "3\n"}, "Clash", ANN)
    assert repo.transplant(base, change, clash) is None
    assert repo.merge_tree(change, clash) is None


def test_a_failure_is_told_in_git_s_words(repo: GitRepo) -> None:
    with pytest.raises(GitError, match="git log: fatal: "):
        repo.commit("0" * 40)
