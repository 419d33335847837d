"""What follows on a merge that was pressed before the promotion was approved: a revert, and a new promotion."""

from bot.errors import SlipwayError
from bot.jobs import Ended, sync_job
from bot.messages import Failure
from bot.ports import Run
from bot.services import Services
from bot.steps import take_back as taking_back
from bot.steps.enter import enter
from bot.steps.report import report_on_promotion
from bot.steps.take_back import UnapprovedMerge
from bot.workflows.stepping import SERVING, failed, step, tell


def take_back(run: Run, services: Services, app: str, environment: str, unapproved: UnapprovedMerge) -> Ended | None:
    """Revert the merge, propose its release anew, say both; None where nothing of the merge was left to revert."""
    number = unapproved.number
    try:
        reverted = step(
            run, "revert the unapproved merge", lambda: taking_back.take_back(services, app, environment, unapproved)
        )
    except SlipwayError as error:
        failure = Failure("Reverting this merge, which was not approved,", str(error), SERVING, reference=run.id)
        tell(run, "say that it is not reverted", lambda: report_on_promotion(services, app, number, failure))
        return failed(error)
    if reverted is None:
        return None
    anew = _propose_anew(run, services, environment, unapproved)
    tell(
        run,
        "say that the merge was reverted",
        lambda: taking_back.tell_taken_back(services, app, environment, unapproved, reverted, anew),
    )
    run.start(sync_job(app, environment, reverted))
    return Ended("superseded", f"#{number} was merged before it was approved; reverted in {reverted}")


def _propose_anew(run: Run, services: Services, environment: str, unapproved: UnapprovedMerge) -> int | None:
    """The number of the new promotion; None where there is none, which keeps nothing of the revert from being told."""
    release = unapproved.release
    if release is None:
        return None
    try:
        return step(run, "propose it anew", lambda: enter(services, release, environment)).pull_request
    except SlipwayError:
        return None
