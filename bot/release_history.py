"""The way of one release, ``APP@<40 hex>``: from the merge through each environment, as Git and the queue remember it.

Like ``bot.overview`` it asks nothing of GitHub. What it finds is gathered first and told afterwards.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from bot.activity import Work, newest_first, sentence, told
from bot.audit import OutcomeNote, approvers_of, outcome_of, release_of
from bot.catalog import Environment, Gate
from bot.facts import ConfigCommit, JobState
from bot.jobs import Ended
from bot.messages import duration, short
from bot.overview import Cell, Overview
from bot.ports import ConfigRepo, Queue
from bot.releases import FULL_SHA, Outcome, Release, bump_id, release_id
from bot.steps.state import rollback_of
from bot.withdrawals import brought_in

MOST_JOBS = 50
"""Of one kind, for one release."""


class StageState(StrEnum):
    """How far a stage of the way is."""

    DONE = "done"
    NOW = "now"
    WAITING = "waiting"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the way.

    Attributes:
        kind: ``merge``, ``build``, ``approval``, ``environment`` or ``latest``.
        name: what people call it.
        told: what happened, in a sentence.
        at: when (RFC 3339).
        seconds: how long the rollout took.
        environment: the environment that an approval or a rollout is about.
        commit: the config commit that it is about.
        pull_request: the promotion's number in the config repo, where a job tells it.
        branch: the promotion's branch, while it waits.
        runs: whether the config branch names this release there now.
    """

    kind: str
    name: str
    state: StageState
    told: str = ""
    at: str | None = None
    seconds: float | None = None
    environment: str | None = None
    commit: str | None = None
    pull_request: int | None = None
    branch: str | None = None
    runs: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """A release: what is known of it, its stages in order, and its jobs, newest first."""

    id: str
    app: str
    sha: str
    release: Release | None
    stages: tuple[Stage, ...]
    jobs: tuple[Work, ...]


def parse_release_id(text: str) -> tuple[str, str] | None:
    """The app and the commit of ``APP@<40 hex>``, or None."""
    app, _, sha = text.rpartition("@")
    return (app, sha) if app and FULL_SHA.fullmatch(sha) else None


def release_history(
    config: ConfigRepo | None,
    queue: Queue,
    redact: Callable[[str], str],
    app: str,
    sha: str,
    *,
    now: Overview | None = None,
) -> History | None:
    """The way of a release so far; None where neither Git nor the queue knows of it.

    Args:
        config: the config repo; None where only jobs can be looked at.
        queue: the jobs.
        redact: hides secrets in what jobs tell.
        app: its name.
        sha: the source commit.
        now: a look through the same mirror; its head is what history is read from.
    """
    gathering = _Gathering(queue, redact, app, sha)
    releases = gathering.jobs(f"release/{app}/{sha}/")
    cells = next((row.cells for row in now.rows if row.app.name == app), ()) if now else ()
    image = next((row.app.image for row in now.rows if row.app.name == app), None) if now else None
    builds = gathering.jobs(f"build/{image}/{sha}/") if image else ()
    entries = [gathering.entry(config, now.head, cell) for cell in cells] if config and now else []
    known = next((entry.release for entry in entries if entry.release), None)
    if known is None and not releases:
        return None
    stages = (
        _merge(known, sha, releases),
        _build(known, releases, builds),
        *chain.from_iterable(_environment(entry, chain(releases, *(e.syncs for e in entries))) for entry in entries),
        *(_latest(entry) for entry in entries[-1:]),
    )
    work = newest_first(chain(releases, builds, *(chain(entry.syncs, entry.others) for entry in entries)))
    return History(release_id(app, sha), app, sha, known, stages, work)


# ---------------------------------------------------------------- gathering


@dataclass(frozen=True, slots=True)
class _Entry:
    """How the release stands to one environment: the bump that brought it, what took it back, the jobs about it.

    ``others`` are those that people asked for, and those that merged it or took it back.
    """

    environment: Environment
    cell: Cell
    release: Release | None = None
    bump: ConfigCommit | None = None
    note: OutcomeNote | None = None
    rollback: ConfigCommit | None = None
    syncs: tuple[Work, ...] = ()
    others: tuple[Work, ...] = ()
    runs: bool = False


class _Gathering:
    """Looks things up for one release."""

    def __init__(self, queue: Queue, redact: Callable[[str], str], app: str, sha: str) -> None:
        self._queue = queue
        self._redact = redact
        self._app = app
        self._sha = sha

    def jobs(self, prefix: str) -> tuple[Work, ...]:
        """The jobs whose id begins so, newest first."""
        return tuple(told(record, self._redact) for record in self._queue.jobs(prefix, limit=MOST_JOBS))

    def entry(self, config: ConfigRepo, head: str, cell: Cell) -> _Entry:
        """How it stands to one environment."""
        environment = cell.environment
        bump = brought_in(config, head, bump_id(release_id(self._app, self._sha), environment.name))
        asked = self.jobs(f"promote/{self._app}/{environment.name}/{self._sha}/")
        if bump is None:
            waits = cell.pending if cell.pending and cell.pending.release.sha == self._sha else None
            return _Entry(environment, cell, waits.release if waits else None, others=asked)
        runs = cell.release is not None and cell.release.sha == self._sha
        return _Entry(
            environment,
            cell,
            release=release_of(bump),
            bump=bump,
            note=outcome_of(config.notes(bump.sha), self._app, environment.name),
            syncs=self.jobs(f"sync/{self._app}/{environment.name}/{bump.sha}/"),
            others=(
                *asked,
                *(self._approvals(bump.sha) if environment.gate is Gate.PULL_REQUEST else ()),
                *self.jobs(f"rollback/{self._app}/{environment.name}/{bump.sha}/"),
            ),
            rollback=None if runs else rollback_of(config, head, bump.sha, self._app, environment.name),
            runs=runs,
        )

    def _approvals(self, merged: str) -> tuple[Work, ...]:
        """The jobs that merged this commit: their result names it."""
        return tuple(
            told(record, self._redact)
            for record in self._queue.jobs("approve/", limit=MOST_JOBS)
            if isinstance(record.result, Ended) and record.result.detail.endswith(merged)
        )


# ---------------------------------------------------------------- telling


def _merge(release: Release | None, sha: str, releases: tuple[Work, ...]) -> Stage:
    if release is None:
        return Stage("merge", "merge", StageState.DONE, f"Commit {short(sha)} arrived.", releases[0].created_at)
    who = f"@{release.merge.merged_by.login} merged it." if release.merge.merged_by else "It was pushed."
    return Stage("merge", "merge", StageState.DONE, who, release.merge.merged_at)


def _build(release: Release | None, releases: tuple[Work, ...], builds: tuple[Work, ...]) -> Stage:
    newest = next(iter(builds), None)
    if newest is not None:
        state = _state_of_work(newest)
        return Stage("build", "image", state, newest.result or _under_way(newest), newest.updated_at)
    if release is not None:
        return Stage("build", "image", StageState.DONE, sentence(f"built {release.image.rpartition('/')[2]}"))
    asked = releases[0]
    return Stage("build", "image", _state_of_work(asked), asked.result or _under_way(asked), asked.updated_at)


def _environment(entry: _Entry, before: Iterable[Work]) -> tuple[Stage, ...]:
    """The rollout, and where the environment is gated the approval ahead of it."""
    name, bump = entry.environment.name, entry.bump
    gated = entry.environment.gate is Gate.PULL_REQUEST
    if bump is None:
        kept_out = _kept_out(entry, before)
        state = StageState.SKIPPED if kept_out else StageState.LATER
        rollout = Stage("environment", name, state, "" if gated else kept_out, environment=name)
        return (_awaited(entry, kept_out), rollout) if gated else (rollout,)
    return (_approved(entry, bump), _rolled_out(entry, bump)) if gated else (_rolled_out(entry, bump),)


def _awaited(entry: _Entry, kept_out: str) -> Stage:
    """The approval that has not come."""
    name, pending = entry.environment.name, entry.cell.pending
    if entry.release is None or pending is None:
        state = StageState.SKIPPED if kept_out else StageState.LATER
        return Stage("approval", "approval", state, kept_out, environment=name)
    return Stage(
        kind="approval",
        name="approval",
        state=StageState.WAITING,
        told="Waits for approval.",
        at=pending.proposed_at,
        environment=name,
        commit=pending.commit,
        branch=pending.branch,
    )


def _approved(entry: _Entry, bump: ConfigCommit) -> Stage:
    people = approvers_of(bump) or (entry.note.approved_by if entry.note else ())
    by = ", ".join(f"@{login}" for login in people)
    return Stage(
        kind="approval",
        name="approval",
        state=StageState.DONE if people else StageState.UNKNOWN,
        told=f"Approved by {by}." if people else "No approval is recorded.",
        at=bump.committed_at,
        environment=entry.environment.name,
        commit=bump.sha,
        pull_request=next((work.about.pull_request for work in entry.others if work.about.pull_request), None),
    )


def _rolled_out(entry: _Entry, bump: ConfigCommit) -> Stage:
    state, what, at = _rollout(entry, bump)
    return Stage(
        kind="environment",
        name=entry.environment.name,
        state=state,
        told=what,
        at=at,
        seconds=entry.note.seconds if entry.note else None,
        environment=entry.environment.name,
        commit=bump.sha,
        runs=entry.runs,
    )


def _rollout(entry: _Entry, bump: ConfigCommit) -> tuple[StageState, str, str]:
    newest, note = next(iter(entry.syncs), None), entry.note
    if newest is not None and newest.under_way:
        return StageState.NOW, _under_way(newest), newest.updated_at
    if entry.rollback is not None:
        why = sentence(f"rolled back. {entry.rollback.trailer('Reason') or ''}".strip())
        return StageState.FAILED, why, entry.rollback.committed_at
    if note is not None:
        took = f"Healthy after {duration(note.seconds)}." if note.seconds >= 1 else "Healthy at once."
        state, otherwise = _OUTCOMES[note.outcome]
        return state, took if note.outcome is Outcome.HEALTHY else sentence(note.reason or otherwise), note.at
    if newest is not None:
        return _state_of_work(newest), newest.result, newest.updated_at
    return StageState.WAITING, "Committed, and not applied yet.", bump.committed_at


_OUTCOMES = {
    Outcome.HEALTHY: (StageState.DONE, "healthy"),
    Outcome.FAILED: (StageState.FAILED, "the rollout failed"),
    Outcome.UNKNOWN: (StageState.UNKNOWN, "the cluster could not be asked"),
    Outcome.SUPERSEDED: (StageState.SKIPPED, "something newer took its place"),
}

_KEPT_OUT = {
    "Held in {}.": "A hold kept it out.",
    "Outdated in {}.": "Something newer runs there.",
    "Declined in {}.": "Its pull request was closed without a merge.",
}


def _kept_out(entry: _Entry, before: Iterable[Work]) -> str:
    """Why it did not enter, where the job that was to bring it in says so."""
    results = {work.result for work in before}
    name = entry.environment.name
    if entry.cell.hold is not None and f"Held in {name}." in results:
        return "A hold keeps it out."
    return next((why for what, why in _KEPT_OUT.items() if what.format(name) in results), "")


def _latest(last: _Entry) -> Stage:
    """The tag that follows the last environment."""
    done = next((work for work in last.syncs if work.outcome == "healthy"), None)
    if done is None or last.bump is None:
        return Stage("latest", "latest", StageState.LATER)
    tagged = done.result.startswith("Latest is ")
    return Stage("latest", "latest", StageState.DONE if tagged else StageState.UNKNOWN, done.result, done.updated_at)


def _under_way(work: Work) -> str:
    return "Under way." if work.state is JobState.RUNNING else "Waits for a free worker."


def _state_of_work(work: Work) -> StageState:
    if work.under_way:
        return StageState.NOW
    known = {
        "done": StageState.DONE,
        "healthy": StageState.DONE,
        "waiting": StageState.DONE,
        "failed": StageState.FAILED,
        "superseded": StageState.SKIPPED,
    }
    return known.get(work.outcome, StageState.UNKNOWN)
