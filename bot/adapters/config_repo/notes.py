"""Outcomes as git notes: lines appended to a commit's note in ``refs/notes/slipway``, by compare-and-swap."""

import time

from bot.adapters.config_repo.known_refs import NOTES
from bot.adapters.config_repo.mirror import Mirror
from bot.adapters.config_repo.push import Pushed, RefUpdate
from bot.adapters.config_repo.race import DEADLINE, Race
from bot.adapters.git.fast_import import FastImport
from bot.adapters.together import Take, Together, Waiting
from bot.errors import SlipwayError, Transient
from bot.releases import Person

_REF = "refs/slipway/notes"
_MESSAGE = "Record outcomes\n"

Line = tuple[str, str]
"""A commit, and the line for its note."""

Caller = Waiting[Line, None]


class Notes:
    """Reads and appends notes, for many threads at once; who is ready together shares one commit and push."""

    def __init__(self, mirror: Mirror, committer: Person, *, deadline: float = DEADLINE) -> None:
        self._mirror = mirror
        self._committer = committer
        self._deadline = deadline
        self._lines: Together[Line, None] = Together(self._append)

    def read(self, commit: str) -> tuple[str, ...]:
        """See ``ConfigRepo.notes``."""
        return tuple(line for line in self._text(commit).decode(errors="replace").split("\n") if line)

    def add(self, commit: str, line: str) -> None:
        """See ``ConfigRepo.add_note``."""
        if not line or "\n" in line:
            raise ValueError("a note is one line")
        self._mirror.look(lambda: self._mirror.find_commit(commit), commit)
        self._lines.ask((commit, line))

    def _text(self, commit: str) -> bytes:
        notes = self._mirror.ref(NOTES)
        return b"" if notes is None else self._mirror.objects.note(notes, commit)

    def _append(self, take: Take[Line, None]) -> None:
        pending, race = take(), Race(self._mirror)
        while pending:
            pushed = self._push(pending)
            if isinstance(pushed, SlipwayError):
                raise pushed
            if pushed is Pushed.DONE:
                for caller in pending:
                    caller.answer.set_result(None)
                return
            if pushed is Pushed.UNKNOWN:
                race.broke()
            pending = self._in_time(pending)
            race.look()

    def _texts(self, pending: list[Caller]) -> dict[str, bytes]:
        """The whole notes that have to be written."""
        texts: dict[str, bytes] = {}
        for commit, line in (caller.item for caller in pending):
            text = texts.get(commit, self._text(commit))
            if line.encode() not in text.split(b"\n"):
                texts[commit] = text + (b"\n" if text and not text.endswith(b"\n") else b"") + line.encode() + b"\n"
        return texts

    def _push(self, pending: list[Caller]) -> Pushed | SlipwayError:
        """Write and push; done where every line is there already."""
        sha = self._mirror.sound(lambda: self._write(pending))
        return Pushed.DONE if sha is None else self._mirror.push([RefUpdate(NOTES, sha)])[NOTES]

    def _write(self, pending: list[Caller]) -> str | None:
        texts = self._texts(pending)
        if not texts:
            return None
        with FastImport(self._mirror.git, self._committer) as stream:
            return stream.note(_REF, self._mirror.ref(NOTES), texts, _MESSAGE)

    def _in_time(self, pending: list[Caller]) -> list[Caller]:
        """Those whose time is not up; the others are told."""
        now = time.monotonic()
        for caller in pending:
            if now - caller.since > self._deadline:
                reason = f"Others kept pushing notes to {self._mirror.name}. It is tried again."
                caller.answer.set_exception(Transient(reason))
        return [caller for caller in pending if not caller.answer.done()]
