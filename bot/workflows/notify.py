"""`notify`: one message to a chat. Rather none than two: a message cannot be looked for, nor taken back."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from bot.errors import SlipwayError
from bot.facts import Job
from bot.jobs import Ended
from bot.ports import Run
from bot.services import Services
from bot.steps import chat
from bot.workflows.stepping import failed, step

LOG = structlog.get_logger()


def announce(run: Run, news: Callable[[], Job | None]) -> None:
    """Have people told in chat, where somebody wants to be. That this fails changes nothing about what was done."""
    try:
        job = step(run, "see whom to tell in chat", news)
    except SlipwayError as error:
        LOG.warning("could not tell in chat", run=run.id, reason=str(error))
        return
    if job is not None:
        run.start(job)


def notify(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Send it once. Where the process died on the way, nobody knows whether it went out: it is not sent again."""
    app, environment = values["app"], values["environment"]
    begun: list[bool] = []
    try:
        targets = step(run, "see whom to tell", lambda: chat.addresses(services, app, environment))
        step(run, "begin to tell", lambda: begun.append(True))
        if not begun:  # this is a replay: the process died behind that step
            return Ended("unknown", "it was interrupted: perhaps it was sent")
        told = step(run, "tell", lambda: chat.send(services, targets, values["title"], values["text"]))
    except SlipwayError as error:
        return failed(error)
    return Ended("done" if told == len(targets) else "failed", f"told {told} of {len(targets)}")
