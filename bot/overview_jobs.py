"""What the jobs tell of each place of an overview: what is under way, what failed, what has drifted. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from bot.activity import Work
from bot.catalog import App, Catalog, Environment
from bot.drift import Drift, Place
from bot.facts import ConfigCommit
from bot.steps.state import SHARED


class Jobs:
    """The work of each place. A release and its build belong to the first environment, where they lead.

    Args:
        catalog: the one in force.
        work: the newest work, newest first.
        before: the same at the look before.
        drifts: what was last seen of each place.
    """

    def __init__(
        self, catalog: Catalog, work: tuple[Work, ...], before: tuple[Work, ...], drifts: Mapping[Place, Drift]
    ) -> None:
        self._drifts = drifts
        self._first = catalog.environments[0].name
        self._all = _grouped(work)
        self._under_way = _grouped(one for one in work if one.under_way)
        self._news = _grouped(frozenset(work) ^ frozenset(before))

    def under_way(self, app: App, environment: Environment) -> tuple[Work, ...]:
        """What is running or queued for a place."""
        found = list(self._under_way[app.name, environment.name])
        if environment.name == self._first and app.name != SHARED:
            found += (*self._under_way[app.name, ""], *self._under_way["", app.image])
        return tuple(found)

    def failed(self, app: App, environment: Environment) -> Work | None:
        """The app's newest release, where that failed."""
        if environment.name != self._first or app.name == SHARED:
            return None
        newest = next(iter(self._all[app.name, ""]), None)
        return newest if newest is not None and newest.outcome == "failed" else None

    def drift(self, app: App, environment: Environment, changed: ConfigCommit | None) -> tuple[str, ...]:
        """What has drifted from that commit, unless a sync has ended since it was seen."""
        seen = self._drifts.get((app.name, environment.name))
        if seen is None or changed is None or seen.commit != changed.sha:
            return ()
        syncs = (one for one in self._all[app.name, environment.name] if one.kind == "sync")
        return () if any(one.updated_at > seen.at for one in syncs) else seen.objects

    def has_news(self, app: App, environment: Environment) -> bool:
        """Whether a sync of the place has begun or ended since the look before."""
        return bool(self._news[app.name, environment.name])


def _grouped(work: Iterable[Work]) -> defaultdict[tuple[str, str], list[Work]]:
    """By (app, environment), by (app, "") for a release, and by ("", image) for a build."""
    groups: defaultdict[tuple[str, str], list[Work]] = defaultdict(list)
    for one in work:
        groups[one.about.app or "", one.about.environment or one.about.image or ""].append(one)
    return groups
