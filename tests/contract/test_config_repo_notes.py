"""Outcomes as git notes: appended by compare-and-swap, beside everybody else's."""

from functools import partial

import pytest

from bot.errors import Permanent, Transient, UnknownOutcome
from tests.git_server import Answer
from tests.git_stage import GitStage, stage, together

__all__ = ["stage"]

REF = "--ref=refs/notes/slipway"


def show(stage: GitStage, commit: str) -> list[str]:
    return stage.git("notes", REF, "show", commit).splitlines()


def test_lines_are_appended_and_read_by_git_itself(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    assert repo.notes(head) == ()

    repo.add_note(head, '{"app":"a","outcome":"healthy"}')
    repo.add_note(head, '{"app":"b","outcome":"failed"}')

    assert repo.notes(head) == ('{"app":"a","outcome":"healthy"}', '{"app":"b","outcome":"failed"}')
    assert show(stage, head) == list(repo.notes(head))
    assert '"app":"b"' in stage.git("log", "-1", "--notes=slipway", "main")


def test_a_line_that_is_there_is_not_added_again(stage: GitStage) -> None:
    repo, other = stage.open("one"), stage.open("two")
    head = repo.fetch()
    repo.add_note(head, "x")
    tip = stage.git("rev-parse", "refs/notes/slipway")

    repo.add_note(head, "x")
    other.add_note(head, "x")

    assert show(stage, head) == ["x"]
    assert stage.git("rev-parse", "refs/notes/slipway") == tip


def test_notes_of_others_are_kept_and_read(stage: GitStage) -> None:
    head = stage.tip() or ""
    second = stage.commit({"x": "1"})
    stage.git("notes", REF, "add", "-m", "by hand", head)
    stage.git("notes", REF, "add", "-m", "elsewhere", second)
    stage.git("notes", "--ref=refs/notes/commits", "add", "-m", "private", head)
    repo = stage.open()
    repo.fetch()

    repo.add_note(head, "x")

    assert show(stage, head) == list(repo.notes(head)) == ["by hand", "x"]
    assert show(stage, second) == list(repo.notes(second)) == ["elsewhere"]
    assert stage.git("notes", "--ref=refs/notes/commits", "show", head) == "private"


def test_notes_are_known_as_of_the_last_fetch(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    stage.git("notes", REF, "add", "-m", "by hand", head)

    assert repo.notes(head) == ()
    repo.fetch()
    assert repo.notes(head) == ("by hand",)


def test_a_note_that_others_push_meanwhile_is_kept(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    repo.add_note(head, "one")
    rounds = iter(["rival 1", "rival 2"])

    def compete() -> None:
        if line := next(rounds, None):
            stage.git("notes", REF, "append", "-m", line, head)

    stage.server.meddle = compete

    repo.add_note(head, "two")

    assert [line for line in show(stage, head) if line] == ["one", "rival 1", "rival 2", "two"]
    assert [line for line in repo.notes(head) if line] == ["one", "rival 1", "rival 2", "two"]


def test_the_first_note_of_all_loses_no_race_either(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()

    def compete() -> None:
        stage.server.meddle = lambda: None
        stage.git("notes", REF, "add", "-m", "rival", head)

    stage.server.meddle = compete

    repo.add_note(head, "mine")

    assert show(stage, head) == ["rival", "mine"]


def test_many_notes_at_once_share_pushes_and_none_is_lost(stage: GitStage) -> None:
    repo, other = stage.open("one"), stage.open("two")
    head = repo.fetch()
    other.fetch()

    together([partial((repo, other)[n % 2].add_note, head, f"line {n}") for n in range(24)])

    assert sorted(show(stage, head)) == sorted(f"line {n}" for n in range(24))
    assert stage.server.pushes < 20


@pytest.mark.parametrize("answer", [Answer.BAD_GATEWAY, Answer.NONE, Answer.NOT_PERFORMED])
def test_a_note_whose_answer_was_lost_is_there_once(stage: GitStage, answer: Answer) -> None:
    repo = stage.open()
    head = repo.fetch()
    answers = iter([answer])
    stage.server.answer = lambda: next(answers, Answer.AS_IT_IS)

    repo.add_note(head, "x")

    assert show(stage, head) == ["x"]


def test_a_note_whose_answer_is_always_lost_is_unknown(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    stage.server.answer = lambda: Answer.NOT_PERFORMED

    with pytest.raises(UnknownOutcome):
        repo.add_note(head, "x")


def test_a_race_over_notes_that_does_not_end_is_given_up(stage: GitStage) -> None:
    repo = stage.open(deadline=0.0)
    head = repo.fetch()

    def compete() -> None:
        stage.git("notes", REF, "append", "-m", "rival", head)

    stage.server.meddle = compete

    with pytest.raises(Transient, match="kept pushing notes"):
        repo.add_note(head, "x")


def test_hundreds_of_notes_in_folders_are_found(stage: GitStage) -> None:
    commits = [stage.tip() or ""]
    tree = stage.git("rev-parse", "main^{tree}")
    stream = "".join(
        f"commit refs/heads/main\nmark :{n + 1}\ncommitter P <p@x> {1700000000 + n} +0000\ndata 1\nx\n"
        + (f"from {commits[0]}\n" if n == 0 else "")
        for n in range(300)
    )
    stage.git("fast-import", "--quiet", stdin=stream.encode())
    assert stage.git("rev-parse", "main^{tree}") == tree
    commits = stage.git("rev-list", "main").split()
    notes = "commit refs/notes/slipway\ncommitter P <p@x> 1700000000 +0000\ndata 1\nx\n"
    notes += "".join(f"N inline {commit}\ndata 41\n{commit}\n" for commit in commits)
    stage.git("fast-import", "--quiet", stdin=notes.encode())
    assert "/" in stage.git("ls-tree", "-r", "--name-only", "refs/notes/slipway")
    repo = stage.open()
    repo.fetch()

    assert all(repo.notes(commit) == (commit,) for commit in commits)
    repo.add_note(commits[7], "x")
    assert show(stage, commits[7]) == [commits[7], "x"]
    assert len(stage.git("notes", REF, "list").splitlines()) == len(commits)


def test_a_note_on_a_commit_that_is_nowhere_is_refused(stage: GitStage) -> None:
    with pytest.raises(Permanent, match="no commit"):
        stage.open().add_note("0123456789" * 4, "x")


@pytest.mark.parametrize("line", ["", "a\nb"])
def test_a_note_is_one_line(stage: GitStage, line: str) -> None:
    repo = stage.open()

    with pytest.raises(ValueError, match="one line"):
        repo.add_note(repo.fetch(), line)
