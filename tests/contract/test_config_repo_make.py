"""Commits on the config branch: what is committed, what is not, and what is refused; real git over HTTP."""

from functools import partial

import pytest

from bot.errors import Permanent
from bot.facts import Change, Reader
from tests.git_stage import ANN, GitStage, bump, made, stage, together

__all__ = ["stage"]


def test_a_bump_is_one_commit_by_the_person_and_committed_by_the_bot(stage: GitStage) -> None:
    head = stage.tip()

    commit = made(stage.open().make(bump("a", 2)))

    assert stage.tip() == commit.sha
    assert commit.parents == (head,)
    assert (commit.author_name, commit.author_email) == ("Ann Onymous", "7+ann@users.noreply.github.com")
    assert commit.committer_name == "slipway[bot]"
    assert commit.subject == "a: 2 to staging"
    assert commit.trailer("Slipway-Id") == "a@2/staging"
    assert commit.committed_at.endswith("Z")
    assert stage.git("diff", "--numstat", "main~1", "main") == "1\t1\tstaging/a.yaml"


def test_a_change_for_nobody_is_authored_by_the_bot(stage: GitStage) -> None:
    commit = made(stage.open().make(bump("a", 2, author=None)))

    assert commit.author_email == "41+slipway[bot]@users.noreply.github.com"


def test_a_bump_goes_out_in_one_push_and_without_a_fetch(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    stage.server.requests.clear()

    repo.make(bump("a", 2))

    assert stage.server.requests == ["GET refs", "POST git-receive-pack"]


def test_an_edit_that_changes_nothing_commits_nothing(stage: GitStage) -> None:
    repo = stage.open()

    assert repo.make(bump("a", 1)) is None
    assert stage.subjects() == ["First"]


def test_nothing_to_change_is_said_only_of_a_head_that_is_current(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    stage.commit({"staging/a.yaml": "image: a:9\n"})

    commit = made(repo.make(bump("a", 1)))

    assert commit.subject == "a: 1 to staging"
    assert stage.show("staging/a.yaml") == "image: a:1"


def test_a_change_that_is_in_the_log_is_not_made_again(stage: GitStage) -> None:
    first = made(stage.open().make(bump("a", 2)))

    assert stage.open("another").make(bump("a", 2)) == first
    assert stage.subjects() == ["a: 2 to staging", "First"]


def test_a_reverted_change_is_still_in_the_log_and_stays_out(stage: GitStage) -> None:
    repo = stage.open()
    first = made(repo.make(bump("a", 2)))
    stage.commit({"staging/a.yaml": "image: a:1\n"}, "Revert it")

    assert repo.make(bump("a", 2)) == first
    assert stage.subjects()[0] == "Revert it"


def test_an_id_in_a_quotation_does_not_count(stage: GitStage) -> None:
    stage.commit({"notes.txt": "x"}, "Explain\n\nSlipway-Id: a@2/staging\n\nis what the bot will write.")

    assert made(stage.open().make(bump("a", 2))).subject == "a: 2 to staging"


def test_an_id_that_begins_alike_does_not_count(stage: GitStage) -> None:
    repo = stage.open()
    repo.make(bump("a", 22))

    assert made(repo.make(bump("a", 2))).subject == "a: 2 to staging"


def test_an_id_that_came_in_by_a_person_s_merge_counts(stage: GitStage) -> None:
    base = stage.tip()
    side = stage.commit({"staging/a.yaml": "image: a:2\n"}, bump("a", 2).message, branch="side", base=base)
    stage.commit({"x": "1"})
    stage.commit({"staging/a.yaml": "image: a:2\n"}, "Merge side", merge=side)

    commit = made(stage.open().make(bump("a", 2)))

    assert commit.sha == side


def test_a_message_without_its_id_is_refused(stage: GitStage) -> None:
    change = Change("a@2/staging", "No trailer", ANN, lambda read: {"x": b"1"})

    with pytest.raises(ValueError, match="Slipway-Id"):
        stage.open().make(change)


def test_thirty_two_bumps_at_once_share_few_pushes_and_have_a_commit_each(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()

    futures = together([partial(repo.make, bump(f"app{n}", 2)) for n in range(32)])

    commits = [made(future.result()) for future in futures]
    assert stage.server.pushes <= 3
    assert len({commit.sha for commit in commits}) == 32
    assert sorted(stage.subjects()[:32]) == sorted(f"app{n}: 2 to staging" for n in range(32))
    assert stage.git("log", "--merges", "--format=%H") == ""
    for commit, n in zip(commits, range(32), strict=True):
        assert stage.git("show", "--format=", "--name-only", commit.sha) == f"staging/app{n}.yaml"


def test_two_callers_with_one_change_get_one_commit(stage: GitStage) -> None:
    repo = stage.open()

    futures = together([partial(repo.make, bump("a", 2))] * 2)

    first, second = (future.result() for future in futures)
    assert first == second
    assert stage.subjects() == ["a: 2 to staging", "First"]


def test_bumps_of_one_file_in_one_push_build_on_each_other(stage: GitStage) -> None:
    repo = stage.open()
    stage.commit({"staging/a.yaml": "image: a:1\nlog:\n"})

    def append(line: str) -> Change:
        return Change(
            line, f"{line}\n\nSlipway-Id: {line}\n", None, lambda read: {"log": (read("log") or b"") + line.encode()}
        )

    together([partial(repo.make, append(line)) for line in "abcdef"])

    assert sorted(stage.show("log")) == list("abcdef")


def test_an_edit_that_fails_fails_its_own_caller_alone(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()

    def refuse(read: Reader) -> dict[str, bytes | None]:
        raise Permanent("b.yaml line 3: no image here")

    broken = Change("b@2/staging", "b\n\nSlipway-Id: b@2/staging\n", ANN, refuse)
    changes = [*(bump(f"app{n}", 2) for n in range(6)), broken]
    *futures, failed = together([partial(repo.make, change) for change in changes])

    with pytest.raises(Permanent, match="line 3"):
        failed.result()
    assert {made(future.result()).subject for future in futures} == {f"app{n}: 2 to staging" for n in range(6)}


def test_an_edit_is_refused_only_for_a_head_that_is_current(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    stage.commit({"staging/new.yaml": "image: new:1\n"})

    def edit(read: Reader) -> dict[str, bytes | None]:
        if read("staging/new.yaml") is None:
            raise Permanent("staging/new.yaml is missing")
        return {"staging/new.yaml": b"image: new:2\n"}

    change = Change("new@2/staging", "new\n\nSlipway-Id: new@2/staging\n", ANN, edit)

    assert made(repo.make(change)).subject == "new"


def hook(stage: GitStage, script: str) -> None:
    file = stage.bare() / "hooks" / "pre-receive"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_a_protected_branch_is_permanent_and_named_with_the_rule(stage: GitStage) -> None:
    hook(stage, "echo 'GH006: Protected branch update failed for refs/heads/main.' >&2; exit 1")

    with pytest.raises(Permanent, match=r"push to main .*GH006: Protected branch.*bypass"):
        stage.open().make(bump("a", 2))


def test_a_rule_that_refuses_one_commit_lets_the_others_through(stage: GitStage) -> None:
    hook(stage, "while read old new ref; do git diff --quiet $old $new -- staging/app3.yaml || exit 1; done")
    repo = stage.open()
    repo.fetch()

    futures = together([partial(repo.make, bump(f"app{n}", 2)) for n in range(6)])

    for n, future in enumerate(futures):
        if n == 3:
            with pytest.raises(Permanent):
                future.result()
        else:
            assert made(future.result()).subject == f"app{n}: 2 to staging"


def test_modes_links_and_every_other_file_stay_as_they_are(stage: GitStage) -> None:
    stream = (
        b"commit refs/heads/main\ncommitter P <p@x> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
        b"M 755 inline run.sh\ndata 2\n#!\nM 120000 inline link\ndata 6\nrun.sh\n"
        b"M 644 inline crlf\ndata 6\na\r\nb\r\n\n"
    )
    stage.git("fast-import", "--quiet", stdin=stream)
    change = Change("x", "x\n\nSlipway-Id: x\n", None, lambda read: {"run.sh": (read("run.sh") or b"") + b"!"})

    stage.open().make(change)

    assert stage.git("diff", "--raw", "--abbrev=4", "main~1", "main").startswith(":100755 100755 ")
    assert stage.git("diff", "--name-only", "main~1", "main") == "run.sh"


def test_files_with_odd_names_are_written_and_deleted(stage: GitStage) -> None:
    names = ['a "quoted" \\ name', "tab\tnew\nline", "ünïcode/☃.yaml", " leading and trailing ", "-dash", "percent%20"]
    repo = stage.open()
    write = Change("w", "w\n\nSlipway-Id: w\n", None, lambda read: dict.fromkeys(names, b"x"))
    delete = Change("d", "d\n\nSlipway-Id: d\n", None, lambda read: dict.fromkeys(names))

    commit = made(repo.make(write))
    assert set(names) < set(repo.files(commit.sha, ""))
    assert [repo.read(commit.sha, name) for name in names] == [b"x"] * len(names)
    gone = made(repo.make(delete))
    assert repo.files(gone.sha, "") == repo.files(commit.parents[0], "")


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a/./b", ".git/config", "a/.GIT/x", "", "a/"])
def test_a_path_that_cannot_be_one_is_refused_by_name(stage: GitStage, path: str) -> None:
    change = Change("x", "x\n\nSlipway-Id: x\n", None, lambda read: {path: b"x"})

    with pytest.raises(Permanent, match="cannot be a file"):
        stage.open().make(change)


def test_a_symbolic_link_is_not_written_through(stage: GitStage) -> None:
    stream = (
        b"commit refs/heads/main\ncommitter P <p@x> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
        b"M 120000 inline link.yaml\ndata 14\nstaging/a.yaml\nM 120000 inline folder\ndata 7\nstaging\n\n"
    )
    stage.git("fast-import", "--quiet", stdin=stream)
    repo = stage.open()

    def write(path: str, read: Reader) -> dict[str, bytes | None]:
        return {path: b"x"}

    for path, reason in [("link.yaml", "symbolic link"), ("folder/new", "not a folder"), ("staging", "a folder")]:
        change = Change("x", "x\n\nSlipway-Id: x\n", None, partial(write, path))
        with pytest.raises(Permanent, match=reason):
            repo.make(change)
    assert repo.read(repo.fetch(), "link.yaml") == b"image: a:1\n"
