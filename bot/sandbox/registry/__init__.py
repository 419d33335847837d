"""A registry stand-in: the OCI Distribution specification over HTTP, on a port of its own, with files below a folder.

A Docker engine pushes to it and pulls from it. Where distribution 2.8, the registry most people run, is stricter
than the specification, so is this: a manifest is only shown to who accepts its media type, and only taken
once the repository holds what it refers to. ``tests/contract/test_registry.py`` runs on both.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import functools
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Blueprint, Flask, Request, Response, jsonify, request, send_file, url_for
from werkzeug.serving import WSGIRequestHandler, make_server

from bot.sandbox.faults import Faults
from bot.sandbox.registry.auth import Basic, Bearer, Guard, Login
from bot.sandbox.registry.store import DIGEST, RegistryError, Store

NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
UPLOAD = re.compile(r"[0-9a-f-]{36}")
PAGE = 100
"""Entries of a list's page where the caller sets no ``n``."""


class Registry:
    """The running stand-in; a context manager.

    Args:
        root: the folder of its files; what an earlier one left there is served again.
        login: who is let in, or None for everybody.
        bearer: ask for tokens (given for the login at ``/token``) instead of the login itself.
        token_seconds: how long a token is good for.
        middleware: sees the exchanges that no fault disturbs.

    Attributes:
        host: ``127.0.0.1:PORT``, as in an image reference.
        faults: what shall go wrong, see ``bot.sandbox.faults``.
        requests: each request received so far, as ``METHOD PATH[?QUERY]``.
    """

    def __init__(
        self,
        root: Path,
        *,
        login: Login | None = None,
        bearer: bool = False,
        token_seconds: float = 300,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        self.faults = Faults()
        self.requests: list[str] = []
        application: WSGIApplication = create_app(Store(root), _guard(login, token_seconds if bearer else None))
        faulty = self.faults.in_front_of(middleware(application) if middleware else application)

        def noted(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            query = environ.get("QUERY_STRING", "")
            asked = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
            self.requests.append(asked + (f"?{query}" if query else ""))
            return faulty(environ, start_response)

        self._server = make_server("127.0.0.1", 0, noted, threaded=True, request_handler=_QuietHandler)
        # It looks up every 20 ms whether to stop; the default of half a second would be spent in every test.
        serve = functools.partial(self._server.serve_forever, poll_interval=0.02)
        self._thread = threading.Thread(target=serve, name="registry", daemon=True)
        self.host = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def create_app(store: Store, guard: Guard | None) -> Flask:
    """The application: routes, errors in the specification's shape, and the guard in front."""
    app = Flask(__name__)
    app.register_blueprint(_base(guard))
    app.register_blueprint(_uploads(store))
    app.register_blueprint(_blobs(store))
    app.register_blueprint(_manifests(store))
    app.register_blueprint(_lists(store))

    @app.errorhandler(RegistryError)
    def explain(error: RegistryError) -> Response:
        return _problem(error)

    @app.before_request
    def guarded() -> Response | None:
        return _check_request(guard)

    @app.after_request
    def versioned(response: Response) -> Response:
        response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
        return response

    return app


class _QuietHandler(WSGIRequestHandler):
    """No line for each request: the demo's terminal belongs to the story."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def _guard(login: Login | None, token_seconds: float | None) -> Guard | None:
    if login is None:
        return None
    return Basic(login) if token_seconds is None else Bearer(login, token_seconds)


def _check_request(guard: Guard | None) -> Response | None:
    """Refuse a name, reference or digest that the specification does not allow, then who may not pass."""
    if request.routing_exception or request.endpoint == "base.token":
        return None
    arguments = request.view_args or {}
    if not all(_well_formed(key, value) for key, value in arguments.items()):
        return Response("404 page not found\n", 404, mimetype="text/plain")
    challenge = guard.challenge(request, _scopes(request, arguments.get("name"))) if guard else None
    if challenge is None:
        return None
    response = _problem(RegistryError(401, "UNAUTHORIZED", "authentication required"))
    response.headers["WWW-Authenticate"] = challenge
    return response


def _well_formed(kind: str, value: str) -> bool:
    """Whether a part of the path is what the specification allows there."""
    allowed = {"name": (NAME,), "reference": (TAG, DIGEST), "digest": (DIGEST,), "upload": (UPLOAD,)}
    return any(pattern.fullmatch(value) for pattern in allowed[kind])


def _scopes(asked: Request, name: str | None) -> list[str]:
    if name is None:
        return ["registry:catalog:*"] if asked.endpoint == "lists.catalog" else []
    if asked.method in ("GET", "HEAD") and asked.endpoint != "uploads.status":
        return [f"repository:{name}:pull"]
    actions = ("delete",) if asked.method == "DELETE" else ("pull", "push")
    return [f"repository:{name}:{action}" for action in actions]


def _problem(error: RegistryError) -> Response:
    entry = {"code": error.code, "message": error.message, "detail": error.detail}
    response = jsonify({"errors": [entry]})
    response.status_code = error.status
    return response


def _empty(status: int, headers: dict[str, str]) -> Response:
    return Response(b"", status, headers)


def _base(guard: Guard | None) -> Blueprint:
    base = Blueprint("base", __name__)

    @base.get("/v2/")
    def version() -> Response:
        return jsonify({})

    @base.get("/token")
    def token() -> Response:
        given = guard.give(request) if isinstance(guard, Bearer) else None
        if given is None or not isinstance(guard, Bearer):
            return _problem(RegistryError(401, "UNAUTHORIZED", "authentication required"))
        return jsonify({"token": given, "access_token": given, "expires_in": int(guard.seconds)})

    return base


def _uploads(store: Store) -> Blueprint:
    uploads = Blueprint("uploads", __name__)
    route = "/v2/<path:name>/blobs/uploads/<upload>"

    def progress(name: str, upload: str, status: int) -> Response:
        size = store.upload_size(name, upload)
        headers = {"Docker-Upload-UUID": upload, "Range": f"0-{max(size - 1, 0)}"}
        # A query of its own, as distribution's: who appends `?digest=` blindly to a Location learns it here.
        location = url_for("uploads.status", name=name, upload=upload, _external=True)
        headers["Location"] = f"{location}?_state={size}"
        return _empty(status, headers)

    @uploads.post("/v2/<path:name>/blobs/uploads/")
    def start(name: str) -> Response:
        mount, source = request.args.get("mount", ""), request.args.get("from", "")
        if DIGEST.fullmatch(mount) and NAME.fullmatch(source) and store.mount(name, mount, source):
            return _stored_blob(name, mount)
        return progress(name, store.start_upload(name), 202)

    @uploads.get(route)
    def status(name: str, upload: str) -> Response:
        return progress(name, upload, 204)

    @uploads.patch(route)
    def chunk(name: str, upload: str) -> Response:
        _check_range(store.upload_size(name, upload))
        store.append(name, upload, request.stream)
        return progress(name, upload, 202)

    @uploads.put(route)
    def finish(name: str, upload: str) -> Response:
        digest = request.args.get("digest", "")
        if not DIGEST.fullmatch(digest):
            raise RegistryError(400, "DIGEST_INVALID", "the digest is missing or is not sha256", digest)
        store.append(name, upload, request.stream)
        store.finish_upload(name, upload, digest)
        return _stored_blob(name, digest)

    @uploads.delete(route)
    def cancel(name: str, upload: str) -> Response:
        store.cancel_upload(name, upload)
        return _empty(204, {"Docker-Upload-UUID": upload})

    return uploads


def _check_range(size: int) -> None:
    """Refuse a chunk that says it does not start where the last one ended."""
    start = request.headers.get("Content-Range", "").partition("-")[0]
    if start and start != str(size):
        raise RegistryError(416, "BLOB_UPLOAD_INVALID", f"the chunk starts at {start} and should at {size}")


def _stored_blob(name: str, digest: str) -> Response:
    location = url_for("blobs.read", name=name, digest=digest, _external=True)
    return _empty(201, {"Location": location, "Docker-Content-Digest": digest})


def _blobs(store: Store) -> Blueprint:
    blobs = Blueprint("blobs", __name__)

    @blobs.get("/v2/<path:name>/blobs/<digest>")
    def read(name: str, digest: str) -> Response:
        response = send_file(
            store.blob(name, digest), "application/octet-stream", conditional=True, etag=digest, max_age=31536000
        )
        response.headers["Docker-Content-Digest"] = digest
        return response

    @blobs.delete("/v2/<path:name>/blobs/<digest>")
    def delete(name: str, digest: str) -> Response:
        store.delete_blob(name, digest)
        return _empty(202, {})

    return blobs


def _manifests(store: Store) -> Blueprint:
    manifests = Blueprint("manifests", __name__)
    route = "/v2/<path:name>/manifests/<reference>"

    @manifests.get(route)
    def read(name: str, reference: str) -> Response:
        manifest = store.manifest(name, reference)
        # As distribution 2.8 does it: exact types only, and `*/*` is none of them.
        if manifest.media_type not in re.split(r"[,;\s]+", request.headers.get("Accept", "")):
            found = f"{manifest.media_type} found, but the Accept header does not name it"
            raise RegistryError(404, "MANIFEST_UNKNOWN", found)
        response = Response(manifest.content, content_type=manifest.media_type)
        response.headers["Docker-Content-Digest"] = manifest.digest
        response.set_etag(manifest.digest)
        response.make_conditional(request)
        return response

    @manifests.put(route)
    def write(name: str, reference: str) -> Response:
        digest = store.put_manifest(name, reference, request.mimetype, request.get_data())
        location = url_for("manifests.read", name=name, reference=digest, _external=True)
        return _empty(201, {"Location": location, "Docker-Content-Digest": digest})

    @manifests.delete(route)
    def delete(name: str, reference: str) -> Response:
        store.delete_manifest(name, reference)
        return _empty(202, {})

    return manifests


def _lists(store: Store) -> Blueprint:
    lists = Blueprint("lists", __name__)

    @lists.get("/v2/_catalog")
    def catalog() -> Response:
        return _page(store.repositories(), lambda page: {"repositories": page})

    @lists.get("/v2/<path:name>/tags/list")
    def tags(name: str) -> Response:
        return _page(store.tags(name), lambda page: {"name": name, "tags": page})

    return lists


def _page(entries: list[str], body: Callable[[list[str]], dict[str, object]]) -> Response:
    """The page of a sorted list after ``last``, with a ``Link`` to the next one."""
    count = request.args.get("n", PAGE, type=int)
    rest = [entry for entry in entries if entry > request.args.get("last", "")]
    page = rest[:count]
    response = jsonify(body(page))
    if page and len(rest) > len(page):
        query = f"last={quote(page[-1], safe='')}&n={count}"
        response.headers["Link"] = f'<{quote(request.path)}?{query}>; rel="next"'
    return response
