"""Freezes: the times in which nothing enters an environment, as a catalog writes them.

Two forms, both with an IANA time zone: ``Fri 16:00 - Mon 08:00 Europe/London`` comes back every week,
``2026-12-20 - 2027-01-02 Europe/London`` comes once. A start without a time is the start of that day, an end
without a time is the end of that day. Where a clock change makes a time of day happen twice or never, the
reading that freezes longer counts.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from bot.wording import did_you_mean, quoted

EXAMPLES = ("Fri 16:00 - Mon 08:00 Europe/London", "2026-12-20 - 2027-01-02 Europe/London")

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONDAY = datetime(2001, 1, 1)  # noqa: DTZ001 - a wall clock's Monday, to count weeks from; a zone is put on later
_WEEK = timedelta(days=7)
_DAY = timedelta(days=1)
_LONGEST_LOOK = timedelta(days=366)

_MOMENT = r"(?P<{0}_day>[A-Za-z]+|\d{{4}}-\d\d-\d\d)(?:[ T]+(?P<{0}_time>\d{{1,2}}:\d\d))?"
_WINDOW = re.compile(
    rf"\s*{_MOMENT.format('start')}\s*[-\u2013]\s*{_MOMENT.format('end')}(?:\s+(?P<zone>\S+))?\s*",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class FreezeWindow:
    """One freeze. ``start`` and ``end`` are wall clock times in ``zone``, of its first week where it is weekly."""

    text: str
    zone: ZoneInfo
    start: datetime
    end: datetime
    weekly: bool

    def contains(self, moment: datetime) -> bool:
        """Whether an aware moment lies in the freeze. The end itself does not."""
        return any(start <= moment < end for start, end in self._near(moment))

    def ends_after(self, moment: datetime) -> datetime:
        """When the freeze around an aware moment ends; outside of one, when the next one does. In its own zone.

        Raises:
            ValueError: a freeze that comes once is over by then.
        """
        for _, end in self._near(moment):
            if end > moment:
                return end.astimezone(self.zone)
        raise ValueError(f"The freeze {quoted(self.text)} is over.")

    def _near(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Start and end, as instants, of the freezes that can contain the moment and of the one after it."""
        if not self.weekly:
            yield self._instants(0)
            return
        here = moment.astimezone(self.zone).replace(tzinfo=None)
        week = (here - self.start) // _WEEK
        for each in (week - 1, week, week + 1):
            yield self._instants(each)

    def _instants(self, week: int) -> tuple[datetime, datetime]:
        return min(self._readings(self.start, week)), max(self._readings(self.end, week))

    def _readings(self, wall_clock: datetime, week: int) -> list[datetime]:
        """The instants that a wall clock time can mean: two, where the clock is set back or forward just then."""
        local = (wall_clock + week * _WEEK).replace(tzinfo=self.zone)
        return [local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)]


def frozen_until(windows: Sequence[FreezeWindow], moment: datetime) -> datetime | None:
    """When the freezes around an aware moment let go, those that join up taken together; None outside of all.

    Windows that never let go answer with a time more than a year ahead.
    """
    until: datetime | None = None
    reached = moment.astimezone(UTC)
    while reached - moment < _LONGEST_LOOK:
        ends = [window.ends_after(reached) for window in windows if window.contains(reached)]
        if not ends:
            return until
        until = max(ends, key=_instant)
        reached = _instant(until)
    return until


def parse_freeze(text: str) -> FreezeWindow:
    """Read one freeze of a catalog.

    Raises:
        ValueError: it cannot be read; the text says what to write.
    """
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(f"{quoted(text)} is no freeze; write it like `{EXAMPLES[0]}` or `{EXAMPLES[1]}`")
    zone = _zone(found["zone"])
    weekly = found["start_day"].isalpha()
    if found["end_day"].isalpha() != weekly:
        raise ValueError(f"{quoted(text)} mixes a weekday with a date; use two weekdays or two dates")
    start = _day(found["start_day"]) + _time(found["start_time"], otherwise=timedelta())
    end = _day(found["end_day"]) + _time(found["end_time"], otherwise=_DAY)
    if weekly:
        end = start + (end - start) % _WEEK
    if end == start:
        raise ValueError(f"{quoted(text)} is no time at all, or all of it; `hold` stops an environment for good")
    if end < start:
        raise ValueError(f"{quoted(text)} ends before it starts")
    return FreezeWindow(text=" ".join(text.split()), zone=zone, start=start, end=end, weekly=weekly)


def _instant(moment: datetime) -> datetime:
    """In UTC, where times compare as they pass: in one zone Python compares what the clock on the wall shows."""
    return moment.astimezone(UTC)


def _day(text: str) -> datetime:
    """Midnight of a date, or of a weekday in the week that weeks are counted from."""
    if not text.isalpha():
        return _date(text)
    for number, name in enumerate(_DAYS):
        if text.lower() in (name, name[:3]):
            return _MONDAY + number * _DAY
    raise ValueError(f"{quoted(text)} is no day of the week{did_you_mean(text, [day.title() for day in _DAYS])}")


def _date(text: str) -> datetime:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{quoted(text)} is no day of the calendar (year-month-day)") from None
    if not text.startswith("20"):
        raise ValueError(f"{quoted(text)} is not in this century")
    return day


def _time(text: str | None, *, otherwise: timedelta) -> timedelta:
    if text is None:
        return otherwise
    try:
        clock = time.fromisoformat(text.zfill(5))
    except ValueError:
        raise ValueError(f"{quoted(text)} is no time of day (00:00 to 23:59)") from None
    return timedelta(hours=clock.hour, minutes=clock.minute)


def _zone(key: str | None) -> ZoneInfo:
    """The time zone of an IANA name. The library raises a ``KeyError``, ``ValueError`` or ``OSError`` for others."""
    if key is None:
        raise ValueError(f"a freeze needs a time zone, like `Europe/London` in `{EXAMPLES[0]}`")
    try:
        return ZoneInfo(key)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no time zone {quoted(key)}{did_you_mean(key, _places())}") from None


@lru_cache(maxsize=1)
def _places() -> tuple[str, ...]:
    """The zones worth suggesting: places, not abbreviations (`BST` is not `EST`)."""
    return tuple(sorted(zone for zone in available_timezones() if "/" in zone))
