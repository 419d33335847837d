"""Drift: what of the config branch the clusters no longer hold. Which places are looked at when, and what was seen."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.facts import Difference, JobRecord

MOST_PLACES = 20
"""Places that one look compares: it shall not keep a cluster's API busy."""

FEWEST_LOOKS = 5
"""Looks until all places have been compared once, however few they are."""

HEALS_AT_ONCE = 3
"""Times that a drift is undone as soon as it is seen, for one config commit."""

HEAL_AGAIN_AFTER = timedelta(hours=6)
"""How long a drift that keeps coming back is only shown: something on the cluster writes it again."""

_RUN_ONCE = frozenset({"Job", "Pod"})
"""What runs to its end and may be cleared away then: that it is gone is no drift."""

Place = tuple[str, str]
"""App (empty: the shared files) and environment."""


@dataclass(frozen=True, slots=True)
class PlaceSeen:
    """A place as it was compared with a config commit. ``objects`` are those that differ, in words."""

    app: str
    environment: str
    commit: str
    objects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DriftSeen:
    """What one look compared: places that are as they should be, too."""

    places: tuple[PlaceSeen, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """The newest that was seen of a place. ``at``: when the look began, RFC 3339 in UTC."""

    commit: str
    objects: tuple[str, ...]
    at: str


def looks_for(places: int) -> int:
    """How many looks it takes until all of so many places have been compared once."""
    return max(FEWEST_LOOKS, -(-places // MOST_PLACES))


def turn(places: Sequence[Place], occasion: int) -> Sequence[Place]:
    """The places whose turn it is, by the number of the look."""
    looks = looks_for(len(places))
    return places[occasion % looks :: looks]


def may_heal(syncs: int, since_last: timedelta) -> bool:
    """Whether a drift is undone now, after so many syncs of its config commit, the first one among them."""
    return syncs <= HEALS_AT_ONCE or since_last >= HEAL_AGAIN_AFTER


def drifted(differences: Iterable[Difference]) -> tuple[str, ...]:
    """The objects that are not as the manifests say, in words. What a dry run cannot tell is not held against them."""
    return tuple(
        f"{one.kind} `{one.name}` {'is gone' if one.before is None else 'differs'}"
        for one in differences
        if one.changes and one.kind not in _RUN_ONCE and not (one.before is None and one.note)
    )


def newest(records: Iterable[JobRecord]) -> Mapping[Place, Drift]:
    """The newest that was seen of each place.

    Args:
        records: of the workflow ``drift``, newest first.
    """
    found: dict[Place, Drift] = {}
    for record in records:
        if isinstance(record.result, DriftSeen):
            for seen in record.result.places:
                drift = Drift(seen.commit, seen.objects, record.created_at)
                found.setdefault((seen.app, seen.environment), drift)
    return found
