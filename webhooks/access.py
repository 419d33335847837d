"""Who may look, under which name, and what a browser may do with a page.

Without any settings the pages are shown to the machine itself alone. A web site that a person on that machine visits
is a stranger too: it may neither read a page under a name of its own (DNS rebinding) nor frame one. Elsewhere, either a
proxy that asks people who they are says so in a header, or they sign in with GitHub (``webhooks.sign_in``).
"""

import hmac
import re
import secrets
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol
from urllib.parse import urlsplit

from flask import Response, abort, g, redirect, request, session, url_for
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response as AnyResponse

TOKEN = "csrf"  # noqa: S105 - a field's name
"""Of the session, and of every form."""

LOGIN = "login"
"""Of the session: who signed in."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""A login of GitHub's; some end in an underscore and a company's short name."""

_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
"""A proxy on this machine speaks for somebody elsewhere, and says so in one of these."""

_REFUSAL = (
    "Slipway's pages are shown on its own machine only, since they do not ask who you are. Come through a tunnel, such "
    "as `ssh -L 8000:127.0.0.1:8000 HOST` or `kubectl port-forward`, and open http://127.0.0.1:8000/. Whoever runs "
    "Slipway can let people sign in: docs/access.md says how."
)

_NOBODY = (
    "The proxy in front of Slipway did not say who you are. Whoever runs Slipway finds in docs/access.md which header "
    "it has to send."
)

_FOREIGN = (
    "This form did not come from a page of Slipway's, or that page is too old. Go back, load the page again, and press "
    "the button once more. Nothing was done."
)

_NAMELESS = (
    "Slipway does not know who you are, so it does nothing on your behalf. On its own machine, start the web process "
    "with SLIPWAY_AS=YOUR-LOGIN; docs/access.md tells the other ways."
)

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class SignIn(Protocol):
    """Asks GitHub who somebody is."""

    def address(self, state: str, back: str) -> str:
        """Where the person goes to; GitHub sends them ``back`` with the state and a code."""
        ...

    def who(self, code: str, back: str) -> str:
        """The login of the person whom GitHub gave this code.

        Raises:
            SlipwayError: it is nobody who may sign in, or GitHub cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks. ``login`` is None where that is not known: such a person may read, and ask for nothing."""

    login: str | None = None
    signed_in: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """The rules.

    Attributes:
        local_login: who sits at this machine; None where that is not said.
        proxy_header: the header in which a proxy names the person.
        proxy_addresses: where such a proxy calls from; nobody else is believed.
        sign_in: asks GitHub; None where people cannot sign in.
        public_url: the address that people have typed in, for the way back from GitHub.
        session_key: signs the cookie.
    """

    local_login: str | None = None
    proxy_header: str | None = None
    proxy_addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    sign_in: SignIn | None = None
    public_url: str | None = None
    session_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def let_in(self) -> AnyResponse | None:
        """Know who looks; whoever may not is refused, or asked to sign in. For ``before_request``."""
        if (request.endpoint or "").endswith(".static"):
            return None  # a style sheet tells nothing, and the pages that refuse somebody need it
        viewer = self._viewer()
        if viewer is not None:
            g.viewer = viewer
            return None
        if self.sign_in is None:
            raise Forbidden(_REFUSAL)
        if request.method == "GET" and request.blueprint == "dashboard" and request.accept_mimetypes.accept_html:
            return redirect(url_for("sign_in.begin", to=request.full_path.rstrip("?")))
        raise Unauthorized("Sign in first, on Slipway's page in a browser.")

    def _viewer(self) -> Viewer | None:
        if self.proxy_header is not None and _is_among(request.remote_addr, self.proxy_addresses):
            named = request.headers.get(self.proxy_header, "").strip()
            if not named:
                abort(403, _NOBODY)
            return Viewer(named if _NAME.fullmatch(named) else None)
        if self.sign_in is not None and (login := session.get(LOGIN)):
            return Viewer(login, signed_in=True)
        return Viewer(self.local_login) if _is_local() else None


def viewer() -> Viewer:
    """Who looks at the page that is being made."""
    known = g.get("viewer")
    return known if isinstance(known, Viewer) else Viewer()


def form_token() -> str:
    """What proves that a form came from a page of ours: other sites can send forms here, but cannot read it."""
    if TOKEN not in session:
        session[TOKEN] = secrets.token_urlsafe(24)
    return str(session[TOKEN])


def person_behind_form() -> str:
    """The login of the person who sent the form that is being answered.

    Raises:
        HTTPException: 403, where nobody knows who that is, or another site may have sent it.
    """
    refuse_foreign_forms()
    login = viewer().login
    if login is None:
        abort(403, _NAMELESS)
    return login


def refuse_foreign_forms() -> None:
    """Answer 403 to a form that is not from a page of ours."""
    known, sent = str(session.get(TOKEN, "")), request.form.get(TOKEN, "")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    if not known or not hmac.compare_digest(known.encode(), sent.encode()) or site != "same-origin":
        abort(403, _FOREIGN)


def protect(response: Response) -> Response:
    """Nothing from elsewhere, nothing inline, no frames, no guessing, no copy kept unasked. For ``after_request``."""
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


def _is_local() -> bool:
    """The machine itself, under a name of its own, and not on behalf of somebody elsewhere."""
    relayed = any(name in request.headers for name in _PROXY_HEADERS)
    return not relayed and _is_loopback(request.remote_addr) and _is_loopback(urlsplit(f"//{request.host}").hostname)


def _is_among(address: str | None, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in networks if network.version == mapped.version)


def _is_loopback(host: str | None) -> bool:
    """An address of this machine, however it is written, or its own name."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
