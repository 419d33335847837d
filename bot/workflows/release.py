"""`release` and `build`: a commit becomes an image once, and enters the first environment."""

from collections.abc import Mapping
from typing import Any

import structlog

from bot.errors import Permanent, SlipwayError
from bot.facts import StatusState
from bot.jobs import DECLINED, Ended, approve_job, build_job, release_job, sync_job
from bot.messages import Failure, statuses
from bot.ports import Run
from bot.releases import Merge, Release
from bot.repetition import may_be_repeated
from bot.services import Services
from bot.steps import build as building
from bot.steps import chat, report, source
from bot.steps import wanted as wanting
from bot.steps.build import BuildResult
from bot.steps.enter import Entered, Entry, enter
from bot.steps.requested import Asked
from bot.workflows.notify import announce
from bot.workflows.stepping import SERVING, Telling, failed, step, tell

LOG = structlog.get_logger()


def release(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """A tracked branch moved: build the commit once and bring it into the first environment."""
    app, sha = values["app"], values["sha"]
    try:
        wanted = step(run, "see whether the commit is wanted", lambda: wanting.still_wanted(services, app, sha))
        if wanted.newer is not None:
            run.start(release_job(app, wanted.newer))
            return Ended("superseded", f"the branch moved on to {wanted.newer}")
        image = build_job(app, wanted.image, sha, values["attempt"])
        run.start(image)
        merge = step(run, "ask who merged it", lambda: source.describe_merge(services, app, sha))
    except SlipwayError as error:
        return failed(error)
    said_before = values["attempt"] > 1
    telling = Telling(
        run,
        "say that it is being built",
        lambda: _say_building(services, app, merge, wanted.first_environment, said_before=said_before),
    )
    built: BuildResult = run.call(image)
    telling.end()  # before the bump, whose sync has its own to say of this commit
    if built.image is None:
        failure = Failure("The build", built.reason, SERVING, built.evidence, run.id)
        _tell_release_failed(run, services, app, merge, wanted.first_environment, failure)
        return Ended("failed", built.reason, retry=built.retry)
    made = Release(app, built.image, merge)
    return bring_in(run, services, made, wanted.first_environment)


def build(run: Run, services: Services, values: Mapping[str, Any]) -> BuildResult:
    """Build a commit's image; every app that shares the image joins this one build."""
    try:
        return step(run, building.STEP, lambda: building.build_image(services, values["app"], values["sha"], run.id))
    except SlipwayError as error:
        return BuildResult(None, built=False, reason=str(error), retry=not isinstance(error, Permanent))


def bring_in(
    run: Run,
    services: Services,
    made: Release,
    environment: str,
    asked: Asked | None = None,
    *,
    to_be_told: bool = False,
) -> Ended:
    """Through the environment's gate; then the sync that makes it live, or a person's turn.

    ``to_be_told``: the release has just become live in the environment before, and the comment does not tell so yet.
    """
    try:
        entered = step(run, f"bring it into {environment}", lambda: enter(services, made, environment, asked))
    except SlipwayError as error:
        failure = Failure(f"Bringing it to {environment}", str(error), SERVING, reference=run.id)
        _tell_release_failed(run, services, made.app, made.merge, environment, failure, made.image)
        return failed(error)
    match entered:
        case Entered(entry=Entry.COMMITTED | Entry.PRESENT | Entry.UNCHANGED, commit=str(commit)):
            run.start(sync_job(made.app, environment, commit, own=entered.entry is Entry.COMMITTED))
        case Entered(entry=Entry.HELD | Entry.FROZEN, why=why):
            tell(run, "say what it waits for", lambda: _say_kept_out(services, made, environment, why))
            return Ended("waiting", f"{entered.entry.value} in {environment}")
        case Entered(entry=Entry.PROPOSED, pull_request=int(number)):
            tell(run, "say that it waits", lambda: _say_waiting(services, made, number))
            announce(run, lambda: chat.waiting(services, made, environment, number))
            return Ended("done", f"{entered.entry.value} in {environment}")
        case Entered(entry=Entry.OUTDATED, why=why) if asked is not None:
            return Ended("refused", why)
        case Entered(entry=Entry.DECLINED, pull_request=int(number)):
            run.start(approve_job(number, DECLINED))
        case _:
            LOG.info("not brought in", release=made.id, environment=environment, entry=entered.entry.value)
    if to_be_told:
        tell(
            run,
            "bring the comment up to date",
            lambda: report.report_progress(services, made.app, made.merge, image=made.image),
        )
    return Ended("done", f"{entered.entry.value} in {environment}")


def _say_building(services: Services, app: str, merge: Merge, environment: str, *, said_before: bool) -> None:
    """In the comment; where there is none, or a status tells of a failure, in the status too."""
    if merge.pull_request is None or said_before:
        report.set_environment_status(services, merge, environment, StatusState.PENDING, statuses.building(app))
    report.report_progress(services, app, merge)


def _say_waiting(services: Services, made: Release, number: int) -> None:
    """Nothing where the promotion waits no more: what came of it is told by whoever saw to that."""
    if may_be_repeated() and services.forge.pull_request(services.config_name, number).state != "open":
        return
    report.report_progress(services, made.app, made.merge, image=made.image)


def _say_kept_out(services: Services, made: Release, environment: str, why: str) -> None:
    report.set_environment_status(services, made.merge, environment, StatusState.PENDING, why)
    report.report_progress(services, made.app, made.merge, image=made.image)


def _tell_release_failed(
    run: Run, services: Services, app: str, merge: Merge, environment: str, failure: Failure, image: str | None = None
) -> None:
    tell(
        run,
        "say that it failed",
        lambda: report.report_failure(services, app, merge, environment, failure, image=image),
    )
