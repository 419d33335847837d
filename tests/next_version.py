"""The worker of the next version, for tests: the real one, whose every workflow has other steps than today's.

It begins with a step that is not there today, and calls each of today's by another name.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from bot import logs
from bot.adapters.dbos.database import migrate
from bot.adapters.dbos.engine import Worker, WorkflowSpec
from bot.adapters.dbos.queue import DbosQueue
from bot.facts import Job
from bot.ports import Run
from bot.settings import Settings
from bot.wiring import QUEUES
from bot.worker import queue_specs, services
from bot.workflows import WORKFLOWS

T = TypeVar("T")


class OtherSteps:
    """``ports.Run`` with other steps."""

    def __init__(self, run: Run) -> None:
        self._run = run
        run.step("begin as the next version", lambda: None)

    @property
    def id(self) -> str:
        return self._run.id

    def step(self, name: str, function: Callable[[], T], *, attempts: int = 5) -> T:
        return self._run.step(f"{name}, in other words", function, attempts=attempts)

    def sleep(self, seconds: float) -> None:
        self._run.sleep(seconds)

    def start(self, job: Job) -> bool:
        return self._run.start(job)

    def call(self, job: Job) -> Any:
        return self._run.call(job)


def main() -> None:
    """Work until SIGTERM."""
    settings = Settings.read(os.environ)
    logs.configure(logs.Redactor(settings.secrets()), terminal=False)
    migrate(settings.database_url)
    queue = DbosQueue(settings.database_url, QUEUES)

    def next_version(name: str) -> Callable[[Run, Mapping[str, Any]], Any]:
        return lambda run, values: WORKFLOWS[name](OtherSteps(run), ports, values)

    specs = {name: WorkflowSpec(next_version(name), QUEUES[name]) for name in WORKFLOWS}
    worker = Worker(settings.database_url, settings.worker_id, specs, queue_specs())
    ports = services(settings, queue, slot=worker.worker_id)
    worker.run()


if __name__ == "__main__":
    main()
