"""Closes the open promotion of a release that was taken back in the environment before it."""

from itertools import islice

from bot import messages
from bot.audit import release_of
from bot.messages import rollback as texts
from bot.releases import promotion_branch
from bot.rollback import taken_back
from bot.services import Services
from bot.steps.report import say_on_promotion
from bot.steps.rollback import FURTHEST_BACK, past_of
from bot.steps.state import look


def withdraw(services: Services, app: str, environment: str) -> None:
    """Close the promotion into the next environment if its release does not stay in this one.

    Its branch goes too, so that nobody takes it for one that waits; and its marker, so that it does not count as
    declined by a person if the release comes once more.
    """
    config, forge, repo = services.config, services.forge, services.config_name
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
    found = forge.find_pull_request(repo, branch)
    if found is not None:
        say_on_promotion(services, app, found.number, texts.withdrawn(app, release.sha, environment))
        marker = messages.promotion_marker(release, following.name)
        forge.edit_pull_request(repo, found.number, title=found.title, body=found.body.replace(marker, "").strip())
        forge.close_pull_request(repo, found.number)
        config.delete_branch(branch)
