"""What ``audit --json`` and ``audit --csv`` say: the same facts under the same names. Pure.

``docs/audit.md`` describes every name. Names are only ever added; times are RFC 3339 in UTC, spans are seconds; what
is not known is null in JSON and empty in CSV.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.dora import Figures, figures, in_spans, lead_seconds, moment
from bot.trail import Entry

_FORMULA = ("=", "+", "-", "@", "\t")
"""How a spreadsheet tells a formula: text that people wrote must not be run by whoever opens the file."""

COLUMNS = (
    *("at", "kind", "app", "environment", "by", "title", "config_commit"),
    *("release", "source", "source_commit", "source_pull_request", "merged_by", "merged_at"),
    *("image", "previous_image", "approval", "approved_by"),
    *("outcome", "outcome_at", "outcome_reason", "healthy_at", "seconds", "lead_seconds"),
    *("reason", "reverts", "reverted_by", "hold", "requested_by", "skipped"),
)
"""The names of an entry's facts, in the order of the columns."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A trail, and what was asked of it.

    Attributes:
        branch: what it was read from; ``head`` is its newest commit.
        environments: in the order a release travels.
        entries: the whole trail, newest first.
        app: only this app's entries are shown.
        environment: only this environment's are.
        since: only those from here on are (aware).
        now: when it was asked (aware).
        hints: what the clone lacks, a sentence each.
    """

    branch: str
    head: str
    environments: tuple[str, ...]
    entries: tuple[Entry, ...]
    now: datetime
    app: str | None = None
    environment: str | None = None
    since: datetime | None = None
    hints: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[Entry, ...]:
        """The entries that were asked for, newest first."""
        return tuple(one for one in self._of_places if self.since is None or moment(one.at) >= self.since)

    @property
    def overall(self) -> Figures:
        """The figures of the last environment, which is what DORA is about, or of the one that was asked for."""
        return self._figures(self._measured)

    def course(self, begun: datetime, count: int) -> tuple[Figures, ...]:
        """The same in so many spans from then on, the oldest first."""
        return in_spans(self._measured, since=begun, until=self.now, count=count)

    @property
    def places(self) -> tuple[tuple[str, str, Figures], ...]:
        """(app, environment, figures) of each place that changed in that time, by name and in order."""
        groups: dict[tuple[str, str], list[Entry]] = {}
        for one in self._of_places:
            if one.app and one.environment:
                groups.setdefault((one.app, one.environment), []).append(one)
        shown = {(one.app, one.environment) for one in self.shown}
        order = {name: position for position, name in enumerate(self.environments)}
        keys = sorted(groups.keys() & shown, key=lambda key: (key[0], order.get(key[1], len(order)), key[1]))
        return tuple((*key, self._figures(groups[key])) for key in keys)

    @property
    def _measured(self) -> tuple[Entry, ...]:
        last = self.environment or (self.environments[-1] if self.environments else None)
        return tuple(one for one in self._of_places if one.environment == last)

    @property
    def _of_places(self) -> tuple[Entry, ...]:
        return tuple(
            one for one in self.entries if self.app in (None, one.app) and self.environment in (None, one.environment)
        )

    def _figures(self, entries: Iterable[Entry]) -> Figures:
        begun = moment(self.entries[-1].at) if self.entries else self.now
        return figures(entries, since=self.since or begun, until=self.now)


def audit_facts(audit: Audit) -> dict[str, Any]:
    """Everything, for ``--json``."""
    return {
        "branch": audit.branch,
        "head": audit.head,
        "app": audit.app,
        "environment": audit.environment,
        "since": _rfc3339(audit.since) if audit.since else None,
        "until": _rfc3339(audit.now),
        "hints": list(audit.hints),
        "entries": [entry_facts(entry) for entry in audit.shown],
        "dora": {
            "environment": audit.environment or (audit.environments[-1] if audit.environments else None),
            "overall": figures_facts(audit.overall),
            "places": [
                {"app": app, "environment": environment, **figures_facts(found)}
                for app, environment, found in audit.places
            ],
        },
    }


def entry_facts(entry: Entry) -> dict[str, Any]:
    """One entry, flat."""
    release, ended = entry.release, entry.ended
    merge = release.merge if release else None
    return {
        "at": entry.at,
        "kind": entry.kind.value,
        "app": entry.app,
        "environment": entry.environment,
        "by": entry.by,
        "title": entry.title,
        "config_commit": entry.commit.sha,
        "release": release.id if release else None,
        "source": merge.source if merge else None,
        "source_commit": merge.sha if merge else None,
        "source_pull_request": merge.pull_request if merge else None,
        "merged_by": merge.merged_by.login if merge and merge.merged_by else None,
        "merged_at": merge.merged_at if merge else None,
        "image": entry.image or (ended.image if ended else None) or None,
        "previous_image": entry.previous_image,
        "approval": entry.approval.value,
        "approved_by": list(entry.approved_by),
        "outcome": ended.outcome.value if ended else None,
        "outcome_at": ended.at if ended else None,
        "outcome_reason": (ended.reason if ended else "") or None,
        "healthy_at": entry.healthy.at if entry.healthy else None,
        "seconds": ended.seconds if ended else None,
        "lead_seconds": lead_seconds(entry),
        "reason": entry.reason or None,
        "reverts": list(entry.reverts),
        "reverted_by": entry.reverted_by,
        "hold": entry.hold.value if entry.hold else None,
        "requested_by": entry.requested_by,
        "skipped": list(entry.skipped),
    }


def figures_facts(found: Figures) -> dict[str, Any]:
    """The four figures."""
    return {
        "days": round(found.days, 2),
        "deployments": found.deployments,
        "deployments_per_week": round(found.per_week, 3),
        "lead_seconds": found.lead_seconds,
        "failures": found.failures,
        "change_failure_rate": None if found.failure_rate is None else round(found.failure_rate, 4),
        "restore_seconds": found.restore_seconds,
        "restored": found.restored,
    }


def audit_csv(audit: Audit) -> str:
    """The entries, for ``--csv``: a header row, then a row each. Several approvers are parted by a space."""
    paper = io.StringIO()
    writer = csv.writer(paper, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in audit.shown:
        facts = entry_facts(entry)
        writer.writerow([_cell(facts[name]) for name in COLUMNS])
    return paper.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case list():
            return _cell(" ".join(value))
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case _:
            return str(value)


def _rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
