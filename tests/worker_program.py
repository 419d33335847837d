"""A worker with workflows made for tests, in a process of its own so that it can be killed.

Whatever its steps do is a line of ``FOLDER/journal``; a step that holds waits for the file ``FOLDER/go``.
"""

import multiprocessing
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot import logs
from bot.adapters.dbos.engine import QueueSpec, Worker, WorkflowSpec
from bot.errors import Permanent, SlipwayError, Transient, UnknownOutcome
from bot.facts import Comparison, Job, RolloutState
from bot.ports import Run
from bot.repetition import may_be_repeated, seconds_until_arrived

HOLDING_SECONDS = 30

QUEUES = {"story": "stories", "lane": "lanes", "flaky": "others", "parent": "parents", "starter": "parents"}
QUEUES |= {"value": "others", "broken": "others", "unstorable": "others", "nap": "others", "doubtful": "others"}


PROCESSES = multiprocessing.get_context("forkserver")
"""Each worker is forked from a process that has imported everything and opened nothing: it starts in no time."""
PROCESSES.set_forkserver_preload(["pytest", "tests.worker_program"])


def note(folder: str, line: str) -> int:
    """Write a line to the journal; how many there are of it now."""
    with (Path(folder) / "journal").open("a") as journal:
        journal.write(line + "\n")
    return (Path(folder) / "journal").read_text().splitlines().count(line)


def hold(folder: str, line: str, signal: str = "go") -> int:
    """Note that it begins, and wait until the test says so."""
    count = note(folder, line)
    deadline = time.monotonic() + HOLDING_SECONDS
    while not (Path(folder) / signal).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return count


def story(run: Run, values: Mapping[str, Any]) -> Any:
    """Three steps, the second of which holds. ``VERSION`` plays a newer version of this very function."""
    folder = values["folder"]
    version = os.environ.get("VERSION", "")
    first = run.step(f"first{version}", lambda: note(folder, "first"))
    second = run.step("second", lambda: hold(folder, "second"))
    third = run.step("third", lambda: note(folder, "third"))
    return {"counts": (first, second, third), "version": version}


def lane(_run: Run, values: Mapping[str, Any]) -> None:
    """Begin, wait for a file, end; no step, so that nothing but the lane keeps two of them apart."""
    hold(values["folder"], f"begin {values['name']}", values.get("signal", "go"))
    note(values["folder"], f"end {values['name']}")
    if "leave" in values:
        (Path(values["folder"]) / values["leave"]).touch()


def flaky(run: Run, values: Mapping[str, Any]) -> int:
    """A step that fails ``times`` times with the named error."""
    errors: Mapping[str, SlipwayError] = {
        "transient": Transient("not now"),
        "asked": Transient("not now", retry_after=0.3),
        "unknown": UnknownOutcome("no answer"),
        "permanent": Permanent("never"),
    }

    def attempt() -> int:
        count = note(values["folder"], values["kind"])
        note(values["folder"], f"at {time.monotonic()}")
        if count <= values["times"]:
            raise errors[values["kind"]]
        return count

    return run.step("attempt", attempt, attempts=3)


def parent(run: Run, values: Mapping[str, Any]) -> Any:
    """Call the job that the input describes."""
    try:
        return {"result": run.call(Job(**values["job"]))}
    except Permanent as error:
        return {"refused": str(error)}


def starter(run: Run, values: Mapping[str, Any]) -> Any:
    """Start a job twice, then hold."""
    job = Job("value", values["child"], "lane", {"folder": values["folder"]})
    started = (run.start(job), run.start(job))
    run.step("hold", lambda: hold(values["folder"], "held"))
    return started


def value(run: Run, values: Mapping[str, Any]) -> Any:
    """Values of this project, through a step and as the result."""
    run.step("note", lambda: note(values["folder"], "value"))
    return run.step("make", lambda: {"state": RolloutState.FAILED, "compared": Comparison("ahead", 1, ())})


def broken(run: Run, _values: Mapping[str, Any]) -> None:
    """A defect whose text holds a secret."""
    secrets: dict[str, str] = {}
    run.step("break", lambda: secrets["hunter2"])


def unstorable(run: Run, _values: Mapping[str, Any]) -> None:
    """A step whose result has no place in the database."""
    run.step("make an object", object)


def nap(run: Run, values: Mapping[str, Any]) -> Any:
    """Sleep durably between two notes."""
    run.step("before", lambda: note(values["folder"], "before"))
    run.sleep(values["seconds"])
    return run.step("after", lambda: note(values["folder"], "after"))


def doubtful(run: Run, values: Mapping[str, Any]) -> Any:
    """What each step knows of a run before it: one that holds, one that fails at first, and one after those.

    Whether it may have run, and whether what that one sent may still be on its way.
    """

    def knows() -> tuple[bool, bool]:
        return may_be_repeated(), seconds_until_arrived() > 0

    def at_second_sight() -> tuple[bool, bool]:
        if note(values["folder"], "second") == 1:
            raise UnknownOutcome("no answer", unfinished=bool(values.get("unfinished")))
        return knows()

    def held() -> tuple[bool, bool]:
        hold(values["folder"], "first")
        return knows()

    return run.step("first", held), run.step("second", at_second_sight), run.step("third", knows)


WORKFLOWS = {name: WorkflowSpec(globals()[name], queue) for name, queue in QUEUES.items()}


def main(
    database_url: str, worker_id: str | None, reaper_seconds: float, output: Path, variables: Mapping[str, str]
) -> None:
    """Work until told to stop; what it says goes to the file ``output``."""
    os.environ.update(variables)
    with output.open("wb") as file:
        os.dup2(file.fileno(), sys.stderr.fileno())
    logs.configure(logs.Redactor(), terminal=False)
    try:
        worker = Worker(
            database_url,
            worker_id,
            WORKFLOWS,
            [QueueSpec(name) for name in sorted(set(QUEUES.values()))],
            polling_seconds=float(variables.get("POLLING", "0.05")),
            pause_seconds=0.01,
            reaper_seconds=reaper_seconds,
            lock_seconds=0.5,
        )
        worker.run()
    except SlipwayError as error:
        sys.exit(str(error))
