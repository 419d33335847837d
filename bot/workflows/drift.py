"""`drift`: a few places are compared with the config branch; what somebody changed by hand is shown, or undone."""

from collections.abc import Mapping
from typing import Any

from bot.drift import DriftSeen, PlaceSeen
from bot.errors import SlipwayError
from bot.jobs import Ended
from bot.ports import Run
from bot.services import Services
from bot.steps import drift as drifting
from bot.workflows.stepping import failed, step


def drift(run: Run, services: Services, values: Mapping[str, Any]) -> DriftSeen | Ended:
    """Compare the places whose turn it is; a sync for each that has drifted, where the catalog says `self_heal`."""
    occasion = values["occasion"]
    try:
        places = step(run, "see whose turn it is", lambda: drifting.places_in_turn(services, occasion))
        seen = [one for place in places if (one := _compared(run, services, *place)) is not None]
        for one in seen:
            if one.objects:
                _heal(run, services, one)
    except SlipwayError as error:
        return failed(error)
    return DriftSeen(tuple(seen))


def _compared(run: Run, services: Services, app: str, environment: str) -> PlaceSeen | None:
    name = f"compare {app or 'shared files'} in {environment}"
    return step(run, name, lambda: drifting.compare_place(services, app, environment))


def _heal(run: Run, services: Services, seen: PlaceSeen) -> None:
    name = f"see whether to heal {seen.app or 'shared files'} in {seen.environment}"
    job = step(run, name, lambda: drifting.healing(services, seen))
    if job is not None:
        run.start(job)
