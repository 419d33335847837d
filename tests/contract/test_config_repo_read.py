"""What the mirror tells, held against git's own answers."""

from functools import partial

import pytest

from bot.errors import Permanent
from tests.git_stage import CONFIG, GitStage, stage, together

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


def test_what_is_read_ahead_is_what_is_read_one_by_one(stage: GitStage) -> None:
    names = [f"staging/{'x' * 60}{number}.yaml" for number in range(1_500)]
    stage.commit({name: f"image: {number}:1\n" for number, name in enumerate(names)}, "Many")
    stage.commit({names[7]: "image: 7:2\n"}, "One more")
    repo, plain = stage.open(), stage.open("other")
    head = repo.fetch()
    plain.fetch()
    asked = [*names, "staging/a.yaml", "staging", "not/there.yaml", "../outside", "odd\nname"]

    repo.read_ahead(head, asked)

    for path in [*names[:10], *asked[-5:]]:
        assert repo.read(head, path) == plain.read(head, path)
        assert repo.files(head, path) == plain.files(head, path)
        assert repo.last_change(head, [path]) == plain.last_change(head, [path])


def test_what_was_read_ahead_says_nothing_of_a_newer_head(stage: GitStage) -> None:
    repo = stage.open()
    repo.read_ahead(repo.fetch(), ["staging/a.yaml", "staging/new.yaml"])
    commit = stage.commit({"staging/a.yaml": "image: a:2\n", "staging/new.yaml": "image: new:1\n"})

    assert repo.fetch() == commit
    assert repo.read(commit, "staging/a.yaml") == b"image: a:2\n"
    assert repo.read(commit, "staging/new.yaml") == b"image: new:1\n"
    assert getattr(repo.last_change(commit, ["staging/a.yaml"]), "sha", None) == commit
