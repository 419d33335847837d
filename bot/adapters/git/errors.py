"""What git says, in our words: ``GitFailure`` to the errors of ``bot.errors``.

Git has no error codes: its sentences (with ``LC_ALL=C``, which GitPython sets) are the interface. They are from
git's ``http.c``, ``remote-curl.c``, ``transport.c`` and ``send-pack.c``; the ``GH…`` codes are GitHub's.
"""

import re

from bot.errors import Permanent, SlipwayError, Transient

_UNAUTHORISED = ("Authentication failed", "could not read Username", "could not read Password", "error: 401")
_NOT_FOUND = (
    "Repository not found",
    "' not found",
    "error: 404",
    "does not exist",
    "does not appear to be a git repository",
)
_FORBIDDEN = ("error: 403", "Permission to ", "Write access to repository not granted")
_UNTRUSTED = ("certificate", "unsupported protocol", "not allowed", "Unsupported proxy")
_DISK = ("No space left on device", "Out of diskspace", "Disk quota exceeded", "Read-only file system")
_BROKEN = (
    "corrupt",
    "not a git repository",
    "bad object",
    "bad tree",
    "bad tag",
    "missing blob",
    "missing tree",
    "missing commit",
    "unable to read tree",
    "unable to read",
    "could not read",
    "inflate:",
    "is empty",
    "does not match index",
    "cannot be accessed",
    "Could not parse object",
    "Failed to traverse parents",
    "did not receive expected object",
    "unresolved deltas",
    "bad config line",
    ".lock': File exists",
    "Can't load tree",
    "Not a valid commit",
    "invalid object",
    "not a valid object",
    "Invalid ref name",
    "unable to resolve reference",
    "invalid sha1 pointer",
)
_SENT = ("RPC failed", "unexpected disconnect", "hung up unexpectedly", "early EOF", "remote failed to report")
_LINE = re.compile(r"^(?:remote|fatal|error|warning): ?(.*)$", re.MULTILINE)
_SAID_AT_MOST = 600

_PERMANENT = (
    (
        _UNAUTHORISED,
        (
            "the Git server did not accept the credential. Check GITHUB_TOKEN, or GITHUB_APP_ID with its key and that "
            "the app is installed on {repo}."
        ),
    ),
    (
        _NOT_FOUND,
        (
            "the Git server knew no such repository, or hid it. Check the name {repo}, GITHUB_URL, and that the bot's "
            "account or app has been given access."
        ),
    ),
    (
        _FORBIDDEN,
        (
            "the Git server refused access ({words}). Give the bot's account or app read and write access to "
            "the contents of {repo}."
        ),
    ),
    (_UNTRUSTED, "the Git server could not be used ({words}). Check GITHUB_URL."),
)


class GitFailure(Exception):
    """A git command that did not exit with 0. Stays inside the git adapters: see ``errors``.

    Attributes:
        stderr: what git said, with every form of the token taken out.
        stdout: what it had answered by then, likewise.
        timed_out: it was killed for taking too long.
    """

    def __init__(self, command: str, status: int, stderr: str, stdout: str = "", *, timed_out: bool = False) -> None:
        super().__init__(f"git {command}: exit {status}: {stderr.strip()}")
        self.command = command
        self.status = status
        self.stderr = stderr
        self.stdout = stdout
        self.timed_out = timed_out


def said(failure: GitFailure) -> str:
    """What git and the server said, without the prefixes, shortened."""
    lines = [line.strip() for line in _LINE.findall(failure.stderr)] or [failure.stderr.strip()]
    text = " / ".join(line for line in lines if line)
    return text[:_SAID_AT_MOST] or f"exit status {failure.status}"


def is_unauthorised(failure: GitFailure) -> bool:
    """Whether the server wants another credential. Nothing was done."""
    return _has(failure, _UNAUTHORISED)


def mirror_is_broken(failure: GitFailure) -> bool:
    """Whether the local repository is to blame (it is only a mirror: it can be cloned afresh)."""
    blameless = disk_is_full(failure) or _has(failure, (*_UNAUTHORISED, *_NOT_FOUND))
    return not blameless and any(words in _own(failure) for words in _BROKEN)


def disk_is_full(failure: GitFailure) -> bool:
    """Whether the local disk takes no more."""
    return any(words in _own(failure) for words in _DISK)


def failure_is_remote(failure: GitFailure) -> bool:
    """Whether it was the server or the network that failed."""
    return _has(failure, ("unable to access", *_UNAUTHORISED, *_NOT_FOUND, *_SENT))


def may_have_been_sent(failure: GitFailure) -> bool:
    """Whether a failed push may have taken effect: it had got past the greeting when the connection broke."""
    return failure.timed_out or _has(failure, _SENT)


def explain(failure: GitFailure, doing: str, repo: str) -> SlipwayError:
    """The error for a command that changed nothing anywhere.

    Args:
        failure: what git said.
        doing: what was being done to the repo, as in "fetching".
        repo: ``owner/name``.
    """
    words = said(failure)
    if disk_is_full(failure):
        return Transient(
            f"While {doing} {repo}, the disk took no more ({words}). Make room in the folder that SLIPWAY_STATE names; "
            "it is tried again by itself."
        )
    if failure.timed_out:
        return Transient(f"While {doing} {repo}, git did not finish in time and was stopped.")
    for signs, meaning in _PERMANENT:
        if _has(failure, signs):
            return Permanent(f"While {doing} {repo}, {meaning.format(repo=repo, words=words)}")
    return Transient(f"While {doing} {repo}, git stopped: {words}")


def _own(failure: GitFailure) -> str:
    """What the local git said: not what it passed on from the server's."""
    return "\n".join(line for line in failure.stderr.splitlines() if not line.startswith("remote:"))


def _has(failure: GitFailure, words: tuple[str, ...]) -> bool:
    return any(word in failure.stderr for word in words)
