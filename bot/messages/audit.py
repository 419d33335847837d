"""What ``audit`` prints for people: an entry as a few lines, the four figures as words. Pure.

Each line comes with the colour it is shown in.
"""

from collections.abc import Iterator

from bot.audit import UNAPPROVED
from bot.dora import Figures, lead_seconds
from bot.messages import duration, one_line, short
from bot.releases import Outcome
from bot.trail import Approval, Entry, HoldChange, Kind

Line = tuple[str, str]
"""A text and its colour."""

_OUTCOMES = {
    Outcome.HEALTHY: ("✓ healthy", "green"),
    Outcome.FAILED: ("✗ failed", "red"),
    Outcome.UNKNOWN: ("? the cluster could not be asked", "yellow"),
    Outcome.SUPERSEDED: ("· something newer took its place", "dim"),
}

_DEEDS = {
    Kind.RELEASE: "release",
    Kind.ROLLBACK: "rolled back",
    Kind.REVERT: "reverted by hand",
    Kind.TAKEN_BACK: "taken back",
    Kind.EDIT: "edited by hand",
    Kind.SHARED: "changed along with another app",
    Kind.HOLD: "held",
    Kind.RESUME: "hold lifted",
    Kind.CATALOG: "the catalog",
}

_SPEAK_FOR_THEMSELVES = {Kind.HOLD, Kind.RESUME, Kind.ROLLBACK, Kind.TAKEN_BACK}
"""Whose commit subject would say the same once more."""

_LONG = 48 * 3600.0
"""Seconds from which on a span is told in days."""


def heading(entry: Entry) -> str:
    """When, where and what, in a line."""
    when = entry.at[:16].replace("T", " ")
    if entry.environment is None:
        return f"{when}  {_DEEDS[entry.kind]}: {one_line(entry.title)}"
    where = f"{one_line(entry.app)} on {one_line(entry.environment)}" if entry.app else one_line(entry.environment)
    what = _DEEDS[entry.kind]
    if entry.release is not None:
        what = short(entry.release.sha) if entry.kind is Kind.RELEASE else f"{what} to {short(entry.release.sha)}"
    title = "" if entry.kind in _SPEAK_FOR_THEMSELVES else f": {one_line(entry.title)}"
    return f"{when}  {where}  {what}{title}"


def details(entry: Entry) -> Iterator[Line]:
    """What is to be known of it, a line each."""
    yield from _ending(entry)
    if entry.reason:
        yield f"{'it was held' if entry.kind is Kind.RESUME else 'why'}: {one_line(entry.reason)}", ""
    if entry.went_round_the_gate:
        yield f"went round the gate: {_how_unapproved(entry)}", "red"
    if entry.approval is Approval.NOT_RECORDED:
        yield "who approved it is not recorded", "yellow"
    if entry.skipped:
        yield f"skipped {', '.join(map(one_line, entry.skipped))}: it had not been healthy there", "yellow"
    if entry.reverts:
        yield f"undoes {', '.join(map(short, entry.reverts))}", "magenta"
    if entry.reverted_by is not None:
        yield f"undone by {short(entry.reverted_by)}", "magenta"
    if entry.hold is HoldChange.SET and entry.kind is not Kind.HOLD:
        yield "a hold keeps out what would enter", "magenta"
    if entry.hold is HoldChange.LIFTED and entry.kind is not Kind.RESUME:
        yield "the hold is lifted", "magenta"
    yield f"{people(entry)} · config commit {short(entry.commit.sha)}", "dim"


def _how_unapproved(entry: Entry) -> str:
    reason = one_line(entry.ended.reason) if entry.ended else ""
    told = reason.startswith(UNAPPROVED)
    return reason.removeprefix(UNAPPROVED).strip(" :") if told else "nobody who may has approved this change"


def _ending(entry: Entry) -> Iterator[Line]:
    ended = entry.ended
    if ended is None or (ended.outcome is Outcome.SUPERSEDED and entry.went_round_the_gate):
        return
    words, colour = _OUTCOMES[ended.outcome]
    words += f" after {duration(ended.seconds)}" if ended.outcome is Outcome.HEALTHY and ended.seconds >= 1 else ""
    lead = lead_seconds(entry)
    words += f", {span(lead)} after the merge" if lead is not None else ""
    reason = one_line(ended.reason)
    yield f"{words}: {reason}" if reason and not reason.startswith(UNAPPROVED) else words, colour


def people(entry: Entry) -> str:
    """Who did it, from what, and who approved."""
    merge = entry.release.merge if entry.release and entry.kind is Kind.RELEASE else None
    if merge is None:
        words = f"by {one_line(entry.by)}"
    else:
        source = f"{merge.source}#{merge.pull_request}" if merge.pull_request else f"{merge.source}@{short(merge.sha)}"
        words = f"{source} merged by {one_line(entry.by)}"
    if entry.requested_by and entry.requested_by != entry.by:
        words += f", asked for by {one_line(entry.requested_by)}"
    return f"{words}, approved by {', '.join(map(one_line, entry.approved_by))}" if entry.approved_by else words


def figures_row(found: Figures) -> tuple[str, str, str, str]:
    """Deployment frequency, lead time, change failure rate, time to restore."""
    count = f"{found.deployments} in {found.days:.0f} days" if found.days > 1 else f"{found.deployments} in a day"
    failed = "-" if found.failure_rate is None else f"{found.failure_rate:.0%} ({found.failures})"
    restored = span(found.restore_seconds) if found.restore_seconds is not None else "-"
    lead = span(found.lead_seconds) if found.lead_seconds is not None else "-"
    return f"{found.per_week:.1f} a week ({count})", lead, failed, restored


def span(seconds: float) -> str:
    """A span that may be long: ``34 s``, ``2 h 5 min``, ``12 days``."""
    return f"{seconds / 86400:.0f} days" if seconds >= _LONG else duration(seconds)
