"""Time, the durable queue, and what a running workflow may do."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from bot.facts import Job, JobRecord
from bot.progress import Output, Progress

T = TypeVar("T")


class Clock(Protocol):
    """The only source of time in workflows and steps."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class Queue(Protocol):
    """The durable queue."""

    def enqueue(self, job: Job) -> bool:
        """Store a job; False where its id is known already. On disk when this returns."""
        ...

    def job(self, id: str) -> JobRecord | None:  # noqa: A002 - the design's word for it
        """One job."""
        ...

    def jobs(self, prefix: str, *, limit: int = 100) -> tuple[JobRecord, ...]:
        """The jobs whose id starts with prefix, newest first."""
        ...

    def known(self, ids: Sequence[str]) -> Mapping[str, JobRecord]:
        """Those of the jobs that are known, by id: one question for many."""
        ...


class Journal(Protocol):
    """What jobs have done so far, for those who look on. The work itself never reads it."""

    def note(self, job: str, output: Output) -> None:
        """Put down what a step of a job says, in place of what was put down before.

        Raises:
            Transient: it cannot be stored now.
        """
        ...

    def read(self, jobs: Sequence[str]) -> Mapping[str, Progress]:
        """How far each of these jobs is."""
        ...

    def pulse(self, jobs: Sequence[str]) -> str:
        """Another word whenever ``read`` would tell something else of these jobs."""
        ...


class Run(Protocol):
    """One durable run of a workflow: every step's result is stored, so a replay does not repeat it."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    def step(self, name: str, function: Callable[[], T], *, attempts: int = 5) -> T:
        """Run a step once. ``Transient`` and ``UnknownOutcome`` run it again (it looks first), with growing pauses.

        The result must be JSON, an enum of this project, or a frozen dataclass of this project.
        """
        ...

    def sleep(self, seconds: float) -> None:
        """Sleep durably: a restart sleeps only the rest."""
        ...

    def start(self, job: Job) -> bool:
        """Start another workflow and do not wait; False where its id is known already."""
        ...

    def call(self, job: Job) -> Any:
        """Start another workflow (or join the one with that id) and wait for its result."""
        ...
