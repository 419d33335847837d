"""`rollback`: after a failed rollout, or because a person asks, back to what was healthy; or a word why not."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from bot.errors import SlipwayError
from bot.jobs import Ended, sync_job
from bot.log_context import about
from bot.messages import Failure
from bot.ports import Run
from bot.releases import Outcome
from bot.rollback import Why
from bot.services import Services
from bot.steps import chat
from bot.steps import rollback as going
from bot.steps import rollback_report as report
from bot.steps.rollback import Asked, Plan
from bot.steps.withdraw import withdraw
from bot.workflows.notify import announce
from bot.workflows.stepping import SERVING, failed, step, tell

LOG = structlog.get_logger()


def rollback(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Go back by one commit, have it applied, tell people; the sync of that commit waits for the pods."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    asked = Asked(values.get("by"), values.get("reason")) if values["to"] else None
    try:
        plan = step(run, "see what to go back to", lambda: _plan(services, values))
        about(plan.left)
        if plan.why is not None or plan.to is None:
            return _stayed(run, services, values, plan)
        made = step(run, "go back", lambda: going.go_back(services, app, environment, plan, asked))
    except SlipwayError as error:
        LOG.warning("rollback refused", app=app, environment=environment, commit=commit, reason=str(error))
        return failed(error)
    if made is None:
        return Ended("superseded", f"{environment} does not carry what {commit} brought any more")
    run.start(sync_job(app, environment, made))
    _say(run, services, values, plan, made, None)
    tell(run, "close the promotion of what was taken back", lambda: withdraw(services, app, environment))
    try:
        run.call(sync_job(app, environment, made))
        ended = step(run, "see how that ended", lambda: going.how_it_ended(services, app, environment, made))
    except SlipwayError as error:
        return failed(error)
    _say(run, services, values, plan, made, ended)
    image = plan.to.image
    if ended is Outcome.HEALTHY:
        announce(run, lambda: chat.rolled_back(services, app, environment, made, image))
    return Ended("done", f"back to {plan.to.sha} in {made}")


def _plan(services: Services, values: Mapping[str, Any]) -> Plan:
    app, environment, commit, to = (values[key] for key in ("app", "environment", "commit", "to"))
    if to:
        exists = partial(going.image_exists, services.registry)
        return going.plan_by_hand(services.config, exists, app, environment, to, of=commit)
    return going.plan_automatic(services, app, environment, commit)


def _say(run: Run, services: Services, values: Mapping[str, Any], plan: Plan, made: str, ended: Outcome | None) -> None:
    app, environment = values["app"], values["environment"]
    if ended is Outcome.FAILED:
        tell(run, "say that it failed too", lambda: report.tell_rollback_failed(services, app, environment, made))
        return
    asked = Asked(values.get("by"), values.get("reason")) if values["to"] else None
    failure = _failure(values, plan, serving="")
    name = "say that it goes back" if ended is None else "say how that ended"
    tell(
        run,
        name,
        lambda: report.tell_rolled_back(
            services, app, environment, plan, made, asked=asked, failure=failure, ended=ended
        ),
    )


def _stayed(run: Run, services: Services, values: Mapping[str, Any], plan: Plan) -> Ended:
    app, environment, commit = values["app"], values["environment"], values["commit"]
    if plan.why is Why.ROLLBACK_FAILED:
        tell(run, "say that it failed too", lambda: report.tell_rollback_failed(services, app, environment, commit))
        return Ended("failed", f"the rollback of {app} on {environment} failed as well: somebody has to look now")
    failure = _failure(values, plan, serving=SERVING)
    tell(run, "say why not", lambda: report.tell_stayed(services, app, environment, commit, plan, failure))
    return Ended("stayed", plan.why.value if plan.why else "")


def _failure(values: Mapping[str, Any], plan: Plan, *, serving: str) -> Failure:
    app, environment, commit = values["app"], values["environment"], values["commit"]
    reference = sync_job(app, environment, commit).id
    evidence = tuple(values.get("evidence") or ())
    return Failure(f"The rollout on {environment}", plan.reason, serving, evidence, reference)
