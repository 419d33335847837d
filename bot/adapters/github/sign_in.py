"""Lets a person sign in with GitHub: the web application flow of an OAuth app or a GitHub App.

Source: https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps

The person's token is asked two things, who that is and whether they belong, and then forgotten.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import requests

from bot.errors import Permanent, Transient

SCOPE = "read:org"
"""Without it GitHub tells of public memberships alone."""

TIMEOUT = 10.0
"""Seconds GitHub may stay silent: a person waits."""

MEDIA_TYPE = "application/vnd.github+json"


class GitHubSignIn:
    """See ``webhooks.access.SignIn``.

    Args:
        web_url: GitHub's pages.
        api_url: the REST base.
        client: the application's id and secret.
        members: who may sign in: organisations (``org``) and teams (``org/team``).
    """

    def __init__(self, web_url: str, api_url: str, client: tuple[str, str], members: Sequence[str]) -> None:
        self._web_url = web_url
        self._api_url = api_url
        self._client_id, self._client_secret = client
        self._members = tuple(members)

    def address(self, state: str, back: str) -> str:
        """Where the person goes to: GitHub asks them, and sends them back with the state and a code."""
        query = {"client_id": self._client_id, "redirect_uri": back, "scope": SCOPE, "state": state}
        return f"{self._web_url}/login/oauth/authorize?{urlencode(query)}"

    def who(self, code: str, back: str) -> str:
        """The login of the person whom GitHub gave this code.

        Raises:
            Permanent: GitHub does not know the code, or the person belongs to none of the members.
            Transient: GitHub cannot be asked.
        """
        token = self._token(code, back)
        login = str(_json(self._get(token, "/user")).get("login") or "")
        if not login:
            raise Permanent("GitHub does not say who you are. Sign in once more.")
        if not any(self._belongs(token, login, name) for name in self._members):
            wanted = " or ".join(f"@{name}" for name in self._members)
            raise Permanent(
                f"GitHub does not tell that @{login} belongs to {wanted}. Where you do belong, the organisation may "
                "have to approve this application first (its settings, under Third-party access)."
            )
        return login

    def _token(self, code: str, back: str) -> str:
        content = {
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "code": code,
            "redirect_uri": back,
        }
        answer = _asked("POST", f"{self._web_url}/login/oauth/access_token", {"Accept": "application/json"}, content)
        token = _json(answer).get("access_token")
        if not isinstance(token, str) or not token:
            raise Permanent("GitHub does not know this sign-in any more. Sign in once more.")
        return token

    def _belongs(self, token: str, login: str, name: str) -> bool:
        org, _, team = name.partition("/")
        path = f"/orgs/{quote(org)}/teams/{quote(team)}/memberships/{quote(login)}"
        answer = self._get(token, path if team else f"/user/memberships/orgs/{quote(org)}")
        return answer.status_code == HTTPStatus.OK and _json(answer).get("state") == "active"

    def _get(self, token: str, path: str) -> requests.Response:
        return _asked("GET", f"{self._api_url}{path}", {"Accept": MEDIA_TYPE, "Authorization": f"Bearer {token}"})


def _asked(
    method: str, address: str, headers: dict[str, str], content: dict[str, str] | None = None
) -> requests.Response:
    try:
        answer = requests.request(
            method, address, headers=headers, data=content, timeout=TIMEOUT, allow_redirects=False
        )
    except requests.RequestException as error:
        raise Transient(f"GitHub cannot be asked who you are: {type(error).__name__}. Try again in a moment.") from None
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise Transient(f"GitHub cannot tell who you are now (it answers {answer.status_code}). Try again in a moment.")
    return answer


def _json(answer: requests.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
