"""Reads what people write for "since when": a day, a moment, or a span back from now. Pure."""

import re
from datetime import UTC, datetime, timedelta

from bot.errors import Permanent
from bot.wording import quoted

_SPAN = re.compile(r"([0-9]{1,6})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_since(text: str, now: datetime, name: str = "--since") -> datetime:
    """The aware moment that is meant. A day begins at midnight UTC. ``name`` is what people call the field.

    Raises:
        Permanent: it is none of these, does not exist, or lies in the future; the paragraph says what to write.
    """
    found = _read(text.strip(), now)
    if found is None:
        raise Permanent(
            f"{name} {quoted(text)} is not a time. Write a day (2026-11-01), a moment with its zone "
            "(2026-11-01T08:00:00Z), or a span back from now: 12h, 30d, 8w."
        )
    if found > now:
        raise Permanent(f"{name} {quoted(text)} lies in the future: nothing has happened since then.")
    return found


def _read(text: str, now: datetime) -> datetime | None:
    try:
        if span := _SPAN.fullmatch(text):
            return now - int(span[1]) * _UNITS[span[2]]
        found = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None
    if _DAY.fullmatch(text):
        return found.replace(tzinfo=UTC)
    return found.astimezone(UTC) if found.tzinfo else None
