"""Finds the release that a person wants promoted, and what is to be said of it. Reads only the config repo."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.audit import release_of
from bot.catalog import Environment
from bot.errors import Permanent, Transient, UnknownOutcome
from bot.holds import Hold
from bot.messages import promote as texts
from bot.ordering import Order
from bot.ports import ConfigRepo, Forge
from bot.releases import Outcome, Release, bump_id, release_id
from bot.services import Services
from bot.steps.barriers import barrier_before
from bot.steps.entries import healthy_release
from bot.steps.source import standing
from bot.steps.state import Place, look, outcome, previous_environment

MOST_NAMED = 5
"""Releases that a refusal names."""

_SHA = re.compile(r"[0-9a-f]{4,40}")
"""Git takes no fewer digits for a commit."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A person's request.

    Attributes:
        by: the login, or empty where the account is not known.
        skipped: the environments before this one in which the release has not been healthy.
    """

    by: str = ""
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A release to promote, the request (None where nobody asked), and why it is refused at the moment, if it is."""

    release: Release
    asked: Asked | None = None
    refusal: str | None = None


def look_for(services: Services, app: str, environment: str, sha: str, by: str | None) -> Found:
    """The release of a commit, as somebody asked for it (``by`` is a login or empty), or nobody (None) did.

    Raises:
        Permanent: there is no such release.
    """
    config = services.config
    release = wanted_release(config, app, environment, sha)
    if by is None:
        return Found(release)
    asked = asked_for(config, release, environment, by)
    return Found(release, asked, refusal_now(config, services.clock.now(), release, environment))


def wanted_release(config: ConfigRepo, app: str, environment: str, wanted: str | None) -> Release:
    """The release to promote: the named one, or what the environment before runs healthily.

    Args:
        config: the config repo.
        app: its name.
        environment: where to.
        wanted: a commit, short or whole, or a release id; None for what the environment before runs.

    Raises:
        Permanent: there is no such release, or nothing to promote.
    """
    place = look(config, app, environment)
    if wanted is not None:
        return _named(config, place, wanted)
    before = previous_environment(place.catalog, environment)
    if before is None:
        raise Permanent(texts.first_environment(app, environment))
    release = healthy_release(config, place.head, place.app, before)
    if release is None:
        raise Permanent(texts.nothing_healthy(app, before.name, environment))
    return release


def _named(config: ConfigRepo, place: Place, wanted: str) -> Release:
    app = place.app.name
    sha = wanted.strip().lower().removeprefix(f"{app}@".lower())
    found = _by_sha(config, place, sha) if _SHA.fullmatch(sha) else {}
    if len(found) > 1:
        raise Permanent(texts.ambiguous(app, wanted, sorted(found)))
    if not found:
        newest = list(_by_sha(config, place, ""))[:MOST_NAMED]
        raise Permanent(texts.no_release(app, wanted, newest))
    return next(iter(found.values()))


def _by_sha(config: ConfigRepo, place: Place, digits: str) -> dict[str, Release]:
    """The releases whose commit begins so, by commit, newest bump first. What another image name brought is none."""
    prefix = release_id(place.app.name, digits)
    releases = (release_of(commit) for commit in config.find_all(place.head, "Slipway-Id", prefix))
    found: dict[str, Release] = {}
    for release in releases:
        if release is not None and release.app == place.app.name and release.sha.startswith(digits):
            found.setdefault(release.sha, release)
    return found


def asked_for(config: ConfigRepo, release: Release, environment: str, by: str) -> Asked:
    """The request, with the environments that it skips."""
    place = look(config, release.app, environment)
    skipped = (one.name for one in _before(place) if not _was_healthy(config, place, release, one))
    return Asked(by, tuple(skipped))


def _before(place: Place) -> Iterable[Environment]:
    environments = place.catalog.environments
    return environments[: environments.index(place.environment)]


def _was_healthy(config: ConfigRepo, place: Place, release: Release, environment: Environment) -> bool:
    bump = config.find(place.head, "Slipway-Id", bump_id(release.id, environment.name))
    note = outcome(config, bump.sha, release.app, environment.name) if bump else None
    return note is not None and note.outcome is Outcome.HEALTHY


def refusal_now(config: ConfigRepo, now: datetime, release: Release, environment: str) -> str | None:
    """Why a release may not be promoted at the moment, in words; None where it may."""
    place = look(config, release.app, environment)
    match barrier_before(config, now, place.head, place.environment, release.app, release.id):
        case Hold() as hold:
            return texts.refused_held(release.app, environment, hold)
        case datetime() as until:
            return texts.refused_frozen(release.app, environment, until)
        case None:
            return None


def backwards(config: ConfigRepo, forge: Forge, release: Release, environment: str) -> str | None:
    """Why it would go backwards, in words; None where it would not, or GitHub cannot be asked now."""
    place = look(config, release.app, environment)
    if place.deployed.release is None:
        return None
    app, deployed = place.app, place.deployed.release.sha
    try:
        order = standing(
            forge,
            app.source,
            deployed=deployed,
            new=release.sha,
            tracked=lambda: app.branch or forge.default_branch(app.source),
        )
    except (Transient, UnknownOutcome):
        return None
    return texts.refused_backwards(app.name, environment, release.sha, deployed) if order is Order.BACKWARD else None
