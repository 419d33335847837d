"""The bot's own branches in the config repo: one commit on top of the config branch each, moved by lease.

Wishes that are ready together share one push. A branch whose tip is somebody else's is left alone and named.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from bot.adapters.config_repo.mirror import Mirror
from bot.adapters.config_repo.push import Pushed, RefUpdate
from bot.adapters.config_repo.race import DEADLINE, Race
from bot.adapters.config_repo.writer import ID, require_id
from bot.adapters.git.errors import GitFailure
from bot.adapters.git.fast_import import Draft, FastImport
from bot.adapters.git.objects import Damaged
from bot.adapters.git.signing import SigningKey, sign
from bot.adapters.together import Take, Together, Waiting
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import Change, ConfigCommit
from bot.releases import Person


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a branch shall hold; None: be gone."""

    branch: str
    change: Change | None

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"


Caller = Waiting[_Wish, ConfigCommit | None]


class Branches:
    """Sets and deletes branches of the bot's own, for many threads at once."""

    def __init__(
        self, mirror: Mirror, committer: Person, *, deadline: float = DEADLINE, signing: SigningKey | None = None
    ) -> None:
        self._mirror = mirror
        self._committer = committer
        self._deadline = deadline
        self._signing = signing
        self._wishes: Together[_Wish, ConfigCommit | None] = Together(self._fulfil)

    def propose(self, branch: str, change: Change) -> ConfigCommit | None:
        """See ``ConfigRepo.propose``."""
        require_id(change)
        return self._ask(_Wish(branch, change))

    def delete(self, branch: str) -> None:
        """See ``ConfigRepo.delete_branch``."""
        self._ask(_Wish(branch, None))

    def _ask(self, wish: _Wish) -> ConfigCommit | None:
        if wish.branch == self._mirror.branch:
            raise Permanent(f"{wish.branch} is the config branch of {self._mirror.name}: it is not the bot's own.")
        return self._wishes.ask(wish)

    def _fulfil(self, take: Take[_Wish, ConfigCommit | None]) -> None:
        pending, race = take(), Race(self._mirror)
        while pending:
            race.look()
            updates = self._mirror.sound(partial(self._prepare, pending))
            pushed = self._mirror.push([update for _, update in updates]) if updates else {}
            for caller, update in updates:
                self._judge(caller, update, pushed[update.ref])
            if Pushed.UNKNOWN in pushed.values():
                race.broke()
            pending = self._in_time([caller for caller in pending if not caller.answer.done()])

    def _prepare(self, pending: list[Caller]) -> list[tuple[Caller, RefUpdate]]:
        """The pushes that are needed, one a branch; who needs none is answered."""
        updates: dict[str, tuple[Caller, RefUpdate]] = {}
        with FastImport(self._mirror.git, self._committer) as stream:
            for number, caller in enumerate(pending):
                if caller.item.ref in updates or caller.answer.done():
                    continue
                try:
                    update = self._update(stream, f"refs/slipway/propose/{number}", caller)
                except (Damaged, GitFailure):
                    raise
                except Exception as error:  # noqa: BLE001 - whatever an edit raises is its own caller's
                    caller.answer.set_exception(error)
                    continue
                if update is not None:
                    updates[update.ref] = (caller, update)
        key = self._signing
        return [(caller, self._signed(update, key) if key else update) for caller, update in updates.values()]

    def _signed(self, update: RefUpdate, key: SigningKey) -> RefUpdate:
        if update.sha is None:
            return update
        commit = self._mirror.find_commit(update.sha)
        return replace(update, sha=sign(self._mirror.git, key, commit, commit.parents[0], self._committer))

    def _update(self, stream: FastImport, private: str, caller: Caller) -> RefUpdate | None:
        wish = caller.item
        tip = self._mirror.ref(wish.ref)
        if tip is not None:
            self._require_own(wish.branch, tip)
        if wish.change is None:
            if tip is None:
                caller.answer.set_result(None)
                return None
            return RefUpdate(wish.ref, None, tip)
        head = self._mirror.head()
        files = self._edited(head, wish.change)
        if not files:
            caller.answer.set_result(None)
            return None
        if tip is not None and self._stands(tip, head, wish.change, files):
            caller.answer.set_result(self._mirror.find_commit(tip))
            return None
        modes = stream.modes(head, files)
        sha = stream.commit(private, head, Draft(wish.change.message, wish.change.author, files), modes)
        return RefUpdate(wish.ref, sha, tip or "")

    def _judge(self, caller: Caller, update: RefUpdate, pushed: Pushed | SlipwayError) -> None:
        match pushed:
            case Pushed.DONE:
                made = self._mirror.find_commit(update.sha) if update.sha is not None else None
                caller.answer.set_result(replace(made, is_new=True) if made is not None else None)
            case SlipwayError():
                caller.answer.set_exception(pushed)
            case Pushed.RACED | Pushed.UNKNOWN:
                pass  # the next round looks what is there

    def _edited(self, head: str, change: Change) -> dict[str, bytes | None]:
        def read(path: str) -> bytes | None:
            return self._mirror.objects.file(head, path)

        return {path: content for path, content in change.edit(read).items() if content != read(path)}

    def _require_own(self, branch: str, tip: str) -> None:
        commit = self._mirror.find_commit(tip)
        committed_by = self._mirror.objects.committer_email(tip)
        if committed_by != self._committer.email or commit.trailer(ID) is None:
            raise Permanent(
                f"Branch {branch} of {self._mirror.name} now ends in {tip[:7]} ({commit.subject!r}, by "
                f"{commit.author_name}), which is not the bot's. It is left as it is: merge or delete the branch."
            )

    def _stands(self, tip: str, head: str, change: Change, files: Mapping[str, bytes | None]) -> bool:
        """Whether the branch says that already, on a base that is the same where it matters.

        Then it stays as it is: a moved head would void the approvals it has. A tip that the config branch holds
        already (its merge was reverted) can bring nothing any more.
        """
        commit = self._mirror.find_commit(tip)
        if (ID, change.id) not in commit.trailers or len(commit.parents) != 1:
            return False
        base = commit.parents[0]
        git = self._mirror.git
        touched = git.local("diff-tree", "-r", "-z", "--no-renames", "--name-only", base, tip).split(b"\0")
        if {name.decode("utf-8", "surrogateescape") for name in touched if name} != set(files):
            return False
        self._mirror.history.follow(head)
        if tip in self._mirror.history.carriers(head, ID, change.id):
            return False
        file = self._mirror.objects.file
        return self._mirror.history.covers(base) and all(
            file(base, path) == file(head, path) and file(tip, path) == content for path, content in files.items()
        )

    def _in_time(self, pending: list[Caller]) -> list[Caller]:
        now = time.monotonic()
        for caller in pending:
            if now - caller.since > self._deadline:
                reason = f"Branch {caller.item.branch} of {self._mirror.name} kept moving. It is tried again."
                caller.answer.set_exception(Transient(reason))
        return [caller for caller in pending if not caller.answer.done()]
