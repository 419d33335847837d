"""Who may look, and what a browser may do with a page.

The pages ask nobody who they are yet, so they are shown to the machine itself alone. A web site that a person on that
machine visits is a stranger too: it may neither read a page under a name of its own (DNS rebinding) nor frame one.
"""

from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, abort, request

_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
"""A proxy on this machine speaks for somebody elsewhere, and says so in one of these."""

_REFUSAL = (
    "Slipway's pages are shown on its own machine only, since they do not ask who you are. Come through a tunnel, such "
    "as `ssh -L 8000:127.0.0.1:8000 HOST` or `kubectl port-forward`, and open http://127.0.0.1:8000/."
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


def refuse_strangers() -> None:
    """Answer 403 to whoever is not on this machine. For ``before_request``."""
    relayed = any(name in request.headers for name in _PROXY_HEADERS)
    if relayed or not _is_loopback(request.remote_addr) or not _is_loopback(urlsplit(f"//{request.host}").hostname):
        abort(403, _REFUSAL)


def protect(response: Response) -> Response:
    """Nothing from elsewhere, nothing inline, no frames, no guessing, no copy kept unasked. For ``after_request``."""
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.headers.setdefault("Cache-Control", "private, no-cache")
    return response


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
