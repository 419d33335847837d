"""What the GitHub adapter makes of every way in which GitHub refuses, breaks off or stays silent."""

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.adapters.github.credentials import AppCredentials, TokenCredentials
from bot.adapters.github.forge import GitHubForge
from bot.errors import Permanent, SlipwayError, Transient, UnknownOutcome
from bot.facts import StatusState
from bot.sandbox.cluster.tls import make_certificate
from tests.scripted_http import Answer, ScriptedServer

REPO = "web-team/shop"
SHA = "3f2c1ab0c9e1c2d3e4f5a6b7c8d9e0f1a2b3c4d5"
TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ012345"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def forge(server: ScriptedServer) -> GitHubForge:
    return GitHubForge(server.url + "/api/v3", TokenCredentials(TOKEN))


def read(forge: GitHubForge) -> object:
    return forge.pull_request(REPO, 7)


def write(forge: GitHubForge) -> object:
    return forge.open_pull_request(REPO, head="slipway/production/shop", base="main", title="t", body="b")


def merge(forge: GitHubForge) -> str:
    return forge.merge_pull_request(REPO, 7, head=SHA, title="shop: 3f2c1ab to production", message="App: shop")


def failure(call: Callable[[GitHubForge], object], forge: GitHubForge) -> SlipwayError:
    with pytest.raises(SlipwayError) as caught:
        call(forge)
    assert TOKEN not in str(caught.value)
    return caught.value


def refused(status: int, message: str = "No", **headers: str) -> Answer:
    return Answer(status, {"message": message}, {name.replace("_", "-"): value for name, value in headers.items()})


# ---------------------------------------------------------------- refusals


def test_refused_token_names_the_variable_and_is_not_tried_again(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(refused(401, "Bad credentials"))
    error = failure(read, forge)
    assert isinstance(error, Permanent)
    assert "GITHUB_TOKEN" in str(error)
    assert len(server.received) == 1


def test_missing_permission_is_named_as_github_names_it(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(
        refused(
            403, "Resource not accessible by personal access token", X_Accepted_GitHub_Permissions="pull_requests=write"
        )
    )
    error = failure(write, forge)
    assert isinstance(error, Permanent)
    assert "pull_requests=write" in str(error)
    assert REPO in str(error)


def test_missing_scope_of_a_classic_token_is_named(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(refused(403, "Forbidden", X_Accepted_OAuth_Scopes="repo"))
    assert "one of these scopes: repo" in str(failure(read, forge))


def test_hidden_repository_is_named(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(refused(404, "Not Found"))
    error = failure(read, forge)
    assert isinstance(error, Permanent)
    assert REPO in str(error)


def test_refused_pull_request_tells_every_reason(server: ScriptedServer, forge: GitHubForge) -> None:
    reasons: list[Any] = [
        {"resource": "PullRequest", "code": "custom", "message": "A pull request already exists for web-team:x."},
        {"resource": "PullRequest", "field": "base", "code": "invalid"},
        "something else",
    ]
    server.script(Answer(422, {"message": "Validation Failed", "errors": reasons}))
    error = failure(write, forge)
    assert isinstance(error, Permanent)
    assert "Validation Failed; A pull request already exists for web-team:x; PullRequest base invalid;" in str(error)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (405, "Pull Request is not mergeable"),
        (409, "Head branch was modified. Review and try the merge again."),
    ],
)
def test_refused_merge_speaks_in_githubs_words(
    server: ScriptedServer, forge: GitHubForge, status: int, words: str
) -> None:
    server.script(refused(status, words))
    error = failure(merge, forge)
    assert isinstance(error, Permanent)
    assert words.rstrip(".") in str(error)
    assert "#7" in str(error)


@pytest.mark.parametrize(
    ("status", "words", "todo"),
    [
        (
            403,
            (
                "Resource protected by organization SAML enforcement. You must grant your Personal Access token "
                "access to this organization."
            ),
            "The owner of the bot's token authorises it for web-team: on GitHub, Settings, Developer settings",
        ),
        (403, "This installation has been suspended", "An owner of web-team lifts the suspension in its Settings"),
        (403, "Sorry. Your account was suspended", "GitHub's support does"),
        (
            403,
            (
                "Although you appear to have the correct authorization credentials, the `web-team` organization has "
                "an IP allow list enabled, and your IP address is not permitted to access this resource."
            ),
            "puts the bot's address on the organisation's IP allow list",
        ),
        (403, "Repository was archived so is read-only.", "An administrator of web-team/shop unarchives it"),
        (403, "Resource not accessible by integration", "or of the GitHub App, whose owners then accept the change."),
        (405, "Squash merges are not allowed on this repository.", "allows squash merging in its Settings, General"),
        (405, "Pull Request is still a draft", "Press Ready for review"),
        (405, "At least 1 approving review is required by reviewers with write access.", "bypass this rule"),
        (405, 'Required status check "build" is expected.', "bypass this rule of the branch"),
        (405, "Repository rule violations found: Changes must be made through a merge queue", "bypass this rule"),
        (409, "Could not merge because a Repository rule is in the way", "`python -m bot doctor` names the rule"),
    ],
)
@pytest.mark.parametrize("call", [merge, read])
def test_what_somebody_has_to_do_about_a_refusal_is_said_after_githubs_words(
    server: ScriptedServer,
    forge: GitHubForge,
    call: Callable[[GitHubForge], object],
    status: int,
    words: str,
    todo: str,
) -> None:
    server.script(refused(status, words))
    error = failure(call, forge)
    assert isinstance(error, Permanent)
    said, _, advised = str(error).partition(words.rstrip("."))
    assert said.startswith(f"Could not {'merge' if call is merge else 'read'} pull request #7 of {REPO}")
    assert todo in advised
    assert len(server.received) == 1


def test_an_installation_that_is_suspended_is_told_when_a_token_is_asked_for(server: ScriptedServer) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    server.script(Answer(body={"id": 3}), refused(403, "This installation has been suspended"))
    with pytest.raises(Permanent, match="An owner of web-team lifts the suspension") as caught:
        AppCredentials(17, pem, server.url).token(REPO)
    assert f"get a token of the GitHub App for {REPO}" in str(caught.value)


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("call", [read, write])
def test_secondary_limit_waits_as_long_as_github_asks(
    server: ScriptedServer, forge: GitHubForge, status: int, call: Callable[[GitHubForge], object]
) -> None:
    server.script(refused(status, "You have exceeded a secondary rate limit", Retry_After="17"))
    error = failure(call, forge)
    assert isinstance(error, Transient)
    assert error.retry_after == 17
    assert len(server.received) == 1


def test_spent_budget_waits_for_its_reset(server: ScriptedServer, forge: GitHubForge) -> None:
    reset = str(int(time.time()) + 900)
    server.script(refused(403, "API rate limit exceeded", X_RateLimit_Remaining="0", X_RateLimit_Reset=reset))
    error = failure(read, forge)
    assert isinstance(error, Transient)
    assert error.retry_after is not None
    assert 600 < error.retry_after <= 900
    until = datetime.fromtimestamp(int(reset), UTC)
    around = [f"{until + timedelta(seconds=off):%H:%M:%S}" for off in (-1, 0, 1)]
    assert any(f"Slipway waits until {at} UTC and goes on by itself." in str(error) for at in around)


def test_limit_without_a_time_waits_a_minute(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(refused(403, "You have exceeded a secondary rate limit. Please wait."))
    error = failure(read, forge)
    assert isinstance(error, Transient)
    assert error.retry_after == 60


def test_budget_that_just_sufficed_does_not_hide_a_missing_permission(
    server: ScriptedServer, forge: GitHubForge
) -> None:
    server.script(refused(403, "Must have push access", X_RateLimit_Remaining="3", X_RateLimit_Reset="9999999999"))
    assert isinstance(failure(write, forge), Permanent)


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_broken_server_is_transient_on_reads_and_unknown_on_writes(
    server: ScriptedServer, forge: GitHubForge, status: int
) -> None:
    server.script(refused(status), Answer(status, "<html>Unicorn!</html>"), Answer(status))
    assert isinstance(failure(read, forge), Transient)
    assert isinstance(failure(write, forge), UnknownOutcome)
    assert isinstance(failure(merge, forge), UnknownOutcome)
    assert len(server.received) == 3


@pytest.mark.parametrize("answer", [Answer(drop=True), Answer(body={"number": 7}, cut=True)])
def test_broken_connection_is_transient_on_reads_and_unknown_on_writes(
    server: ScriptedServer, forge: GitHubForge, answer: Answer
) -> None:
    server.script(answer, answer, answer)
    assert isinstance(failure(read, forge), Transient)
    assert isinstance(failure(write, forge), UnknownOutcome)
    assert isinstance(failure(merge, forge), UnknownOutcome)
    assert len(server.received) == 3


@pytest.mark.parametrize(("call", "kind"), [(read, Transient), (write, UnknownOutcome)])
def test_silence_is_transient_on_reads_and_unknown_on_writes(
    server: ScriptedServer, call: Callable[[GitHubForge], object], kind: type[SlipwayError]
) -> None:
    forge = GitHubForge(server.url, TokenCredentials(TOKEN), timeout=1)
    server.script(Answer(delay=30))
    error = failure(call, forge)
    assert isinstance(error, kind)
    assert "no answer came in time" in str(error)
    assert len(server.received) == 1


@pytest.mark.parametrize("call", [read, write, merge])
def test_refused_connection_is_transient_even_for_writes(call: Callable[[GitHubForge], object]) -> None:
    with socket.socket() as nobody:  # bound, never listening
        nobody.bind(("127.0.0.1", 0))
        forge = GitHubForge(f"http://127.0.0.1:{nobody.getsockname()[1]}", TokenCredentials(TOKEN))
        error = failure(call, forge)
    assert isinstance(error, Transient)
    assert "cannot be reached" in str(error)


@pytest.mark.parametrize("call", [read, write])
def test_certificate_nobody_vouches_for_is_permanent(call: Callable[[GitHubForge], object]) -> None:
    with ScriptedServer(make_certificate().server_context()) as server:
        error = failure(call, GitHubForge(server.url, TokenCredentials(TOKEN)))
    assert isinstance(error, Permanent)
    assert "REQUESTS_CA_BUNDLE" in str(error)


def test_url_of_a_server_without_encryption_is_permanent(server: ScriptedServer) -> None:
    error = failure(write, GitHubForge(server.url.replace("http", "https"), TokenCredentials(TOKEN)))
    assert isinstance(error, Permanent)
    assert "does not speak HTTPS" in str(error)


@pytest.mark.parametrize("body", ["<html>Welcome to nginx!</html>", "[1]", '{"number": ', '{"number": "seven"}'])
def test_answer_of_something_else_than_github_names_the_variable(
    server: ScriptedServer, forge: GitHubForge, body: str
) -> None:
    server.script(Answer(200, body), Answer(201, body))
    error = failure(read, forge)
    assert isinstance(error, Permanent)
    assert "GITHUB_API_URL" in str(error)
    assert isinstance(failure(write, forge), UnknownOutcome)


def test_list_that_goes_on_at_another_server_is_refused(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body=[{}], headers={"Link": '<http://elsewhere.example/pulls?page=2>; rel="next"'}))
    with pytest.raises(Permanent, match="GITHUB_API_URL"):
        forge.open_pull_requests(REPO)
    assert len(server.received) == 1


def test_write_to_a_renamed_repository_says_so(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(307, {"message": "Temporary Redirect"}, {"Location": f"{server.url}/repositories/1/pulls"}))
    error = failure(write, forge)
    assert isinstance(error, Permanent)
    assert "renamed" in str(error)


def test_merge_whose_answer_names_no_commit_is_unknown(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(body={"merged": True}))
    assert isinstance(failure(merge, forge), UnknownOutcome)


# ---------------------------------------------------------------- what GitHub may not offer


@pytest.mark.parametrize("status", [403, 404, 501])
def test_unavailable_statuses_cost_one_log_line(
    server: ScriptedServer, forge: GitHubForge, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script(*[refused(status)] * 4)
    for _ in range(2):
        forge.set_status(
            REPO, SHA, context="slipway/staging", state=StatusState.SUCCESS, description="healthy", url=None
        )
    assert capsys.readouterr().out.count("github_unavailable") == 1


def test_status_is_set_where_statuses_cannot_be_read(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(refused(404), Answer(201, {"id": 1}))
    forge.set_status(REPO, SHA, context="slipway/staging", state=StatusState.SUCCESS, description="", url=None)
    assert [line.split()[0] for line in server.lines] == ["GET", "POST"]


def test_broken_server_is_no_missing_capability(server: ScriptedServer, forge: GitHubForge) -> None:
    server.script(Answer(200, {"statuses": []}), refused(502))
    with pytest.raises(UnknownOutcome):
        forge.set_status(REPO, SHA, context="slipway/staging", state=StatusState.SUCCESS, description="", url=None)


@pytest.mark.parametrize("answer", [refused(403), refused(404), refused(500), refused(501), Answer(drop=True)])
def test_permission_that_cannot_be_asked_is_none(server: ScriptedServer, forge: GitHubForge, answer: Answer) -> None:
    server.script(answer)
    assert forge.can_write(REPO, "mallory") is False


@pytest.mark.parametrize("answer", [refused(403), refused(404), refused(500), refused(501), Answer(drop=True)])
def test_team_that_cannot_be_asked_is_empty_and_asked_again(
    server: ScriptedServer, forge: GitHubForge, answer: Answer
) -> None:
    server.script(answer, Answer(body=[{"login": "ada"}]))
    assert forge.team_members("web-team/deployers") == frozenset()
    assert forge.team_members("web-team/deployers") == {"ada"}


def test_failed_look_of_a_comparison_is_none_only_where_the_repository_is_there(
    server: ScriptedServer, forge: GitHubForge
) -> None:
    server.script(refused(404), Answer(body={"default_branch": "main"}))
    assert forge.compare(REPO, SHA, "a" * 40) is None
    server.script(refused(404), refused(404))
    with pytest.raises(Permanent, match=REPO):
        forge.compare(REPO, SHA, "a" * 40)


@pytest.mark.parametrize("status", [403, 404])
def test_account_that_github_does_not_tell_is_none(server: ScriptedServer, forge: GitHubForge, status: int) -> None:
    server.script(refused(status))
    assert forge.identity() is None
    assert forge.identity() is None
    assert server.lines == ["GET /api/v3/user"]
