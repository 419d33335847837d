"""Who may see the pages, elsewhere than on the machine itself: behind a proxy that asks, or signed in with GitHub."""

import re
from html import unescape
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.adapters.github.sign_in import GitHubSignIn
from bot.errors import Permanent
from tests.config_fake import FakeQueue
from tests.dashboard_stage import SECRET, Parts
from tests.scripted_http import Answer, ScriptedServer
from webhooks.access import Access
from webhooks.app import create_app
from webhooks.sight import Sight, Source

URL = "https://slipway.example"
STRANGER = {"environ_overrides": {"REMOTE_ADDR": "203.0.113.9"}, "base_url": URL}
PROXY = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.7"}, "base_url": URL}
PAGES = ("/", "/audit", "/audit.csv", "/live", "/events", "/api/v1/apps", "/api/v1/audit")
SECRET_OF_CLIENT = "client-s3cret"
TOKEN = "gho_a-person-s-token"


def _no_config() -> Any:
    raise Permanent("There is no config repo here.")


def client_of(rules: Access) -> FlaskClient:
    """A browser in front of pages with these rules."""
    sight = Sight(Source(FakeQueue(), _no_config, lambda text: text))
    parts = Parts(FakeQueue(), SECRET, lambda: None, lambda: None)  # type: ignore[arg-type]
    return create_app(parts, sight, rules).test_client()


# ---------------------------------------------------------------- behind a proxy


@pytest.fixture
def behind_proxy() -> FlaskClient:
    return client_of(Access(proxy_header="X-Forwarded-User", proxy_addresses=(ip_network("10.0.0.0/24"),)))


def test_a_proxy_s_word_is_taken(behind_proxy: FlaskClient) -> None:
    page = behind_proxy.get("/", headers={"X-Forwarded-User": "dora", "X-Forwarded-For": "203.0.113.9"}, **PROXY)
    assert (page.status_code, "@dora" in page.text) == (200, True)


def test_somebody_else_s_word_is_not(behind_proxy: FlaskClient) -> None:
    for path in PAGES:
        assert behind_proxy.get(path, headers={"X-Forwarded-User": "dora"}, **STRANGER).status_code == 403


@pytest.mark.parametrize("headers", [{}, {"X-Forwarded-User": " "}])
def test_a_proxy_that_names_nobody_lets_nobody_in(behind_proxy: FlaskClient, headers: dict[str, str]) -> None:
    for path in PAGES:
        answer = behind_proxy.get(path, headers=headers, **PROXY)
        assert answer.status_code == 403
        assert "did not say who you are" in unescape(answer.text)


def test_a_proxy_on_this_machine_is_no_way_round_the_proxy() -> None:
    rules = Access(local_login="root", proxy_header="X-User", proxy_addresses=(ip_network("127.0.0.1/32"),))
    assert client_of(rules).get("/").status_code == 403
    assert "@dora" in client_of(rules).get("/", headers={"X-User": "dora"}).text


def test_a_name_that_is_no_login_may_read_and_is_not_repeated(behind_proxy: FlaskClient) -> None:
    page = behind_proxy.get("/", headers={"X-Forwarded-User": "<b>@acme.example"}, **PROXY)
    assert (page.status_code, "<b>@" in page.text, "@&lt;b" in page.text) == (200, False, False)


def test_an_ipv4_address_written_as_ipv6_is_the_same(behind_proxy: FlaskClient) -> None:
    mapped = {**PROXY, "environ_overrides": {"REMOTE_ADDR": "::ffff:10.0.0.7"}}
    assert behind_proxy.get("/", headers={"X-Forwarded-User": "dora"}, **mapped).status_code == 200


# ---------------------------------------------------------------- on the machine itself


def test_on_the_machine_itself_a_name_may_be_given() -> None:
    assert "@dora" in client_of(Access(local_login="dora")).get("/").text
    assert client_of(Access(local_login="dora")).get("/", **STRANGER).status_code == 403


# ---------------------------------------------------------------- signed in with GitHub


class Stage:
    """A browser, pages that ask for a sign-in, and a GitHub that answers from a list."""

    def __init__(self, github: ScriptedServer, *members: str) -> None:
        self.github = github
        asked = GitHubSignIn(github.url, f"{github.url}/api", ("client-id", SECRET_OF_CLIENT), members)
        self.browser = client_of(Access(sign_in=asked, public_url=URL, session_key=b"k" * 32))

    def get(self, path: str) -> TestResponse:
        return self.browser.get(path, headers={"Accept": "text/html"}, **STRANGER)

    def set_out(self, path: str = "/") -> dict[str, str]:
        """Ask for a page, be sent to GitHub; with which words."""
        begun = self.get(path)
        assert begun.status_code == 302
        away = self.get(begun.headers["Location"])
        address = urlsplit(away.headers["Location"])
        assert f"{address.scheme}://{address.netloc}{address.path}" == f"{self.github.url}/login/oauth/authorize"
        return {name: values[0] for name, values in parse_qs(address.query).items()}

    def answers(self, login: str, *memberships: Answer) -> None:
        """What GitHub will say of somebody."""
        self.github.script(Answer(200, {"access_token": TOKEN}), Answer(200, {"login": login}), *memberships)


MEMBER = Answer(200, {"state": "active"})


@pytest.fixture
def signing_in() -> Any:
    with ScriptedServer() as github:
        yield Stage(github, "acme", "other/web-team")


def test_a_member_signs_in_and_comes_back_to_the_page_that_was_asked_for(signing_in: Stage) -> None:
    said = signing_in.set_out("/audit?app=blog")
    assert (said["client_id"], said["redirect_uri"], said["scope"]) == (
        "client-id", f"{URL}/sign-in/back", "read:org",
    )  # fmt: skip
    signing_in.answers("dora", MEMBER)
    back = signing_in.get(f"/sign-in/back?code=c0de&state={said['state']}")
    assert (back.status_code, back.headers["Location"]) == (302, "/audit?app=blog")
    assert "@dora" in signing_in.get("/").text
    assert signing_in.github.lines == [
        "POST /login/oauth/access_token", "GET /api/user", "GET /api/user/memberships/orgs/acme",
    ]  # fmt: skip
    assert b"code=c0de" in signing_in.github.received[0].body


def test_the_cookie_is_signed_and_kept_from_scripts_and_other_sites(signing_in: Stage) -> None:
    state = signing_in.set_out()["state"]
    signing_in.answers("dora", MEMBER)
    cookie = signing_in.get(f"/sign-in/back?code=c0de&state={state}").headers["Set-Cookie"]
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    value = re.sub(r"^slipway=([^;]*).*", r"\1", cookie)
    signing_in.browser.delete_cookie("slipway", domain="slipway.example")
    tampered = value[:-3] + ("abc" if not value.endswith("abc") else "abd")
    signing_in.browser.set_cookie("slipway", tampered, domain="slipway.example", secure=True)
    assert signing_in.get("/").status_code == 302


def test_a_member_of_a_team_is_let_in_too(signing_in: Stage) -> None:
    state = signing_in.set_out()["state"]
    signing_in.answers("abel", Answer(404, {"message": "Not Found"}), MEMBER)
    assert signing_in.get(f"/sign-in/back?code=c0de&state={state}").status_code == 302
    assert signing_in.github.lines[-1] == "GET /api/orgs/other/teams/web-team/memberships/abel"


@pytest.mark.parametrize("said", [Answer(404, {}), Answer(403, {}), Answer(200, {"state": "pending"}), Answer(200, [])])
def test_whoever_does_not_belong_is_told_so_and_stays_out(signing_in: Stage, said: Answer) -> None:
    state = signing_in.set_out()["state"]
    signing_in.answers("mallory", said, said)
    page = signing_in.get(f"/sign-in/back?code=c0de&state={state}")
    assert page.status_code == 403
    assert "@mallory belongs to @acme or @other/web-team" in unescape(page.text)
    assert signing_in.get("/").status_code == 302


@pytest.mark.parametrize("state", ["", "guessed"])
def test_a_way_back_that_was_not_begun_here_is_refused(signing_in: Stage, state: str) -> None:
    signing_in.set_out()
    assert signing_in.get(f"/sign-in/back?code=c0de&state={state}").status_code == 403
    assert signing_in.github.lines == []


def test_a_state_serves_once(signing_in: Stage) -> None:
    state = signing_in.set_out()["state"]
    signing_in.answers("dora", MEMBER)
    signing_in.get(f"/sign-in/back?code=c0de&state={state}")
    assert signing_in.get(f"/sign-in/back?code=c0de&state={state}").status_code == 403


def test_a_person_who_refuses_is_told_so(signing_in: Stage) -> None:
    state = signing_in.set_out()["state"]
    page = signing_in.get(f"/sign-in/back?error=access_denied&state={state}")
    assert (page.status_code, "refused" in page.text) == (403, True)


@pytest.mark.parametrize(
    ("first", "status", "words"),
    [
        (Answer(200, {"error": "bad_verification_code"}), 403, "does not know this sign-in any more"),
        (Answer(200, "<html>"), 403, "does not know this sign-in any more"),
        (Answer(502, "bad gateway"), 503, "it answers 502"),
        (Answer(drop=True), 503, "GitHub cannot be asked who you are"),
    ],
)
def test_a_github_that_does_not_help_is_told_without_secrets(
    signing_in: Stage, first: Answer, status: int, words: str
) -> None:
    state = signing_in.set_out()["state"]
    signing_in.github.script(first)
    page = signing_in.get(f"/sign-in/back?code=c0de&state={state}")
    assert (page.status_code, words in page.text) == (status, True)
    assert SECRET_OF_CLIENT not in page.text
    assert "c0de" not in page.text


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil"])
def test_nobody_is_led_elsewhere(signing_in: Stage, to: str) -> None:
    away = signing_in.browser.get("/sign-in", query_string={"to": to}, **STRANGER)
    state = parse_qs(urlsplit(away.headers["Location"]).query)["state"][0]
    signing_in.answers("dora", MEMBER)
    assert signing_in.get(f"/sign-in/back?code=c0de&state={state}").headers["Location"] == "/"


def test_signing_out_forgets_who_it_is_and_needs_a_form_of_ours(signing_in: Stage) -> None:
    state = signing_in.set_out()["state"]
    signing_in.answers("dora", MEMBER)
    signing_in.get(f"/sign-in/back?code=c0de&state={state}")
    found = re.search(r'name="csrf" value="([^"]+)"', signing_in.get("/").text)
    assert found is not None
    assert signing_in.browser.post("/sign-out", **STRANGER).status_code == 403
    ended = signing_in.browser.post("/sign-out", data={"csrf": found[1]}, **STRANGER)
    assert ended.headers["Location"] == "/signed-out"
    assert "You are signed out" in signing_in.get("/signed-out").text
    assert signing_in.get("/").status_code == 302


def test_programs_are_told_to_sign_in_instead_of_being_sent_away(signing_in: Stage) -> None:
    answer = signing_in.browser.get("/api/v1/apps", **STRANGER)
    assert (answer.status_code, (answer.json or {})["status"]) == (401, "error")


def test_health_and_webhooks_ask_nobody_to_sign_in(signing_in: Stage) -> None:
    assert signing_in.get("/healthz").status_code == 200
    assert signing_in.browser.post("/webhooks/github", data=b"{}", **STRANGER).status_code == 401


def test_where_nobody_can_sign_in_there_is_no_such_page() -> None:
    assert client_of(Access()).get("/sign-in").status_code == 404
