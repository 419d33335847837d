"""What people read about holds and freezes: commits, statuses, and what the commands answer. Pure."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.holds import Hold
from bot.messages import one_line


def hold_id(app: str, environment: str, token: str) -> str:
    """The ``Slipway-Id`` of a hold; ``token`` tells one occasion from another."""
    return f"{app}/{environment}/hold/{token}"


def resume_id(app: str, environment: str, token: str) -> str:
    """The ``Slipway-Id`` of a lifted hold."""
    return f"{app}/{environment}/resume/{token}"


def hold_message(app: str, environment: str, reason: str, token: str, by: str) -> str:
    """The commit that holds an environment."""
    body = f"Nothing new enters {environment} until the hold is lifted: `resume {app} {environment}`."
    subject = f"{app}: hold {environment}"
    return _message(subject, body, _trailers(hold_id(app, environment, token), app, environment, reason, by))


def resume_message(app: str, environment: str, lifted: Hold, token: str, by: str) -> str:
    """The commit that lifts a hold. Its reason is the hold's: so the log tells what is over."""
    body = f"Lifts the hold{_by(lifted)}. What it kept out may enter."
    subject = f"{app}: resume {environment}"
    return _message(subject, body, _trailers(resume_id(app, environment, token), app, environment, lifted.reason, by))


def _trailers(id: str, app: str, environment: str, reason: str, by: str) -> list[tuple[str, str]]:  # noqa: A002 - the trailer
    return [
        ("Slipway-Id", id),
        ("App", app),
        ("Environment", environment),
        ("Reason", one_line(reason)),
        ("Requested-by", f"@{by}"),
    ]


def _message(subject: str, body: str, trailers: list[tuple[str, str]]) -> str:
    return f"{subject}\n\n{body}\n\n" + "".join(f"{key}: {value}\n" for key, value in trailers if value)


def _by(hold: Hold) -> str:
    return f" of @{hold.by}" if hold.by else ""


def because(hold: Hold) -> str:
    """Who holds, and why, as the end of a sentence."""
    by = f" by @{hold.by}" if hold.by else ""
    return by + (f": {one_line(hold.reason)}" if hold.reason else "")


def held_status(app: str, environment: str, hold: Hold) -> str:
    """The source commit's status while a hold keeps the release out."""
    return f"{app} is held out of {environment}{because(hold)}"


def frozen_status(app: str, environment: str, until: datetime) -> str:
    """The source commit's status while a freeze keeps the release out."""
    return f"{app} waits: {environment} is frozen until {moment(until)}"


def hold_cell(hold: Hold) -> str:
    """Who holds, and why, in a cell of a table in Markdown."""
    return because(hold).lstrip(" :").replace("<", "&lt;").replace("|", "\\|")


def approved_but(hold: Hold | None, frozen_until: datetime | None) -> str:
    """What an approved promotion still waits for, behind the text of its status; empty where for nothing."""
    parts = [f"held{because(hold)}"] if hold else []
    parts += [f"frozen until {moment(frozen_until)}"] if frozen_until else []
    return "".join(f"; {part}" for part in parts)


def moment(when: datetime) -> str:
    """A time as people write it in their own zone: ``Mon 30 Nov 2026, 08:00 Europe/London``."""
    zone = when.tzinfo.key if isinstance(when.tzinfo, ZoneInfo) else when.tzname() or ""
    return f"{when:%a} {when.day} {when:%b %Y, %H:%M} {zone}".rstrip()


# ---------------------------------------------------------------- what the commands answer


def held(app: str, environment: str) -> str:
    """After ``hold``."""
    return (
        f"{app} is held in {environment}: no release enters, and no approval is carried out, until "
        f"`resume {app} {environment}`. What runs there keeps running; syncs and rollbacks go on."
    )


def held_already(app: str, environment: str, hold: Hold) -> str:
    """After a ``hold`` that changed nothing."""
    return f"{app} is held in {environment} already{because(hold)}. Nothing was changed."


def resumed(app: str, environment: str, lifted: Hold) -> str:
    """After ``resume``."""
    return f"The hold on {app} in {environment} is lifted (it was held{because(lifted)}). What it kept out enters now."


def not_held(app: str, environment: str) -> str:
    """After a ``resume`` that changed nothing."""
    return f"{app} is not held in {environment}. Nothing was changed."
