"""What builders and engines print: passed on line by line, the end kept for whoever has to mend the build.

The engine tells kinds of errors apart in words only, so they are told apart here in the same way.
"""

import re
from collections import deque
from collections.abc import Callable

from bot.errors import Permanent, SlipwayError, Transient

TAIL = 20
"""Lines of output that a failed build shows."""

_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

_NO_ENTRY = re.compile(r"(?i)denied|unauthorized|authentication required|no basic auth credentials|insufficient.scope")
_TAKEN = re.compile(r"(?i)immutable|cannot be overwritten")
_WRONG = re.compile(
    r"(?i)does not exist locally|no such image|invalid|x509|certificate"
    r"|http response to https client|name.unknown|not found|requested access to the resource|quota"
)
_PASSING = re.compile(
    r"(?i)time[d-]?\s?out|connection (?:refused|reset)|\bEOF\b|broken pipe|no such host|temporary failure"
    r"|tls handshake|too\s?many\s?requests|\b50[0234]\b|service unavailable|network is unreachable|no route to host"
    r"|cannot connect to the docker daemon"
)
_FULL = re.compile(r"(?i)no space left on device|disk quota exceeded|not enough space")
_STEP = re.compile(r"(?i)non-zero code|did not complete successfully")


class Output:
    """Takes text as it comes and passes on whole lines, without colours, blank ones left out."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._begun = ""
        self._tail: deque[str] = deque(maxlen=TAIL)

    def write(self, text: str) -> None:
        """Take some text; it may hold half a line or many."""
        *whole, self._begun = (self._begun + text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in whole:
            self._line(line)

    def close(self) -> None:
        """Pass on what was not ended by a line end."""
        self._line(self._begun)
        self._begun = ""

    def _line(self, raw: str) -> None:
        line = _COLOURS.sub("", raw).rstrip()
        if line:
            self._tail.append(line)
            self._log(line)

    def last(self, start: str) -> str | None:
        """The last of the kept lines that begins so."""
        return next((line for line in reversed(self._tail) if line.startswith(start)), None)

    def failure(self, image: str, why: str) -> SlipwayError:
        """The error of a build: a paragraph, and, for a step that failed, an empty line and the last of the output.

        The output is as the build wrote it. Where that may not be quoted, show what stands before the empty line.
        """
        self.close()
        if disk_is_full(why):
            return no_space(f"build {image}", why)
        if _PASSING.search(why) and not _STEP.search(why):
            return Transient(f"Could not build {image} yet: {why.rstrip('.')}. Slipway tries again by itself.")
        text = f"Building {image} failed: {why}"
        return Permanent("\n\n".join(part for part in (text, "\n".join(self._tail)) if part))


def disk_is_full(words: str) -> bool:
    """Whether these are the words of an engine, or a registry, whose disk is full."""
    return _FULL.search(words) is not None


def no_space(doing: str, words: str) -> Transient:
    """The error of a full disk. Somebody must make room, and then it goes on by itself."""
    return Transient(
        f"Could not {doing} yet: a disk is full ({words}). Whoever runs the bot makes room on the machine of the "
        "Docker engine (docker system df shows what takes it) or of the registry; Slipway tries again by itself."
    )


def push_failure(image: str, registry: str, words: str) -> SlipwayError:
    """The error of a push that the engine gave up with these words."""
    if disk_is_full(words):
        return no_space(f"push {image}", words)
    if _NO_ENTRY.search(words):
        return Permanent(
            f"Could not push {image}: the registry does not let the bot in ({words}). Run docker login {registry} with "
            "an account that may push there, on the machine and with the DOCKER_CONFIG of the bot."
        )
    if _TAKEN.search(words):
        return Permanent(
            f"Could not push {image}: {words}. Something else is under this tag, and the registry lets nobody change "
            "it: delete the tag there, and ask for the release once more."
        )
    if _WRONG.search(words) and not _PASSING.search(words):
        return Permanent(f"Could not push {image}: {words}.")
    return Transient(f"Could not push {image} yet: the push broke off ({words}). Slipway tries again by itself.")
