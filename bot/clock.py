"""The machine's clock as a port, so that workflows and steps have one source of time."""

from datetime import UTC, datetime


class SystemClock:
    """``ports.Clock`` on the machine's own clock."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return datetime.now(UTC)
