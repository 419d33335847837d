"""Which promotions a person closed without a merge: from the jobs that looked at them, so GitHub need not be asked.

The look at a closed promotion tells its head (``steps.tend``), and one at a reopened promotion is newer. Reconcile
looks anew where such a job was forgotten, for as long as the promotion's branch is there.
"""

import re
from collections.abc import Iterable, Sequence

from bot.activity import Work
from bot.facts import JobRecord
from bot.jobs import DECLINED, REOPENED, Ended
from bot.ports import Queue

FURTHEST_BACK = 2000
"""Approval jobs that are read where something is new about one."""

_HEAD = re.compile(r" at ([0-9a-f]{40})$")


def declined_heads(queue: Queue, before: Sequence[Work], now: Sequence[Work], known: frozenset[str]) -> frozenset[str]:
    """The heads of promotions that are closed: as known before, unless the newest approval jobs differ from then."""
    if before and _approvals(before) == _approvals(now):
        return known
    return closed(queue.jobs("approve/", limit=FURTHEST_BACK))


def _approvals(work: Iterable[Work]) -> list[Work]:
    return [one for one in work if one.kind == "approve"]


def closed(newest_first: Iterable[JobRecord]) -> frozenset[str]:
    """The same from the jobs themselves. Pure."""
    heads: dict[str, str] = {}
    for record in newest_first:
        _, number, occasion, *_ = [*record.id.split("/"), "", ""]
        if number in heads or not (occasion == DECLINED or occasion.startswith(REOPENED)):
            continue
        found = _HEAD.search(record.result.detail) if isinstance(record.result, Ended) else None
        if occasion.startswith(REOPENED) or found:
            heads[number] = found[1] if found and occasion == DECLINED else ""
    return frozenset(head for head in heads.values() if head)
