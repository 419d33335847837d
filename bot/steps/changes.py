"""Which config commit changed each place last, and what that asks for. Reads only.

Reading manifests is what costs here, so what was read of a place is remembered until its files change again.
"""

from collections.abc import Iterator

import structlog

from bot.catalog import App, Environment
from bot.errors import SlipwayError
from bot.facts import ConfigCommit, Job
from bot.jobs import rollback_job, sync_job
from bot.memory import Place
from bot.releases import Outcome
from bot.services import Services
from bot.steps.parts import Part
from bot.steps.state import SHARED, changing_paths, deployment, outcome, read_catalog, shared_app

LOG = structlog.get_logger()


def changed_places(services: Services, head: str, part: Part) -> Iterator[tuple[Place, str, tuple[Job, ...]]]:
    """Each app and environment of a part, shared files first: its newest change, and the jobs for that."""
    catalog = read_catalog(services.config, head)
    shared = [environment for environment in catalog.environments if environment.shared and part.number == 0]
    places = [
        *((shared_app(environment), environment) for environment in shared),
        *((app, environment) for app in part.apps(catalog.apps) for environment in catalog.environments),
    ]
    for app, environment in places:
        changed, waiting = _newest_change(services, head, app, environment)
        if changed is not None:
            jobs = () if waiting else tuple(_jobs(services, changed.sha, app, environment))
            yield (app.name, environment.name), changed.sha, jobs


def _newest_change(
    services: Services, head: str, app: App, environment: Environment
) -> tuple[ConfigCommit | None, bool]:
    """The commit, and whether the place waits for its first release; one that cannot be read waits for nothing."""
    config, place = services.config, (app.name, environment.name)
    try:
        changed = config.last_change(head, changing_paths(config, head, app, environment))
        if changed is None:
            return None, False
        known = services.memory.waiting.get(place)
        if known is None or known[:2] != (changed.sha, app):
            deployed = deployment(config, head, app, environment)
            if deployed.changed_in is None:
                return None, False  # its files are gone
            known = services.memory.waiting[place] = (changed.sha, app, deployed.waiting)
    except SlipwayError as error:  # the sync tells whoever made the files unreadable
        LOG.warning("cannot look", app=app.name, environment=environment.name, reason=str(error))
        return config.last_change(head, app.manifest_paths(environment)), False
    return changed, known[2]


def _jobs(services: Services, commit: str, app: App, environment: Environment) -> Iterator[Job]:
    """The sync, and where it failed, what follows."""
    yield sync_job(app.name, environment.name, commit)
    note = outcome(services.config, commit, app.name, environment.name)
    if note is not None and note.outcome is Outcome.FAILED and app.name != SHARED:
        yield rollback_job(app.name, environment.name, commit)
