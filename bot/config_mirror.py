"""The config repo for those who only look: the dashboard and the commands. They load no other adapter."""

import contextlib

from bot.adapters.config_repo import GitConfigRepo
from bot.adapters.git.command import Renew, Token
from bot.errors import Permanent
from bot.releases import Person
from bot.settings import Settings

MOST_SLOTS = 9
"""Processes of one kind that look at the same time on one machine, each through a mirror of its own."""

NOBODY = Person("slipway")
"""Who would commit: a looker never does."""


def open_mirror(settings: Settings, slot: str) -> GitConfigRepo:
    """A mirror that no other process uses: in the slot, or in the first free one beside it.

    Raises:
        Permanent: all are in use, or the App's key is none.
    """
    login = _login(settings)
    names = [slot, *(f"{slot}-{number}" for number in range(2, MOST_SLOTS + 1))]
    for name in names[:-1]:
        with contextlib.suppress(Permanent):
            return _mirror(settings, name, login)
    return _mirror(settings, names[-1], login)


def _mirror(settings: Settings, slot: str, login: tuple[Token, Renew | None]) -> GitConfigRepo:
    token, renew = login
    return GitConfigRepo(
        settings.state_folder / "mirrors" / slot / "config.git",
        url=f"{settings.github_url}/{settings.config_repo}.git",
        name=settings.config_repo,
        branch=settings.config_branch,
        committer=NOBODY,
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
