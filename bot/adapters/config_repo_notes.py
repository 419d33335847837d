"""Outcomes as git notes: lines appended to a commit's note in ``refs/notes/slipway``, by compare-and-swap."""

import itertools
import time

from bot.adapters.config_repo_mirror import NOTES, Mirror, Pushed, RefUpdate
from bot.adapters.config_repo_writer import DEADLINE
from bot.adapters.git_command import GitFailure
from bot.adapters.git_import import FastImport
from bot.adapters.git_objects import Damaged
from bot.adapters.together import Take, Together, Waiting
from bot.errors import SlipwayError, Transient, UnknownOutcome
from bot.releases import Person

_REF = "refs/slipway/notes"
_MESSAGE = "Record outcomes\n"
_BREAKS = 3

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
        pending, breaks = take(), 0
        for _ in itertools.count():
            texts = self._texts(pending)
            pushed = self._push(texts) if texts else Pushed.DONE
            if isinstance(pushed, SlipwayError):
                raise pushed
            if pushed is Pushed.DONE:
                for caller in pending:
                    caller.answer.set_result(None)
                return
            breaks += pushed is Pushed.UNKNOWN
            self._look_again(pending, breaks)

    def _texts(self, pending: list[Caller]) -> dict[str, bytes]:
        """The whole notes that have to be written."""
        texts: dict[str, bytes] = {}
        for commit, line in (caller.item for caller in pending):
            text = texts.get(commit, self._text(commit))
            if line.encode() not in text.split(b"\n"):
                texts[commit] = text + (b"\n" if text and not text.endswith(b"\n") else b"") + line.encode() + b"\n"
        return texts

    def _push(self, texts: dict[str, bytes]) -> Pushed | SlipwayError:
        seen = self._mirror.generation
        try:
            with FastImport(self._mirror.git, self._committer) as stream:
                sha = stream.note(_REF, self._mirror.ref(NOTES), texts, _MESSAGE)
        except (Damaged, GitFailure) as problem:
            self._mirror.mend(problem, seen)
            raise Transient(f"The mirror of {self._mirror.name} was damaged; it is cloned afresh.") from problem
        return self._mirror.push([RefUpdate(NOTES, sha)])[NOTES]

    def _look_again(self, pending: list[Caller], breaks: int) -> None:
        name = self._mirror.name
        if breaks >= _BREAKS:
            raise UnknownOutcome(f"The connection to {name} broke {breaks} times during a push. The next look tells.")
        if all(time.monotonic() - caller.since > self._deadline for caller in pending):
            raise Transient(f"Others kept pushing notes to {name}. It is tried again.")
        try:
            self._mirror.fetch()
        except SlipwayError as error:
            if breaks:
                raise UnknownOutcome(f"A push to {name} got no answer, nor did the look for it: {error}") from error
            raise
