"""How many places have drifted, by environment: what the newest looks saw, less what a sync has mended since."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from bot.adapters.dbos.serializer import read_record
from bot.drift import DriftSeen, Place, PlaceSeen
from bot.jobs import sync_job

LOOKS = 200
"""The newest looks that are read: with 20 places each, they cover 4,000 places."""

Rows = Callable[..., Iterator[tuple[Any, ...]]]
"""Runs a statement with values."""


class DriftTally:
    """Counts. What a look saw never changes, so each is read once."""

    def __init__(self) -> None:
        self._looks: dict[str, tuple[PlaceSeen, ...]] = {}

    def count(self, rows: Rows) -> dict[str, int]:
        """Environment -> places that differ; 0 where all that were compared are as they should be."""
        looks = {
            str(job): float(at)
            for job, at in rows(
                "SELECT workflow_uuid, created_at FROM {jobs} WHERE name = 'drift' AND status = 'SUCCESS' "
                "ORDER BY created_at DESC LIMIT :looks",
                looks=LOOKS,
            )
        }
        self._looks = {job: self._looks[job] if job in self._looks else self._read(rows, job) for job in looks}
        newest: dict[Place, tuple[PlaceSeen, float]] = {}
        for job, at in looks.items():
            for seen in self._looks[job]:
                newest.setdefault((seen.app, seen.environment), (seen, at))
        drifted = Counter({environment: 0 for _, environment in newest})
        drifted.update(
            seen.environment for seen, at in newest.values() if seen.objects and not self._mended(rows, seen, at)
        )
        return dict(drifted)

    def _read(self, rows: Rows, job: str) -> tuple[PlaceSeen, ...]:
        statement = (
            "SELECT coalesce(job.output, apart.output) FROM {jobs} job "
            "LEFT JOIN {outputs} apart ON apart.workflow_uuid = job.workflow_uuid WHERE job.workflow_uuid = :job"
        )
        read = [read_record(output) for (output,) in rows(statement, job=job)]
        return tuple(place for seen in read if isinstance(seen, DriftSeen) for place in seen.places)

    def _mended(self, rows: Rows, seen: PlaceSeen, at: float) -> bool:
        """Whether a sync of the place has ended since."""
        syncs = sync_job(seen.app, seen.environment, "").id.removesuffix("/1")
        statement = "SELECT 1 FROM {jobs} WHERE workflow_uuid LIKE :syncs AND completed_at > :at LIMIT 1"
        return any(True for _ in rows(statement, syncs=f"{syncs}%", at=at))
