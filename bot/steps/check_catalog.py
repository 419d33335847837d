"""Tells the person who broke the catalog, on the commit and its pull request. The last good one stays in force.

A catalog may also be well-formed and name what is not there: a context that the worker's kubeconfig lacks, a file that
the config branch lacks. It is in force then, and what it names fails until it is mended: that is told in the same way.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath

import structlog

from bot import messages
from bot.catalog import App, Catalog, CatalogError, Environment, Location, parse_catalog, problems_at
from bot.errors import Permanent
from bot.facts import StatusState
from bot.messages import Failure, statuses
from bot.services import Services
from bot.steps.report import report_on_promotion
from bot.steps.state import CATALOG, decode, manifest_files
from bot.wording import did_you_mean, listed, quoted

LOG = structlog.get_logger()

CONTEXT = "slipway/catalog"
"""The commit status that a catalog gets."""

LAST_GOOD = "The last good one stays in force."
IN_FORCE = "The catalog is in force all the same, and what is named here will fail until it is mended."


def check_catalog(services: Services, commit: str) -> str | None:
    """What is wrong with the catalog as this commit left it, said where its author looks; None where it is good."""
    head = services.config.fetch()
    data = services.config.read(commit, CATALOG)
    if data is None:
        return _say(services, commit, f"{CATALOG} is gone; put it back to go on", LAST_GOOD)
    try:
        text = decode(data, CATALOG)
        catalog = parse_catalog(text, CATALOG)
    except Permanent as error:
        return _say(services, commit, str(error), LAST_GOOD)
    found = (*_contexts(services, catalog), *_manifests(services, head, catalog))
    if found:
        return _say(services, commit, str(CatalogError(problems_at(text, CATALOG, found))), IN_FORCE)
    _set_status(services, commit, StatusState.SUCCESS, statuses.CATALOG_GOOD)
    return None


def _contexts(services: Services, catalog: Catalog) -> Iterator[tuple[Location, str]]:
    """Environments whose cluster no context leads to. A kubeconfig that cannot be read is not the author's mistake."""
    try:
        known = services.clusters.contexts()
    except Permanent as error:
        LOG.warning("contexts not checked", reason=str(error))
        return
    if known is None:
        return
    for position, environment in enumerate(catalog.environments):
        name = environment.cluster
        if name not in known:
            there = f"; it has {listed(known)}" if known else "; it has none"
            text = f"{quoted(name)} is no context of the worker's kubeconfig{did_you_mean(name, known) or there}"
            yield ("environments", position, "cluster"), text


def _manifests(services: Services, head: str, catalog: Catalog) -> Iterator[tuple[Location, str]]:
    """Apps that have no manifests in an environment, so that no release can get there."""
    for position, app in enumerate(catalog.apps):
        for environment in catalog.environments:
            if not manifest_files(services.config, head, app, environment):
                yield ("apps", position, "manifests"), _missing(services, head, app, environment)


def _missing(services: Services, head: str, app: App, environment: Environment) -> str:
    paths = app.manifest_paths(environment)
    folder = PurePosixPath(paths[0]).parts[0]
    meant = did_you_mean(paths[0], services.config.files(head, folder))
    there = listed(paths, last="or")
    return f"there is no {there} on the config branch, so no release can enter {environment.name}{meant}"


def _say(services: Services, commit: str, problems: str, consequence: str) -> str:
    _set_status(services, commit, StatusState.FAILURE, problems)
    failure = Failure("Checking the catalog", problems, consequence)
    for pull_request in services.forge.pull_requests_of(services.config_name, commit):
        report_on_promotion(services, CATALOG, pull_request.number, failure)
    return problems


def _set_status(services: Services, commit: str, state: StatusState, text: str) -> None:
    services.forge.set_status(
        services.config_name,
        commit,
        context=CONTEXT,
        state=state,
        description=messages.one_line(text),
        url=services.commit_url(commit),
    )
