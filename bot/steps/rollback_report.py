"""Tells people that an environment went back, or why it did not: those of the release that is out, where they look."""

from dataclasses import replace

import structlog

from bot import messages
from bot.audit import release_of
from bot.errors import Permanent
from bot.facts import StatusState
from bot.messages import Failure
from bot.messages import rollback as texts
from bot.messages.rollback import RolledBack
from bot.releases import Outcome, Release
from bot.rollback import Why
from bot.services import Services
from bot.steps.deployments import retire
from bot.steps.outcome import Subject, subject_of
from bot.steps.report import quotable, report_progress, say_on_promotion, set_environment_status
from bot.steps.rollback import Asked, Plan
from bot.steps.state import look, outcome

LOG = structlog.get_logger()


def tell_rolled_back(
    services: Services,
    app: str,
    environment: str,
    plan: Plan,
    commit: str,
    *,
    asked: Asked | None,
    failure: Failure,
    ended: Outcome | None,
) -> None:
    """What failed, what runs again, what is held: on the source pull request and on the promotion, and a red status.

    Args:
        services: the ports.
        app: whose.
        environment: where.
        plan: what was done.
        commit: the rollback on the config branch.
        asked: who asked for it; None where nobody did.
        failure: the failed rollout; not told where a person asked.
        ended: how the rollback's own rollout ended; None while that is awaited.
    """
    left, to = plan.left, plan.to
    if left is None or to is None:
        return
    told = RolledBack(
        app=app,
        environment=environment,
        left=left.sha,
        to=to.sha,
        commit=commit,
        url=services.commit_url(commit),
        ended=ended,
        by=(asked.by or "") if asked else None,
        reason=services.redact(texts.by_hand_reason(asked.reason)) if asked else "",
        failure=None if asked else quotable(services, app, left.merge, failure),
    )
    text = texts.status(app, environment, to.sha, told.by)
    set_environment_status(services, left.merge, environment, StatusState.FAILURE, text)
    report_progress(services, app, left.merge, image=left.image, story=texts.rolled_back(told))
    if asked is not None and ended is Outcome.HEALTHY:
        retire(services, app, environment, left, text)
    public = replace(told, failure=replace(failure, evidence=())) if told.failure else told
    _on_promotion(services, app, environment, plan.reverted[0], texts.rolled_back(public))


def tell_rollback_failed(services: Services, app: str, environment: str, commit: str) -> None:
    """A rollback's own rollout failed: everybody concerned hears of it, as loudly as Slipway can.

    All that is said is read from the rollback's commit and its note, so whoever tells it says the same.
    """
    config = services.config
    place = look(config, app, environment)
    rollback = config.commit(commit)
    to = release_of(rollback) if rollback else None
    reverted = rollback.trailer("Reverts") if rollback else None
    if to is None or reverted is None:
        raise Permanent(f"{commit} is no rollback of {app} in {environment}.")
    note = outcome(config, commit, app, environment)
    LOG.error("rollback failed", app=app, environment=environment, commit=commit, reason=note.reason if note else "")
    left = subject_of(services, app, environment, reverted)
    told = RolledBack(
        app=app,
        environment=environment,
        left=left.release.sha if left.release else reverted,
        to=to.sha,
        commit=commit,
        url=services.commit_url(commit),
        ended=Outcome.FAILED,
        reason=note.reason if note else "",
    )
    text = texts.failed_status(app, environment, to.sha)
    _config_status(services, place.environment.name, commit, text)
    for release in {one.id: one for one in (left.release, to) if one is not None}.values():
        set_environment_status(services, release.merge, environment, StatusState.FAILURE, text)
        report_progress(services, app, release.merge, image=release.image, story=texts.rollback_failed(told))
    if left.pull_request is not None:
        say = texts.promotion_comment(app, texts.rollback_failed(told))
        say_on_promotion(services, app, left.pull_request, say)


def tell_stayed(services: Services, app: str, environment: str, commit: str, plan: Plan, failure: Failure) -> None:
    """A failed rollout after which Slipway does not go back: why, and what to do."""
    if plan.why is None or plan.why in {Why.MOVED_ON, Why.NOT_FAILED}:
        return
    subject = subject_of(services, app, environment, commit)
    to = plan.to.sha if plan.to else None
    if subject.release is not None and subject.brought:
        _stayed_on_source(services, app, environment, plan.why, subject.release, failure, to)
    else:
        text = texts.stayed_status(plan.why, app, environment, failure.reason)
        _config_status(services, environment, commit, services.redact(text))
    if subject.pull_request is not None:
        text = texts.stayed(plan.why, app, environment, replace(failure, evidence=()), to)
        say_on_promotion(services, app, subject.pull_request, texts.promotion_comment(app, text))


def _stayed_on_source(
    services: Services, app: str, environment: str, why: Why, release: Release, failure: Failure, to: str | None
) -> None:
    story = texts.stayed(why, app, environment, quotable(services, app, release.merge, failure), to)
    report_progress(services, app, release.merge, image=release.image, story=story)


def _on_promotion(services: Services, app: str, environment: str, commit: str, text: str) -> None:
    """On the pull request by which the release had come in, where there is one."""
    subject: Subject = subject_of(services, app, environment, commit)
    if subject.pull_request is not None:
        say_on_promotion(services, app, subject.pull_request, texts.promotion_comment(app, text))


def _config_status(services: Services, environment: str, commit: str, text: str) -> None:
    services.forge.set_status(
        services.config_name,
        commit,
        context=f"slipway/{environment}",
        state=StatusState.FAILURE,
        description=messages.one_line(text),
        url=services.commit_url(commit),
    )
