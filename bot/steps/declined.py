"""Tells the people of a release that its promotion was closed: it does not go live, and nothing was changed."""

import re

from bot.audit import release_of
from bot.facts import PullRequest, StatusState
from bot.messages import statuses
from bot.releases import bump_id, release_id
from bot.services import Services
from bot.steps.approve import Reviewed
from bot.steps.report import report_progress, set_environment_status
from bot.steps.source import describe_merge
from bot.steps.state import catalog_now

_MARKER = re.compile(r"<!-- slipway-id: (?P<app>[^@\s]+)@(?P<sha>[0-9a-f]{40})/(?P<environment>\S+) -->")


def tell_closed(services: Services, number: int, reviewed: Reviewed) -> None:
    """Bring the comment and the status on the source side up to date; they would wait for approval for ever."""
    pull_request = services.forge.pull_request(services.config_name, number)
    sha = _promoted_sha(pull_request, reviewed)
    if sha is None:
        return
    first = catalog_now(services.config).environments[0].name
    entered = bump_id(release_id(reviewed.app, sha), first)
    bump = services.config.find(services.config.fetch(), "Slipway-Id", entered)
    release = release_of(bump) if bump else None
    merge = release.merge if release else describe_merge(services, reviewed.app, sha)
    text = statuses.closed(reviewed.app, reviewed.environment, f"{services.config_name}#{number}")
    set_environment_status(services, merge, reviewed.environment, StatusState.FAILURE, text, url=pull_request.url)
    report_progress(services, reviewed.app, merge, image=release.image if release else None)


def _promoted_sha(pull_request: PullRequest, reviewed: Reviewed) -> str | None:
    """The source commit by the hidden line of its text: the branch, and with it the commit, may be deleted."""
    found = _MARKER.search(pull_request.body)
    ours = found is not None and (found["app"], found["environment"]) == (reviewed.app, reviewed.environment)
    return found["sha"] if found is not None and ours else None
