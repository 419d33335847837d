"""`approve`: what a review of a promotion asks for, or anything else that people do to it but merge it."""

from collections.abc import Mapping
from typing import Any

from bot.errors import SlipwayError
from bot.jobs import Ended, sync_job
from bot.log_context import about
from bot.messages import Failure
from bot.ports import Run
from bot.services import Services
from bot.steps import approve as approving
from bot.steps import tend as tending
from bot.steps.approve import Reviewed
from bot.steps.tend import Tended
from bot.workflows.stepping import SERVING, failed, step, tell

_PAUSES = (2.0, 5.0)
"""Seconds in which GitHub works out whether a promotion can be merged; then its files have to tell."""


def approve(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """See how the promotion stands, read its reviews afresh, decide, merge exactly that head."""
    number, occasion = values["number"], values.get("occasion", "")
    try:
        found = _tend(run, services, number)
        if isinstance(found, Tended):
            return _tended(run, services, number, found)
        if occasion.startswith(tending.IN_ORDER_SINCE):
            tell(run, "say that it is in order", lambda: tending.say_in_order(services, number, occasion))
        about(found.release)
        if found.merge_sha is not None:
            return _merged(run, number, found, found.merge_sha)
        if not found.may_be_merged:
            return Ended("waiting", _why(number, found))
        return _merge(run, services, values, found)
    except SlipwayError as error:
        return _tell_approval_failed(run, services, number, error)


def _tend(run: Run, services: Services, number: int) -> Tended | Reviewed:
    """How it stands; GitHub works out in the background whether it can be merged, and is asked again."""
    for pause in _PAUSES:
        found = step(run, "see how it stands", lambda: tending.tend(services, number, patient=True))
        if not isinstance(found, Tended) or not found.ask_again:
            return found
        run.sleep(pause)
    return step(run, "see how it stands", lambda: tending.tend(services, number))


def _tended(run: Run, services: Services, number: int, tended: Tended) -> Ended:
    if tended.outdated_tip is not None:
        return _rebuild(run, services, number, tended.outdated_tip)
    return Ended(tended.outcome, tended.detail)


def _rebuild(run: Run, services: Services, number: int, outdated_tip: str) -> Ended:
    """Make the promotion once more on top of the config branch, and say whose approval is void by that."""
    made = step(run, "make it anew", lambda: tending.rebuild(services, number, outdated_tip))
    if made.outdated_tip is not None:
        tell(run, "say that it was made anew", lambda: tending.say_rebuilt(services, number, outdated_tip))
    return Ended(made.outcome, made.detail)


def _merge(run: Run, services: Services, values: Mapping[str, Any], reviewed: Reviewed) -> Ended:
    number = values["number"]
    merging = step(run, "merge the approved head", lambda: approving.merge(services, number, reviewed))
    if merging.commit is not None:
        return _merged(run, number, reviewed, merging.commit, own=not merging.found)
    if merging.conflicts:
        return _rebuild(run, services, number, reviewed.head)
    if not merging.refused:
        return Ended("superseded", f"the head of #{number} moved: it must be approved anew")
    if values["attempt"] == 1:
        words = merging.refused
        tell(run, "say which rule refuses", lambda: approving.report_rules(services, number, reviewed, words))
    return Ended("failed", f"#{number} is approved, and a rule of the branch refuses: {merging.refused}", retry=True)


def _merged(run: Run, number: int, reviewed: Reviewed, merged: str, *, own: bool = False) -> Ended:
    run.start(sync_job(reviewed.app, reviewed.environment, merged, own=own))
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
