"""GitHub's web flow on the stand-in, by its documentation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import requests

from bot.sandbox.forge import Forge

BACK = "https://slipway.example/sign-in/back"


@dataclass(frozen=True, slots=True)
class Flow:
    """A stand-in with an OAuth app, and a member of an organization."""

    forge: Forge
    client_id: str
    secret: str

    def address(self, **changes: str) -> str:
        asked = {"client_id": self.client_id, "redirect_uri": BACK, "scope": "read:org", "state": "st&te"}
        return f"{self.forge.url}/login/oauth/authorize?{urlencode(asked | changes)}"

    def answer(self, word: str, login: str = "ann", **headers: str) -> requests.Response:
        """Press a button on the page."""
        page = requests.get(self.address(), timeout=10)
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text))
        return requests.post(
            f"{self.forge.url}/login/oauth/authorize",
            data={key: unescape(value) for key, value in fields.items()} | {"login": login, "authorize": word},
            headers={"Origin": self.forge.url, **headers},
            timeout=10,
            allow_redirects=False,
        )

    def code(self, login: str = "ann") -> str:
        return parse_qs(urlsplit(self.answer("1", login).headers["Location"]).query)["code"][0]

    def exchange(self, **changes: str) -> requests.Response:
        content = {"client_id": self.client_id, "client_secret": self.secret, **changes}
        address = f"{self.forge.url}/login/oauth/access_token"
        return requests.post(address, data=content, headers={"Accept": "application/json"}, timeout=10)

    def get(self, path: str, token: str) -> requests.Response:
        return requests.get(self.forge.api_url + path, headers={"Authorization": f"Bearer {token}"}, timeout=10)


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Flow]:
    with Forge(tmp_path) as forge:
        for login in ("ann", "carl"):
            forge.create_user(login)
        forge.create_team("acme", "web-team", ["ann"])
        forge.create_repo("acme/secret", private=True, collaborators={"ann": "write"})
        yield Flow(forge, *forge.create_oauth_app("Slipway", "https://slipway.example/sign-in"))


def test_a_person_s_consent_gives_a_code_and_that_a_token_once(flow: Flow) -> None:
    back = flow.answer("1")
    assert back.status_code == 302
    assert back.headers["Location"].startswith(f"{BACK}?code=")
    assert parse_qs(urlsplit(back.headers["Location"]).query)["state"] == ["st&te"]
    code = flow.code()
    told = flow.exchange(code=code, redirect_uri=BACK).json()
    assert (told["scope"], told["token_type"]) == ("read:org", "bearer")
    assert flow.get("/user", told["access_token"]).json()["login"] == "ann"
    assert flow.get("/user/memberships/orgs/acme", told["access_token"]).json()["state"] == "active"
    assert flow.get("/orgs/acme/teams/web-team/memberships/ann", told["access_token"]).json()["state"] == "active"
    assert flow.get("/repos/acme/secret", told["access_token"]).status_code == 404
    assert flow.exchange(code=code, redirect_uri=BACK).json()["error"] == "bad_verification_code"


def test_who_is_no_member_is_told_so_and_without_the_scope_nothing_is(flow: Flow) -> None:
    token = flow.exchange(code=flow.code("carl")).json()["access_token"]
    assert flow.get("/user/memberships/orgs/acme", token).status_code == 404
    code = requests.post(
        f"{flow.forge.url}/login/oauth/authorize",
        data={"client_id": flow.client_id, "redirect_uri": BACK, "scope": "", "login": "ann", "authorize": "1"},
        headers={"Origin": flow.forge.url},
        timeout=10,
        allow_redirects=False,
    ).headers["Location"]
    token = flow.exchange(code=parse_qs(urlsplit(code).query)["code"][0]).json()["access_token"]
    assert flow.get("/user/memberships/orgs/acme", token).status_code == 403


def test_a_refusal_and_a_wrong_way_back_are_told_to_the_app(flow: Flow) -> None:
    refused = parse_qs(urlsplit(flow.answer("0").headers["Location"]).query)
    assert (refused["error"], refused["state"]) == (["access_denied"], ["st&te"])
    elsewhere = flow.address(redirect_uri="https://evil.example/sign-in/back")
    wrong = requests.get(elsewhere, timeout=10, allow_redirects=False).headers["Location"]
    assert wrong.startswith("https://slipway.example/sign-in?error=redirect_uri_mismatch")
    assert requests.get(flow.address(client_id="unknown"), timeout=10).status_code == 404


def test_wrong_secrets_codes_and_addresses_get_no_token(flow: Flow) -> None:
    assert flow.exchange(client_secret="no", code=flow.code()).json()["error"] == "incorrect_client_credentials"
    assert flow.exchange(code="no").json()["error"] == "bad_verification_code"
    other = flow.exchange(code=flow.code(), redirect_uri=f"{BACK}/elsewhere")
    assert (other.status_code, other.json()["error"]) == (200, "redirect_uri_mismatch")
    content = {"client_id": flow.client_id, "client_secret": flow.secret, "code": flow.code()}
    plain = requests.post(f"{flow.forge.url}/login/oauth/access_token", data=content, timeout=10)
    assert dict(parse_qsl(plain.text))["token_type"] == "bearer"


def test_another_site_cannot_consent_for_somebody(flow: Flow) -> None:
    assert flow.answer("1", Origin="https://evil.example").status_code == 403
