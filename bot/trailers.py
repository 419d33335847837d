"""The trailers of a commit message: ``Key: value`` lines at its end.

They are what the design's bookkeeping stands on, so what counts is narrow: only whole paragraphs of such lines,
and only at the end. A person who merges with GitHub's default message keeps them there, followed at most by a
line of dashes and the co-authors, and both are accepted. The same words inside free text count for nothing.
"""

import re

_TRAILER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*):[ \t]+(\S.*)")
_CONTINUATION = re.compile(r"[ \t]+(\S.*)")
_SEPARATOR = re.compile(r"-{3,}")
"""GitHub writes ``---------`` between the message and the co-authors of a squash merge."""


def parse_trailers(message: str) -> tuple[tuple[str, str], ...]:
    """The (key, value) pairs at the end of a message, in order, with repeats.

    The subject is never a trailer. A line that begins with white space continues the value above it, as in
    ``git interpret-trailers``.
    """
    found: list[tuple[str, str]] = []
    for paragraph in reversed(_paragraphs(message)[1:]):
        pairs = _pairs(paragraph)
        if pairs is None:
            break
        found[:0] = pairs
    return tuple(found)


def _paragraphs(message: str) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in message.replace("\r\n", "\n").strip().split("\n"):
        if line.strip():
            paragraphs[-1].append(line.rstrip())
        elif paragraphs[-1]:
            paragraphs.append([])
    return paragraphs


def _pairs(paragraph: list[str]) -> list[tuple[str, str]] | None:
    """The trailers of a paragraph of nothing else (none in a separator), or None where it is free text."""
    pairs: list[tuple[str, str]] = []
    for line in paragraph:
        if trailer := _TRAILER.fullmatch(line):
            pairs.append((trailer[1], trailer[2]))
        elif pairs and (more := _CONTINUATION.fullmatch(line)):
            key, value = pairs[-1]
            pairs[-1] = (key, f"{value} {more[1]}")
        elif not _SEPARATOR.fullmatch(line):
            return None
    return pairs
