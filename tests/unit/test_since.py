from datetime import UTC, datetime

import pytest

from bot.errors import Permanent
from bot.since import parse_since

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00:00+02:00", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        ("12h", datetime(2026, 11, 24, 0, tzinfo=UTC)),
        (" 30d ", datetime(2026, 10, 25, 12, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 10, 12, tzinfo=UTC)),
    ],
)
def test_days_moments_and_spans_are_understood(text: str, expected: datetime) -> None:
    assert parse_since(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "30", "30m", "-3d", "999999w", "2026-02-30", "2026-11-01T08:00:00", "2026-11"]
)
def test_anything_else_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(Permanent, match=r"is not a time\. Write a day \(2026-11-01\)"):
        parse_since(text, NOW)


def test_a_time_to_come_is_refused() -> None:
    with pytest.raises(Permanent, match="lies in the future"):
        parse_since("2027-01-01", NOW)
