"""What every part of the suite is given: where it runs, how much it does, where it counts."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bot.errors import SlipwayError
from tests.faults.stage import Stage, stage
from tests.faults.tally import Tally


@dataclass(frozen=True, slots=True)
class Plan:
    """A part's orders.

    Attributes:
        say: takes a line for people.
        tally: where to count.
        short: do little.
        database: opens an empty database for a stage in a folder, and gives its URL.
    """

    say: Callable[[str], None]
    tally: Tally
    short: bool
    database: Callable[[Path], AbstractContextManager[str]]

    def choose(self, *, short: int, whole: int) -> int:
        """A number, by how much is to be done."""
        return short if self.short else whole

    @contextmanager
    def stage(self, *, reconcile_seconds: float = 5) -> Iterator[Stage]:
        """A fresh stage. When the part ends it is gone, but for what a person needs who reads that it failed.

        What a part waits for in vain ends that part, as stuck, and not the whole run.
        """
        wrong_before, began = len(self.tally.wrongs()), time.monotonic()
        with tempfile.TemporaryDirectory(prefix="slipway-faults-") as name, self.database(Path(name)) as url:
            with stage(Path(name), url, reconcile_seconds=reconcile_seconds) as scene:
                try:
                    yield scene
                except (AssertionError, requests.RequestException, SlipwayError) as error:
                    self.tally.stuck.append(f"the part ended early: {error}")
            for line in self.tally.wrongs()[wrong_before:]:
                self.say(f"  WRONG {line}")
            if len(self.tally.wrongs()) > wrong_before:
                for process in scene.processes.values():
                    self.say(f"  the end of the log of {process.name}:\n{process.log()[-4000:]}")
        took, tally = time.monotonic() - began, self.tally
        self.say(f"  {took:.0f} s; so far {tally.releases} releases, {tally.kills} kills, {len(tally.wrongs())} wrong")
