"""What ``status --json`` and ``/api/v1`` say: the same facts in the same shape. Pure.

Keys are only ever added. Times are RFC 3339 in UTC; what is not known is null.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from bot.activity import Work
from bot.links import Links
from bot.overview import Cell, Overview, Pending, Row
from bot.release_history import History, Stage
from bot.release_list import Listed
from bot.releases import Release
from bot.steps_told import StepTold
from bot.telling import title_of


def overview_facts(overview: Overview, links: Links | None) -> dict[str, Any]:
    """Apps x environments, and the work that is under way."""
    return {
        "head": overview.head,
        "catalog_error": overview.catalog_error or None,
        "environments": [environment.name for environment in overview.environments],
        "apps": [row_facts(row, links) for row in overview.rows],
        "shared": {cell.environment.name: cell_facts(cell, links) for cell in overview.shared},
        "work": [work_facts(work) for work in overview.work if work.under_way],
    }


def row_facts(row: Row, links: Links | None) -> dict[str, Any]:
    """One app."""
    return {
        "name": row.app.name,
        "source": row.app.source,
        "image": row.app.image,
        "environments": {cell.environment.name: cell_facts(cell, links) for cell in row.cells},
    }


def cell_facts(cell: Cell, links: Links | None) -> dict[str, Any]:
    """One app in one environment."""
    deployed, note = cell.deployed, cell.outcome
    return {
        "state": cell.state.value,
        "images": list(deployed.images) if deployed else [],
        "release": release_facts(cell.release, links) if cell.release else None,
        "config_commit": cell.changed.sha if cell.changed else None,
        "config_commit_url": links.config_commit(cell.changed.sha) if links and cell.changed else None,
        "changed_at": cell.changed.committed_at if cell.changed else None,
        "outcome": note.outcome.value if note else None,
        "outcome_at": note.at if note else None,
        "seconds": note.seconds if note else None,
        "approved_by": list(note.approved_by) if note else [],
        "reason": (note.reason if note else cell.problem) or None,
        "drift": list(cell.drift),
        "compared": cell.compared,
        "held": cell.hold is not None,
        "hold_reason": (cell.hold.reason if cell.hold else None) or None,
        "held_by": (cell.hold.by if cell.hold else None) or None,
        "rolled_back": cell.rolled_back is not None,
        "held_release": cell.hold.release if cell.hold else None,
        "pending": _pending_facts(cell.pending, links) if cell.pending else None,
        "work": [work_facts(work) for work in cell.work],
        "failed_release": work_facts(cell.failed) if cell.failed else None,
        "url": cell.url,
    }


def release_facts(release: Release, links: Links | None) -> dict[str, Any]:
    """One release."""
    merge = release.merge
    return {
        "id": release.id,
        "app": release.app,
        "sha": release.sha,
        "image": release.image,
        "title": title_of(release),
        "source": merge.source,
        "source_url": links.source_commit(merge) if links else None,
        "pull_request": merge.pull_request,
        "pull_request_url": links.source_pull_request(merge) if links else None,
        "merged_by": merge.merged_by.login if merge.merged_by else None,
        "merged_at": merge.merged_at,
    }


def _pending_facts(pending: Pending, links: Links | None) -> dict[str, Any]:
    return {
        "release": release_facts(pending.release, links),
        "branch": pending.branch,
        "proposed_at": pending.proposed_at,
        "url": links.promotion(pending.branch) if links else None,
    }


def work_facts(work: Work) -> dict[str, Any]:
    """One job."""
    about = work.about
    return {
        "id": work.id,
        "workflow": work.kind,
        "state": work.state.value,
        "outcome": work.outcome or None,
        "what": about.what,
        "result": work.result or None,
        "app": about.app,
        "environment": about.environment,
        "created_at": work.created_at,
        "updated_at": work.updated_at,
    }


def listed_facts(listed: Listed, links: Links | None) -> dict[str, Any]:
    """One release of a list."""
    return {
        "id": listed.id,
        "app": listed.app,
        "sha": listed.sha,
        "at": listed.at or None,
        "release": release_facts(listed.release, links) if listed.release else None,
        "job": work_facts(listed.job) if listed.job else None,
        "runs_in": list(listed.runs_in),
        "waits_for": list(listed.waits_for),
    }


def history_facts(
    history: History, links: Links | None, steps: Mapping[str, Sequence[StepTold]] = MappingProxyType({})
) -> dict[str, Any]:
    """One release's way, with what each of its jobs has done."""
    return {
        "id": history.id,
        "app": history.app,
        "sha": history.sha,
        "release": release_facts(history.release, links) if history.release else None,
        "stages": [stage_facts(stage, links) for stage in history.stages],
        "jobs": [
            work_facts(work) | {"steps": [asdict(step) for step in steps.get(work.id, ())]} for work in history.jobs
        ],
    }


def stage_facts(stage: Stage, links: Links | None) -> dict[str, Any]:
    """One stage of that way."""
    return {
        "kind": stage.kind,
        "name": stage.name,
        "environment": stage.environment,
        "state": stage.state.value,
        "told": stage.told or None,
        "at": stage.at,
        "seconds": stage.seconds,
        "config_commit": stage.commit,
        "config_commit_url": links.config_commit(stage.commit) if links and stage.commit else None,
        "pull_request": stage.pull_request,
        "runs": stage.runs,
    }
