"""A Git server that refuses, is out of reach, says nothing or answers too late: what is said, and what is done."""

import threading

import pytest

from bot.adapters.git.command import Patience
from bot.errors import Permanent, SlipwayError, Transient, UnknownOutcome
from tests.git_stage import CONFIG, TOKEN, GitStage, bump, stage

__all__ = ["stage"]


def until(event: threading.Event) -> None:
    event.wait()


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, Permanent, r"did not accept the credential.*GITHUB_TOKEN"),
        (403, Permanent, r"refused access.*read and write"),
        (404, Permanent, r"no such repository, or hid it.*org/config"),
        (429, Transient, "429"),
        (500, Transient, "500"),
        (502, Transient, "502"),
        (503, Transient, "503"),
    ],
)
def test_the_server_s_refusals_are_told_apart(
    stage: GitStage, status: int, kind: type[SlipwayError], words: str
) -> None:
    repo = stage.open(branch="main")
    repo.fetch()
    stage.server.status = status

    with pytest.raises(kind, match=words):
        repo.fetch()
    with pytest.raises(kind, match=words):
        repo.make(bump("a", 2))
    with pytest.raises(kind, match=words):
        stage.open("fresh").branch  # noqa: B018 - it asks the server


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/o/c.git", "http://nowhere.invalid/o/c.git"])
def test_a_server_out_of_reach_is_transient(stage: GitStage, url: str) -> None:
    with pytest.raises(Transient, match="fetching the config repo"):
        stage.open(url=url, branch="main").fetch()


def test_a_server_that_says_nothing_is_given_up(stage: GitStage) -> None:
    released = threading.Event()
    stage.server.watch = lambda: until(released)
    try:
        with pytest.raises(Transient, match="did not finish in time"):
            stage.open(branch="main", patience=Patience(fetch=0.3)).fetch()
    finally:
        released.set()


def test_a_push_that_lands_after_it_was_given_up_is_not_made_twice(stage: GitStage) -> None:
    repo = stage.open(patience=Patience(push=0.7))
    head = repo.fetch()
    landing = threading.Event()

    def hang() -> None:
        stage.server.meddle = let_it_land
        landing.wait()

    def let_it_land() -> None:
        stage.server.meddle = lambda: None
        landing.set()
        while stage.tip() == head:
            pass

    stage.server.meddle = hang

    commit = repo.make(bump("a", 2))

    assert commit is not None
    assert stage.tip() == commit.sha
    assert stage.subjects() == ["a: 2 to staging", "First"]


def test_pushes_that_are_never_answered_leave_it_unknown(stage: GitStage) -> None:
    repo = stage.open(patience=Patience(push=0.3))
    repo.fetch()
    released = threading.Event()
    stage.server.meddle = lambda: until(released)
    try:
        with pytest.raises(UnknownOutcome):
            repo.make(bump("a", 2))
    finally:
        released.set()


def test_a_token_that_has_run_out_is_renewed_once(stage: GitStage) -> None:
    tokens = ["old"]
    refused: list[tuple[str, str]] = []

    def renew(repo: str, token: str) -> bool:
        refused.append((repo, token))
        tokens[0] = TOKEN
        return True

    repo = stage.open(token=lambda name: tokens[0], renew=renew)

    repo.fetch()
    assert refused == [(CONFIG, "old")]
    tokens[0] = "old again"
    assert repo.make(bump("a", 2)) is not None
    assert len(refused) == 2
    assert stage.subjects() == ["a: 2 to staging", "First"]


def test_a_token_that_stays_refused_is_permanent(stage: GitStage) -> None:
    with pytest.raises(Permanent, match="credential"):
        stage.open(token=lambda name: "wrong", renew=lambda name, token: True).fetch()


def test_a_repository_that_needs_no_token_is_read_without_one(stage: GitStage) -> None:
    stage.server.token = None

    assert stage.open(token=lambda name: None).fetch() == stage.tip()


def test_a_missing_git_is_said(stage: GitStage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(stage.folder))

    with pytest.raises(Permanent, match="Install git"):
        stage.open()


def test_a_folder_that_cannot_be_written_is_said(stage: GitStage) -> None:
    (stage.folder / "file").touch()

    with pytest.raises((Permanent, Transient), match=r"/file\b"):
        stage.open("file")
