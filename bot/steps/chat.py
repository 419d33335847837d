"""Tells people in chat, once. Each kind of news is a job of its own, whose id says what it is about."""

import structlog

from bot.errors import SlipwayError
from bot.facts import Job
from bot.jobs import notify_job
from bot.messages import chat as texts
from bot.messages.chat import News, Note
from bot.releases import Release
from bot.services import Services
from bot.steps.state import catalog_now

LOG = structlog.get_logger()


def waiting(services: Services, release: Release, environment: str, number: int) -> Job | None:
    """A promotion waits for people; None where nobody is to be told."""
    link = f"{services.github_url}/{services.config_name}/pull/{number}"
    note = texts.waiting(release, environment, link)
    return _news(services, release.app, environment, News.WAITING, f"{number}-{release.sha}", note)


def live(services: Services, release: Release, environment: str, commit: str, seconds: float) -> Job | None:
    """A release is healthy."""
    catalog = catalog_now(services.config)
    url = catalog.environment(environment).url_for(catalog.app(release.app))
    note = texts.live(release, environment, seconds, url)
    return _news(services, release.app, environment, News.LIVE, commit, note)


def failed(services: Services, app: str, environment: str, commit: str, reason: str) -> Job | None:
    """A rollout failed."""
    note = texts.failed(app, environment, services.redact(reason), services.commit_url(commit))
    return _news(services, app, environment, News.FAILED, commit, note)


def rolled_back(services: Services, app: str, environment: str, commit: str, image: str) -> Job | None:
    """What was healthy before runs again."""
    note = texts.rolled_back(app, environment, image, services.commit_url(commit))
    return _news(services, app, environment, News.ROLLED_BACK, commit, note)


def _news(services: Services, app: str, environment: str, news: News, about: str, note: Note) -> Job | None:
    if not addresses(services, app, environment):
        return None
    return notify_job(app, environment, news.value, about, title=note.title, text=note.text)


def addresses(services: Services, app: str, environment: str) -> tuple[str, ...]:
    """Whom to tell: the app's addresses and the environment's, each once. Nobody where the app is gone."""
    catalog = catalog_now(services.config)
    try:
        found = (*catalog.app(app).notify, *catalog.environment(environment).notify)
    except SlipwayError as error:
        LOG.info("nobody to tell", app=app, environment=environment, reason=str(error))
        return ()
    return tuple(dict.fromkeys(found))


def send(services: Services, targets: tuple[str, ...], title: str, text: str) -> int:
    """Send it; how many of the addresses took it. One that does not is a line in the log, never a reason to repeat."""
    told = 0
    for number, address in enumerate(targets, 1):
        try:
            services.chat.send(address, title, text)
            told += 1
        except SlipwayError as error:
            LOG.warning("nobody was told in chat", address=number, of=len(targets), reason=str(error))
    return told
