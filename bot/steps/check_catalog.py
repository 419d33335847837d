"""Tells the person who broke the catalog, on the commit and its pull request. The last good one stays in force."""

from bot import messages
from bot.catalog import parse_catalog
from bot.errors import Permanent
from bot.facts import StatusState
from bot.messages import Failure
from bot.services import Services
from bot.steps.report import report_on_promotion
from bot.steps.state import CATALOG, decode

CONTEXT = "slipway/catalog"
"""The commit status that a bad catalog gets."""


def check_catalog(services: Services, commit: str) -> str | None:
    """What is wrong with the catalog as this commit left it, said where its author looks; None where it is good."""
    services.config.fetch()
    data = services.config.read(commit, CATALOG)
    if data is None:
        return _say(services, commit, f"{CATALOG} is gone; put it back to go on")
    try:
        parse_catalog(decode(data, CATALOG), CATALOG)
    except Permanent as error:
        return _say(services, commit, str(error))
    return None


def _say(services: Services, commit: str, problems: str) -> str:
    repo = services.config_name
    services.forge.set_status(
        repo,
        commit,
        context=CONTEXT,
        state=StatusState.FAILURE,
        description=messages.one_line(problems),
        url=services.commit_url(commit),
    )
    failure = Failure("Reading the catalog", problems, "The last good one stays in force.")
    for pull_request in services.forge.pull_requests_of(repo, commit):
        report_on_promotion(services, CATALOG, pull_request.number, failure)
    return problems
