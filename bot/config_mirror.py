"""The config repo for those who look, and for the commands that make a commit: no other adapter is loaded."""

import contextlib
from dataclasses import dataclass

from bot.adapters.config_repo import GitConfigRepo
from bot.adapters.git.command import Renew, Token
from bot.errors import Permanent, Transient, UnknownOutcome
from bot.ports import Forge
from bot.releases import Person
from bot.settings import Settings

MOST_SLOTS = 9
"""Processes of one kind that look at the same time on one machine, each through a mirror of its own."""

NOBODY = Person("slipway")
"""Who would commit: a looker never does."""

BOT = Person("slipway[bot]", None, "Slipway")
"""Who commits where GitHub will not say who the bot is."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """Whom GitHub knows: the bot, which commits, and the person on whose behalf a command runs."""

    bot: Person
    person: Person


def open_forge(settings: Settings) -> Forge:
    """GitHub, as the bot.

    Raises:
        Permanent: the App's key is none.
    """
    from bot.adapters.github.credentials import AppCredentials, TokenCredentials  # noqa: PLC0415 - loads slowly
    from bot.adapters.github.forge import GitHubForge  # noqa: PLC0415 - loads slowly

    key = settings.app_private_key()
    token = settings.github_token.get_secret_value() if settings.github_token else ""
    app = settings.github_app_id
    credentials = (
        AppCredentials(app, key, settings.github_api_url) if app is not None and key else TokenCredentials(token)
    )
    return GitHubForge(settings.github_api_url, credentials)


def accounts(settings: Settings, login: str | None) -> Accounts:
    """Ask GitHub. Where it is down, a login must do: a hold is wanted just then. Without one, the bot acts for itself.

    Raises:
        Permanent: GitHub refuses the bot's credentials.
    """
    forge = open_forge(settings)
    name = (login or "").removeprefix("@")
    try:
        bot = forge.identity() or BOT
        return Accounts(bot, (forge.account(name) or Person(name)) if name else bot)
    except (Transient, UnknownOutcome):
        return Accounts(BOT, Person(name) if name else BOT)


def open_mirror(settings: Settings, slot: str, committer: Person = NOBODY) -> GitConfigRepo:
    """A mirror that no other process uses: in the slot, or in the first free one beside it.

    Raises:
        Permanent: all are in use, or the App's key is none.
    """
    login = _login(settings)
    names = [slot, *(f"{slot}-{number}" for number in range(2, MOST_SLOTS + 1))]
    for name in names[:-1]:
        with contextlib.suppress(Permanent):
            return _mirror(settings, name, login, committer)
    return _mirror(settings, names[-1], login, committer)


def _mirror(settings: Settings, slot: str, login: tuple[Token, Renew | None], committer: Person) -> GitConfigRepo:
    token, renew = login
    return GitConfigRepo(
        settings.state_folder / "mirrors" / slot / "config.git",
        url=f"{settings.github_url}/{settings.config_repo}.git",
        name=settings.config_repo,
        branch=settings.config_branch,
        committer=committer,
        token=token,
        renew=renew,
    )


def _login(settings: Settings) -> tuple[Token, Renew | None]:
    """PyGithub, which is slow to load, is needed for an App's short-lived tokens alone."""
    key = settings.app_private_key()
    if settings.github_app_id is not None and key is not None:
        from bot.adapters.github.credentials import AppCredentials  # noqa: PLC0415 - see above

        app = AppCredentials(settings.github_app_id, key, settings.github_api_url)
        return app.token, app.renew
    token = settings.github_token.get_secret_value() if settings.github_token else None
    return lambda _repo: token, None
