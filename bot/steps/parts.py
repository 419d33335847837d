"""Many apps are looked at part by part, spread over the interval, so that nothing is asked for in a burst. Pure."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bot.catalog import App

FEW_APPS = 50
"""So many apps are looked at in one go."""

SHORTEST_PAUSE = 5.0
"""Seconds between two parts, at least."""

OF_THE_INTERVAL = 0.8
"""How much of the interval the pauses take up: the looks themselves take time, too."""


@dataclass(frozen=True, slots=True)
class Part:
    """One of so many parts, counted from 0."""

    number: int = 0
    of: int = 1

    def apps(self, among: Iterable[App]) -> Iterator[App]:
        """The apps of this part: by their repository, so that those which share one are looked at together."""
        return (app for app in among if zlib.crc32(app.source.encode()) % self.of == self.number)


WHOLE = Part()


def parts_for(apps: int, seconds: float) -> int:
    """How many parts so many apps are looked at in, within an interval of so many seconds."""
    most = max(1, int(OF_THE_INTERVAL * seconds / SHORTEST_PAUSE))
    return min(-(-apps // FEW_APPS) or 1, most)


def pause_between(parts: int, seconds: float) -> float:
    """Seconds from one part to the next."""
    return OF_THE_INTERVAL * seconds / parts
