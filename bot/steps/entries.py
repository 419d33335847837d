"""Releases that should have entered an environment and have not.

A hold or a freeze kept them out and is over, or nobody went on after the environment before had become healthy. Reads
only, and nothing of GitHub but a branch head.
"""

from collections.abc import Iterator
from itertools import pairwise

from bot.catalog import App, Catalog, Environment, Gate
from bot.facts import Job, JobState
from bot.jobs import promote_job
from bot.ports import ConfigRepo
from bot.releases import Deployment, Outcome, Release, bump_id, promotion_branch
from bot.services import Services
from bot.steps.barriers import barrier_before
from bot.steps.state import changing_paths, deployment, outcome, previous_environment, read_hold, running_release
from bot.steps.wanted import wanted_head
from bot.withdrawals import brought_in


def missing_entries(services: Services, head: str, catalog: Catalog, app: App) -> Iterator[Job]:
    """One for each environment that lacks what the one before runs healthily, and that nothing keeps it out of."""
    for before, environment in pairwise(catalog.environments):
        release = running_release(services.config, head, app, before)
        if release is None or not _is_missing(services, head, app, environment, release):
            continue  # as nearly always; what follows reads notes and jobs
        if healthy_release(services.config, head, app, before) is not None and _is_synced(services, head, app, before):
            yield promote_job(app.name, environment.name, release.sha)


def healthy_release(config: ConfigRepo, head: str, app: App, environment: Environment) -> Release | None:
    """The release that an environment runs healthily, as of a config commit; None where there is none."""
    changed = config.last_change(head, changing_paths(config, head, app, environment))
    if changed is None:
        return None
    note = outcome(config, changed.sha, app.name, environment.name)
    if note is None or note.outcome is not Outcome.HEALTHY:
        return None
    return running_release(config, head, app, environment)


def _is_synced(services: Services, head: str, app: App, environment: Environment) -> bool:
    """Whether the sync of an environment is over; one that is under way, or not known here, goes on by itself."""
    changed = services.config.last_change(head, changing_paths(services.config, head, app, environment))
    if changed is None:
        return False
    newest = next(iter(services.queue.jobs(f"sync/{app.name}/{environment.name}/{changed.sha}/", limit=1)), None)
    return newest is not None and newest.state is JobState.DONE


def _is_missing(services: Services, head: str, app: App, environment: Environment, release: Release) -> bool:
    """Whether a release has neither entered, nor been proposed, nor is kept out. What was taken back is not missing."""
    config, entered = services.config, bump_id(release.id, environment.name)
    if brought_in(config, head, entered) is not None:
        return False
    if environment.gate is Gate.PULL_REQUEST:
        tip = config.branch_tip(promotion_branch(environment.name, app.name))
        proposed = config.commit(tip) if tip else None
        if proposed is not None and (("Slipway-Id", entered) in proposed.trailers):
            return False
    if barrier_before(config, services.clock.now(), head, environment, app.name, release.id) is not None:
        return False
    return _has_other(deployment(config, head, app, environment), release)


def _has_other(deployed: Deployment, release: Release) -> bool:
    """Whether there is an image that the release would take the place of."""
    return bool(deployed.images) and deployed.images != (release.image,)


def lifted_releases(services: Services, head: str, catalog: Catalog, app: App, change: str) -> Iterator[Job]:
    """The one release that a lifted hold was about, where it is still what would enter next.

    It had entered before and was taken back, so that it enters once more because a person lifted the hold, and only
    then.
    """
    commit = services.config.commit(change)
    if commit is None or not commit.parents:
        return
    for environment in catalog.environments:
        before = read_hold(services.config, commit.parents[0], environment.name, app.name)
        if before is None or before.release is None or _still_held(services, head, environment, app):
            continue
        sha = before.release.rpartition("@")[2]
        if sha == _candidate(services, head, catalog, app, environment):
            yield promote_job(
                app.name, environment.name, sha, by=(commit.trailer("Requested-by") or "").removeprefix("@")
            )


def _still_held(services: Services, head: str, environment: Environment, app: App) -> bool:
    return read_hold(services.config, head, environment.name, app.name) is not None


def _candidate(services: Services, head: str, catalog: Catalog, app: App, environment: Environment) -> str | None:
    """The source commit that would enter next: the newest merge, or what the environment before runs healthily."""
    before = previous_environment(catalog, environment.name)
    if before is None:
        return wanted_head(services, head, catalog, app)
    release = healthy_release(services.config, head, app, before)
    return release.sha if release else None
