"""The history of a repository in one ``git log``: who, what, which files, which notes. No index, nothing kept.

For 10,000 commits it takes about a second. What a repository's own configuration could change about the output, or
run (``log.showSignature`` starts a program), is switched off: a clone is somebody's folder.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.adapters.git.command import GitCommand
from bot.adapters.git.objects import moment
from bot.facts import ConfigCommit, Logged
from bot.trailers import parse_trailers

_PLAIN = ("--no-show-signature", "--no-color", "--no-relative", "--no-renames", "--encoding=UTF-8", "--root")
_FIELDS = ("%H", "%P", "%an", "%ae", "%cn", "%ct", "%B")
_STATUS = re.compile(r"\n?([A-Z])")


@dataclass(frozen=True, slots=True)
class _Read:
    commit: ConfigCommit
    changed: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def log(git: GitCommand, head: str, *, notes: str | None) -> tuple[Logged, ...]:
    """The first-parent line that leads to ``head``, newest first, with what its merges brought.

    Args:
        git: the repository.
        head: a commit.
        notes: the notes' ref; None where there is none.

    Raises:
        GitFailure: the log cannot be read.
    """
    shown = ["--no-notes", *([f"--notes={notes}"] if notes else [])]
    fields = [*_FIELDS, "%N" if notes else ""]  # git leaves a %N as it is where it shows no notes
    output = git.local(
        "log",
        "-z",
        "--topo-order",
        "--diff-merges=first-parent",
        "--name-status",
        *_PLAIN,
        *shown,
        f"--format={'%x00'.join(fields)}%x00",
        head,
        "--",
    )
    return _line(head, {one.commit.sha: one for one in _parse(output.decode(errors="replace"))})


def last_change(git: GitCommand, commit: str, paths: Sequence[str]) -> str:
    """The newest commit of the first-parent line that changed any of the paths, "" where none did."""
    span = ("log", "-1", "--no-patch", "--first-parent", "--diff-merges=first-parent", *_PLAIN, "--format=%H", commit)
    return git.local(*span, "--", *(path or "." for path in paths)).decode().strip()


def _parse(output: str) -> Iterator[_Read]:
    """``-z``: the fields, an empty one, and then a status letter and a path for each file."""
    tokens = output.split("\0")
    at = 0
    while at + len(_FIELDS) < len(tokens):
        *fields, notes = tokens[at : at + len(_FIELDS) + 1]
        at += len(_FIELDS) + 2
        changed = []
        while at + 1 < len(tokens) and (status := _STATUS.fullmatch(tokens[at])):
            changed.append((status[1], tokens[at + 1]))
            at += 2
        yield _Read(_commit(fields), tuple(changed), tuple(line for line in notes.split("\n") if line))


def _commit(fields: Sequence[str]) -> ConfigCommit:
    sha, parents, author_name, author_email, committer_name, seconds, message = fields
    return ConfigCommit(
        sha=sha,
        parents=tuple(parents.split()),
        author_name=author_name,
        author_email=author_email,
        committer_name=committer_name,
        committed_at=moment(int(seconds)),
        message=message,
        trailers=parse_trailers(message),
    )


def _line(head: str, known: Mapping[str, _Read]) -> tuple[Logged, ...]:
    """The line, newest first. In a shallow clone it ends where the clone does."""
    line: list[_Read] = []
    at = head
    while at in known:
        line.append(known[at])
        at = next(iter(known[at].commit.parents), "")
    arrived = {one.commit.sha for one in line}
    found = [Logged(one.commit, one.changed, one.notes, _brought(one, known, arrived)) for one in reversed(line)]
    return tuple(reversed(found))


def _brought(merge: _Read, known: Mapping[str, _Read], arrived: set[str]) -> tuple[ConfigCommit, ...]:
    """What is reachable from the merge's other parents and had not arrived on the line before."""
    waiting = list(merge.commit.parents[1:])
    found: list[ConfigCommit] = []
    while waiting:
        sha = waiting.pop(0)
        if sha in known and sha not in arrived:
            arrived.add(sha)
            found.append(known[sha].commit)
            waiting.extend(known[sha].commit.parents)
    return tuple(found)
