"""What the workers do and did, as people read it: a job's id and result in, a sentence out.

A job's id says what it is about (``bot.jobs``); nothing else of it is needed, so a list of jobs is cheap to read.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from bot.drift import DriftSeen
from bot.facts import JobRecord, JobState
from bot.jobs import ANYWHERE, Ended
from bot.messages import short
from bot.ports import Queue
from bot.steps.build import BuildResult

NEWEST = {
    "release": 200,
    "build": 200,
    "sync": 200,
    "rollback": 50,
    "promote": 50,
    "shared": 20,
    "prune": 20,
    "approve": 50,
    "effect": 20,
    "command": 20,
    "action": 20,
    "catalog": 10,
    "delivery": 20,
    "reconcile": 10,
    "round": 5,
    "drift": 10,
}
"""Workflow -> how many of its newest jobs are looked at. One that still waits behind so many newer ones is not seen."""

NOTHING = "Nothing to do."

_SHA = re.compile(r"\b([0-9a-f]{7})[0-9a-f]{33}\b")
_DIGEST = re.compile(r"\b(sha256:[0-9a-f]{12})[0-9a-f]{52}\b")
_UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING})


class Tone(StrEnum):
    """How a piece of work is to be taken at a glance."""

    GOOD = "good"
    BAD = "bad"
    BUSY = "busy"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class About:
    """What a job is about, as far as its id tells.

    Attributes:
        what: in words, such as "Release of blog 3f2c1ab".
        environment: where, for a sync or a rollback.
        image: the image repository, for a build.
        sha: the source commit of a release or a build.
        commit: the config commit of a sync, or the one that a rollback takes back.
        pull_request: the promotion's number, for an approval.
    """

    what: str
    app: str | None = None
    environment: str | None = None
    image: str | None = None
    sha: str | None = None
    commit: str | None = None
    pull_request: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """One job, told. Times are RFC 3339 in UTC.

    Attributes:
        id: the job's id, as ``retry`` takes it.
        kind: the workflow's name.
        outcome: the word for machines that it ended with (``bot.jobs.Ended``); empty before that.
        result: how it ended, in a sentence; empty before that.
        evidence: the last lines of a failed build.
    """

    id: str
    kind: str
    state: JobState
    about: About
    created_at: str
    updated_at: str
    outcome: str = ""
    result: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether it is running, or waits for a worker."""
        return self.state in _UNDER_WAY

    @property
    def tone(self) -> Tone:
        """How to take it."""
        if self.under_way:
            return Tone.BUSY
        if self.outcome in {"failed", "unknown"}:
            return Tone.BAD
        return Tone.GOOD if self.outcome in {"done", "healthy"} else Tone.QUIET

    @property
    def routine(self) -> bool:
        """A look that found nothing to do: nobody wants to read about it."""
        return self.kind in {"delivery", "reconcile", "round", "drift"} and self.result == NOTHING


def activity(queue: Queue, redact: Callable[[str], str]) -> tuple[Work, ...]:
    """The newest work, newest first (see ``NEWEST``)."""
    found = (record for kind, limit in NEWEST.items() for record in queue.jobs(f"{kind}/", limit=limit))
    return newest_first(told(record, redact) for record in found)


def newest_first(work: Iterable[Work]) -> tuple[Work, ...]:
    """The order in which people read it."""
    return tuple(sorted(work, key=lambda one: one.created_at, reverse=True))


def told(record: JobRecord, redact: Callable[[str], str]) -> Work:
    """One job as people read it. ``redact`` is for what an older version may have stored."""
    outcome, result, evidence = ("", "", ()) if record.state in _UNDER_WAY else _ending(record)
    return Work(
        id=record.id,
        kind=record.workflow,
        state=record.state,
        about=about(record.id),
        created_at=record.created_at,
        updated_at=record.updated_at,
        outcome=outcome,
        result=redact(result),
        evidence=tuple(map(redact, evidence)),
    )


def about(job_id: str) -> About:
    """What a job's id tells of it."""
    match job_id.split("/"):
        case ["release", app, sha, _]:
            return About(f"Release of {app} {short(sha)}", app=app, sha=sha)
        case ["build", *image, sha, _] if image:
            return About(f"Build of {image[-1]} {short(sha)}", image="/".join(image), sha=sha)
        case ["sync" | "rollback" | "prune" as what, app, environment, commit, *_]:
            happens = {"sync": "Rollout", "rollback": "Rollback", "prune": "Removal"}[what]
            return About(f"{happens} of {app} on {environment}", app=app, environment=environment, commit=commit)
        case ["promote", app, environment, sha, _]:
            return About(f"Promotion of {app} {short(sha)} to {environment}", app=app, environment=environment)
        case ["action", verb, app, environment, _]:
            where = "" if environment == ANYWHERE else f" on {environment}"
            return About(f"Button “{verb}” for {app}{where}", app=app)
    return _about_config(job_id)


def _about_config(job_id: str) -> About:
    """What a job's id tells of it that is about no app."""
    match job_id.split("/"):
        case ["shared", environment, commit, _]:
            return About(f"Rollout of {environment}'s shared files", environment=environment, commit=commit)
        case ["approve" | "effect" as looked, number, *_] if number.isdecimal():
            subject = "Approval of promotion" if looked == "approve" else "Effect of pull request"
            return About(f"{subject} #{number}", pull_request=int(number))
        case ["catalog", commit, _]:
            return About(f"Check of the catalog at {short(commit)}", commit=commit)
    kind, _, key = job_id.partition("/")
    looks = {
        "command": f"Commands of a comment in {key.rpartition('/')[0]}",
        "delivery": f"Webhook {key}",
        "reconcile": "Look for what was missed",
        "round": "Look at each app for what was missed",
        "drift": "Look for drift",
    }
    return About(looks.get(kind, job_id))


def sentence(text: str) -> str:
    """Some words as a sentence on one line, its commits and digests cut to what people compare."""
    plain = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    line = _DIGEST.sub(r"\1", _SHA.sub(r"\1", plain))
    return line if not line or line.endswith((".", "!", "?", "…")) else f"{line[:1].upper()}{line[1:]}."


def _ending(record: JobRecord) -> tuple[str, str, tuple[str, ...]]:
    """The outcome's word, its sentence, the evidence."""
    match record.result:
        case Ended(outcome=outcome, detail=detail):
            return outcome, sentence(_started(record, detail) or outcome), ()
        case BuildResult(image=None, reason=reason, evidence=evidence):
            return "failed", sentence(reason), evidence
        case BuildResult(image=str(image), built=built):
            return "done", sentence(f"{'built' if built else 'found in the registry:'} {image.rpartition('/')[2]}"), ()
        case DriftSeen(places=places):
            drifted = [f"{one.app or 'shared files'} in {one.environment}" for one in places if one.objects]
            return "done", sentence(f"drifted: {', '.join(drifted)}" if drifted else NOTHING), ()
        case str(reason):
            return "failed", sentence(reason), ()
    return record.state.value, sentence(record.state.value), ()


def _started(record: JobRecord, detail: str) -> str:
    """A delivery or a look names the jobs that it started: said in words."""
    if record.workflow not in {"delivery", "reconcile", "round"} or not re.fullmatch(r"\S+/\S+(?:, \S+/\S+)*", detail):
        return detail
    started = [about(job_id).what for job_id in detail.split(", ")]
    return "started " + ", ".join(what[:1].lower() + what[1:] for what in started)
