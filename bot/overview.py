"""What runs where, and what waits for what: read from the config repo's mirror and the queue alone.

GitHub's API is not asked, so looking costs none of its budget. A promotion that waits is known by its branch, whose
tip carries a ``Slipway-Id`` that has not arrived on the config branch; that a person closed one, by its job.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.activity import Work, activity
from bot.audit import OutcomeNote, release_of
from bot.catalog import App, Catalog, Environment, Gate, parse_catalog
from bot.declined import declined_heads
from bot.drift import looks_for, newest
from bot.errors import Permanent
from bot.facts import ConfigCommit
from bot.holds import Hold
from bot.overview_jobs import Jobs
from bot.ports import ConfigRepo, Queue
from bot.releases import SHORT_SHA, Deployment, Outcome, Release, promotion_branch
from bot.rollback import says_rollback
from bot.steps.state import (
    CATALOG,
    HOLDS,
    changing_paths,
    decode,
    deployment,
    hold_path,
    manifest_files,
    manifest_texts,
    outcome,
    read_catalog,
    read_hold,
    shared_app,
)
from bot.withdrawals import brought_in

AT_ONCE = 100
"""Apps whose files are read ahead together."""


class CellState(StrEnum):
    """What an app's place in an environment is like. The values are what people and scripts read."""

    HEALTHY = "healthy"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ROLLING_OUT = "rolling out"
    NOT_APPLIED = "not applied yet"
    AWAITING_RELEASE = "waits for first release"
    ABSENT = "no manifests"
    UNREADABLE = "cannot be read"


_STATE_OF_OUTCOME = {
    Outcome.HEALTHY: CellState.HEALTHY,
    Outcome.FAILED: CellState.FAILED,
    Outcome.UNKNOWN: CellState.UNKNOWN,
    Outcome.SUPERSEDED: CellState.NOT_APPLIED,
}


_NOT_COMPARED = frozenset({CellState.FAILED, CellState.UNKNOWN})

NOT_COMPARED = "Drift is not looked for until it is healthy."


@dataclass(frozen=True, slots=True)
class Pending:
    """A promotion that waits for approval: what it brings, its branch and that branch's tip, since when (RFC 3339)."""

    release: Release
    branch: str
    commit: str
    proposed_at: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One app in one environment.

    Attributes:
        deployed: what the config branch says; None where the manifests cannot be read, which ``problem`` explains.
        changed: the newest config commit that changed its files.
        outcome: how the sync of that commit ended, where it did.
        hold: what is kept out and why; None where nothing is, also where a newer release has passed a hold on one.
        pending: the promotion that waits before this environment.
        work: what is running or queued for this place, newest first.
        failed: the app's newest release, where that failed before it could enter this environment, the first.
        url: where the app can be seen.
        drift: the objects on the cluster that are not as the config branch says, in words, when last looked at.
    """

    environment: Environment
    state: CellState
    deployed: Deployment | None = None
    changed: ConfigCommit | None = None
    outcome: OutcomeNote | None = None
    hold: Hold | None = None
    pending: Pending | None = None
    work: tuple[Work, ...] = ()
    failed: Work | None = None
    url: str | None = None
    problem: str = ""
    drift: tuple[str, ...] = ()

    @property
    def compared(self) -> bool:
        """Whether drift is looked for: only what has been healthy can drift (``bot.steps.drift``)."""
        return self.state not in _NOT_COMPARED

    @property
    def release(self) -> Release | None:
        """The release that the config branch names here, where it is known."""
        return self.deployed.release if self.deployed else None

    @property
    def rolled_back(self) -> str | None:
        """Why, where the newest change took a release back; None where it did not."""
        changed = self.changed
        if changed is None or not says_rollback(changed, changed.trailer("App") or "", self.environment.name):
            return None
        return changed.trailer("Reason") or ""

    @property
    def held(self) -> str | None:
        """Why, as people are told it: what is kept out where that is one release alone; None where nothing is."""
        if self.hold is None or self.hold.release is None:
            return self.hold.reason if self.hold else None
        sha = self.hold.release.rpartition("@")[2]
        return f"{sha[:SHORT_SHA]} stays out" + (f": {self.hold.reason}" if self.hold.reason else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One app, with a cell for each environment in order."""

    app: App
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything at one head of the config branch.

    Attributes:
        catalog: the one in force; None where there is none, and then there are no rows.
        catalog_error: what is wrong with the catalog at ``head``; the last good one may be in force meanwhile.
        work: the newest work of every kind, newest first.
        declined: the heads of promotions that were closed without a merge, as far as the jobs remember.
        shared: the shared files of each environment that has some, as a place of their own.
    """

    head: str
    catalog: Catalog | None
    catalog_error: str
    rows: tuple[Row, ...]
    work: tuple[Work, ...]
    declined: frozenset[str] = frozenset()
    shared: tuple[Cell, ...] = ()

    @property
    def environments(self) -> tuple[Environment, ...]:
        """The columns."""
        return self.catalog.environments if self.catalog else ()


def overview(
    config: ConfigRepo, queue: Queue, redact: Callable[[str], str], *, before: Overview | None = None
) -> Overview:
    """Fetch, and look at everything.

    Args:
        config: the config repo.
        queue: the jobs.
        redact: hides secrets in what jobs tell.
        before: an earlier look through the same mirror; what cannot have changed since is taken from it.

    Raises:
        Transient: the config repo or the database cannot be reached.
        Permanent: the config branch is gone, or the database has no tables.
    """
    work = activity(queue, redact)  # before the fetch: the outcome of whatever is done by now is then in the mirror
    head = config.fetch()
    catalog, error = _catalog(config, head, before)
    if catalog is None:
        return Overview(head, None, error, (), work)
    declined = declined_heads(queue, before.work if before else (), work, before.declined if before else frozenset())
    sharing = [environment for environment in catalog.environments if environment.shared]
    places = len(catalog.apps) * len(catalog.environments) + len(sharing)
    drifts = newest(queue.jobs("drift/", limit=2 * looks_for(places)))
    jobs = Jobs(catalog, work, before.work if before else (), drifts)
    look = _Look(config, head, jobs, before, declined)
    rows: list[Row] = []
    for first in range(0, len(catalog.apps), AT_ONCE):
        some = catalog.apps[first : first + AT_ONCE]
        look.read_ahead(some, catalog.environments)
        rows += (look.row(app, catalog.environments) for app in some)
    shared = tuple(look.shared(environment) for environment in sharing)
    return Overview(head, catalog, error, tuple(rows), work, declined, shared)


def _catalog(config: ConfigRepo, head: str, before: Overview | None) -> tuple[Catalog | None, str]:
    """The catalog in force, and what is wrong with the one at the head."""
    if before is not None and before.head == head:
        return before.catalog, before.catalog_error
    try:
        in_force = read_catalog(config, head)
    except Permanent as error:
        return None, str(error)
    try:
        parse_catalog(decode(config.read(head, CATALOG) or b"", CATALOG), CATALOG)
    except Permanent as error:
        return in_force, str(error)
    return in_force, ""


class _Look:
    """One look at every place through the mirror. What cannot have changed since the one before is not read again."""

    def __init__(
        self, config: ConfigRepo, head: str, jobs: Jobs, before: Overview | None, declined: frozenset[str]
    ) -> None:
        self._declined = declined
        self._config = config
        self._head = head
        self._jobs = jobs
        self._holds = frozenset(config.files(head, HOLDS))
        self._rows = {row.app.name: row for row in before.rows} if before else {}
        self._shared = {cell.environment.name: cell for cell in before.shared} if before else {}
        self._same_head = before is not None and before.head == head

    def read_ahead(self, apps: Iterable[App], environments: Iterable[Environment]) -> None:
        """Read what the apps' cells will ask for in few exchanges with git: one for each would be most of the time."""
        if not self._same_head:
            paths = [path for where in environments for app in apps for path in app.manifest_paths(where)]
            self._config.read_ahead(self._head, paths)

    def row(self, app: App, environments: Iterable[Environment]) -> Row:
        """One app: the very row of the look before, where nothing about it is new."""
        row = Row(app, tuple(self._cell(app, environment) for environment in environments))
        known = self._rows.get(app.name)
        return known if known == row and known is not None else row

    def shared(self, environment: Environment) -> Cell:
        """An environment's shared files, which are synced as an app's are."""
        known = self._shared.get(environment.name)
        usable = known is not None and known.environment == environment and known.deployed is not None
        cell = self._cell_as_of(shared_app(environment), environment, known if usable else None, url=None)
        return known if known == cell and known is not None else cell

    def _cell(self, app: App, environment: Environment) -> Cell:
        return self._cell_as_of(app, environment, self._known_cell(app, environment), url=environment.url_for(app))

    def _cell_as_of(self, app: App, environment: Environment, known: Cell | None, *, url: str | None) -> Cell:
        work = self._jobs.under_way(app, environment)
        try:
            changed = self._changed(app, environment, known)
            deployed = self._deployed(app, environment, changed, known)
        except Permanent as error:
            return Cell(environment, CellState.UNREADABLE, problem=str(error), work=work, url=url)
        note = self._outcome(app, environment, changed, known)
        return Cell(
            environment=environment,
            state=_state(deployed, note, work),
            deployed=deployed,
            changed=changed,
            outcome=note,
            hold=self._hold(app, environment, deployed),
            pending=self._pending(app, environment, known),
            work=work,
            failed=self._jobs.failed(app, environment),
            url=url,
            drift=self._jobs.drift(app, environment, changed),
        )

    def _known_cell(self, app: App, environment: Environment) -> Cell | None:
        """The cell before, unless the catalog has changed about it or it could not be read."""
        row = self._rows.get(app.name)
        if row is None or row.app != app:
            return None
        usable = (cell for cell in row.cells if cell.environment == environment and cell.deployed is not None)
        return next(usable, None)

    def _changed(self, app: App, environment: Environment, known: Cell | None) -> ConfigCommit | None:
        if known is not None and self._same_head:
            return known.changed
        return self._config.last_change(self._head, changing_paths(self._config, self._head, app, environment))

    def _deployed(
        self, app: App, environment: Environment, changed: ConfigCommit | None, known: Cell | None
    ) -> Deployment:
        if known is not None and known.deployed is not None and known.changed == changed:
            return known.deployed
        bumped = self._bumped(app, environment, changed) if changed else None
        found = bumped or deployment(self._config, self._head, app, environment)
        gone = not found.images and not manifest_files(self._config, self._head, app, environment)
        return replace(found, changed_in=None) if gone else found

    def _bumped(self, app: App, environment: Environment, changed: ConfigCommit) -> Deployment | None:
        """What the newest change says of itself, where it is a bump of this place and the files say nothing else.

        Reading YAML costs milliseconds a file, counting a name in its text next to nothing.
        """
        release = release_of(changed)
        if release is None or (release.app, changed.trailer("Environment")) != (app.name, environment.name):
            return None
        text = "\n".join(manifest_texts(self._config, self._head, app, environment).values())
        if text.count(release.image) != text.count(app.image) or release.image not in text:
            return None
        return Deployment(app.name, environment.name, (release.image,), release, changed.sha, waiting=False)

    def _outcome(
        self, app: App, environment: Environment, changed: ConfigCommit | None, known: Cell | None
    ) -> OutcomeNote | None:
        """A note is written by a sync alone: without news of one, what was recorded stands."""
        if changed is None:
            return None
        stands = known is not None and known.changed == changed and not self._jobs.has_news(app, environment)
        if known is not None and known.outcome is not None and stands:
            return known.outcome
        return outcome(self._config, changed.sha, app.name, environment.name)

    def _hold(self, app: App, environment: Environment, deployed: Deployment) -> Hold | None:
        path = hold_path(environment.name, app.name)
        if path not in self._holds:
            return None
        try:
            hold = read_hold(self._config, self._head, environment.name, app.name)
        except Permanent as error:
            return Hold(reason=str(error))
        return None if hold is None or self._is_spent(hold, path, app, environment, deployed) else hold

    def _is_spent(self, hold: Hold, path: str, app: App, environment: Environment, deployed: Deployment) -> bool:
        """Whether a hold on one release keeps nothing out any more: another one than then runs, so it has passed."""
        written = self._config.last_change(self._head, [path]) if hold.release is not None else None
        if written is None or written.sha == deployed.changed_in:
            return False
        return deployment(self._config, written.sha, app, environment).release != deployed.release

    def _pending(self, app: App, environment: Environment, known: Cell | None) -> Pending | None:
        if environment.gate is not Gate.PULL_REQUEST:
            return None
        branch = promotion_branch(environment.name, app.name)
        tip = self._config.branch_tip(branch)
        if tip is None or tip in self._declined:
            return None
        if known is not None and known.pending is not None and known.pending.commit == tip and self._same_head:
            return known.pending
        commit = self._config.commit(tip)
        release = release_of(commit) if commit else None
        if commit is None or release is None or brought_in(self._config, self._head, _id(commit)) is not None:
            return None
        return Pending(release, branch, tip, commit.committed_at)


def _id(commit: ConfigCommit) -> str:
    """Its last one: a release that comes in once more has an id of its own behind the release's."""
    return next(reversed(commit.all_trailers("Slipway-Id")), "")


def _state(deployed: Deployment, note: OutcomeNote | None, work: Iterable[Work]) -> CellState:
    if deployed.waiting:
        return CellState.AWAITING_RELEASE
    if deployed.changed_in is None:
        return CellState.ABSENT
    if any(one.kind == "sync" for one in work):
        return CellState.ROLLING_OUT
    return _STATE_OF_OUTCOME[note.outcome] if note else CellState.NOT_APPLIED
