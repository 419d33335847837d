"""The four figures of DORA, from the trail. Pure.

The definitions are those of https://dora.dev/guides/dora-metrics-four-keys/; what each one means here:

- *Deployment frequency* ("the number of deployments over a given period"): a deployment is a release or a hand edit
  whose pods were ready, or failed to become so. What puts an earlier state back (rollback, revert) is none.
- *Change lead time* ("from committed to version control to deployed in production"): from the merge into the tracked
  branch (``Source-Merged-At``) to the first healthy outcome.
- *Change fail rate* ("deployments that require immediate intervention"): those that failed once, or were rolled back
  or reverted later.
- *Failed deployment recovery time*: from the failure, or where a healthy deployment was undone later, from when that
  went live, until anything is healthy there again. Failures in a row are one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from statistics import median

from bot.releases import Outcome
from bot.trail import Entry, Kind

_DEPLOYED = {Kind.RELEASE, Kind.EDIT}
_DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Figures:
    """The four figures of one place, or of several together. What there is nothing to say of is None.

    Attributes:
        days: how long was looked at; at least one.
        deployments: how many there were.
        failures: how many of these failed.
        lead_seconds: the median lead time.
        restore_seconds: the median time to restore.
        restored: how many failures were followed by something healthy.
    """

    days: float
    deployments: int = 0
    failures: int = 0
    lead_seconds: float | None = None
    restore_seconds: float | None = None
    restored: int = 0

    @property
    def per_week(self) -> float:
        """Deployments a week."""
        return 7 * self.deployments / self.days

    @property
    def failure_rate(self) -> float | None:
        """The share of deployments that failed, 0 to 1."""
        return self.failures / self.deployments if self.deployments else None


def figures(entries: Iterable[Entry], *, since: datetime, until: datetime, now: datetime | None = None) -> Figures:
    """The figures of whatever these entries are about.

    Args:
        entries: the trail, in any order; what happened before ``since`` is needed too, for it may be undone later.
        since: deployments from here on count (aware).
        until: the end of the period, now as a rule.
        now: where the period ended earlier than now: what began later then counts for a later one.
    """
    later = until if now is not None and until < now else None
    oldest_first = sorted(entries, key=lambda entry: entry.at)
    counted = [entry for entry in oldest_first if _deployed(entry) and _within(moment(entry.at), since, later)]
    leads = [seconds for entry in counted if (seconds := lead_seconds(entry)) is not None]
    restored = [seconds for begun, seconds in _incidents(oldest_first) if _within(begun, since, later)]
    return Figures(
        days=max(1.0, (until - since).total_seconds() / _DAY),
        deployments=len(counted),
        failures=sum(map(_failed, counted)),
        lead_seconds=median(leads) if leads else None,
        restore_seconds=median(restored) if restored else None,
        restored=len(restored),
    )


def in_spans(entries: Iterable[Entry], *, since: datetime, until: datetime, count: int) -> tuple[Figures, ...]:
    """The figures of so many spans of one length, the oldest first. What began in a span counts for that span."""
    known, length = tuple(entries), (until - since) / count
    edges = [since + length * number for number in range(count + 1)]
    return tuple(figures(known, since=begun, until=ended, now=until) for begun, ended in pairwise(edges))


def _within(at: datetime, since: datetime, before: datetime | None) -> bool:
    return at >= since and (before is None or at < before)


def lead_seconds(entry: Entry) -> float | None:
    """From the merge to the first healthy outcome of a release; None where one of them is not known."""
    if entry.kind is not Kind.RELEASE or entry.release is None or entry.healthy is None:
        return None
    merged, live = _moment(entry.release.merge.merged_at), _moment(entry.healthy.at)
    return max(0.0, (live - merged).total_seconds()) if merged and live else None


def moment(text: str) -> datetime:
    """An aware moment from RFC 3339, as the trail holds it."""
    return datetime.fromisoformat(text)


def _moment(text: str | None) -> datetime | None:
    """The same from a trailer or a note, which people can write too."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def _deployed(entry: Entry) -> bool:
    return entry.kind in _DEPLOYED and any(note.outcome in {Outcome.HEALTHY, Outcome.FAILED} for note in entry.notes)


def _failed(entry: Entry) -> bool:
    return entry.reverted_by is not None or any(note.outcome is Outcome.FAILED for note in entry.notes)


def _incidents(oldest_first: Sequence[Entry]) -> Iterator[tuple[datetime, float]]:
    """(when it began, seconds until something was healthy there again) for each failure that was mended."""
    by_place = sorted(oldest_first, key=lambda entry: (entry.app or "", entry.environment or ""))
    for _, entries in groupby(by_place, key=lambda entry: (entry.app, entry.environment)):
        begun: datetime | None = None
        for at, well in _turns(entries):
            if begun is not None and well:
                yield begun, max(0.0, (at - begun).total_seconds())
                begun = None
            elif begun is None and not well:
                begun = at


def _turns(entries: Iterable[Entry]) -> Iterator[tuple[datetime, bool]]:
    """(when, whether all was well from then on), as one place's outcomes followed each other."""
    for entry in entries:
        for note in entry.notes:
            at = _moment(note.at)
            if at is None or note.outcome not in {Outcome.HEALTHY, Outcome.FAILED}:
                continue
            healthy = note.outcome is Outcome.HEALTHY
            yield at, healthy
            if healthy and entry.reverted_by is not None and entry.kind in _DEPLOYED:
                yield at, False
