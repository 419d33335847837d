"""Between two tries of a push: look what is there now, and know when to stop."""

import time

from bot.adapters.config_repo.mirror import Mirror
from bot.errors import SlipwayError, UnknownOutcome

DEADLINE = 120.0
"""Seconds in which a write must win the race against other writers."""

_BREAKS = 3
"""Connections that may break under a push before that is left to the next attempt of the step."""


class Race:
    """One caller's tries to get something pushed.

    A push whose answer was lost has happened or not: the next look tells. Until then, whatever goes wrong leaves the
    outcome unknown.
    """

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._breaks = 0

    def broke(self) -> None:
        """A push got no answer."""
        self._breaks += 1

    def look(self) -> float:
        """Fetch, and return when that began (``time.monotonic()``).

        Raises:
            UnknownOutcome: a push was sent, and what became of it cannot be learnt now.
        """
        began = time.monotonic()
        if self._breaks >= _BREAKS:
            raise self.unknown("the connection broke each time")
        try:
            self._mirror.fetch()
        except SlipwayError as error:
            raise (self.unknown(error) if self._breaks else error) from error
        return began

    def unknown(self, reason: object) -> UnknownOutcome:
        """The error for a push that may have happened."""
        return UnknownOutcome(
            f"A push to {self._mirror.name} got no answer, and whether it happened is not known yet ({reason}). "
            "It is looked for before it is tried again."
        )
