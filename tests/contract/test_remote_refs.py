"""The quick look at a remote's refs, beside a real git server: what it sees, and when git itself is left to look."""

import pytest

from bot.adapters.git.command import Login, Patience
from bot.adapters.git.remote_refs import RemoteRefs
from tests.git_stage import CONFIG, TOKEN, GitStage, bump, stage

__all__ = ["stage"]

LOOK = ["POST git-upload-pack"]
HEADS = ["refs/heads/"]


def remote_refs(token: str = TOKEN) -> RemoteRefs:
    return RemoteRefs(Login(lambda repo: token), Patience())


def url(stage: GitStage) -> str:
    return f"{stage.server.url}/{CONFIG}.git"


def test_it_sees_the_refs_that_begin_so(stage: GitStage) -> None:
    tip = stage.tip() or ""
    for ref in ("refs/heads/feature/ümlaut", "refs/notes/slipway", "refs/tags/v1"):
        stage.git("update-ref", ref, tip)

    seen = remote_refs().look(url(stage), CONFIG, ["refs/heads/", "refs/notes/slipway"])

    assert seen == dict.fromkeys(("refs/heads/main", "refs/heads/feature/ümlaut", "refs/notes/slipway"), tip)


def test_a_remote_without_such_refs_has_none(stage: GitStage) -> None:
    assert remote_refs().look(url(stage), CONFIG, ["refs/heads/nope"]) == {}


def test_the_server_is_greeted_once(stage: GitStage) -> None:
    remote = remote_refs()
    remote.look(url(stage), CONFIG, HEADS)
    stage.server.requests.clear()

    remote.look(url(stage), CONFIG, HEADS)

    assert stage.server.requests == LOOK


@pytest.mark.parametrize("protocol", ["version=0", "version=1"])
def test_a_server_of_an_older_protocol_is_left_to_git_for_good(stage: GitStage, protocol: str) -> None:
    stage.server.protocol = protocol
    remote = remote_refs()
    assert remote.look(url(stage), CONFIG, HEADS) is None
    stage.server.requests.clear()

    assert remote.look(url(stage), CONFIG, HEADS) is None
    assert stage.server.requests == []


@pytest.mark.parametrize("status", [301, 403, 404, 500])
def test_another_answer_is_left_to_git_and_forgotten(stage: GitStage, status: int) -> None:
    remote = remote_refs()
    stage.server.status = status
    assert remote.look(url(stage), CONFIG, HEADS) is None

    stage.server.status = None
    assert remote.look(url(stage), CONFIG, HEADS) == {"refs/heads/main": stage.tip()}

    stage.server.status = status
    assert remote.look(url(stage), CONFIG, HEADS) is None


def test_a_token_that_is_refused_is_left_to_git(stage: GitStage) -> None:
    assert remote_refs("wrong").look(url(stage), CONFIG, HEADS) is None


def test_nobody_there_is_left_to_git(stage: GitStage) -> None:
    assert remote_refs().look("http://127.0.0.1:1/org/config.git", CONFIG, HEADS) is None
    assert remote_refs().look(stage.bare().as_uri(), CONFIG, HEADS) is None


def test_a_fetch_without_news_is_one_look(stage: GitStage) -> None:
    repo = stage.open()
    head = repo.fetch()
    repo.fetch()
    stage.server.requests.clear()

    assert repo.fetch() == head
    assert stage.server.requests == LOOK


def test_own_pushes_are_no_news_and_are_stored(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    made = repo.make(bump("a", 2))
    assert made is not None
    repo.propose("slipway/production/a", bump("a", 2, "production"))
    repo.add_note(made.sha, '{"app": "a"}')
    repo.delete_branch("slipway/production/a")
    repo.fetch()
    stage.server.requests.clear()

    assert repo.fetch() == made.sha
    assert stage.server.requests == LOOK
    assert next(logged.notes for logged in repo.log(made.sha)) == ('{"app": "a"}',)


def test_news_of_others_is_fetched_beside_own_pushes(stage: GitStage) -> None:
    repo = stage.open()
    repo.fetch()
    repo.make(bump("a", 2))
    theirs = stage.commit({"staging/b.yaml": "image: b:9\n"})
    assert repo.fetch() == theirs
    assert repo.read(theirs, "staging/b.yaml") == b"image: b:9\n"

    stage.git("update-ref", "refs/heads/feature", theirs)
    repo.fetch()
    assert repo.branch_tip("feature") == theirs

    stage.git("update-ref", "-d", "refs/heads/feature")
    repo.fetch()
    assert repo.branch_tip("feature") is None
