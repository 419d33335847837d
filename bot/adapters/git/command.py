"""Runs git, through GitPython, so that it asks nobody, runs nobody's hooks and shows no credential.

The user's and the machine's git configuration are left out on purpose: a bot's pushes must not depend on
somebody's ``insteadOf``, hooks, signing key or credential helper. What a network needs (``HTTPS_PROXY``,
``GIT_SSL_CAINFO``) comes by the environment.

A token travels as an ``Authorization`` header in ``GIT_CONFIG_*`` variables, bound to the one repository's URL: never
in an argument, a URL, or a file. GitPython logs arguments only (``GIT_PYTHON_TRACE`` too), never the environment.
"""

import base64
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from bot.adapters.git.errors import GitFailure, is_unauthorised
from bot.errors import Permanent

os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")  # without git, say so in a sentence when it is needed
from git.cmd import Git
from git.exc import GitCommandNotFound

Token = Callable[[str], str | None]
"""The credential for a repo (``owner/name``) now; None where none is needed. Asked at every call."""

Renew = Callable[[str, str], bool]
"""Told that a repo's token was refused: whether asking for it again will give another one."""

PROBE_BYTES = 4096

NOBODY = "/dev/null"

_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": NOBODY,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TEMPLATE_DIR": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_ALLOW_PROTOCOL": "http:https:file",
    # What a surrounding git (a hook that runs the tests, say) or a curious operator may have set.
    "GIT_NAMESPACE": "",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
    "GIT_CONFIG_PARAMETERS": "",
    "GIT_TRACE": "0",
    "GIT_TRACE_CURL": "0",
    "GIT_TRACE_PACKET": "0",
    "GIT_TRACE_REDACT": "1",
    "GIT_TRACE2": "0",
    "GIT_TRACE2_EVENT": "0",
    "GIT_TRACE2_PERF": "0",
}

_CONFIG = {
    "core.hooksPath": NOBODY,
    "core.fsmonitor": "false",
    "credential.helper": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "safe.directory": "*",
    "http.lowSpeedLimit": "1",
}


@dataclass(frozen=True, slots=True)
class Login:
    """Where credentials come from. Without ``renew``, a token that is refused stays refused."""

    token: Token
    renew: Renew | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long git may take, in seconds.

    Attributes:
        stalled: not a byte moved in this time: git gives up by itself.
        look: an ``ls-remote``.
        push: a push.
        fetch: a fetch, a first clone included, or a local command.
    """

    stalled: int = 30
    look: float = 60
    push: float = 120
    fetch: float = 900


class GitCommand:
    """Git for one folder (the git directory).

    Args:
        folder: the git directory; it need not exist yet.
        login: see ``Login``.
        work_tree: where a checkout goes.
    """

    def __init__(
        self, folder: Path, login: Login, *, work_tree: Path | None = None, patience: Patience | None = None
    ) -> None:
        self.folder = folder.absolute()
        self.patience = patience or Patience()
        self._login = login
        self._own = {
            "GIT_DIR": str(self.folder),
            "GIT_INDEX_FILE": str(self.folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(self.folder / "objects"),
        }
        if work_tree is not None:
            self._own["GIT_WORK_TREE"] = str(work_tree.absolute())

    def local(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Run a command that talks to nobody, and return what it printed.

        Raises:
            GitFailure: it did not exit with 0.
        """
        return self._run(arguments, self._environment({}), stdin, self.patience.fetch, ())

    def remote(self, url: str, repo: str, *arguments: str, timeout: float) -> bytes:
        """Run a command that talks to ``url``, with the repo's token; once more where that has just run out.

        Raises:
            GitFailure: it did not exit with 0, or took longer than ``timeout`` seconds.
        """
        token = self._login.token(repo)
        try:
            return self._with_token(url, token, arguments, timeout)
        except GitFailure as failure:
            renew = self._login.renew
            if not (token and renew and is_unauthorised(failure) and renew(repo, token)):
                raise
        return self._with_token(url, self._login.token(repo), arguments, timeout)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a local command that is talked to through its pipes. Whoever starts it ends it."""
        return self._start(arguments, self._environment({}), pipe=True)

    def _with_token(self, url: str, token: str | None, arguments: tuple[str, ...], timeout: float) -> bytes:
        config = {"http.lowSpeedTime": str(self.patience.stalled)}
        secrets: tuple[str, ...] = ()
        if token:
            encoded = base64.b64encode(f"x-access-token:{token}".encode()).decode()
            config[f"http.{url}.extraHeader"] = f"Authorization: Basic {encoded}"
            secrets = (token, encoded)
        return self._run(arguments, self._environment(config), None, timeout, secrets)

    def _environment(self, config: Mapping[str, str]) -> dict[str, str]:
        settings = {**_CONFIG, **config}
        environment = {**_ENVIRONMENT, **self._own, "GIT_CONFIG_COUNT": str(len(settings))}
        for number, (key, value) in enumerate(settings.items()):
            environment[f"GIT_CONFIG_KEY_{number}"] = key
            environment[f"GIT_CONFIG_VALUE_{number}"] = value
        return environment

    def _start(self, arguments: tuple[str, ...], environment: dict[str, str], *, pipe: bool) -> subprocess.Popen[bytes]:
        """Start git in a session of its own: a Ctrl-C meant for the worker does not tear a push in two."""
        try:
            wrapped = Git(os.sep).execute(
                ["git", *arguments],
                istream=subprocess.PIPE if pipe else None,
                as_process=True,
                env=environment,
                start_new_session=True,
            )
        except GitCommandNotFound:
            raise Permanent("Git is not installed here, or not on PATH. Install git 2.38 or newer.") from None
        process = cast("subprocess.Popen[bytes]", wrapped.proc)
        wrapped.proc = None  # the wrapper would end the process when it is collected
        return process

    def _run(
        self,
        arguments: tuple[str, ...],
        environment: dict[str, str],
        stdin: bytes | None,
        timeout: float,
        secrets: tuple[str, ...],
    ) -> bytes:
        process = self._start(arguments, environment, pipe=stdin is not None)
        timed_out = False
        with process:
            try:
                out, err = process.communicate(stdin, timeout)
            except subprocess.TimeoutExpired:
                timed_out = True
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
        if process.returncode == 0 and not timed_out:
            return out
        words = _clean(err, secrets) + self._disk_says()
        raise GitFailure(arguments[0], process.returncode, words, _clean(out, secrets), timed_out=timed_out)

    def _disk_says(self) -> str:
        """What stands in the way of writing here, in git's form: git itself does not always name the cause."""
        try:
            with tempfile.TemporaryFile(
                dir=next(one for one in (self.folder, *self.folder.parents) if one.is_dir())
            ) as probe:
                probe.write(b"\0" * PROBE_BYTES)
        except OSError as error:
            return f"\nfatal: {error.strerror}"
        return ""


def plain_url(url: str) -> str:
    """The URL, refused where it holds a user name or password: it would be seen in ``ps`` and in logs."""
    if "@" in urlsplit(url).netloc:
        raise Permanent(
            "The address of the Git server holds a user name or password. Take it out of GITHUB_URL "
            "and give the credential as GITHUB_TOKEN or as a GitHub App."
        )
    return url


def _clean(output: bytes, secrets: tuple[str, ...]) -> str:
    text = output.decode(errors="replace")
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
