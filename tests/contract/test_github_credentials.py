"""Tokens of a GitHub App: where they come from, when they are renewed, and what is said when GitHub gives none."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.adapters.github.credentials import AppCredentials
from bot.adapters.github.forge import GitHubForge
from bot.errors import Permanent, Transient
from bot.releases import Person
from tests.scripted_http import Answer, ScriptedServer

INSTALLATION = "GET /repos/Web-Team/shop/installation"
ACCESS_TOKEN = "POST /app/installations/77/access_tokens"

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_KEY = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
).decode()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def app(server: ScriptedServer) -> AppCredentials:
    return AppCredentials(4711, PRIVATE_KEY, server.url)


def installation() -> Answer:
    return Answer(body={"id": 77})


def issued(token: str, *, seconds: float = 3600) -> Answer:
    ends = datetime.fromtimestamp(int(time.time() + seconds), UTC).isoformat().replace("+00:00", "Z")
    return Answer(201, {"token": token, "expires_at": ends})


def bearer(server: ScriptedServer, request: int) -> dict[str, Any]:
    """The claims of the App's web token that came with a request, its signature checked."""
    kind, _, token = server.received[request].headers["Authorization"].partition(" ")
    assert kind == "Bearer"
    claims: dict[str, Any] = jwt.decode(token, _KEY.public_key(), algorithms=["RS256"])
    return claims


def test_app_signs_with_its_key_and_gets_the_owners_token_once(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(installation(), issued("ghs_first"))
    assert app.token("Web-Team/shop") == "ghs_first"
    assert app.token("web-team/blog") == "ghs_first"
    assert server.lines == [INSTALLATION, ACCESS_TOKEN]
    assert bearer(server, 0)["iss"] == bearer(server, 1)["iss"] == "4711"


def test_organisation_alone_is_enough_to_find_the_installation(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(installation(), issued("ghs_first"))
    assert app.token("web-team") == "ghs_first"
    assert server.lines == ["GET /orgs/web-team/installation", ACCESS_TOKEN]


def test_token_near_its_end_is_replaced(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(installation(), issued("ghs_old", seconds=200), issued("ghs_new"))
    assert [app.token("Web-Team/shop"), app.token("Web-Team/shop")] == ["ghs_old", "ghs_new"]
    assert server.lines == [INSTALLATION, ACCESS_TOKEN, ACCESS_TOKEN]


def test_token_refused_before_its_end_is_renewed_and_the_question_asked_once_more(
    server: ScriptedServer, app: AppCredentials
) -> None:
    refused = Answer(401, {"message": "Bad credentials"})
    server.script(
        installation(), issued("ghs_old"), refused, issued("ghs_new"), Answer(body={"default_branch": "main"})
    )
    assert GitHubForge(server.url, app).repository("Web-Team/shop").default_branch == "main"
    sent = [request.headers["Authorization"] for request in server.received if request.path == "/repos/Web-Team/shop"]
    assert sent == ["token ghs_old", "token ghs_new"]


def test_app_that_stays_refused_is_not_asked_for_ever(server: ScriptedServer, app: AppCredentials) -> None:
    refused = Answer(401, {"message": "Bad credentials"})
    server.script(installation(), issued("ghs_old"), refused, issued("ghs_new"), refused)
    with pytest.raises(Permanent, match="refused the credentials"):
        GitHubForge(server.url, app).repository("Web-Team/shop")
    assert len(server.received) == 5


def test_renewal_by_another_thread_is_not_thrown_away(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(installation(), issued("ghs_new"))
    assert app.token("Web-Team/shop") == "ghs_new"
    assert app.renew("Web-Team/shop", "ghs_old")
    assert app.token("Web-Team/shop") == "ghs_new"


def test_missing_installation_is_named_and_looked_for_again(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(Answer(404, {"message": "Not Found"}), installation(), issued("ghs_first"))
    with pytest.raises(Permanent, match="not installed there"):
        app.token("Web-Team/shop")
    assert app.token("Web-Team/shop") == "ghs_first"


def test_github_that_breaks_down_over_a_token_is_transient(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(installation(), Answer(502), installation(), Answer(drop=True))
    for _ in range(2):
        with pytest.raises(Transient):
            app.token("Web-Team/shop")


def test_a_clock_that_is_wrong_is_named_and_not_taken_for_a_wrong_key(
    server: ScriptedServer, app: AppCredentials
) -> None:
    for off, words in (
        (timedelta(hours=-1), "36[0-9]{2} seconds ahead of"),
        (timedelta(days=1), "86[34][0-9]{2} seconds behind"),
    ):
        there = format_datetime(datetime.now(UTC) + off + timedelta(milliseconds=500), usegmt=True)
        server.script(Answer(401, {"message": "'Issued at' claim ('iat') is in the future"}, headers={"Date": there}))
        with pytest.raises(Transient, match=words):
            app.token("Web-Team/shop")


@pytest.mark.parametrize("seconds", [-86_400, 86_400])
def test_a_token_s_end_is_not_believed_where_the_clock_is_wrong(
    server: ScriptedServer, app: AppCredentials, seconds: int
) -> None:
    server.script(installation(), issued("ghs_first", seconds=seconds))
    assert [app.token("Web-Team/shop"), app.token("Web-Team/shop")] == ["ghs_first", "ghs_first"]


def test_wrong_app_id_speaks_in_githubs_words(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(Answer(401, {"message": "Integration not found"}))
    with pytest.raises(Permanent, match="Integration not found"):
        app.token("Web-Team/shop")


def test_bot_of_the_app_is_a_person_with_an_id(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(Answer(body={"slug": "slipway"}), Answer(body={"login": "slipway[bot]", "id": 99}))
    assert GitHubForge(server.url, app).identity() == Person("slipway[bot]", 99)
    assert server.lines == ["GET /app", "GET /users/slipway%5Bbot%5D"]
    assert "Authorization" not in server.received[1].headers


def test_bot_of_the_app_is_known_where_its_account_is_hidden(server: ScriptedServer, app: AppCredentials) -> None:
    server.script(Answer(body={"slug": "slipway"}), Answer(401, {"message": "Must authenticate"}))
    assert GitHubForge(server.url, app).identity() == Person("slipway[bot]")


@pytest.mark.parametrize("key", ["not a key", PRIVATE_KEY[:200], "-----BEGIN RSA PRIVATE KEY-----\n"])
def test_key_that_is_none_is_refused_at_once_and_not_shown(key: str) -> None:
    with pytest.raises(Permanent, match="GITHUB_APP_PRIVATE_KEY") as caught:
        AppCredentials(4711, key, "http://127.0.0.1:1")
    assert key not in str(caught.value)


def test_key_with_its_line_ends_escaped_as_env_files_do_is_understood(server: ScriptedServer) -> None:
    server.script(installation(), issued("ghs_first"))
    app = AppCredentials(4711, PRIVATE_KEY.replace("\n", "\\n"), server.url)
    assert app.token("Web-Team/shop") == "ghs_first"
