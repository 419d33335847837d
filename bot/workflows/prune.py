"""`prune`: an app, or its manifests, left an environment whose catalog entry says `prune: true`."""

from collections.abc import Mapping
from typing import Any

from bot.errors import SlipwayError
from bot.jobs import Ended
from bot.ports import Run
from bot.services import Services
from bot.steps import prune as pruning
from bot.workflows.stepping import failed, step


def prune(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Delete from the cluster what Slipway applied of it."""
    app, environment, commit = values["app"], values["environment"], values["commit"]
    try:
        gone = step(
            run,
            "delete what Slipway applied of it",
            lambda: pruning.prune_removed(services, app, environment, commit),
        )
    except SlipwayError as error:
        return failed(error)
    return Ended("done", f"deleted {', '.join(gone)}" if gone else "nothing of it is left")
