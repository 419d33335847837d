"""Group commit onto the config branch: whoever is ready together shares one push, one commit each.

A push is a compare-and-swap: the server takes it only on top of the head it was made for. So a race costs a fetch
and another round of edits, and a push whose answer was lost is settled by looking for the ids in the log. An answer
that needs no push ("it is there", "nothing to change", "the edit is refused") counts only for a head that was current
after the caller asked.
"""

import random
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from bot.adapters.config_repo.mirror import Mirror
from bot.adapters.config_repo.push import Pushed, RefUpdate
from bot.adapters.config_repo.race import DEADLINE, Race
from bot.adapters.git.errors import GitFailure
from bot.adapters.git.fast_import import Draft, FastImport
from bot.adapters.git.history import Recorded
from bot.adapters.git.objects import Damaged
from bot.adapters.git.signing import SigningKey, sign
from bot.adapters.together import Take, Together, Waiting
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import Change, ConfigCommit
from bot.releases import Person
from bot.trailers import parse_trailers

ID = "Slipway-Id"
_REF = "refs/slipway/make"
"""Keeps what is being pushed from being tidied away. Private to the mirror."""

_AT_MOST = 250
"""Commits in one push: newcomers beyond wait for the next."""

_PAUSE = 0.3

_PATIENT = 2
"""Races that a batch may lose at its full size. From the next one on it is halved each time: a small one is quick
enough to get in between two pushes of somebody else's."""

Caller = Waiting[Change, ConfigCommit | None]


@dataclass(frozen=True, slots=True)
class _Edited:
    """What an edit read, and what it made of that: on a newer head that reads alike, it need not be asked again."""

    read: Mapping[str, bytes | None]
    files: dict[str, bytes | None]


@dataclass(slots=True)
class _Round:
    """One try: a chain of commits on top of ``head``, and the answers for those who need none."""

    head: str
    overlay: dict[str, bytes | None] = field(default_factory=dict)
    commits: list[Recorded] = field(default_factory=list)
    carried: dict[str, list[Caller]] = field(default_factory=dict)
    settled: list[tuple[Caller, ConfigCommit | Exception | None]] = field(default_factory=list)

    @property
    def tip(self) -> str:
        """The newest commit of the chain."""
        return self.commits[-1].sha if self.commits else self.head


class Writer:
    """Makes commits on the config branch, for many threads at once."""

    def __init__(
        self, mirror: Mirror, committer: Person, *, deadline: float = DEADLINE, signing: SigningKey | None = None
    ) -> None:
        self._mirror = mirror
        self._committer = committer
        self._deadline = deadline
        self._signing = signing
        self._changes: Together[Change, ConfigCommit | None] = Together(lambda take: self._land(take(), take))

    def make(self, change: Change) -> ConfigCommit | None:
        """See ``ConfigRepo.make``."""
        require_id(change)
        return self._changes.ask(change)

    def _land(self, pending: list[Caller], take: Take[Change, ConfigCommit | None]) -> None:
        """Answer everyone in ``pending``, and who joins meanwhile."""
        race, fetched_at, lost, size = Race(self._mirror), 0.0, 0, sys.maxsize
        known: dict[Caller, _Edited] = {}
        while pending:
            batch = pending if len(pending) <= size else pending[:size]
            round_ = self._mirror.sound(partial(self._write, batch, take if batch is pending else list, known))
            pushed = self._push(round_)
            match pushed:
                case Pushed.DONE:
                    self._landed(round_)
                    pending = _unanswered(pending)
                    continue
                case Permanent() if len(batch) > 1:
                    self._one_by_one(batch)
                case SlipwayError():
                    raise pushed
                case Pushed.UNKNOWN:
                    race.broke()
                case Pushed.RACED:
                    lost += 1
                    size = max(1, len(batch) // 2) if lost > _PATIENT else size
                    time.sleep(random.uniform(0, min(_PAUSE, 0.02 * (lost - 1))))  # noqa: S311 - no secret
            _answer([one for one in round_.settled if one[0].since < fetched_at and not one[0].answer.done()])
            pending = self._in_time(_unanswered(pending))
            if pending:
                fetched_at = race.look()

    def _write(
        self, batch: list[Caller], take: Take[Change, ConfigCommit | None], known: dict[Caller, _Edited]
    ) -> _Round:
        """Put a commit for everyone in ``batch`` on the head; who comes while that goes on is added to it."""
        round_ = _Round(self._mirror.head())
        self._mirror.history.follow(round_.head)
        with FastImport(self._mirror.git, self._committer) as stream:
            for caller in batch:  # grows as it is walked
                self._write_one(stream, round_, caller, known)
                if caller is batch[-1] and len(batch) < _AT_MOST:
                    batch += take()
        if self._signing is not None:
            round_.commits = self._signed(round_, self._signing)
        return round_

    def _signed(self, round_: _Round, key: SigningKey) -> list[Recorded]:
        """The chain once more, each commit signed and on top of the signed one before it."""
        parent, chain = round_.head, list[Recorded]()
        for commit in round_.commits:
            sha = sign(self._mirror.git, key, self._mirror.find_commit(commit.sha), parent, self._committer)
            chain.append(replace(commit, sha=sha, parents=(parent,)))
            parent = sha
        return chain

    def _write_one(self, stream: FastImport, round_: _Round, caller: Caller, known: dict[Caller, _Edited]) -> None:
        change = caller.item
        if change.id in round_.carried:
            round_.carried[change.id].append(caller)
            return
        try:
            found = self._find_id(round_.head, change.id)
            files = {} if found else self._edited(round_, caller, known)
            modes = stream.modes(round_.tip, files)
        except (Damaged, GitFailure):
            raise
        except Exception as error:  # noqa: BLE001 - whatever an edit raises is its own caller's, not its batch mates'
            round_.settled.append((caller, error))
            return
        if not files:
            round_.settled.append((caller, found))
            return
        parent = round_.tip
        sha = stream.commit(_REF, parent, Draft(change.message, change.author, files), modes)
        round_.commits.append(Recorded(sha, (parent,), parse_trailers(change.message), tuple(files)))
        round_.carried[change.id] = [caller]
        round_.overlay.update(files)

    def _edited(self, round_: _Round, caller: Caller, known: dict[Caller, _Edited]) -> dict[str, bytes | None]:
        """What the edit changes on top of the round so far; empty where nothing."""
        was_read: dict[str, bytes | None] = {}

        def read(path: str) -> bytes | None:
            if path in round_.overlay:
                return round_.overlay[path]
            return self._mirror.objects.file(round_.head, path)

        def noted(path: str) -> bytes | None:
            was_read[path] = read(path)
            return was_read[path]

        before = known.get(caller)
        if before is not None and all(read(path) == content for path, content in before.read.items()):
            return before.files
        files = {path: content for path, content in caller.item.edit(noted).items() if content != noted(path)}
        known[caller] = _Edited(was_read, files)
        return files

    def _find_id(self, head: str, id: str) -> ConfigCommit | None:  # noqa: A002 - the design's word for it
        commits = (self._mirror.find_commit(sha) for sha in self._mirror.history.carriers(head, ID, id))
        return next((commit for commit in commits if (ID, id) in commit.trailers), None)

    def _push(self, round_: _Round) -> Pushed | SlipwayError | None:
        """Push the chain; None where there is none."""
        if not round_.commits:
            return None
        ref = self._mirror.branch_ref
        return self._mirror.push([RefUpdate(ref, round_.tip)], commits=len(round_.commits))[ref]

    def _landed(self, round_: _Round) -> None:
        self._mirror.history.grow(round_.commits)
        for commit, callers in zip(round_.commits, round_.carried.values(), strict=True):
            made = replace(self._mirror.find_commit(commit.sha), is_new=True)
            _answer([(caller, made) for caller in callers])
        _answer(round_.settled)

    def _one_by_one(self, pending: list[Caller]) -> None:
        """The server refused a batch: find out whose commit it was, so that the others get through."""
        for caller in pending:
            try:
                self._land([caller], list)
            except SlipwayError as error:
                caller.answer.set_exception(error)

    def _in_time(self, pending: list[Caller]) -> list[Caller]:
        """Those whose time is not up; the others are told."""
        now = time.monotonic()
        late = [caller for caller in pending if now - caller.since > self._deadline]
        reason = (
            f"Others kept pushing to {self._mirror.branch} of {self._mirror.name}: {self._deadline:.0f} s were not "
            "enough to get a commit in between. It is tried again."
        )
        _answer([(caller, Transient(reason)) for caller in late])
        return [caller for caller in pending if caller not in late]


def require_id(change: Change) -> None:
    """A change whose message does not carry its id would be made twice: a mistake of the caller."""
    if (ID, change.id) not in parse_trailers(change.message):
        raise ValueError(f"the message of change {change.id!r} does not end in its {ID} trailer")


def _unanswered(callers: Iterable[Caller]) -> list[Caller]:
    return [caller for caller in callers if not caller.answer.done()]


def _answer(answers: Iterable[tuple[Caller, ConfigCommit | Exception | None]]) -> None:
    for caller, answer in answers:
        if isinstance(answer, Exception):
            caller.answer.set_exception(answer)
        else:
            caller.answer.set_result(answer)
