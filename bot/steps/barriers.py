"""What keeps a release out of an environment for a time: a hold, or a freeze. Reads only.

Whatever is kept out is found again by a look (``bot.steps.missed``) once the barrier is gone.
"""

from datetime import datetime

from bot.catalog import Environment, Gate
from bot.holds import Hold, keeps_out
from bot.ports import ConfigRepo
from bot.steps.state import read_hold


def hold_against(config: ConfigRepo, commit: str, environment: str, app: str, release_id: str) -> Hold | None:
    """The hold that keeps a release out, as a config commit says.

    Raises:
        Permanent: the hold's file cannot be read.
    """
    hold = read_hold(config, commit, environment, app)
    return hold if hold is not None and keeps_out(hold, release_id) else None


def barrier_before(
    config: ConfigRepo, now: datetime, commit: str, environment: Environment, app: str, release_id: str
) -> Hold | datetime | None:
    """The hold, or the end of the freeze, that a release waits for before it may enter.

    Behind a ``pull-request`` gate a freeze does not keep a promotion from being opened and approved, only from being
    merged (``bot.steps.approve``).
    """
    hold = hold_against(config, commit, environment.name, app, release_id)
    if hold is not None or environment.gate is Gate.PULL_REQUEST:
        return hold
    return environment.frozen_until(now)
