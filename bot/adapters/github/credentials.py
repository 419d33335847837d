"""Who the bot is to GitHub: a token that stays, or a GitHub App whose installation tokens last an hour.

Git over HTTPS takes the same tokens as the API (with any user name, by custom ``x-access-token``).
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Protocol

import github
from jwt.exceptions import PyJWTError

from bot.adapters.github.answers import as_sent, person
from bot.adapters.github.connection import TIMEOUT, app_client, client, connection
from bot.adapters.github.errors import FOREIGN, status_of, translate
from bot.budget import EVERYTHING
from bot.errors import Permanent, SlipwayError, Transient
from bot.releases import Person

RENEW_BEFORE = 300.0
"""Seconds before its end at which an installation token is replaced: longer than any clone or push lasts."""


class Credentials(Protocol):
    """Tokens by repository. Safe to share between threads."""

    def token(self, about: str) -> str:
        """A token valid for some minutes at least. ``about`` is ``owner/name``, or an organisation alone.

        Raises:
            Permanent: GitHub refuses the App, or it is not installed there.
            Transient: GitHub cannot be reached.
        """
        ...

    def renew(self, about: str, token: str) -> bool:
        """Told that GitHub refused the token: whether ``token()`` will give another one."""
        ...

    def account(self, about: str) -> str:
        """Whose budget of requests one about it uses up, see ``bot.budget``."""
        ...

    def bot(self) -> Person | None:
        """The App's bot account; None where the API's ``/user`` is to be asked."""
        ...

    def app(self) -> github.Github | None:
        """A client that speaks as the GitHub App itself; None where the bot is none."""
        ...


class TokenCredentials:
    """One token for everything: a machine user's, fine-grained or classic."""

    def __init__(self, token: str) -> None:
        self._token = token

    def token(self, about: str) -> str:  # noqa: ARG002 - one token for all
        """The token."""
        return self._token

    def renew(self, about: str, token: str) -> bool:  # noqa: ARG002 - there is no other
        """Never: only a person can replace it."""
        return False

    def account(self, about: str) -> str:  # noqa: ARG002 - one budget for all
        """The token's."""
        return EVERYTHING

    def bot(self) -> Person | None:
        """Unknown here: the token's account is asked from the API."""
        return None

    def app(self) -> github.Github | None:
        """There is none."""
        return None


LASTS = 3600.0
"""Seconds that an installation token lasts
(https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app)."""

CLOCK_SECONDS = 60.0
"""How far ahead GitHub's clock may be of this machine's, or behind it, before that explains a refused signature."""


@dataclass(frozen=True, slots=True)
class _Issued:
    """``ends`` is of ``time.monotonic()``: a clock that is put right meanwhile makes no token last longer."""

    token: str = field(repr=False)
    ends: float


class AppCredentials:
    """A GitHub App. Every account that installed it has tokens of its own, renewed before they end.

    Args:
        app_id: the App's id.
        private_key: its private key, PEM; line ends may be written as a backslash and an n.
        api_url: the REST base.
        timeout: seconds GitHub may stay silent.

    Raises:
        Permanent: the key is none.
    """

    def __init__(self, app_id: int, private_key: str, api_url: str, timeout: int = TIMEOUT) -> None:
        self._options = connection(api_url, _signer(app_id, private_key), timeout)
        self._app = app_client(**self._options)
        self._lock = threading.Lock()
        self._installations: dict[str, int] = {}
        self._issued: dict[str, _Issued] = {}

    def token(self, about: str) -> str:
        """The owner's installation token."""
        owner = _owner(about)
        with self._lock:
            issued = self._issued.get(owner)
            if issued is None or issued.ends - RENEW_BEFORE < time.monotonic():
                issued = self._issued[owner] = self._issue(owner, about)
            return issued.token

    def renew(self, about: str, token: str) -> bool:
        """Forget the refused token, unless another thread replaced it already."""
        with self._lock:
            issued = self._issued.get(_owner(about))
            if issued is not None and issued.token == token:
                del self._issued[_owner(about)]
        return True

    def account(self, about: str) -> str:
        """The owner's, whose installation it is."""
        return _owner(about)

    def bot(self) -> Person | None:
        """The App's bot account, ``slug[bot]``; with its id where the users' API is open to the public."""
        with self._lock:
            try:
                login = f"{as_sent(self._app.get_app())['slug']}[bot]"
            except FOREIGN as error:
                raise _refusal(error, "read the GitHub App", "the GitHub App") from error
            try:
                account = client(**{**self._options, "auth": None}).get_user(login)
                return person(as_sent(account)) or Person(login)
            except FOREIGN:
                return Person(login)

    def app(self) -> github.Github | None:
        """Signs each request with the App's key; it may see its own webhook, and no repository."""
        return client(**self._options)

    def _issue(self, owner: str, about: str) -> _Issued:
        doing = f"get a token of the GitHub App for {about}"
        try:
            if owner not in self._installations:
                self._installations[owner] = self._installation(about)
            answer = self._app.get_access_token(self._installations[owner])
            return _Issued(answer.token, time.monotonic() + _rest(answer.expires_at))
        except FOREIGN as error:
            self._installations.pop(owner, None)
            if status_of(error) == HTTPStatus.NOT_FOUND:
                raise Permanent(
                    f"Could not {doing}: the App is not installed there. Install it for {about} in the App's settings."
                ) from error
            raise _refusal(error, doing, about) from error

    def _installation(self, about: str) -> int:
        owner, _, name = about.partition("/")
        if name:
            return self._app.get_repo_installation(owner, name).id
        return self._app.get_org_installation(owner).id


def _signer(app_id: int, private_key: str) -> github.Auth.AppAuth:
    signer = github.Auth.AppAuth(app_id, private_key.replace("\\n", "\n"))  # as .env files write line ends
    try:
        signer.create_jwt()
    except (PyJWTError, ValueError, TypeError):
        raise Permanent(
            "GITHUB_APP_PRIVATE_KEY is not the private key of a GitHub App. It must be the whole .pem file that GitHub "
            "offered for download, its BEGIN and END lines and line ends included."
        ) from None
    return signer


def _rest(expires_at: datetime) -> float:
    """Seconds until a token that was just issued ends; what a wrong clock makes of that is not believed."""
    rest = expires_at.timestamp() - time.time()
    return rest if 0 < rest <= LASTS else LASTS


def _refusal(error: Exception, doing: str, about: str) -> SlipwayError:
    """What is signed in the future is refused as a wrong key is; only the clock's owner can tell the two apart."""
    off = _clock_is_off(error) if status_of(error) == HTTPStatus.UNAUTHORIZED else None
    if off is None:
        return translate(error, doing, about, write=False)
    return Transient(
        f"Could not {doing}: this machine's clock is {abs(off):.0f} seconds {'ahead of' if off > 0 else 'behind'} "
        "GitHub's, which refuses what is signed in the future or long ago. Set the clock (NTP); Slipway goes on by "
        "itself."
    )


def _clock_is_off(error: Exception) -> float | None:
    """How many seconds this machine's clock is ahead of the answer's (``Date``); None where it is about right."""
    headers = {name.lower(): value for name, value in (getattr(error, "headers", None) or {}).items()}
    try:
        off = time.time() - parsedate_to_datetime(headers.get("date", "")).timestamp()
    except ValueError:
        return None
    return off if abs(off) > CLOCK_SECONDS else None


def _owner(about: str) -> str:
    return about.partition("/")[0].casefold()
