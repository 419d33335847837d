"""`approve`: what a review on, or a merge of, a promotion asks for."""

from collections.abc import Mapping
from typing import Any

from bot.errors import SlipwayError
from bot.jobs import Ended, sync_job
from bot.messages import Failure
from bot.ports import Run
from bot.services import Services
from bot.steps import approve as approving
from bot.steps.approve import Reviewed
from bot.steps.declined import tell_closed
from bot.workflows.stepping import SERVING, failed, step, tell


def approve(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """A review on, or a merge of, a promotion: read the reviews afresh, decide, merge exactly that head."""
    number = values["number"]
    try:
        reviewed = step(run, "read the reviews", lambda: approving.review(services, number))
        merged = reviewed.merge_sha
        if reviewed.closed:
            tell(run, "say that it was closed", lambda: tell_closed(services, number, reviewed))
        if merged is None and not reviewed.may_be_merged:
            return Ended("waiting", _why(number, reviewed))
        if merged is None:
            merged = step(run, "merge the approved head", lambda: approving.merge(services, number, reviewed))
        if merged is None:
            return Ended("superseded", f"the head of #{number} moved: it must be approved anew")
    except SlipwayError as error:
        return _tell_approval_failed(run, services, number, error)
    run.start(sync_job(reviewed.app, reviewed.environment, merged))
    return Ended("done", f"#{number} merged as {merged}")


def _why(number: int, reviewed: Reviewed) -> str:
    if reviewed.closed:
        return f"#{number} is closed"
    if not reviewed.approved_by:
        return f"#{number} is not approved yet"
    return f"#{number} is approved, and waits: {reviewed.environment} is {'held' if reviewed.held else 'frozen'}"


def _tell_approval_failed(run: Run, services: Services, number: int, error: SlipwayError) -> Ended:
    failure = Failure("Merging this promotion", str(error), SERVING, reference=run.id)
    tell(run, "say that it failed", lambda: approving.report_refusal(services, number, failure))
    return failed(error)
