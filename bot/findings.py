"""What ``doctor`` finds, and how it is written down. Pure."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """How a part is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        part: what was looked at, such as "registry ghcr.io".
        state: how it is.
        text: what was found.
        remedy: what to do; empty where nothing is to be done, or where the text says it.
    """

    part: str
    state: State
    text: str
    remedy: str = ""

    def line(self) -> str:
        """The finding for a terminal, on one line."""
        told = f"{self.text} {self.remedy}" if self.remedy else self.text
        return f"{self.state.value:<4}  {self.part}: {' '.join(told.split())}"


def ok(part: str, text: str) -> Finding:
    """A part that is as it should be."""
    return Finding(part, State.OK, text)


def warn(part: str, text: str, remedy: str = "") -> Finding:
    """A part that works, or may work, but not for everything."""
    return Finding(part, State.WARN, text, remedy)


def fail(part: str, text: str, remedy: str = "") -> Finding:
    """A part that releases would fail on."""
    return Finding(part, State.FAIL, text, remedy)


def unchecked(part: str, why: str) -> Finding:
    """A part that nothing can be said of, because of another one that has a finding of its own."""
    return Finding(part, State.WARN, f"not checked: {why}")


def exit_code(findings: Iterable[Finding]) -> int:
    """0 where nothing failed, else 1."""
    return int(any(finding.state is State.FAIL for finding in findings))


def as_facts(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """The findings for ``--json``."""
    return [{key: str(value) for key, value in asdict(finding).items()} for finding in findings]


def summary(findings: Iterable[Finding]) -> str:
    """The last line: how many of which."""
    states = [finding.state for finding in findings]
    failed, warned = states.count(State.FAIL), states.count(State.WARN)
    if not failed and not warned:
        return f"All {len(states)} checks passed."
    warnings = f"{warned} warning{'' if warned == 1 else 's'}"
    return f"{failed} of {len(states)} checks failed, {warnings}."
