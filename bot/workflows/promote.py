"""`promote`: a release enters an environment because a person asked, or because it was found to be missing there."""

from collections.abc import Mapping
from typing import Any

from bot.errors import SlipwayError
from bot.jobs import Ended
from bot.ports import Run
from bot.services import Services
from bot.steps.requested import look_for
from bot.workflows.release import bring_in
from bot.workflows.stepping import failed, step


def promote(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Find the release in the config repo's log, and bring it in through the environment's gate."""
    app, environment, sha, by = values["app"], values["environment"], values["sha"], values["by"]
    try:
        found = step(run, "look for the release", lambda: look_for(services, app, environment, sha, by))
    except SlipwayError as error:
        return failed(error)
    if found.refusal is not None:
        return Ended("refused", found.refusal)
    return bring_in(run, services, found.release, environment, found.asked)
