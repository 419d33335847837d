"""What the pages see: the config repo and the queue, looked at in the background, when somebody asks.

The web process is there to store deliveries, so nothing of this is loaded, opened or read before a page is asked for,
and no page waits for GitHub for long: it shows the last look, and says how old that is.
"""

import gc
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

import structlog

from bot.errors import SlipwayError
from bot.facts import JobState
from bot.ports import ConfigRepo, Journal, Queue

if TYPE_CHECKING:  # a process that only takes webhooks does without these
    from bot.activity import Work
    from bot.links import Links
    from bot.overview import Overview
    from bot.release_history import History
    from bot.release_list import Listed
    from bot.steps_told import StepTold
    from bot.trail_reading import Trail

log = structlog.get_logger()

FRESH_SECONDS = 3.0
"""A look younger than this is good enough."""

LEAST_PAUSE_SECONDS = 0.2
"""Between two looks, however fresh they are wanted."""

PATIENCE_SECONDS = 2.0
"""How long a page waits for a new look before it shows the last one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the pages' facts come from.

    Attributes:
        jobs: the queue, for reading; not the one that stores deliveries, whose connections are for that alone.
        open_config: opens the config repo and tells where on GitHub it is (a function of its config branch).
            Raises a SlipwayError where the process is not told which repo, or its mirror is in use.
        redact: hides secrets in what jobs tell.
        journal: how far jobs are; None where that is not shown.
    """

    jobs: Queue
    open_config: Callable[[], tuple[ConfigRepo, "Callable[[str], Links]"]]
    redact: Callable[[str], str]
    journal: Journal | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One look.

    Attributes:
        overview: None before the first look that worked out.
        links: where on GitHub things can be seen; None likewise.
        work: the newest work, newest first.
        as_of: when the config repo was read.
        problem: why what is shown is old or missing; empty where it is as good as it can be.
        version: another one whenever something else is to be seen.
    """

    overview: "Overview | None" = None
    links: "Links | None" = None
    work: "tuple[Work, ...]" = ()
    as_of: datetime | None = None
    problem: str = ""
    version: str = field(default_factory=lambda: secrets.token_hex(8))


class Sight:
    """Keeps the newest snapshot. Safe for threads; starts none before the first question, so a fork is safe too.

    Args:
        source: where the facts come from.
        fresh: seconds for which a look is good enough.
        patience: seconds a question waits for a new look.
    """

    def __init__(self, source: Source, *, fresh: float = FRESH_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self._source = source
        self._fresh = fresh
        self._patience = patience
        self._opened: tuple[ConfigRepo, Callable[[str], Links]] | None = None
        self._snapshot = Snapshot()
        self._looking = False
        self._looked_at: float | None = None
        self._ended = threading.Condition()
        self._trail: tuple[object, Trail] | None = None
        self._trail_lock = threading.Lock()

    def snapshot(self) -> Snapshot:
        """The newest look: a fresh one, or after ``patience`` the last one."""
        with self._ended:
            old = self._looked_at is None or monotonic() - self._looked_at > self._fresh
            if old and not self._looking:
                self._looking = True
                threading.Thread(target=self._refresh, name="sight", daemon=True).start()
            self._ended.wait_for(lambda: not self._looking, self._patience)
            return self._snapshot

    def await_other(self, version: str, seconds: float) -> Snapshot:
        """A look with another version than this one, or after so many seconds the newest one."""
        deadline = monotonic() + seconds
        while (seen := self.snapshot()).version == version and (left := deadline - monotonic()) > 0:
            with self._ended:
                self._ended.wait(min(left, max(self._fresh, LEAST_PAUSE_SECONDS)))
        return seen

    def history(self, app: str, sha: str) -> "tuple[Snapshot, History | None]":
        """A release's way, and the look that it was read with."""
        from bot.release_history import release_history  # noqa: PLC0415 - see the module's docstring

        seen = self.snapshot()
        config, jobs, redact = self._config(seen), self._source.jobs, self._source.redact
        return seen, release_history(config, jobs, redact, app, sha, now=seen.overview)

    def steps(self, history: "History") -> "Mapping[str, tuple[StepTold, ...]]":
        """What each of a release's jobs has done so far, by the job's id.

        Raises:
            SlipwayError: the database cannot be read.
        """
        from bot.steps_told import told_steps  # noqa: PLC0415 - see the module's docstring

        running = {work.id for work in history.jobs if work.state is JobState.RUNNING}
        read = (
            self._source.journal.read([work.id for work in history.jobs])
            if self._source.journal and history.jobs
            else {}
        )
        return {job: told_steps(seen, self._source.redact, runs=job in running) for job, seen in read.items()}

    def pulse(self, jobs: Sequence[str]) -> str:
        """Another word whenever one of these jobs has gone on.

        Raises:
            SlipwayError: the database cannot be read.
        """
        return self._source.journal.pulse(jobs) if self._source.journal and jobs else ""

    def work(self, job_id: str) -> "tuple[Snapshot, Work | None]":
        """One job, and the look beside it.

        Raises:
            SlipwayError: the database cannot be read.
        """
        from bot.activity import told  # noqa: PLC0415 - see the module's docstring

        seen, record = self.snapshot(), self._source.jobs.job(job_id)
        return seen, told(record, self._source.redact) if record else None

    def releases(self, app: str | None, limit: int) -> "tuple[Snapshot, tuple[Listed, ...]]":
        """The newest releases, and the look that they were read with."""
        from bot.release_list import newest_releases  # noqa: PLC0415 - see the module's docstring

        seen = self.snapshot()
        config, jobs, redact = self._config(seen), self._source.jobs, self._source.redact
        return seen, newest_releases(config, jobs, redact, app=app, limit=limit, now=seen.overview)

    def trail(self) -> "tuple[Snapshot, Trail | None]":
        """Everything that was ever done, up to the look that it was read with; None before the first look.

        Raises:
            SlipwayError: the mirror cannot be read, or there is no catalog in force.
        """
        from bot.trail_reading import read_trail  # noqa: PLC0415 - see the module's docstring

        seen = self.snapshot()
        config = self._config(seen)
        if config is None or seen.overview is None:
            return seen, None
        with self._trail_lock:  # one reading serves all who ask meanwhile
            of = seen.overview.head, _synced(seen)
            if self._trail is None or self._trail[0] != of:
                self._trail = of, read_trail(config, seen.overview.head)
            return seen, self._trail[1]

    def _config(self, seen: Snapshot) -> ConfigRepo | None:
        return self._opened[0] if self._opened and seen.overview else None

    def _refresh(self) -> None:
        """One look, in a thread of its own. The one place that catches broadly: whoever waits must be let go."""
        before = self._snapshot
        try:
            seen = self._look(before)
        except Exception:
            log.exception("look failed unexpectedly")
            seen = replace(
                before, problem="Slipway met a mistake of its own; the log of the web process has the details."
            )
        if replace(seen, version=before.version, as_of=before.as_of) != before:
            seen = replace(seen, version=secrets.token_hex(8))
        if before.overview is None and seen.overview is not None:
            gc.freeze()  # what a look keeps stays; collecting around it took a tenth of a second of 1,000 apps' process
        with self._ended:
            self._snapshot = seen
            self._looked_at = monotonic()
            self._looking = False
            self._ended.notify_all()

    def _look(self, before: Snapshot) -> Snapshot:
        from bot.overview import overview  # noqa: PLC0415 - see the module's docstring

        try:
            config, links_of = self._opened = self._opened or self._source.open_config()
            found = overview(config, self._source.jobs, self._source.redact, before=before.overview)
            links = links_of(config.branch)
        except SlipwayError as error:
            return self._look_at_jobs(before, str(error))
        return replace(before, overview=found, links=links, work=found.work, as_of=datetime.now(UTC), problem="")

    def _look_at_jobs(self, before: Snapshot, problem: str) -> Snapshot:
        """What is left where the config repo cannot be read."""
        from bot.activity import activity  # noqa: PLC0415 - see the module's docstring

        try:
            return replace(before, work=activity(self._source.jobs, self._source.redact), problem=problem)
        except SlipwayError as error:
            return replace(before, problem=str(error))


def _synced(seen: Snapshot) -> frozenset[str]:
    """The syncs that have ended: nothing else writes what the trail reads beside the commits."""
    return frozenset(work.id for work in seen.work if work.kind == "sync" and not work.under_way)
