"""Compares the clusters with the config branch, a few places at a time, by server-side dry runs. Changes nothing."""

from datetime import datetime, timedelta

import structlog

from bot.drift import Place, PlaceSeen, drifted, may_heal, turn
from bot.errors import SlipwayError
from bot.facts import Job, JobState, Target
from bot.jobs import next_attempt, sync_job
from bot.releases import Outcome
from bot.services import Services
from bot.steps.objects import objects_of
from bot.steps.state import SHARED, catalog_now, look, outcome

LOG = structlog.get_logger()


def places_in_turn(services: Services, occasion: int) -> tuple[Place, ...]:
    """The places that this look is about."""
    catalog = catalog_now(services.config)
    shared = [(SHARED, environment.name) for environment in catalog.environments if environment.shared]
    apps = [(app.name, environment.name) for app in catalog.apps for environment in catalog.environments]
    return tuple(turn((*shared, *apps), occasion))


def compare_place(services: Services, app: str, environment: str) -> PlaceSeen | None:
    """How a place stands to the config branch; None where it is on its way there, or nobody can tell now.

    Only what has been healthy can drift: anything else is for its sync, its rollback or a person.
    """
    try:
        place = look(services.config, app, environment)
        commit = place.deployed.changed_in
        if commit is None or place.deployed.waiting:
            return None
        note = outcome(services.config, commit, app, environment)
        if note is None or note.outcome is not Outcome.HEALTHY:
            return None
        target = Target(place.environment.cluster, place.environment.namespace)
        objects = objects_of(services, commit, place.app, place.environment)
        differences = services.clusters.compare(target, objects)
    except SlipwayError as error:
        LOG.warning("cannot compare", app=app, environment=environment, reason=str(error))
        return None
    return PlaceSeen(app, environment, commit, drifted(differences))


def healing(services: Services, seen: PlaceSeen) -> Job | None:
    """The sync that undoes a drift, where the catalog says so, none is under way, and it does not keep coming back."""
    if not catalog_now(services.config).environment(seen.environment).self_heal:
        LOG.info("drift", app=seen.app, environment=seen.environment, objects=seen.objects)
        return None
    job, syncs, since_last = sync_job(seen.app, seen.environment, seen.commit), 0, timedelta.max
    while (record := services.queue.job(job.id)) is not None:
        if record.state in {JobState.QUEUED, JobState.RUNNING}:
            return None
        job, syncs = next_attempt(job), syncs + 1
        since_last = services.clock.now() - datetime.fromisoformat(record.updated_at)
    if not may_heal(syncs, since_last):
        LOG.warning("drift comes back", app=seen.app, environment=seen.environment, objects=seen.objects, syncs=syncs)
        return None
    return job
