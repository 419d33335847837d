"""The trail: every change of an app in an environment, by whom, approved by whom, how it ended, what undid it. Pure.

It is made of the config branch's log and notes alone. Which app a commit is about is said by its trailers, and
otherwise by the manifests that it changes, as the catalog at the head places them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import chain

from bot.audit import UNAPPROVED, OutcomeNote, approvers_of, author_login, parse_notes, release_of
from bot.catalog import Catalog, Gate
from bot.facts import ConfigCommit, Logged
from bot.holds import Hold
from bot.releases import Outcome, Release
from bot.telling import title_of

CATALOG = "slipway.yaml"

_HOLD = re.compile(r"\.slipway/holds/(?P<environment>[^/]+)/(?P<app>[^/]+)\.yaml")
_TAKEN_BACK = re.compile(r"/unapproved/[0-9a-f]+$")
_REVERTED = re.compile(r"\bThis reverts commit ([0-9a-f]{7,40})\b")
_REVERTED_SUBJECT = re.compile(r'Revert "(?P<subject>.*)"(?: \(#[0-9]+\))?')


class Kind(StrEnum):
    """What a commit did to a place. The values are what people and scripts read."""

    RELEASE = "release"
    """A release entered: a bump, or a merged promotion."""
    ROLLBACK = "rollback"
    """Slipway put an earlier release back."""
    REVERT = "revert"
    """A person undid an earlier commit (``git revert``, or GitHub's Revert button)."""
    TAKEN_BACK = "taken back"
    """Slipway undid a person's merge that had not been approved."""
    EDIT = "edit"
    """A person changed the app's manifests by hand."""
    SHARED = "shared"
    """Another app's release changed a file that is this app's too."""
    HOLD = "hold"
    RESUME = "resume"
    CATALOG = "catalog"
    """The catalog changed: who may do what. It belongs to no app."""


class Approval(StrEnum):
    """Whether a change of a gated environment was approved. The values are what people and scripts read."""

    APPROVED = "approved"
    UNAPPROVED = "unapproved"
    """It went round the gate."""
    NOT_NEEDED = "not needed"
    NOT_RECORDED = "not recorded"
    """A gated environment was changed, and the clone holds no note that tells who approved."""


class HoldChange(StrEnum):
    """What a commit did to the place's hold."""

    SET = "set"
    LIFTED = "lifted"


Place = tuple[str | None, str | None]
"""An app and an environment; no app for an environment's shared files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the trail: what one config commit did to one app in one environment.

    Attributes:
        commit: the config commit, on the branch's first-parent line.
        by: who did it: the login where it is known, else the author's name.
        release: what entered, or after a rollback what runs again, where that is known.
        title: what the change is about, in a line.
        previous_image: what ran before, where the commit says so.
        approved_by: who approved, as Slipway found it when it applied the change; before that as the trailers claim.
        notes: how each sync of it ended, oldest first.
        reason: why, as the person or the rollback wrote it.
        reverts: the config commits that it undoes.
        reverted_by: the newest config commit that undid it here.
        hold: whether it set or lifted the place's hold.
        requested_by: the login of the person who asked Slipway for it.
        skipped: the environments that a release did not come through, where a person asked for that.
    """

    commit: ConfigCommit
    kind: Kind
    app: str | None
    environment: str | None
    by: str
    title: str
    release: Release | None = None
    image: str | None = None
    previous_image: str | None = None
    approval: Approval = Approval.NOT_NEEDED
    approved_by: tuple[str, ...] = ()
    notes: tuple[OutcomeNote, ...] = ()
    reason: str = ""
    reverts: tuple[str, ...] = ()
    reverted_by: str | None = None
    hold: HoldChange | None = None
    requested_by: str | None = None
    skipped: tuple[str, ...] = ()

    @property
    def at(self) -> str:
        """When it arrived on the config branch (RFC 3339)."""
        return self.commit.committed_at

    @property
    def ended(self) -> OutcomeNote | None:
        """How its last sync ended; None where nothing is recorded."""
        return self.notes[-1] if self.notes else None

    @property
    def healthy(self) -> OutcomeNote | None:
        """The first time its pods were ready."""
        return next((note for note in self.notes if note.outcome is Outcome.HEALTHY), None)

    @property
    def went_round_the_gate(self) -> bool:
        """Whether nobody who may has approved it, though somebody had to."""
        return self.approval is Approval.UNAPPROVED


def hold_files(log: Iterable[Logged]) -> Iterator[tuple[str, str]]:
    """(commit, path) of each hold that was written: what they say is to be read."""
    for logged in log:
        for status, path in logged.changed:
            if status != "D" and _HOLD.fullmatch(path):
                yield logged.commit.sha, path


Paths = Mapping[tuple[str, str], Sequence[str]]
"""For each app and environment the files and folders whose changes are its own."""


def trail(
    log: Sequence[Logged], catalog: Catalog, paths: Paths, holds: Mapping[tuple[str, str], Hold]
) -> tuple[Entry, ...]:
    """Every entry, newest first.

    Args:
        log: the config branch's first-parent line, newest first.
        catalog: the one in force now.
        paths: where today's apps are kept, in the catalog's order.
        holds: what the files that ``hold_files`` names say; those that cannot be read are left out.
    """
    reader = _Reader(catalog, paths, holds)
    for logged in reversed(log):
        reader.read(logged)
    return tuple(reversed(reader.finished()))


@dataclass(slots=True)
class _Reader:
    """Goes through the log from the oldest commit on, and remembers what later ones refer to."""

    catalog: Catalog
    paths: Paths
    holds: Mapping[tuple[str, str], Hold]
    entries: list[Entry] = field(default_factory=list)
    _owners: dict[str, list[Place]] = field(init=False)
    _known: frozenset[Place] = field(init=False)
    _gated: frozenset[str] = field(init=False)
    _arrived: dict[str, str] = field(default_factory=dict)
    _by_start: dict[str, list[str]] = field(default_factory=dict)
    _by_subject: dict[str, str] = field(default_factory=dict)
    _by_commit: dict[tuple[str, Place], Entry] = field(default_factory=dict)
    _released: dict[tuple[str, str], Release] = field(default_factory=dict)
    _entered: set[Place] = field(default_factory=set)
    _undone: dict[tuple[str, Place], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._owners = {}
        shared: dict[Place, Sequence[str]] = {(None, one.name): one.shared for one in self.catalog.environments}
        for place, paths in chain(self.paths.items(), shared.items()):
            for path in paths:
                self._owners.setdefault(path.strip("/"), []).append(place)
        self._known = frozenset(place for places in self._owners.values() for place in places)
        self._gated = frozenset(one.name for one in self.catalog.environments if one.gate is Gate.PULL_REQUEST)

    def read(self, logged: Logged) -> None:
        """One commit of the line: an entry for each place that it is about."""
        commit = logged.commit
        self._remember(logged)
        touched = self._touched(logged)
        notes = parse_notes(logged.notes)
        held = dict(_hold_changes(logged))
        tellers = _tellers(logged, touched, self._known)
        about = dict.fromkeys([*tellers, *_touched_by_hand(commit, touched, tellers, notes), *held])
        for place in about:
            own = tuple(note for note in notes if (note.app or None, note.environment) == place)
            entry = self._entry(logged, place, tellers.get(place), own, held.get(place), moved=place in touched)
            self._add(entry, place)
        if any(path == CATALOG for _, path in logged.changed):
            self.entries.append(Entry(commit, Kind.CATALOG, None, None, _who(commit), commit.subject))

    def finished(self) -> list[Entry]:
        """All entries, each with what undid it."""
        return [
            replace(entry, reverted_by=self._undone.get((entry.commit.sha, (entry.app, entry.environment))))
            for entry in self.entries
        ]

    # ------------------------------------------------------------ one entry

    def _entry(
        self,
        logged: Logged,
        place: Place,
        teller: ConfigCommit | None,
        notes: tuple[OutcomeNote, ...],
        hold: HoldChange | None,
        *,
        moved: bool,
    ) -> Entry:
        commit = teller or logged.commit
        undone = self._undoes(logged, place)
        kind = _kind(commit, teller, hold, moved=moved, reverts=bool(undone))
        release = self._release(commit, teller, place, undone)
        entry = Entry(
            commit=logged.commit,
            kind=kind,
            app=place[0],
            environment=place[1],
            by=_doer(commit, kind, release),
            title=title_of(release) if kind is Kind.RELEASE and release else commit.subject,
            release=release,
            image=release.image if release else None,
            previous_image=commit.trailer("Previous-Image") or (undone[0].image if undone else None),
            notes=notes,
            reason=commit.trailer("Reason") or "",
            reverts=tuple(one.commit.sha for one in undone) or commit.all_trailers("Reverts"),
            hold=hold,
            requested_by=_requested_by(commit),
            skipped=tuple((commit.trailer("Skipped") or "").replace(",", " ").split()) if teller else (),
        )
        if kind in {Kind.HOLD, Kind.RESUME}:
            return self._with_hold(entry, logged)
        approved_by = entry.ended.approved_by if entry.ended else approvers_of(commit)
        return replace(entry, approved_by=approved_by, approval=self._approval(entry, approved_by, place))

    def _release(
        self, commit: ConfigCommit, teller: ConfigCommit | None, place: Place, undone: Sequence[Entry]
    ) -> Release | None:
        """From the trailers; after a revert, the release whose image was there before."""
        told = release_of(commit) if teller is not None else None
        if told is not None or not undone or undone[-1].previous_image is None:
            return told
        return self._released.get((place[0] or "", undone[-1].previous_image))

    def _with_hold(self, entry: Entry, logged: Logged) -> Entry:
        paths = [
            path
            for _, path in logged.changed
            if (match := _HOLD.fullmatch(path)) and _place(match) == (entry.app, entry.environment)
        ]
        found = next((self.holds[key] for path in paths if (key := (logged.commit.sha, path)) in self.holds), None)
        if found is None:
            return entry
        return replace(entry, reason=found.reason or entry.reason, by=found.by or entry.by)

    def _approval(self, entry: Entry, approved_by: tuple[str, ...], place: Place) -> Approval:
        """Slipway's own verdict is in the note; what it leaves open is judged as Slipway does."""
        if entry.ended is not None and entry.ended.reason.startswith(UNAPPROVED):
            return Approval.UNAPPROVED
        if approved_by:
            return Approval.APPROVED
        settled = entry.ended is not None and entry.ended.outcome is Outcome.HEALTHY
        recorded = entry.ended is not None
        first = place not in self._entered and (recorded or entry.kind is not Kind.RELEASE)
        put_back = entry.kind in {Kind.ROLLBACK, Kind.TAKEN_BACK}
        if place[1] not in self._gated or settled or first or put_back:
            return Approval.NOT_NEEDED
        return Approval.UNAPPROVED if recorded else Approval.NOT_RECORDED

    def _add(self, entry: Entry, place: Place) -> None:
        self.entries.append(entry)
        self._by_commit[entry.commit.sha, place] = entry
        if entry.release is not None or entry.app is None:
            self._entered.add(place)
        if entry.release is not None:
            self._released[place[0] or "", entry.release.image] = entry.release
        for sha in entry.reverts:
            self._undone[sha, place] = entry.commit.sha

    # ------------------------------------------------------------ looking things up

    def _remember(self, logged: Logged) -> None:
        for commit in (logged.commit, *logged.brought):
            self._arrived[commit.sha] = logged.commit.sha
            self._by_start.setdefault(commit.sha[:7], []).append(commit.sha)
            self._by_subject[commit.subject] = logged.commit.sha

    def _undoes(self, logged: Logged, place: Place) -> tuple[Entry, ...]:
        """The entries that the commit, or one that it brought, says it undoes."""
        found: dict[str, Entry] = {}
        for commit in (logged.commit, *logged.brought):
            for sha in self._named(commit):
                entry = self._by_commit.get((self._arrived.get(sha, sha), place))
                if entry is not None and entry.commit.sha != logged.commit.sha:
                    found[entry.commit.sha] = entry
        return tuple(found.values())

    def _named(self, commit: ConfigCommit) -> Iterator[str]:
        yield from commit.all_trailers("Reverts")
        starts = _REVERTED.findall(commit.message)
        for start in starts:
            yield from (sha for sha in self._by_start.get(start[:7], ()) if sha.startswith(start))
        quoted = _REVERTED_SUBJECT.fullmatch(commit.subject)
        if quoted is not None and not starts and quoted["subject"] in self._by_subject:
            yield self._by_subject[quoted["subject"]]

    def _touched(self, logged: Logged) -> dict[Place, None]:
        """The places whose manifests the commit changed."""
        found: dict[Place, None] = {}
        for _, path in logged.changed:
            at = path
            while at:
                found.update(dict.fromkeys(self._owners.get(at, ())))
                at = at.rpartition("/")[0]
        return found


def _tellers(logged: Logged, touched: Mapping[Place, None], known: frozenset[Place]) -> dict[Place, ConfigCommit]:
    """Who speaks for which place: the commit by its trailers, or those that a merge brought."""
    own = _place_of(logged.commit)
    if own is not None:
        return {own: logged.commit}
    found: dict[Place, ConfigCommit] = {}
    for commit in logged.brought:
        place = _place_of(commit)
        if place is not None and (place in touched or place not in known):
            found.setdefault(place, commit)
    return found


def _touched_by_hand(
    commit: ConfigCommit,
    touched: Mapping[Place, None],
    tellers: Mapping[Place, ConfigCommit],
    notes: Iterable[OutcomeNote],
) -> Iterator[Place]:
    """The other places. Of a bump only those count that were applied with it: the others' files are as they were."""
    applied = {(note.app, note.environment) for note in notes}
    for place in touched:
        if place not in tellers and (_place_of(commit) is None or place in applied):
            yield place


def _place_of(commit: ConfigCommit) -> Place | None:
    app, environment = commit.trailer("App"), commit.trailer("Environment")
    return (app, environment) if app and environment and commit.trailer("Slipway-Id") else None


def _hold_changes(logged: Logged) -> Iterator[tuple[Place, HoldChange]]:
    for status, path in logged.changed:
        if match := _HOLD.fullmatch(path):
            yield _place(match), HoldChange.LIFTED if status == "D" else HoldChange.SET


def _place(match: re.Match[str]) -> Place:
    return match["app"], match["environment"]


def _kind(
    commit: ConfigCommit, teller: ConfigCommit | None, hold: HoldChange | None, *, moved: bool, reverts: bool
) -> Kind:
    if hold is not None and not moved:
        return Kind.HOLD if hold is HoldChange.SET else Kind.RESUME
    if teller is not None and commit.trailer("Reverts"):
        return Kind.TAKEN_BACK if _TAKEN_BACK.search(commit.trailer("Slipway-Id") or "") else Kind.ROLLBACK
    if teller is not None and release_of(commit):
        return Kind.RELEASE
    if reverts:
        return Kind.REVERT
    return Kind.SHARED if commit.trailer("Slipway-Id") else Kind.EDIT


def _doer(commit: ConfigCommit, kind: Kind, release: Release | None) -> str:
    """A release is the deed of who merged it."""
    if kind is Kind.RELEASE and release is not None and release.merge.merged_by is not None:
        return release.merge.merged_by.login
    return _who(commit)


def _who(commit: ConfigCommit) -> str:
    return _requested_by(commit) or author_login(commit) or commit.author_name


def _requested_by(commit: ConfigCommit) -> str | None:
    return (commit.trailer("Requested-by") or "").removeprefix("@") or None
