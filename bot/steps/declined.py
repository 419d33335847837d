"""Tells the people of a release that its promotion was closed: it does not go live, and nothing was changed."""

from bot.audit import release_of
from bot.facts import PullRequest, StatusState
from bot.messages import statuses
from bot.messages.promotions import release_in
from bot.releases import bump_id, release_id
from bot.services import Services
from bot.steps.report import report_progress, set_environment_status
from bot.steps.source import describe_merge
from bot.steps.state import catalog_now


def tell_closed(services: Services, pull_request: PullRequest, app: str, environment: str, sha: str) -> None:
    """Bring the comment and the status on the source side up to date; they would wait for approval for ever.

    ``sha`` is the source commit by the hidden line of its text: the branch, and with it the commit, may be deleted.
    Where the release has been proposed anew since, that one's state is told, and not this one's.
    """
    newest = services.forge.find_pull_request(services.config_name, pull_request.head_branch, state="all")
    if newest is not None and newest.number != pull_request.number and release_in(newest.body) == sha:
        return
    first = catalog_now(services.config).environments[0].name
    bump = services.config.find(services.config.fetch(), "Slipway-Id", bump_id(release_id(app, sha), first))
    release = release_of(bump) if bump else None
    merge = release.merge if release else describe_merge(services, app, sha)
    text = statuses.closed(app, environment, f"{services.config_name}#{pull_request.number}")
    set_environment_status(services, merge, environment, StatusState.FAILURE, text, url=pull_request.url)
    report_progress(services, app, merge, image=release.image if release else None)
