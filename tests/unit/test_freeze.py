"""When an environment is frozen, clock changes included."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.freeze import frozen_until, parse_freeze

LONDON = ZoneInfo("Europe/London")
WEEKEND = "Fri 16:00 - Mon 08:00 Europe/London"


def london(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=LONDON)


@pytest.mark.parametrize(
    ("window", "moment", "inside"),
    [
        (WEEKEND, "2026-07-03 15:59:59", False),
        (WEEKEND, "2026-07-03 16:00", True),
        (WEEKEND, "2026-07-05 12:00", True),
        (WEEKEND, "2026-07-06 07:59:59", True),
        (WEEKEND, "2026-07-06 08:00", False),
        ("Sat - Sun Europe/London", "2026-07-03 23:59", False),
        ("Sat - Sun Europe/London", "2026-07-04 00:00", True),
        ("Sat - Sun Europe/London", "2026-07-05 23:59", True),
        ("Sat - Sun Europe/London", "2026-07-06 00:00", False),
        ("friday\u2013Monday 8:00 Europe/London", "2026-07-06 07:00", True),
        ("Tue 09:00 - Tue 10:00 Europe/London", "2026-07-07 09:30", True),
        ("Tue 10:00 - Tue 09:00 Europe/London", "2026-07-07 09:30", False),
        ("Tue 10:00 - Tue 09:00 Europe/London", "2026-07-12 09:30", True),
        ("2026-12-20 - 2027-01-02 Europe/London", "2026-12-19 23:59", False),
        ("2026-12-20 - 2027-01-02 Europe/London", "2026-12-20 00:00", True),
        ("2026-12-20 - 2027-01-02 Europe/London", "2027-01-02 23:59", True),
        ("2026-12-20 - 2027-01-02 Europe/London", "2027-01-03 00:00", False),
        ("2026-12-20 - 2027-01-02 Europe/London", "2027-12-25 00:00", False),
        ("2026-12-24 - 2026-12-24 Europe/London", "2026-12-24 12:00", True),
        ("2026-12-24 18:00-2026-12-25T09:00 Europe/London", "2026-12-24 17:59", False),
        ("2026-12-24 18:00-2026-12-25T09:00 Europe/London", "2026-12-25 08:59", True),
    ],
)
def test_a_freeze_holds_from_its_start_up_to_its_end(window: str, moment: str, inside: bool) -> None:
    assert parse_freeze(window).contains(london(moment)) is inside


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2026-07-03T15:00+00:00", "2026-07-06T07:00+00:00"),  # summer: 16:00 in London is 15:00 UTC
        ("2026-01-09T16:00+00:00", "2026-01-12T08:00+00:00"),
        ("2026-03-27T16:00+00:00", "2026-03-30T07:00+00:00"),  # the clock goes forward in this weekend
        ("2026-10-23T15:00+00:00", "2026-10-26T08:00+00:00"),  # and back in this one
        ("2026-07-08T00:00+00:00", "2026-07-13T07:00+00:00"),  # outside: the end of the next one
    ],
)
def test_a_weekly_freeze_ends_by_the_wall_clock_in_summer_and_winter(moment: str, end: str) -> None:
    until = parse_freeze(WEEKEND).ends_after(datetime.fromisoformat(moment))
    assert until == datetime.fromisoformat(end)
    assert until.tzinfo == LONDON
    assert until.strftime("%a %H:%M") == "Mon 08:00"


def test_an_hour_that_happens_twice_is_frozen_twice() -> None:
    """On 25 October 2026 the clocks of London go from 02:00 back to 01:00."""
    until_half_past_one = parse_freeze("Sat 12:00 - Sun 01:30 Europe/London")
    end = until_half_past_one.ends_after(datetime(2026, 10, 24, 20, tzinfo=UTC))
    assert end.astimezone(UTC) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    from_half_past_one = parse_freeze("Sun 01:30 - Sun 12:00 Europe/London")
    assert from_half_past_one.contains(datetime(2026, 10, 25, 0, 30, tzinfo=UTC))


def test_an_hour_that_never_happens_is_read_the_longer_way() -> None:
    """On 29 March 2026 the clocks of London go from 01:00 forward to 02:00."""
    until_half_past_one = parse_freeze("Sat 12:00 - Sun 01:30 Europe/London")
    end = until_half_past_one.ends_after(datetime(2026, 3, 28, 20, tzinfo=UTC))
    assert end.astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    from_half_past_one = parse_freeze("Sun 01:30 - Sun 12:00 Europe/London")
    assert from_half_past_one.contains(datetime(2026, 3, 29, 0, 30, tzinfo=UTC))


def test_a_freeze_that_comes_once_ends_once() -> None:
    window = parse_freeze("2026-12-20 - 2027-01-02 Europe/London")
    assert window.ends_after(london("2026-06-01")) == london("2027-01-03 00:00")
    with pytest.raises(ValueError, match="is over"):
        window.ends_after(london("2027-01-03 00:00"))


def test_freezes_that_join_up_let_go_together() -> None:
    windows = [
        parse_freeze(WEEKEND),
        parse_freeze("Mon 07:00 - Mon 12:00 Europe/London"),
        parse_freeze("2026-07-06 12:00 - 2026-07-07 Europe/London"),
        parse_freeze("Thu - Thu Europe/London"),
    ]
    assert frozen_until(windows, london("2026-07-04 12:00")) == london("2026-07-08 00:00")
    assert frozen_until(windows, london("2026-07-08 12:00")) is None
    assert frozen_until([], london("2026-07-04 12:00")) is None


def test_freezes_that_leave_no_gap_answer_with_more_than_a_year() -> None:
    windows = [parse_freeze("Mon - Thu UTC"), parse_freeze("Thu 12:00 - Mon 01:00 UTC")]
    moment = datetime(2026, 7, 4, tzinfo=UTC)
    until = frozen_until(windows, moment)
    assert until is not None
    assert until - moment > timedelta(days=365)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is no freeze; write it like `Fri 16:00 - Mon 08:00 Europe/London` or"),
        ("Fri 4pm - Mon 8am Europe/London", "is no freeze; write it like"),
        ("Fri 16:00 - Mon 08:00", "a freeze needs a time zone, like `Europe/London` in"),
        ("Fri 16:00 - Mon 08:00 Europe/Londn", "no time zone `Europe/Londn`; did you mean `Europe/London`?"),
        ("Fri 16:00 - Mon 08:00 europe/paris", "no time zone `europe/paris`; did you mean `Europe/Paris`?"),
        ("Fri 16:00 - Mon 08:00 Europe", "there is no time zone `Europe`"),
        ("Fri 16:00 - Mon 08:00 ../etc/passwd", "there is no time zone `../etc/passwd`"),
        ("Fri 16:00 - Mon 08:00 BST", "there is no time zone `BST`"),
        ("Frday - Mon UTC", "`Frday` is no day of the week; did you mean `Friday`?"),
        ("Fri 16:00 - 2026-01-01 UTC", "mixes a weekday with a date; use two weekdays or two dates"),
        ("Fri 25:00 - Mon 08:00 UTC", "`25:00` is no time of day (00:00 to 23:59)"),
        ("2026-02-30 - 2026-03-01 UTC", "`2026-02-30` is no day of the calendar (year-month-day)"),
        ("0001-01-01 - 2026-03-01 UTC", "`0001-01-01` is not in this century"),
        ("2026-03-02 - 2026-03-01 12:00 UTC", "ends before it starts"),
        ("Mon 08:00 - Mon 08:00 UTC", "is no time at all, or all of it; `hold` stops an environment for good"),
        ("Tue - Mon UTC", "is no time at all, or all of it; `hold` stops an environment for good"),
    ],
)
def test_a_freeze_that_cannot_be_read_is_answered_with_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared below
        parse_freeze(text)
    assert problem in str(caught.value)


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds


@given(
    MOMENTS,
    st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
    st.sampled_from(["Fri 16:00 - Mon 08:00", "Sun 01:00 - Sun 03:00", "Sat - Sun", "Mon 00:30 - Sun 23:30"]),
)
def test_a_weekly_freeze_lets_go_exactly_where_it_says(moment: datetime, zone: str, window: str) -> None:
    freeze = parse_freeze(f"{window} {zone}")
    end = freeze.ends_after(moment).astimezone(UTC)  # in a zone, subtraction is a matter of wall clocks
    assert moment < end <= moment + timedelta(days=8)
    assert freeze.contains(end - timedelta(microseconds=1))
    assert not freeze.contains(end)
    if freeze.contains(moment):
        assert frozen_until([freeze], moment) == end
