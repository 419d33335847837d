"""GitHub's own OpenAPI description, as judge of what the stand-in answers and of what PyGithub sends.

The description comes from npm (``@octokit/openapi``, MIT); it is fetched once into ``var/cache``.
"""

import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.wrappers import Response

CACHE = Path(__file__).parents[1] / "var" / "cache"
HOST = "https://api.github.com"
# GitHub may answer these to every request; the description lists them for some only.
ANYWHERE = (400, 401, 403, 404, 422)
# Described in prose only: to any conditional read.
NOT_MODIFIED = 304
# Described in prose only: the list of statuses has this older address too (a POST to it is described).
_LEGACY_STATUSES = re.compile(r"(/repos/[^/]+/[^/]+)/statuses/([^/]+)")
_WITH_SLASHES = ("ref", "path", "branch", "basehead")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to the REST API and its answer. ``path`` is as sent, below the API's base."""

    method: str
    path: str
    query: str
    request_headers: Headers
    request_body: bytes
    status: int
    response_headers: Headers
    response_body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.path}?{self.query} -> {self.status}"


@dataclass(slots=True)
class Recorder:
    """Keeps every exchange below ``prefix``; ``wrap`` is the middleware."""

    prefix: str = "/api/v3"
    exchanges: list[Exchange] = field(default_factory=list)

    def wrap(self, app: WSGIApplication) -> WSGIApplication:
        def recording(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            raw_path, _, query = environ["REQUEST_URI"].partition("?")
            if not raw_path.startswith(self.prefix):
                return app(environ, start_response)
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            sent = Headers(
                (key.removeprefix("HTTP_").replace("_", "-"), value)
                for key, value in environ.items()
                if key.startswith("HTTP_")
            )
            response = Response.from_app(app, environ | {"wsgi.input": BytesIO(body)}, buffered=True)
            exchange = Exchange(
                environ["REQUEST_METHOD"],
                raw_path.removeprefix(self.prefix),
                query,
                sent,
                body,
                response.status_code,
                response.headers,
                response.get_data(),
            )
            self.exchanges.append(exchange)
            return response(environ, start_response)

        return recording


@dataclass(frozen=True, slots=True)
class _Request:
    """What openapi-core reads of a request."""

    host_url: str
    path: str
    method: str
    parameters: RequestParameters
    content_type: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What openapi-core reads of a response."""

    status_code: int
    content_type: str
    headers: Headers
    data: bytes


class Description:
    """The description, ready to judge."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self._api = OpenAPI.from_dict(spec, config=Config(spec_validator_cls=None))
        self._templates = sorted(((_pattern(path), path) for path in spec["paths"]), key=_literalness)

    def describes(self, method: str, path: str) -> bool:
        """Whether there is such an operation."""
        return method.lower() in self.spec["paths"][self._match(method, path)[0]]

    def _match(self, method: str, path: str) -> tuple[str, str]:
        """The template, and the path with what fills the template encoded, as openapi-core wants it."""
        if method == "GET":
            path = _LEGACY_STATUSES.sub(r"\1/commits/\2/statuses", path)
        for pattern, template in self._templates:
            if found := pattern.fullmatch(path):
                values = iter(found.groups())
                parts = re.split(r"(\{[^}]+\})", template)
                filled = (quote(unquote(next(values)), safe="") if part[:1] == "{" else part for part in parts)
                return template, "".join(filled)
        raise AssertionError(f"GitHub's description has no address like {path}")

    def check(self, exchange: Exchange) -> None:
        """Hold both directions of an exchange to the description; ``AssertionError`` says what is wrong."""
        template, encoded = self._match(exchange.method, exchange.path)
        operation = self.spec["paths"][template].get(exchange.method.lower())
        assert operation, f"GitHub's description has no {exchange.method} for {template}"
        request = _request(exchange, encoded)
        problems = self._complaints(self._api.validate_request, request) if exchange.status < 400 else []
        if str(exchange.status) in operation["responses"]:
            answer = _Answer(
                exchange.status,
                exchange.response_headers.get("Content-Type", "").partition(";")[0],
                exchange.response_headers,
                exchange.response_body,
            )
            if _has_content(self.spec, operation["responses"][str(exchange.status)]):
                problems += self._complaints(self._api.validate_response, request, answer)
        elif exchange.status in ANYWHERE:
            problems += _error_complaints(exchange.response_body)
        elif exchange.status != NOT_MODIFIED or "If-None-Match" not in exchange.request_headers:
            problems.append(f"{exchange.status} is no documented answer to {exchange.method} {template}")
        assert not problems, f"{exchange}: {problems}"

    def _complaints(self, check: Any, *what: Any) -> list[str]:
        try:
            check(*what)
        except OpenAPIError as error:
            causes = getattr(error.__cause__, "schema_errors", None)
            return [_told(cause) for cause in causes] if causes else [repr(error.__cause__ or error)]
        return []


def _told(cause: Any) -> str:
    return f"at {'/'.join(map(str, cause.absolute_path))}: {cause.message[:300]}"


def _request(exchange: Exchange, encoded: str) -> _Request:
    query = ImmutableMultiDict(parse_qsl(exchange.query, keep_blank_values=True))
    parameters = RequestParameters(query=query, header=exchange.request_headers, cookie=ImmutableMultiDict())
    method = exchange.method.lower()
    return _Request(HOST, encoded, method, parameters, "application/json", exchange.request_body or None)


def _has_content(spec: dict[str, Any], response: dict[str, Any]) -> bool:
    if "$ref" in response:
        response = spec["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
    return "content" in response


def _error_complaints(body: bytes) -> list[str]:
    error = json.loads(body)
    missing = [key for key in ("message", "documentation_url", "status") if not isinstance(error.get(key), str)]
    return [f"the error lacks {missing}"] if missing else []


def _pattern(template: str) -> re.Pattern[str]:
    pieces = re.split(r"\{([^}]+)\}", template)
    names = iter(range(len(pieces)))
    return re.compile(
        "".join(
            re.escape(piece) if next(names) % 2 == 0 else "(.+)" if piece in _WITH_SLASHES else "([^/]+)"
            for piece in pieces
        )
    )


def _literalness(entry: tuple[re.Pattern[str], str]) -> tuple[int, int]:
    """Templates with fewer holes first, longer ones first among those: the most literal match wins."""
    template = entry[1]
    return template.count("{"), -len(template)


@cache
def description() -> Description:
    """GitHub's description, loaded once; skips the test where it cannot be had, but fails in CI."""
    return Description(_mended(from_npm("@octokit/openapi@23.0.2", "generated/api.github.com.json")))


def _mended(spec: dict[str, Any]) -> dict[str, Any]:
    """The description with three of its schemas made to say what its own prose says."""
    paths = spec["paths"]
    # "You can also pass an `array` of labels directly", which PyGithub does.
    labels = paths["/repos/{owner}/{repo}/issues/{issue_number}/labels"]["post"]["requestBody"]
    alternatives = labels["content"]["application/json"]["schema"]["oneOf"]
    alternatives.append({"type": "array", "items": {"type": "string"}})
    # A folder's listing is an array, which cannot have the property that tells the alternatives apart.
    contents = paths["/repos/{owner}/{repo}/contents/{path}"]["get"]["responses"]["200"]["content"]
    del contents["application/json"]["schema"]["discriminator"]
    # In the list of installations an account must be a user *and* an enterprise; elsewhere it is either.
    installations = paths["/app/installations"]["get"]["responses"]["200"]["content"]
    installations["application/json"]["schema"]["items"] = {"$ref": "#/components/schemas/installation"}
    return spec


def from_npm(package: str, member: str) -> Any:
    """A JSON file of an npm package, which is kept in ``var/cache``; nothing of it is installed or run."""
    archive = CACHE / (package.removeprefix("@").replace("/", "-").replace("@", "-") + ".tgz")
    if not archive.exists():
        _fetch(package, archive)
    with tarfile.open(archive) as opened:
        file = opened.extractfile(f"package/{member}")
        assert file is not None
        return json.load(file)


def _fetch(package: str, archive: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        _unavailable(package, "there is no npm to fetch it with")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        command = [npm, "pack", "--silent", package, "--pack-destination", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            _unavailable(package, f"npm could not fetch it: {done.stderr.strip()[-300:]}")
        next(Path(folder).glob("*.tgz")).replace(archive)


def _unavailable(package: str, why: str) -> NoReturn:
    message = f"{package} from npm is not at hand: {why}."
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
