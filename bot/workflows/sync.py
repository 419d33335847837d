"""`sync`: one app in one environment, from the config branch to pods that are ready, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog

from bot import messages
from bot.audit import UNAPPROVED
from bot.errors import Permanent, SlipwayError
from bot.facts import Rollout, RolloutState
from bot.jobs import Ended, rollback_job, sync_job
from bot.log_context import about
from bot.messages import Failure
from bot.ports import Run
from bot.releases import Outcome
from bot.services import Services
from bot.steps import chat, latest, outcome, prune, rollout
from bot.steps.outcome import Subject
from bot.steps.rollout import AppliedSet, Look
from bot.steps.withdraw import withdraw
from bot.workflows.notify import announce
from bot.workflows.release import bring_in
from bot.workflows.stepping import SERVING, Telling, failed, step, tell
from bot.workflows.take_back import take_back

LOG = structlog.get_logger()


def sync(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Make one app in one environment match the config branch, and wait for the rollout."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    try:
        seen = step(run, "see what is wanted", lambda: outcome.see(services, app, environment, commit))
    except Permanent as error:
        return _unreadable(run, services, app, environment, commit, error)
    except SlipwayError as error:
        return failed(error)
    subject = seen.subject
    if subject is None:
        return _superseded(run, app, environment, seen.wanted)
    about(subject.release)
    if subject.to_take_back is not None:
        taken_back = take_back(run, services, app, environment, subject.to_take_back)
        if taken_back is not None:
            return taken_back
    return _rolled_out(run, services, values, subject)


def _rolled_out(run: Run, services: Services, values: Mapping[str, Any], subject: Subject) -> Ended:
    """Apply, wait, and record the outcome in Git. None of that waits for GitHub's API."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    news = replace(subject, is_news=values["attempt"] == 1 and values.get("own", False))
    begun = Telling(
        run, "say that it rolls out", lambda: outcome.tell_rolling_out(services, app, environment, commit, news)
    )
    if subject.unapproved:
        tell(run, "say unapproved", lambda: outcome.tell_unapproved(services, app, environment, commit, news))
    result = _roll_out(run, services, app, environment, commit)
    if result.outcome is Outcome.SUPERSEDED:
        told = replace(news, deployment=begun.end())
        tell(run, "say that it gave way", lambda: outcome.tell_superseded(services, app, environment, told))
        return _superseded(run, app, environment, result.newer)
    try:
        step(run, "record the outcome", lambda: _record(services, app, environment, commit, subject, result))
    except SlipwayError as error:
        begun.end()
        return Ended("failed", str(error), retry=True)
    return _conclude(run, services, values, replace(news, deployment=begun.end()), result)


def _superseded(run: Run, app: str, environment: str, newer: str | None) -> Ended:
    if newer is not None:
        run.start(sync_job(app, environment, newer))
    return Ended("superseded", f"the config branch moved on to {newer}")


def _unreadable(run: Run, services: Services, app: str, environment: str, commit: str, error: Permanent) -> Ended:
    """A config commit left files that make no sense: recorded in Git and said where its author looks."""
    reason = services.redact(str(error))
    tell(
        run,
        "record that it cannot be read",
        lambda: rollout.record_unreadable(services, app, environment, commit, reason),
    )
    what = f"Reading what {app} runs on {environment}" if app else f"Reading the shared files of {environment}"
    failure = Failure(what, str(error), SERVING, reference=run.id)
    tell(run, "say so on the commit", lambda: outcome.tell_unreadable(services, app, environment, commit, failure))
    return failed(error)


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
        applied = step(run, "apply", lambda: rollout.apply(services, app, environment, commit))
    except SlipwayError as error:
        return _Result(Outcome.FAILED if isinstance(error, Permanent) else Outcome.UNKNOWN, reason=str(error))
    try:
        return _watched(run, services, app, environment, applied)
    except SlipwayError as error:
        return _Result(Outcome.UNKNOWN, reason=str(error))


def _watched(run: Run, services: Services, app: str, environment: str, applied: AppliedSet) -> _Result:
    look: Look | None = None
    while True:
        look = step(run, "watch the rollout", partial(rollout.watch, services, app, environment, applied, look))
        if look.rollout.state is RolloutState.COMPLETE:
            return _Result(Outcome.HEALTHY, look.seconds)
        if look.newer is not None:
            return _Result(Outcome.SUPERSEDED, look.seconds, newer=look.newer)
        if look.rollout.state is RolloutState.FAILED or look.seconds > services.rollout_timeout:
            return _diagnosed(run, services, applied, look.rollout, look.seconds)


def _diagnosed(run: Run, services: Services, applied: AppliedSet, last: Rollout, seconds: float) -> _Result:
    found = step(run, "ask the pods why", lambda: rollout.diagnose(services, applied))
    reason = messages.rollout_reason(last.detail, found)
    return _Result(Outcome.FAILED, seconds, reason, evidence=(*found.events, *found.logs))


def _conclude(run: Run, services: Services, values: Mapping[str, Any], subject: Subject, result: _Result) -> Ended:
    """Tell people how it ended, and start what comes next."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    if result.outcome is not Outcome.HEALTHY:
        failure = Failure(f"The rollout on {environment}", result.reason, SERVING, result.evidence, run.id)
        tell(
            run,
            "say that it failed",
            lambda: outcome.tell_failed(
                services, app, environment, commit, subject, failure, is_unknown=result.outcome is Outcome.UNKNOWN
            ),
        )
        if result.outcome is Outcome.FAILED:
            announce(run, lambda: chat.failed(services, app, environment, commit, result.reason))
        if result.outcome is Outcome.FAILED and app:  # shared files have no release to go back to
            run.start(rollback_job(app, environment, commit, evidence=result.evidence))
        return Ended(result.outcome.value, result.reason, retry=result.outcome is Outcome.UNKNOWN)
    tell(run, "say live", lambda: outcome.tell_healthy(services, app, environment, commit, subject, result.seconds))
    made = subject.release
    if made is not None and subject.brought and not subject.went_back:
        announce(run, lambda: chat.live(services, made, environment, commit, result.seconds))
    return _pruned(run, services, values, _next(run, services, environment, subject))


def _pruned(run: Run, services: Services, values: Mapping[str, Any], ended: Ended) -> Ended:
    """What left the manifests goes when what replaces it is healthy; that it cannot go changes no outcome."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    try:
        gone = step(
            run,
            "delete what left the manifests",
            lambda: prune.prune_place(services, app, environment, commit),
        )
    except SlipwayError as error:
        LOG.warning("cannot prune", app=app, environment=environment, reason=str(error))
        return replace(ended, detail=str(error), retry=ended.retry or not isinstance(error, Permanent))
    return replace(ended, detail=f"deleted {', '.join(gone)}") if gone else ended


def _record(services: Services, app: str, environment: str, commit: str, subject: Subject, result: _Result) -> None:
    reason = result.reason or (f"{UNAPPROVED}: nobody who may has approved this change" if subject.unapproved else "")
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


def _next(run: Run, services: Services, environment: str, subject: Subject) -> Ended:
    """Healthy: on to the next environment, or behind the last one, ``latest``."""
    made = subject.release
    if made is None:
        return Ended("healthy")
    if subject.next_environment is not None:
        if subject.went_back:
            tell(run, "close the promotion of what was taken back", lambda: withdraw(services, made.app, environment))
        went = bring_in(run, services, made, subject.next_environment, to_be_told=subject.told_by_what_follows)
        return Ended("healthy", went.detail, retry=went.retry)
    try:
        digest = step(run, "tag latest", lambda: latest.tag_latest(services, made, environment))
    except SlipwayError as error:
        return Ended("healthy", str(error), retry=not isinstance(error, Permanent))
    return Ended("healthy", f"latest is {digest}" if digest else "latest is a newer release")
