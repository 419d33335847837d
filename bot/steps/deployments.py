"""A release's GitHub Deployments: begun when it rolls out, ended as the rollout ends. A mirror of what Git tells.

Each config commit that brings a release into an environment is a deployment of its own, so a rollback is one too, and
the environment on GitHub shows what runs.
"""

from urllib.parse import quote

from bot import messages
from bot.facts import Deploying, DeploymentState
from bot.releases import Release, bump_id
from bot.services import Services
from bot.steps.state import Place, look


def begin(
    services: Services, app: str, environment: str, commit: str, release: Release, *, is_news: bool
) -> int | None:
    """The deployment of a release by a config commit; None where GitHub keeps none for us."""
    place = look(services.config, app, environment)
    deploying = Deploying(
        repo=release.merge.source,
        sha=release.sha,
        environment=environment_on_github(place),
        production=place.environment == place.catalog.environments[-1],
        description=messages.subject(app, release.sha, environment),
        about={"slipway_id": bump_id(release.id, environment), "config_commit": commit},
    )
    return services.forge.begin_deployment(deploying, is_news=is_news)


def environment_on_github(place: Place) -> str:
    """``production``; ``production/shop`` where the source repo has several apps, since GitHub shows one for each."""
    alone = len(place.catalog.apps_of(place.app.source)) == 1
    return place.environment.name if alone else f"{place.environment.name}/{place.app.name}"


def end(
    services: Services,
    release: Release,
    deployment: int,
    state: DeploymentState,
    description: str,
    *,
    url: str | None = None,
    is_news: bool = False,
) -> None:
    """Say how a release's deployment ended; ``url`` is where it can be seen, ``is_news`` as for the port."""
    services.forge.end_deployment(
        release.merge.source,
        deployment,
        state=state,
        description=messages.one_line(description),
        url=url,
        log_url=_page_of(services, release),
        is_news=is_news,
    )


def retire(services: Services, app: str, environment: str, release: Release, description: str) -> None:
    """A release was taken back: GitHub does not retire a production environment's deployments by itself."""
    name = environment_on_github(look(services.config, app, environment))
    for deployment in services.forge.find_deployments(release.merge.source, release.sha, name):
        end(services, release, deployment, DeploymentState.INACTIVE, description)


def _page_of(services: Services, release: Release) -> str | None:
    """The release's page on the dashboard, which has the log; None where that has no public address."""
    base = services.dashboard_url
    return f"{base.rstrip('/')}/releases/{quote(release.id, safe='@')}" if base else None
