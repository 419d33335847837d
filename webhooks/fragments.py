"""The parts of pages that the script renews."""

import hashlib
from collections.abc import Callable
from http import HTTPStatus

from flask import Response, request

from webhooks.sight import Snapshot

AS_OF = "Slipway-As-Of"
"""A header: when the config repo was read, which is news even where nothing else is."""


def renewed(seen: Snapshot, render: Callable[[], str], pulse: str = "") -> Response:
    """A part of a page; nothing but its age where the script has that part already.

    ``pulse`` stands for what the page shows beside the look.
    """
    response = Response()
    if seen.as_of is not None:
        response.headers[AS_OF] = seen.as_of.isoformat()
    response.set_etag(hashlib.sha256(f"{seen.version} {pulse} {request.full_path!r}".encode()).hexdigest()[:32])
    response.make_conditional(request)
    if response.status_code != HTTPStatus.NOT_MODIFIED:
        response.set_data(render())
    return response
