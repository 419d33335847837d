"""Closes the open promotion of a release that was taken back in the environment before it."""

from itertools import islice

from bot.audit import release_of
from bot.messages import rollback as texts
from bot.releases import promotion_branch
from bot.rollback import taken_back
from bot.services import Services
from bot.steps.report import close_promotion
from bot.steps.rollback import FURTHEST_BACK, past_of
from bot.steps.state import look


def withdraw(services: Services, app: str, environment: str) -> None:
    """Close the promotion into the next environment if its release does not stay in this one."""
    config = services.config
    place = look(config, app, environment)
    following = place.catalog.next_environment(environment)
    branch = promotion_branch(following.name, app) if following else None
    tip = config.branch_tip(branch) if branch else None
    commit = config.commit(tip) if tip else None
    release = release_of(commit) if commit else None
    if following is None or branch is None or release is None:
        return
    pasts = tuple(islice(past_of(config, place, place.head), FURTHEST_BACK))
    if (release.image,) not in taken_back(pasts):
        return
    found = services.forge.find_pull_request(services.config_name, branch)
    if found is not None:
        close_promotion(services, app, found, texts.withdrawn(app, release.sha, environment))
