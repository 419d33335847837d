"""The workflows, readable top to bottom as the design's table. They hold no I/O: every effect is a step.

Whatever a workflow decides upon comes out of a step, so that a replay decides the same. None waits for a person.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from bot import events, messages
from bot.errors import Permanent, SlipwayError
from bot.facts import Job, Rollout, RolloutState, StatusState
from bot.jobs import Ended, build_job, release_job, sync_job
from bot.messages import Failure
from bot.ports import Run
from bot.releases import Merge, Outcome, Release
from bot.services import Services
from bot.steps import approve as approving
from bot.steps import build as building
from bot.steps import latest, missed, outcome, report, rollout, source
from bot.steps.build import BuildResult
from bot.steps.check_catalog import check_catalog
from bot.steps.enter import Entered, Entry, enter
from bot.steps.outcome import Subject
from bot.steps.rollout import AppliedSet

T = TypeVar("T")
LOG = structlog.get_logger()

SERVING = "What ran before keeps serving."


def _step(run: Run, name: str, function: Callable[[], T]) -> T:
    """Run a step. The one place that catches broadly: a defect becomes a sentence, its traceback a log entry."""

    def guarded() -> T:
        try:
            return function()
        except SlipwayError:
            raise
        except Exception as defect:
            LOG.exception("defect", run=run.id, step=name)
            raise Permanent(
                f"Slipway has a defect: {type(defect).__name__} while it was to {name} ({run.id}). The worker's log "
                "has the details; please report it."
            ) from None

    return run.step(name, guarded)


def _tell(run: Run, name: str, function: Callable[[], None]) -> None:
    """Tell people. That GitHub cannot be told changes nothing about what was done, so it only goes to the log."""
    try:
        _step(run, name, function)
    except SlipwayError as error:
        LOG.warning("could not tell", run=run.id, step=name, reason=str(error))


def _failed(error: SlipwayError) -> Ended:
    return Ended("failed", str(error), retry=not isinstance(error, Permanent))


# ---------------------------------------------------------------- delivery, reconcile


def delivery(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """A webhook came: start what it is about. What it says is only where to look."""
    event = events.from_json(values["event"])
    return _start(run, "see what the delivery is about", lambda: missed.jobs_for(services, event))


def reconcile(run: Run, services: Services, _values: Mapping[str, Any]) -> Ended:
    """Start whatever was missed: merges, reviews and config changes whose webhook never came."""
    return _start(run, "compare what is with what was done", lambda: missed.missed_jobs(services))


def catalog(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """The catalog changed: what is wrong with it is said on that commit."""
    try:
        problems = _step(run, "check the catalog", lambda: check_catalog(services, values["commit"]))
    except SlipwayError as error:
        return _failed(error)
    return Ended("failed", problems) if problems else Ended("done", "the catalog is good")


def _start(run: Run, name: str, look: Callable[[], tuple[Job, ...]]) -> Ended:
    try:
        jobs = _step(run, name, look)
    except SlipwayError as error:
        return _failed(error)
    started = [job.id for job in jobs if run.start(job)]
    return Ended("done", ", ".join(started) if started else "nothing to do")


# ---------------------------------------------------------------- release


def release(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """A tracked branch moved: build the commit once and bring it into the first environment."""
    app, sha = values["app"], values["sha"]
    try:
        wanted = _step(run, "see whether the commit is wanted", lambda: source.still_wanted(services, app, sha))
        if wanted.newer is not None:
            run.start(release_job(app, wanted.newer))
            return Ended("superseded", f"the branch moved on to {wanted.newer}")
        merge = _step(run, "ask who merged it", lambda: source.describe_merge(services, app, sha))
    except SlipwayError as error:
        return _failed(error)
    _tell(run, "say that it is being built", lambda: _say_building(services, app, merge, wanted.first_environment))
    built: BuildResult = run.call(build_job(app, wanted.image, sha, values["attempt"]))
    if built.image is None:
        failure = Failure("The build", built.reason, SERVING, built.evidence, run.id)
        _tell_release_failed(run, services, app, merge, wanted.first_environment, failure)
        return Ended("failed", built.reason, retry=built.retry)
    made = Release(app, built.image, merge)
    return _bring_in(run, services, made, wanted.first_environment)


def build(run: Run, services: Services, values: Mapping[str, Any]) -> BuildResult:
    """Build a commit's image; every app that shares the image joins this one build."""
    try:
        return _step(run, "build and push", lambda: building.build_image(services, values["app"], values["sha"]))
    except SlipwayError as error:
        return BuildResult(None, built=False, reason=str(error), retry=not isinstance(error, Permanent))


def _bring_in(run: Run, services: Services, made: Release, environment: str) -> Ended:
    """Through the environment's gate; then the sync that makes it live, or a person's turn."""
    try:
        entered = _step(run, f"bring it into {environment}", lambda: enter(services, made, environment))
    except SlipwayError as error:
        failure = Failure(f"Bringing it to {environment}", str(error), SERVING, reference=run.id)
        _tell_release_failed(run, services, made.app, made.merge, environment, failure, made.image)
        return _failed(error)
    match entered:
        case Entered(entry=Entry.COMMITTED | Entry.PRESENT | Entry.UNCHANGED, commit=str(commit)):
            run.start(sync_job(made.app, environment, commit))
        case Entered(entry=Entry.PROPOSED):
            _tell(run, "say that it waits", lambda: _say_waiting(services, made, environment))
        case _:
            LOG.info("not brought in", release=made.id, environment=environment, entry=entered.entry.value)
    return Ended("done", f"{entered.entry.value} in {environment}")


def _say_building(services: Services, app: str, merge: Merge, environment: str) -> None:
    report.set_environment_status(services, merge, environment, StatusState.PENDING, f"{app} is being built")
    report.report_progress(services, app, merge)


def _say_waiting(services: Services, made: Release, environment: str) -> None:
    text = f"{made.app} waits for approval to enter {environment}"
    report.set_environment_status(services, made.merge, environment, StatusState.PENDING, text)
    report.report_progress(services, made.app, made.merge, image=made.image)


def _tell_release_failed(
    run: Run, services: Services, app: str, merge: Merge, environment: str, failure: Failure, image: str | None = None
) -> None:
    _tell(
        run,
        "say that it failed",
        lambda: report.report_failure(services, app, merge, environment, failure, image=image),
    )


# ---------------------------------------------------------------- approve


def approve(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """A review on, or a merge of, a promotion: read the reviews afresh, decide, merge exactly that head."""
    number = values["number"]
    try:
        reviewed = _step(run, "read the reviews", lambda: approving.review(services, number))
        merged = reviewed.merge_sha
        if merged is None and (reviewed.closed or not reviewed.approved_by or reviewed.frozen_until):
            return Ended("waiting", f"#{number} is closed" if reviewed.closed else f"#{number} is not approved yet")
        if merged is None:
            merged = _step(run, "merge the approved head", lambda: approving.merge(services, number, reviewed))
        if merged is None:
            return Ended("superseded", f"the head of #{number} moved: it must be approved anew")
    except SlipwayError as error:
        return _tell_approval_failed(run, services, number, error)
    run.start(sync_job(reviewed.app, reviewed.environment, merged))
    return Ended("done", f"#{number} merged as {merged}")


def _tell_approval_failed(run: Run, services: Services, number: int, error: SlipwayError) -> Ended:
    failure = Failure("Merging this promotion", str(error), SERVING, reference=run.id)
    _tell(run, "say that it failed", lambda: approving.report_refusal(services, number, failure))
    return _failed(error)


# ---------------------------------------------------------------- sync


def sync(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Make one app in one environment match the config branch, and wait for the rollout."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    try:
        wanted = _step(run, "see what is wanted", lambda: rollout.wanted_commit(services, app, environment, commit))
        if wanted != commit:
            return _superseded(run, app, environment, wanted)
        subject = _step(run, "see what it is about", lambda: outcome.subject_of(services, app, environment, commit))
    except SlipwayError as error:
        return _failed(error)
    _tell(run, "say that it rolls out", lambda: outcome.tell_rolling_out(services, app, environment, subject))
    if subject.unapproved:
        _tell(run, "say unapproved", lambda: outcome.tell_unapproved(services, app, environment, commit, subject))
    result = _roll_out(run, services, app, environment, commit)
    if result.outcome is Outcome.SUPERSEDED:
        return _superseded(run, app, environment, result.newer)
    return _conclude(run, services, values, subject, result)


def _superseded(run: Run, app: str, environment: str, newer: str | None) -> Ended:
    if newer is not None:
        run.start(sync_job(app, environment, newer))
    return Ended("superseded", f"the config branch moved on to {newer}")


@dataclass(frozen=True, slots=True)
class _Result:
    """How a rollout ended. ``seconds`` since the apply; ``newer`` is the config commit that took its place."""

    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    newer: str | None = None
    evidence: tuple[str, ...] = ()


def _roll_out(run: Run, services: Services, app: str, environment: str, commit: str) -> _Result:
    """A cluster that refuses the manifests has failed; one that cannot be asked how it goes is unknown."""
    try:
        applied = _step(run, "apply", lambda: rollout.apply(services, app, environment, commit))
    except SlipwayError as error:
        return _Result(Outcome.FAILED if isinstance(error, Permanent) else Outcome.UNKNOWN, reason=str(error))
    try:
        return _watched(run, services, app, environment, applied)
    except SlipwayError as error:
        return _Result(Outcome.UNKNOWN, reason=str(error))


def _watched(run: Run, services: Services, app: str, environment: str, applied: AppliedSet) -> _Result:
    while True:
        look = _step(run, "watch the rollout", lambda: rollout.watch(services, app, environment, applied))
        if look.rollout.state is RolloutState.COMPLETE:
            return _Result(Outcome.HEALTHY, look.seconds)
        if look.newer is not None:
            return _Result(Outcome.SUPERSEDED, look.seconds, newer=look.newer)
        if look.rollout.state is RolloutState.FAILED or look.seconds > services.rollout_timeout:
            return _diagnosed(run, services, applied, look.rollout, look.seconds)


def _diagnosed(run: Run, services: Services, applied: AppliedSet, last: Rollout, seconds: float) -> _Result:
    found = _step(run, "ask the pods why", lambda: rollout.diagnose(services, applied))
    reason = messages.rollout_reason(last.detail, found)
    return _Result(Outcome.FAILED, seconds, reason, evidence=(*found.events, *found.logs))


def _conclude(run: Run, services: Services, values: Mapping[str, Any], subject: Subject, result: _Result) -> Ended:
    """Record the outcome in Git, tell people, and start what comes next."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    try:
        _step(run, "record the outcome", lambda: _record(services, app, environment, commit, subject, result))
    except SlipwayError as error:
        return Ended("failed", str(error), retry=True)
    if result.outcome is not Outcome.HEALTHY:
        failure = Failure(f"The rollout on {environment}", result.reason, SERVING, result.evidence, run.id)
        _tell(
            run,
            "say that it failed",
            lambda: outcome.tell_failed(services, app, environment, commit, subject, failure),
        )
        return Ended(result.outcome.value, result.reason, retry=result.outcome is Outcome.UNKNOWN)
    _tell(run, "say live", lambda: outcome.tell_healthy(services, app, environment, subject, result.seconds))
    return _next(run, services, subject)


def _record(services: Services, app: str, environment: str, commit: str, subject: Subject, result: _Result) -> None:
    reason = result.reason or ("unapproved: nobody who may has approved this change" if subject.unapproved else "")
    rollout.record(
        services,
        app,
        environment,
        commit,
        ended=result.outcome,
        seconds=result.seconds,
        approved_by=subject.approved_by,
        reason=services.redact(reason),
    )


def _next(run: Run, services: Services, subject: Subject) -> Ended:
    """Healthy: on to the next environment, or behind the last one, ``latest``."""
    made = subject.release
    if made is None:
        return Ended("healthy")
    if subject.next_environment is not None:
        went = _bring_in(run, services, made, subject.next_environment)
        return Ended("healthy", went.detail, retry=went.retry)
    try:
        digest = _step(run, "tag latest", lambda: latest.tag_latest(services, made))
    except SlipwayError as error:
        return Ended("healthy", str(error), retry=not isinstance(error, Permanent))
    return Ended("healthy", f"latest is {digest}")


WORKFLOWS: Mapping[str, Callable[[Run, Services, Mapping[str, Any]], Ended | BuildResult]] = {
    "delivery": delivery,
    "reconcile": reconcile,
    "catalog": catalog,
    "release": release,
    "build": build,
    "approve": approve,
    "sync": sync,
}
