"""Faults on demand: what a test tells the stand-in to do to the next requests that match."""

import re
import threading
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["status", "perform_then_status", "perform_then_drop", "drop", "delay"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. ``perform_then_*`` carry the request out first: the client cannot know that."""

    kind: Kind
    code: int = 0
    body: Any = None
    seconds: float = 0.0


def status(code: int, body: Any = None) -> Fault:
    """Answer with this status and body (JSON, or text where it is a string) and do nothing."""
    return Fault("status", code=code, body=body)


def perform_then_status(code: int, body: Any = None) -> Fault:
    """Carry the request out, then answer with this status."""
    return Fault("perform_then_status", code=code, body=body)


def perform_then_drop() -> Fault:
    """Carry the request out, then close the connection without an answer."""
    return Fault("perform_then_drop")


def drop() -> Fault:
    """Close the connection without an answer and do nothing."""
    return Fault("drop")


def delay(seconds: float) -> Fault:
    """Wait, then answer as usual."""
    return Fault("delay", seconds=seconds)


@dataclass(slots=True)
class _Planned:
    method: str
    path: re.Pattern[str]
    fault: Fault
    left: int


class Faults:
    """The faults still to come, oldest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []

    def add(self, method: str, path_regex: str, action: Fault, times: int = 1) -> None:
        """Do ``action`` to the next ``times`` requests of that method (``*``: any) whose path and query match."""
        with self._lock:
            self._planned.append(_Planned(method, re.compile(path_regex), action, times))

    def clear(self) -> None:
        """Forget what is still planned."""
        with self._lock:
            self._planned.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, counted off."""
        with self._lock:
            for planned in self._planned:
                if planned.left > 0 and planned.method in ("*", method) and planned.path.search(path):
                    planned.left -= 1
                    return planned.fault
        return None
