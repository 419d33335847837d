"""The newest releases: those that the queue remembers, and those that run somewhere."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.activity import Work, told
from bot.audit import release_of
from bot.overview import Overview
from bot.ports import ConfigRepo, Queue
from bot.releases import Release, bump_id, release_id


@dataclass(frozen=True, slots=True)
class Listed:
    """One release.

    Attributes:
        release: what the config repo knows of it; None before its first bump, and for one that failed before.
        job: its newest release job; None where the queue has forgotten it.
        runs_in: the environments whose manifests name it now, in order.
        waits_for: those before which its promotion waits.
    """

    app: str
    sha: str
    release: Release | None = None
    job: Work | None = None
    runs_in: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """``APP@<40 hex>``."""
        return release_id(self.app, self.sha)

    @property
    def at(self) -> str:
        """When it began, as far as that is known (RFC 3339)."""
        merged = self.release.merge.merged_at if self.release else None
        return (self.job.created_at if self.job else merged) or ""


def newest_releases(
    config: ConfigRepo | None,
    queue: Queue,
    redact: Callable[[str], str],
    *,
    app: str | None,
    limit: int,
    now: Overview | None,
) -> tuple[Listed, ...]:
    """The newest releases, of one app or of all, newest first.

    Args:
        config: the config repo; None where only jobs can be looked at.
        queue: the jobs.
        redact: hides secrets in what jobs tell.
        app: only this app's.
        limit: at most so many.
        now: a look through the same mirror.
    """
    jobs: dict[tuple[str, str], Work] = {}
    for record in queue.jobs(f"release/{app}/" if app else "release/", limit=limit):
        work = told(record, redact)
        if work.about.app and work.about.sha:
            jobs.setdefault((work.about.app, work.about.sha), work)
    placed = _placed(now, app) if now else {}
    listed = [_listed(config, now, key, jobs.get(key), placed.get(key)) for key in {**jobs, **placed}]
    return tuple(sorted(listed, key=lambda one: one.at, reverse=True)[:limit])


@dataclass(slots=True)
class _Placed:
    """Where a release runs and waits, while that is put together."""

    release: Release
    runs_in: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()


def _placed(now: Overview, app: str | None) -> dict[tuple[str, str], _Placed]:
    """Every release that runs or waits somewhere."""
    found: dict[tuple[str, str], _Placed] = {}
    for row in now.rows:
        for cell in row.cells if app in (None, row.app.name) else ():
            if cell.release is not None:
                place = found.setdefault((row.app.name, cell.release.sha), _Placed(cell.release))
                place.runs_in += (cell.environment.name,)
            if cell.pending is not None:
                waiting = cell.pending.release
                place = found.setdefault((row.app.name, waiting.sha), _Placed(waiting))
                place.waits_for += (cell.environment.name,)
    return found


def _listed(
    config: ConfigRepo | None, now: Overview | None, key: tuple[str, str], job: Work | None, placed: _Placed | None
) -> Listed:
    app, sha = key
    if placed is not None:
        return Listed(app, sha, placed.release, job, placed.runs_in, placed.waits_for)
    environments = now.environments if now else ()
    if config is None or now is None or not environments:
        return Listed(app, sha, job=job)
    bump = config.find(now.head, "Slipway-Id", bump_id(release_id(app, sha), environments[0].name))
    return Listed(app, sha, release_of(bump) if bump else None, job)
