"""What the mirror tells, held against git's own answers."""

import random
from functools import partial

import pytest

from bot.adapters.config_repo import GitConfigRepo
from bot.errors import Permanent
from tests.git_stage import CONFIG, GitStage, bump, stage, together

__all__ = ["stage"]

UNKNOWN = "0123456789" * 4


def test_the_default_branch_is_the_one_the_remote_s_head_names(stage: GitStage) -> None:
    stage.git("branch", "trunk")
    stage.git("symbolic-ref", "HEAD", "refs/heads/trunk")

    assert stage.open().branch == "trunk"


def test_a_branch_that_is_named_is_taken(stage: GitStage) -> None:
    stage.commit({"x": "1"}, branch="deploy", base=stage.tip())

    repo = stage.open(branch="deploy")

    assert (repo.branch, repo.fetch()) == ("deploy", stage.tip("deploy"))


def test_a_branch_that_is_missing_is_named(stage: GitStage) -> None:
    with pytest.raises(Permanent, match=r"org/config has no branch nope.*CONFIG_BRANCH"):
        stage.open(branch="nope").fetch()


def test_an_empty_repository_is_said_to_be_empty(stage: GitStage) -> None:
    stage.create("org/empty")

    with pytest.raises(Permanent, match="no default branch"):
        stage.open(url=f"{stage.server.url}/org/empty.git", name="org/empty").fetch()


def test_files_are_listed_below_a_folder_and_by_themselves(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()

    assert repo.files(head, "staging") == ("staging/a.yaml", "staging/b.yaml")
    assert repo.files(head, "staging/") == ("staging/a.yaml", "staging/b.yaml")
    assert repo.files(head, "./staging/a.yaml") == ("staging/a.yaml",)
    assert repo.files(head, "") == repo.files(head, ".") == tuple(stage.git("ls-files", "--with-tree=main").split())
    assert repo.files(head, "stagin") == repo.files(head, "staging/a.yaml/x") == repo.files(head, "../etc") == ()


def test_files_are_read_as_they_are_and_folders_are_no_files(stage: GitStage) -> None:
    stage.commit({"crlf": "a\r\nb", "empty": ""})
    repo = stage.open()
    head = repo.fetch()

    assert repo.read(head, "crlf") == b"a\r\nb"
    assert repo.read(head, "empty") == b""
    assert repo.read(head, "staging/a.yaml") == b"image: a:1\n"
    assert [repo.read(head, path) for path in ("staging", "nope", "/etc/passwd", "../x", "a\nb", "")] == [None] * 6


def test_reads_see_the_commit_that_they_are_asked_for(stage: GitStage) -> None:
    repo = stage.open()
    old = repo.fetch()
    stage.commit({"staging/a.yaml": "image: a:2\n"})
    new = repo.fetch()

    assert repo.read(old, "staging/a.yaml") == b"image: a:1\n"
    assert repo.read(new, "staging/a.yaml") == b"image: a:2\n"


def test_links_are_followed_inside_the_repository_and_not_out_of_it(stage: GitStage) -> None:
    stage.git(
        "fast-import",
        "--quiet",
        stdin=b"commit refs/heads/main\ncommitter P <p@x> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
        b"M 120000 inline production/link.yaml\ndata 17\n../staging/a.yaml\n"
        b"M 120000 inline out\ndata 11\n/etc/passwd\nM 120000 inline up\ndata 9\n../secret\n"
        b"M 120000 inline loop\ndata 4\nloop\nM 120000 inline gone\ndata 7\nmissing\n\n",
    )
    repo = stage.open()
    head = repo.fetch()

    assert repo.read(head, "production/link.yaml") == b"image: a:1\n"
    assert [repo.read(head, path) for path in ("out", "up", "loop", "gone")] == [None] * 4
    assert "production/link.yaml" in repo.files(head, "production")


def test_a_submodule_is_no_file(stage: GitStage) -> None:
    stage.git(
        "fast-import",
        "--quiet",
        stdin=b"commit refs/heads/main\ncommitter P <p@x> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
        b"M 160000 %s theirs\n\n" % UNKNOWN.encode(),
    )
    repo = stage.open()
    head = repo.fetch()

    assert "theirs" not in repo.files(head, "")
    assert repo.read(head, "theirs") is None


def test_a_commit_newer_than_the_last_fetch_is_fetched(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    new = stage.commit({"staging/a.yaml": "image: a:2\n"})

    assert repo.read(new, "staging/a.yaml") == b"image: a:2\n"


def test_a_commit_that_is_nowhere_is_named(stage: GitStage) -> None:
    repo = stage.open()

    assert repo.commit(UNKNOWN) is None
    for ask in (repo.read, repo.files):
        with pytest.raises(Permanent, match=f"no commit {UNKNOWN} any more"):
            ask(UNKNOWN, "x")
    with pytest.raises(Permanent, match=UNKNOWN):
        repo.last_change(UNKNOWN, ["x"])
    with pytest.raises(Permanent, match=UNKNOWN):
        repo.find(UNKNOWN, "App", "a")


@pytest.mark.parametrize("name", ["main", "HEAD", "", "--all", "0123"])
def test_only_full_hashes_name_commits(stage: GitStage, name: str) -> None:
    repo = stage.open()

    assert repo.commit(name) is None
    with pytest.raises(Permanent, match="40 hex digits"):
        repo.read(name, "staging/a.yaml")


def test_a_commit_is_told_as_git_tells_it(stage: GitStage) -> None:
    sha = stage.commit({"x": "1"}, "Ünicode subject\n\nBody.\n\nApp: a\nApp: b\n")
    repo = stage.open()
    repo.fetch()
    commit = repo.commit(sha)

    assert commit is not None
    assert (commit.sha, commit.parents) == (sha, (stage.git("rev-parse", f"{sha}^"),))
    assert (commit.author_name, commit.author_email, commit.committer_name) == ("Paula", "paula@example.org", "Paula")
    assert commit.committed_at == "2023-11-14T22:13:20Z"
    assert commit.subject == "Ünicode subject"
    assert commit.all_trailers("App") == ("a", "b")


def test_signed_commits_and_merges_are_understood(stage: GitStage) -> None:
    tree = stage.git("rev-parse", "main^{tree}")
    raw = (
        f"tree {tree}\nparent {stage.tip()}\nparent {stage.tip()}\nauthor A <a@x> 1700000000 -0730\n"
        "committer GitHub <noreply@github.com> 1700000001 -0730\nencoding UTF-8\n"
        "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n\nMerge it\n\nApp: a\n"
    )
    sha = stage.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=raw.encode())
    stage.git("update-ref", "refs/heads/main", sha)
    repo = stage.open()
    commit = repo.commit(repo.fetch())

    assert commit is not None
    assert (commit.subject, commit.trailers, len(commit.parents)) == ("Merge it", (("App", "a"),), 2)


def test_branches_are_known_as_of_the_last_fetch(stage: GitStage) -> None:
    tip = stage.commit({"x": "1"}, branch="feature/x", base=stage.tip())
    repo = stage.open()
    repo.fetch()

    assert (repo.branch_tip("feature/x"), repo.branch_tip("feature")) == (tip, None)
    stage.git("branch", "-D", "feature/x")
    stage.commit({"x": "1"}, branch="feature", base=stage.tip())
    assert repo.branch_tip("feature/x") == tip
    repo.fetch()
    assert (repo.branch_tip("feature/x"), repo.branch_tip("feature")) == (None, stage.tip("feature"))


def test_callers_who_wait_share_a_fetch(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    stage.server.requests.clear()

    heads = together([repo.fetch] * 24)

    assert {head.result() for head in heads} == {stage.tip()}
    assert stage.server.count("GET refs") < 12


# ---------------------------------------------------------------- who changed it last, which commit carries it


def reference(stage: GitStage, commit: str, *paths: str) -> str | None:
    """What DESIGN means by "changed last", in git's words."""
    line = stage.git("log", "-1", "--first-parent", "-m", "--format=%H", commit, "--", *paths)
    return line or None


def told(repo: GitConfigRepo, commit: str, *paths: str) -> str | None:
    change = repo.last_change(commit, paths)
    return change.sha if change else None


PATHS = ["a", "b", "dir/a", "dir/b", "dir/sub/c", "dir/sub/d", "deep/er/e"]
ASKED = [["a"], ["dir"], ["dir/sub"], ["dir/sub/c", "b"], ["deep"], ["nowhere"], ["."], ["a", "b", "dir/a"], ["dir/"]]


def grow(stage: GitStage, rng: random.Random, commits: int) -> None:
    """A history with deletions, files that become folders, empty commits, and merges of every kind."""
    for number in range(commits):
        files = {
            path: None if rng.random() < 0.25 else str(rng.random()) for path in rng.sample(PATHS, rng.randint(0, 2))
        }
        kind = rng.random()
        if kind < 0.25:
            base = rng.choice(stage.git("log", "--first-parent", "-5", "--format=%H", "main").split())
            stage.commit(files, f"Side {number}", branch="side", base=base)
        elif kind < 0.45 and (side := stage.tip("side")):
            tree = rng.choice(["main", side]) + "^{tree}"
            merge = stage.git("commit-tree", "-p", "main", "-p", side, "-m", f"Merge {number}", tree)
            stage.git("update-ref", "refs/heads/main", merge)
        elif kind < 0.5 and (side := stage.tip("side")):
            foxtrot = stage.git("commit-tree", "-p", side, "-p", "main", "-m", f"Foxtrot {number}", "main^{tree}")
            stage.git("update-ref", "refs/heads/main", foxtrot)
        else:
            stage.commit(files, f"Change {number}")


@pytest.mark.parametrize("seed", range(4))
def test_last_change_agrees_with_git_log_on_any_history(stage: GitStage, seed: int) -> None:
    rng = random.Random(seed)
    repo = stage.open()
    for _ in range(4):
        grow(stage, rng, 9)
        head = repo.fetch()
        line = stage.git("log", "--first-parent", "--format=%H", "main").split()
        for commit in [head, *rng.sample(line, 2), stage.tip("side") or head]:
            for paths in ASKED:
                assert told(repo, commit, *paths) == reference(stage, commit, *paths), (commit, paths)


def test_last_change_is_right_after_a_force_push(stage: GitStage) -> None:
    repo = stage.open()
    first = repo.fetch()
    stage.commit({"staging/a.yaml": "2"}, "Gone")
    stage.commit({"staging/b.yaml": "2"}, "Gone too")
    old = repo.fetch()
    assert told(repo, old, "staging/a.yaml") == stage.git("rev-parse", "main~1")
    stage.commit({"staging/b.yaml": "3"}, "Rewritten", base=first)
    head = repo.fetch()

    assert told(repo, head, "staging/a.yaml") == first
    assert told(repo, head, "staging/b.yaml") == head
    assert told(repo, old, "staging/a.yaml") == stage.git("rev-parse", f"{old}~1")


def test_last_change_is_right_when_the_branch_goes_back(stage: GitStage) -> None:
    repo = stage.open()
    first = repo.fetch()
    stage.commit({"staging/a.yaml": "2"})
    assert told(repo, repo.fetch(), "staging") == stage.tip()
    stage.git("update-ref", "refs/heads/main", first)

    assert told(repo, repo.fetch(), "staging") == first


def test_a_merge_counts_as_the_change_of_what_it_brings(stage: GitStage) -> None:
    first = stage.tip()
    side = stage.commit({"staging/a.yaml": "2"}, "On the side", branch="side", base=first)
    stage.commit({"x": "1"}, "On main")
    merge = stage.commit({"staging/a.yaml": "2"}, "Merge", merge=side)
    repo = stage.open()
    head = repo.fetch()

    assert told(repo, head, "staging/a.yaml") == merge
    assert told(repo, head, "staging/b.yaml") == first


def test_the_bot_s_own_bumps_are_known_without_a_fetch(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    made = [repo.make(bump("a", 2)), repo.make(bump("b", 2)), repo.make(bump("a", 3))]
    stage.server.requests.clear()
    head = stage.tip() or ""

    assert repo.last_change(head, ["staging/a.yaml"]) == made[2]
    assert repo.last_change(head, ["staging/b.yaml"]) == made[1]
    assert repo.find(head, "Image", "a:2") == made[0]
    assert stage.server.requests == []


def test_paths_are_meant_literally(stage: GitStage) -> None:
    stage.commit({"*": "1"}, "Star")
    stage.commit({"staging/a.yaml": "1"})
    side = stage.commit({"x": "1"}, branch="side", base=stage.tip())
    repo = stage.open()
    repo.fetch()

    for commit in (repo.fetch(), side):
        change = repo.last_change(commit, ["*"])
        assert change is not None
        assert change.subject == "Star"
        assert repo.last_change(commit, ["stag*"]) is None
        assert repo.last_change(commit, []) is None


@pytest.mark.parametrize("trailer", ["Slipway-Id", "App"])
def test_the_newest_commit_with_exactly_that_trailer_is_found(stage: GitStage, trailer: str) -> None:
    older = stage.commit({"x": "1"}, f"One\n\n{trailer}: a")
    stage.commit({"x": "2"}, f"Two\n\n{trailer}: ab")
    stage.commit({"x": "3"}, f"Talk\n\n{trailer}: a\n\nwas said.")
    newer = stage.commit({"x": "4"}, f"Three\n\n{trailer}: a\nOther: 1")
    repo = stage.open()
    head = repo.fetch()

    def found(commit: str, value: str) -> str | None:
        commit_ = repo.find(commit, trailer, value)
        return commit_.sha if commit_ else None

    assert found(head, "a") == newer
    assert found(stage.git("rev-parse", "main~1"), "a") == older
    assert found(stage.git("rev-parse", f"{older}~1"), "a") is None
    assert found(head, "b") is None


def test_a_trailer_on_a_side_branch_is_found_once_it_is_merged(stage: GitStage) -> None:
    base = stage.tip()
    side = stage.commit({"x": "1"}, "Side\n\nSlipway-Id: s", branch="side", base=base)
    before = stage.commit({"y": "1"}, "Main")
    repo = stage.open()

    assert repo.find(repo.fetch(), "Slipway-Id", "s") is None
    merge = stage.commit({"x": "1"}, "Merge", merge=side)
    found = repo.find(repo.fetch(), "Slipway-Id", "s")
    assert found is not None
    assert found.sha == side
    assert repo.find(before, "Slipway-Id", "s") is None
    assert repo.find(side, "Slipway-Id", "s") == found
    assert merge == stage.tip()


def test_many_threads_may_read_at_once(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    paths = [f"staging/{name}.yaml" for name in "ab"] * 8

    answers = together([partial(repo.read, head, path) for path in paths])

    assert [answer.result() for answer in answers] == [f"image: {path[8]}:1\n".encode() for path in paths]


def test_the_mirror_follows_a_config_repo_that_moved(stage: GitStage) -> None:
    stage.open().close()
    stage.create("org/other")
    stage.commit({"only": "here"}, repo="org/other")

    repo = stage.open(url=f"{stage.server.url}/org/other.git", name="org/other")

    assert repo.files(repo.fetch(), "") == ("only",)
    assert CONFIG != "org/other"
