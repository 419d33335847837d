"""Gathers what the trail is made of from the config repo, a mirror or a clone, and has it put together."""

from dataclasses import dataclass

from bot.catalog import Catalog, parse_catalog
from bot.errors import Permanent
from bot.holds import Hold, parse_hold
from bot.ports import ConfigHistory
from bot.steps.state import CATALOG, changing_paths, decode, read_catalog
from bot.trail import Entry, Paths, hold_files, trail


@dataclass(frozen=True, slots=True)
class Trail:
    """The trail up to a head.

    Attributes:
        head: the newest commit that was read.
        catalog: the one in force there.
        catalog_error: what is wrong with the one at the head; the last good one is in force then.
        entries: everything, newest first.
    """

    head: str
    catalog: Catalog
    catalog_error: str
    entries: tuple[Entry, ...]


def read_trail(config: ConfigHistory, head: str | None = None) -> Trail:
    """Read all of it, up to a commit that is there already; without one, fetch first.

    Raises:
        Transient: the config repo cannot be reached.
        Permanent: it has no such branch, or there is no catalog in force.
    """
    head = head or config.fetch()
    catalog = read_catalog(config, head)
    log = config.log(head)
    holds = {key: hold for key in hold_files(log) if (hold := _hold(config, *key)) is not None}
    entries = trail(log, catalog, _paths(config, head, catalog), holds)
    return Trail(head, catalog, _catalog_error(config, head), entries)


def _catalog_error(config: ConfigHistory, head: str) -> str:
    try:
        parse_catalog(decode(config.read(head, CATALOG) or b"", CATALOG), CATALOG)
    except Permanent as error:
        return str(error)
    return ""


def _paths(config: ConfigHistory, head: str, catalog: Catalog) -> Paths:
    """Where each app is kept in each environment; what cannot be read is where the catalog says."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for environment in catalog.environments:
        for app in catalog.apps:
            try:
                found[app.name, environment.name] = changing_paths(config, head, app, environment)
            except Permanent:
                found[app.name, environment.name] = app.manifest_paths(environment)
    return found


def _hold(config: ConfigHistory, commit: str, path: str) -> Hold | None:
    """What a hold said; None where it said nothing that can be read."""
    try:
        return parse_hold(decode(config.read(commit, path) or b"", path), path)
    except Permanent:
        return None
