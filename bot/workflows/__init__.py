"""The workflows, each readable top to bottom as the design's table. They hold no I/O: every effect is a step.

Whatever a workflow decides upon comes out of a step, so that a replay decides the same. None waits for a person.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bot.drift import DriftSeen
from bot.jobs import Ended
from bot.ports import Run
from bot.services import Services
from bot.steps.build import BuildResult
from bot.workflows.action import action
from bot.workflows.approve import approve
from bot.workflows.command import command
from bot.workflows.drift import drift
from bot.workflows.effect import effect
from bot.workflows.looking import catalog, delivery, reconcile, round_
from bot.workflows.notify import notify
from bot.workflows.promote import promote
from bot.workflows.prune import prune
from bot.workflows.release import build, release
from bot.workflows.rollback import rollback
from bot.workflows.sync import sync

WORKFLOWS: Mapping[str, Callable[[Run, Services, Mapping[str, Any]], Ended | BuildResult | DriftSeen]] = {
    "delivery": delivery,
    "reconcile": reconcile,
    "catalog": catalog,
    "release": release,
    "build": build,
    "approve": approve,
    "command": command,
    "action": action,
    "promote": promote,
    "sync": sync,
    "notify": notify,
    "effect": effect,
    "drift": drift,
    "round": round_,
    "prune": prune,
    "rollback": rollback,
}
