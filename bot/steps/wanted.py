"""Which commit of a source repo is to be released: the tracked branch's head, or the newest that concerns the app.

Several apps may live in one source repo. The catalog's ``paths`` then say which changed files call for a release of
which app. What counts is all that changed since the app's last release, not what a webhook tells: so a merge whose
webhook was lost is found behind merges that do not concern the app, and those are not taken for missed ones.
"""

from dataclasses import dataclass

from bot.catalog import App, Catalog
from bot.facts import Comparison
from bot.services import Services
from bot.steps.source import tracked_head
from bot.steps.state import read_catalog, running_release

FURTHEST_BACK = 50
"""Merges that are gone back, from the head, for the newest that concerns the app; then the head must do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whether a commit is still to be released, and where it would go first.

    ``newer`` is the commit to be released where that has moved on.
    """

    image: str
    first_environment: str
    newer: str | None


def wanted_head(services: Services, config_head: str, catalog: Catalog, app: App) -> str:
    """The commit to be released; where nothing has changed that concerns the app, the one that is released already.

    Raises:
        Permanent: the tracked branch is gone.
    """
    tracked = tracked_head(services, app)
    if not app.paths:
        return tracked
    released = running_release(services.config, config_head, app, catalog.environments[0])
    if released is None or released.sha == tracked:
        return tracked
    comparison = services.forge.compare(app.source, released.sha, tracked)
    if comparison is None or comparison.status != "ahead":
        return tracked  # a force-push: which of the two may run is for the order of releases to say
    return _newest_match(services, app, tracked, released.sha) if _concerns(app, comparison) else released.sha


def _concerns(app: App, comparison: Comparison) -> bool:
    """Whether a changed file calls for a release; a list that GitHub cut off may hold one."""
    return comparison.files is None or any(app.matches_path(path) for path in comparison.files)


def _newest_match(services: Services, app: App, head: str, released: str) -> str:
    """The newest commit of the branch's first-parent line that concerns the app: its merge is the one to be named."""
    sha = head
    for _ in range(FURTHEST_BACK):
        parent = next(iter(services.forge.commit(app.source, sha).parents), None)
        if parent is None or sha == released:
            return head
        comparison = services.forge.compare(app.source, parent, sha)
        if comparison is None or _concerns(app, comparison):
            return sha
        sha = parent
    return head


def still_wanted(services: Services, app_name: str, sha: str) -> Wanted:
    """See whether a commit is still the one to be released."""
    head = services.config.fetch()
    catalog = read_catalog(services.config, head)
    app = catalog.app(app_name)
    newest = wanted_head(services, head, catalog, app)
    newer = None if newest == sha or _is_old_reading(services, app, newest, sha) else newest
    return Wanted(app.image, catalog.environments[0].name, newer)


def _is_old_reading(services: Services, app: App, newest: str, sha: str) -> bool:
    """A head that ``sha`` descends from is an old reading of the branch, not news."""
    comparison = services.forge.compare(app.source, newest, sha)
    return comparison is not None and comparison.status == "ahead"
