"""Takes apps through their releases, one after another: Dora merges, Abel approves, until each is live everywhere."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.faults import history
from tests.faults.history import History
from tests.scenarios.world import CONFIG, AppWorld, World

LOOK_SECONDS = 0.5
PATIENCE = 180.0
"""Seconds in which at least one release must become live; else nothing moves any more."""

_MARKER = re.compile(r"(?P<app>[^@\s]+)@(?P<sha>[0-9a-f]{40})/production")


@dataclass(slots=True)
class Journey:
    """One app's way. ``live`` are the releases that arrived, in order; ``sha`` is the one under way."""

    app: AppWorld
    rounds: int
    sha: str | None = None
    merged: int = 0
    merged_at: float = 0.0
    live: list[str] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    approved: set[str] = field(default_factory=set)

    @property
    def done(self) -> bool:
        """Whether all of its releases are live."""
        return len(self.live) >= self.rounds

    def merge(self) -> None:
        """Dora's next change."""
        self.merged += 1
        self.merged_at = time.monotonic()
        self.sha = self.app.merge(f"Change {self.merged} of {self.app.name}")

    def advance(self, log: History) -> bool:
        """Merge the next change where the last one is live in production; whether one arrived."""
        arrived = self.sha is not None and log.live(self.app.name, "production", self.sha)
        if arrived and self.sha is not None:
            self.live.append(self.sha)
            self.took.append(time.monotonic() - self.merged_at)
            self.sha = None
        if self.sha is None and not self.done:
            self.merge()
        return arrived


def arrived(journeys: Iterable[Journey]) -> list[tuple[AppWorld, str]]:
    """What each app must run now."""
    return [(journey.app, journey.live[-1]) for journey in journeys if journey.live]


def travel(
    world: World,
    journeys: Iterable[Journey],
    *,
    more: Callable[[], bool] = lambda: False,
    moved: Callable[[], int] = lambda: 0,
) -> list[str]:
    """Go on until all are done and there is no ``more`` to wait for; what got stuck, a sentence each.

    ``moved`` is a figure that changes while something else goes on.
    """
    journeys, moved_at, last = list(journeys), time.monotonic(), moved()
    while not all(journey.done for journey in journeys) or more():
        log = history.read(world)
        came = sum(journey.advance(log) for journey in journeys)
        if came or moved() != last or all(journey.done for journey in journeys):
            moved_at, last = time.monotonic(), moved()
        _approve(world, journeys)
        if time.monotonic() - moved_at > PATIENCE:
            return [f"{j.app.name} {(j.sha or '')[:7]} does not become live" for j in journeys if not j.done]
        time.sleep(LOOK_SECONDS)
    return []


def _approve(world: World, journeys: Iterable[Journey]) -> None:
    """Abel approves each promotion of a release under way, once for each head."""
    by_name = {journey.app.name: journey for journey in journeys}
    for pull in world.api(f"/repos/{CONFIG}/pulls?state=open&per_page=100"):
        marker = _MARKER.search(pull["body"] or "")
        journey = by_name.get(marker["app"]) if marker else None
        if marker is None or journey is None or marker["sha"] != journey.sha:
            continue
        head = pull["head"]["sha"]
        if head not in journey.approved:
            journey.approved.add(head)
            journey.app.approve(pull["number"])
