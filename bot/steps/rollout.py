"""Makes the cluster match the config branch for one app in one environment, and watches the pods.

The only steps that write to a cluster.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.audit import OutcomeNote
from bot.errors import Transient
from bot.facts import Applied, Diagnosis, Rollout, Target
from bot.logs import hide_in_lines
from bot.releases import Outcome
from bot.services import Services
from bot.steps.objects import bases_of, objects_of
from bot.steps.state import Place, deployment, look, outcome

LOOK_SECONDS = 5.0
"""How long one look at a rollout may wait for news."""

MOST_COUNTED = timedelta(seconds=60)
"""What may have passed between two looks, so far as a rollout's time is concerned: a worker that died, or a clock that
jumped, makes no rollout late."""


@dataclass(frozen=True, slots=True)
class AppliedSet:
    """What was applied, from which commit, and when (RFC 3339, this machine's clock)."""

    commit: str
    target: Target
    objects: tuple[Applied, ...]
    started_at: str


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a rollout.

    Attributes:
        seconds: since the apply, as far as they count (``MOST_COUNTED``).
        at: when, by this machine's clock (RFC 3339).
        newer: the config commit that has taken this one's place meanwhile, or None.
    """

    rollout: Rollout
    seconds: float
    at: str
    newer: str | None


def wanted_commit(services: Services, app: str, environment: str, commit: str) -> str | None:
    """The config commit that the app's environment shall match now; None where it waits for its first release.

    Raises:
        Transient: ``commit`` has not reached the mirror yet (GitHub tells of a merge before git shows it).
    """
    return wanted_of(services, look(services.config, app, environment), commit)


def wanted_of(services: Services, place: Place, commit: str) -> str | None:
    """The same, where one has just looked."""
    if services.config.commit(commit) is None:
        raise Transient(f"The config commit {commit} cannot be fetched yet.")
    return None if place.deployed.waiting else place.deployed.changed_in


def apply(services: Services, app: str, environment: str, commit: str) -> AppliedSet:
    """Apply the app's manifests as they are at ``commit``. Applying twice changes nothing."""
    place = look(services.config, app, environment)
    target = Target(place.environment.cluster, place.environment.namespace)
    started_at = services.clock.now()
    objects = objects_of(services, commit, place.app, place.environment)
    bases = bases_of(services, place.head, place.app, place.environment, objects)
    applied = services.clusters.apply(target, [*bases, *objects])
    return AppliedSet(commit, target, applied, started_at.isoformat())


def watch(services: Services, app: str, environment: str, applied: AppliedSet, before: Look | None) -> Look:
    """Look once, for a few seconds at most, and see whether this rollout is still the one that is wanted."""
    rollout = services.clusters.rollout(applied.target, applied.objects, wait=LOOK_SECONDS)
    wanted = wanted_commit(services, app, environment, applied.commit)
    now = services.clock.now()
    last, seconds = (before.at, before.seconds) if before else (applied.started_at, 0.0)
    seconds += counted(now - datetime.fromisoformat(last))
    return Look(rollout, seconds, now.isoformat(), None if wanted == applied.commit else wanted)


def counted(passed: timedelta) -> float:
    """Pure: the seconds that count of what a clock says has passed."""
    return min(max(passed, timedelta()), MOST_COUNTED).total_seconds()


def diagnose(services: Services, applied: AppliedSet) -> Diagnosis:
    """Why the pods do not come up, redacted: it ends on a pull request."""
    found = services.clusters.diagnose(applied.target, applied.objects)
    hide = services.redact
    return Diagnosis(
        reasons=tuple(map(hide, found.reasons)),
        events=tuple(map(hide, found.events)),
        logs=hide_in_lines(hide, found.logs),
    )


def record(
    services: Services,
    app: str,
    environment: str,
    commit: str,
    *,
    ended: Outcome,
    seconds: float,
    approved_by: tuple[str, ...] = (),
    reason: str = "",
) -> OutcomeNote:
    """Write how the sync ended as a note on the config commit, once."""
    config = services.config
    place = look(config, app, environment)
    known = outcome(config, commit, app, environment)
    if known is not None and (known.outcome, known.reason) == (ended, reason):
        return known
    note = OutcomeNote(
        app=app,
        environment=environment,
        image=" ".join(deployment(config, commit, place.app, place.environment).images),
        outcome=ended,
        at=_now(services),
        seconds=round(seconds, 1),
        approved_by=approved_by,
        reason=reason,
    )
    config.add_note(commit, note.line())
    return note


def record_unreadable(services: Services, app: str, environment: str, commit: str, reason: str) -> None:
    """Write on a config commit that what it left cannot be read, once: nothing was applied, and no image is known."""
    known = outcome(services.config, commit, app, environment)
    if known is None or (known.outcome, known.reason) != (Outcome.FAILED, reason):
        note = OutcomeNote(app, environment, "", Outcome.FAILED, _now(services), 0.0, reason=reason)
        services.config.add_note(commit, note.line())


def _now(services: Services) -> str:
    return services.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
