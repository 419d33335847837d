"""Git over HTTP: ``git http-backend`` behind GitHub's rules on who may read and who may push.

The backend is a CGI program. A request's body is spooled to a file first, so nothing can deadlock; a fetch is
streamed, while a push's short answer waits until its consequences (events, pull requests) are drawn.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from flask import Blueprint, Response, request

from bot.sandbox.forge.api import store
from bot.sandbox.forge.git import git_environment
from bot.sandbox.forge.pushes import RefUpdate, after_push
from bot.sandbox.forge.records import Level, Repo, Token

git = Blueprint("git", __name__)

_CHUNK = 1 << 16
# Every push tells its own ref updates, exactly, however many run side by side.
_HOOK = """#!/bin/sh
[ -z "$FORGE_PUSH_REPORT" ] || exec cat >"$FORGE_PUSH_REPORT"
"""


def write_hooks(folder: Path) -> None:
    """The hooks that all repositories share (``core.hooksPath``)."""
    folder.mkdir(parents=True, exist_ok=True)
    hook = folder / "post-receive"
    hook.write_text(_HOOK, encoding="ascii")
    hook.chmod(0o755)


@git.get("/<owner>/<name>/info/refs")
def info_refs(owner: str, name: str) -> Response:
    """The first step of a fetch or a push."""
    service = request.args.get("service", "")
    if service not in {"git-upload-pack", "git-receive-pack"}:
        return Response("Please upgrade your git client.\n", 403)
    repo, _, refusal = _admit(owner, name, push=service == "git-receive-pack")
    return refusal if repo is None else _stream(*_backend(repo, "info/refs", None, None))


@git.post("/<owner>/<name>/git-upload-pack")
def upload_pack(owner: str, name: str) -> Response:
    """A fetch."""
    repo, _, refusal = _admit(owner, name, push=False)
    return refusal if repo is None else _stream(*_backend(repo, "git-upload-pack", None, None))


@git.post("/<owner>/<name>/git-receive-pack")
def receive_pack(owner: str, name: str) -> Response:
    """A push."""
    repo, caller, refusal = _admit(owner, name, push=True)
    if repo is None or caller is None:
        return refusal
    with tempfile.NamedTemporaryFile() as report:
        process, headers = _backend(repo, "git-receive-pack", caller.user.login, report.name)
        answer = Response(_read_all(process), headers=headers)
        updates = _updates(Path(report.name).read_text(encoding="utf-8"))
    with store().lock:
        after_push(repo, updates, caller.user)
    return answer


def _admit(owner: str, name: str, *, push: bool) -> tuple[Repo | None, Token | None, Response]:
    """The repository, and who comes in; or how GitHub turns them away."""
    challenge = {"WWW-Authenticate": 'Basic realm="GitHub"'}
    login = request.authorization
    caller = store().token(login.password or "") if login and login.type == "basic" else None
    if login and caller is None:
        return None, None, Response("Invalid username or token.\n", 401, challenge)
    full_name = f"{owner}/{name.removesuffix('.git')}"
    repo = store().repo(full_name)
    level = Level.NONE
    if repo and (caller is None or caller.repos is None or repo.full_name in caller.repos):
        level = store().level(repo, caller.user if caller else None)
    if repo is None or level < Level.READ:
        refusal = Response("Repository not found.\n", 404) if caller else Response("", 401, challenge)
        return None, None, refusal
    if push and caller is None:
        return None, None, Response("", 401, challenge)
    if push and level < Level.WRITE:
        who = caller.user.login if caller else "nobody"
        return None, None, Response(f"Permission to {full_name}.git denied to {who}.\n", 403)
    return repo, caller, Response()


def _backend(
    repo: Repo, tail: str, user: str | None, report: str | None
) -> tuple["subprocess.Popen[bytes]", list[tuple[str, str]]]:
    """Start the CGI program and read its headers."""
    root = store().root
    with tempfile.TemporaryFile() as spool, (root / "http-backend.log").open("ab") as log:
        while chunk := request.stream.read(_CHUNK):
            spool.write(chunk)
        length = spool.tell()
        spool.seek(0)
        process = subprocess.Popen(
            ["git", "http-backend"],
            stdin=spool,
            stdout=subprocess.PIPE,
            stderr=log,
            env=_cgi_environment(repo, tail, length, user, report),
        )
    return process, _cgi_headers(_stdout(process))


def _cgi_environment(repo: Repo, tail: str, length: int, user: str | None, report: str | None) -> dict[str, str]:
    given = {
        "GIT_PROJECT_ROOT": str(repo.git.path),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{tail}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string.decode("ascii", "replace"),
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(length),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": request.remote_addr or "",
        "REMOTE_USER": user,
        "FORGE_PUSH_REPORT": report,
    }
    return git_environment() | {key: value for key, value in given.items() if value}


def _stdout(process: "subprocess.Popen[bytes]") -> IO[bytes]:
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    return process.stdout


def _cgi_headers(output: IO[bytes]) -> list[tuple[str, str]]:
    found = []
    while line := output.readline().decode("latin-1").strip():
        key, _, value = line.partition(":")
        found.append((key, value.strip()))
    return found


def _stream(process: "subprocess.Popen[bytes]", headers: list[tuple[str, str]]) -> Response:
    code = next((value for key, value in headers if key == "Status"), "200 OK")
    response = Response(_chunks(process), code, [pair for pair in headers if pair[0] != "Status"])
    response.call_on_close(lambda: _finish(process))
    return response


def _chunks(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    try:
        while chunk := _stdout(process).read1(_CHUNK):  # type: ignore[attr-defined]
            yield chunk
    finally:
        _finish(process)  # werkzeug closes no response whose client reset the connection


def _read_all(process: "subprocess.Popen[bytes]") -> bytes:
    data = _stdout(process).read()
    _finish(process)
    return data


def _finish(process: "subprocess.Popen[bytes]") -> None:
    """The client may have gone in the middle: then the program ends by the broken pipe."""
    _stdout(process).close()
    process.wait()


def _updates(report: str) -> list[RefUpdate]:
    lines = (line.split(" ", 2) for line in report.splitlines())
    return [(ref, old, new) for old, new, ref in lines]
