"""Holds an app's environment as it is, and lets it go again: one commit on the config branch each.

Needs the config repo alone, so that a hold works while the database, GitHub's API and every worker are down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.errors import Permanent
from bot.facts import Change, Reader
from bot.holds import Hold, parse_hold, render_hold
from bot.messages import gates
from bot.ports import ConfigRepo
from bot.releases import Person
from bot.steps.state import decode, hold_path, look, read_hold

MISSING_REASON = "Say why, for those who find nothing entering: `--reason TEXT`."


@dataclass(frozen=True, slots=True)
class HoldChange:
    """What was asked for, and what came of it.

    Attributes:
        hold: the hold that is there now, or that was lifted; None where there was none to lift.
        commit: the commit that wrote or lifted it; None where nothing had to be changed.
    """

    app: str
    environment: str
    hold: Hold | None
    commit: str | None


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who asks, when, and a token that tells this request from every other one, so that it is carried out once."""

    by: Person
    at: datetime
    token: str


def hold(config: ConfigRepo, app: str, environment: str, reason: str, occasion: Occasion) -> HoldChange:
    """Keep every release out of an app's environment until somebody lifts the hold.

    A hold on one release alone gives way to this one, which keeps that release out too.

    Raises:
        Permanent: no such app or environment, or no reason.
    """
    if not reason.strip():
        raise Permanent(MISSING_REASON)
    look(config, app, environment)
    path = hold_path(environment, app)
    wanted = Hold(reason, occasion.by.login, occasion.at.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        return {} if _holds_everything(read(path), path) else {path: render_hold(wanted).encode()}

    id_ = gates.hold_id(app, environment, occasion.token)
    made = config.make(
        Change(id_, gates.hold_message(app, environment, reason, occasion.token, occasion.by.login), occasion.by, edit)
    )
    present = read_hold(config, made.sha if made else config.fetch(), environment, app)
    return HoldChange(app, environment, present or wanted, made.sha if made else None)


def _holds_everything(data: bytes | None, path: str) -> bool:
    """Whether the file says what a new hold would; one that cannot be read is written anew."""
    if data is None:
        return False
    try:
        return parse_hold(decode(data, path), path).release is None
    except Permanent:
        return False


def resume(config: ConfigRepo, app: str, environment: str, occasion: Occasion) -> HoldChange:
    """Lift the hold on an app's environment, whatever it keeps out.

    Raises:
        Permanent: no such app or environment.
    """
    place = look(config, app, environment)
    path = hold_path(environment, app)
    id_ = gates.resume_id(app, environment, occasion.token)
    done = config.find(place.head, "Slipway-Id", id_)
    lifted = _hold_or_broken(config, done.parents[0] if done else place.head, environment, app)
    if lifted is None:
        return HoldChange(app, environment, None, None)

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        return {path: None} if read(path) is not None else {}

    made = config.make(
        Change(
            id_, gates.resume_message(app, environment, lifted, occasion.token, occasion.by.login), occasion.by, edit
        )
    )
    return HoldChange(app, environment, lifted if made else None, made.sha if made else None)


def _hold_or_broken(config: ConfigRepo, commit: str, environment: str, app: str) -> Hold | None:
    """A file that cannot be read holds too, and may be lifted like any other."""
    try:
        return read_hold(config, commit, environment, app)
    except Permanent:
        return Hold()
