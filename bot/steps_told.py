"""How far a job is, as people read it on a release's page: its steps with their times, and what they say. Pure."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count, groupby

from bot.facts import RolloutState
from bot.progress import Output, Progress, StepDone
from bot.steps.rollout import Look

_WAITS = re.compile(r"sleep$|result of ")
"""Steps in which a run waits: for time, or for another job that is shown beside it."""

_ROUNDING_SECONDS = 0.01
"""The database knows milliseconds."""

_ATTEMPT = re.compile(r" \(attempt \d+\)$")


@dataclass(frozen=True, slots=True)
class StepTold:
    """A step as people read it.

    Attributes:
        at: when it began, RFC 3339 in UTC.
        seconds: how long it took; None where it is not over.
        state: ``done``, ``failed`` (each attempt is a step of its own), ``now``, or ``cut off``: its worker died.
        log: what it said, or a rollout's news with their times; nothing of most.
        left_out: how many lines came before them.
    """

    name: str
    at: str
    seconds: float | None
    state: str = "done"
    log: str = ""
    left_out: int = 0


def told_steps(progress: Progress, redact: Callable[[str], str], *, runs: bool) -> tuple[StepTold, ...]:
    """A job's steps in order; what looks again and again until a rollout is over is one of them.

    Args:
        progress: what is known.
        redact: hides secrets in what an older version may have stored.
        runs: whether the job is running: then its last step may have no record yet.
    """
    shown = [step for step in progress.steps if not _WAITS.match(step.name)]
    told = [_told(list(steps), redact, runs=runs and steps[-1] is shown[-1]) for steps in _joined(shown)]
    return tuple(told if progress.output is None else _with_output(told, progress.output, redact, runs=runs))


def _joined(steps: Iterable[StepDone]) -> Iterator[list[StepDone]]:
    """The looks at one rollout together, every other step by itself."""
    alone = count()
    for _, group in groupby(steps, lambda step: "look" if isinstance(step.result, Look) else next(alone)):
        yield list(group)


def _told(steps: list[StepDone], redact: Callable[[str], str], *, runs: bool) -> StepTold:
    first, last = steps[0], steps[-1]
    under_way = runs and isinstance(last.result, Look) and last.result.rollout.state is RolloutState.PROGRESSING
    return StepTold(
        name=first.name,
        at=_time(first.began),
        seconds=None if under_way else last.ended - first.began,
        state="now" if under_way else "failed" if last.failed else "done",
        log=redact("\n".join(_news(steps))),
    )


def _news(looks: Iterable[StepDone]) -> Iterator[str]:
    """What each look at a rollout saw, where that was something else than the look before."""
    before = ""
    for look in looks:
        if isinstance(look.result, Look) and look.result.rollout.detail != before:
            before = look.result.rollout.detail
            yield f"{datetime.fromtimestamp(look.ended, UTC):%H:%M:%S}  {before}"


def _with_output(
    told: list[StepTold], output: Output, redact: Callable[[str], str], *, runs: bool
) -> Iterator[StepTold]:
    """The output beside the step that said it, or at the end where that step has no record (yet)."""
    began = _time(output.began)
    said = StepTold(output.step, began, None, "now" if runs else "cut off", redact(output.text), output.left_out)
    for step in told:
        if _ATTEMPT.sub("", step.name) == output.step and step.at <= began <= _end(step):
            yield replace(step, log=said.log, left_out=said.left_out)
            said = step
        else:
            yield step
    if said not in told:
        yield said


def _end(step: StepTold) -> str:
    return _time(datetime.fromisoformat(step.at).timestamp() + (step.seconds or 0.0) + _ROUNDING_SECONDS)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
