"""What is put down of jobs while they run, on SQLite and on PostgreSQL."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.adapters.dbos.database import _system_database as system_database
from bot.adapters.dbos.database import migrate, open_engine
from bot.adapters.dbos.journal import DbosJournal
from bot.adapters.dbos.retention import DAY_SECONDS, SAID_DAYS, forget
from bot.errors import Permanent
from bot.progress import Output, Progress
from tests.contract.test_dbos_engine import DATABASES, Processes


@pytest.fixture(params=DATABASES)
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Processes]:
    """A migrated database of the test's own."""
    sqlite = f"sqlite:///{tmp_path}/slipway.db"
    url = sqlite if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    migrate(url)
    with closing(Processes(url, tmp_path)) as started:
        yield started


def test_steps_and_what_they_say_are_seen_while_the_job_runs(processes: Processes) -> None:
    processes.worker("journal").worker_id()
    processes.enqueue("story", "story/runs", folder=str(processes.folder))
    processes.wait_for_line("second")
    with closing(DbosJournal(processes.url)) as journal:
        seen = journal.read(["story/runs", "story/other"])
        assert [step.name for step in seen["story/runs"].steps] == ["first"]
        assert seen["story/other"] == Progress()
        before = journal.pulse(["story/runs"])
        output = Output("second", "line 1\n50 % of line 2", 7, 1000.5, 2000.25)
        journal.note("story/runs", output)
        assert journal.read(["story/runs"])["story/runs"].output == output
        said = journal.pulse(["story/runs"])
        journal.note("story/runs", Output("second", "line 3", 9, 1000.5, 2001.0))
        assert journal.pulse(["story/other"]) == journal.pulse(["story/none"])
        processes.go()
        processes.ended("story/runs")
        assert len({before, said, journal.pulse(["story/runs"])}) == 3
        steps = journal.read(["story/runs"])["story/runs"].steps
    assert [(step.name, step.failed) for step in steps] == [("first", False), ("second", False), ("third", False)]
    assert all(step.began <= step.ended <= time.time() + 60 for step in steps)


def test_what_was_said_is_forgotten_long_before_the_job(processes: Processes) -> None:
    now = time.time()
    with closing(DbosJournal(processes.url)) as journal:
        for age in (SAID_DAYS - 1, SAID_DAYS + 1):
            journal.note(f"build/{age}", Output("build", "x", 0, now, now - age * DAY_SECONDS))
        engine = open_engine(processes.url, patience=4, connections=2, full_sync=False)
        try:
            forget(system_database(engine), now)
        finally:
            engine.dispose()
        kept = journal.read([f"build/{SAID_DAYS - 1}", f"build/{SAID_DAYS + 1}"])
    assert [progress.output is not None for progress in kept.values()] == [True, False]


def test_a_database_without_the_table_is_named(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/slipway.db"
    migrate(url)
    engine = open_engine(url, patience=4, connections=1, full_sync=False)
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE slipway_said"))
    engine.dispose()
    with closing(DbosJournal(url)) as journal, pytest.raises(Permanent, match="python -m bot migrate"):
        journal.note("build/1", Output("build", "x", 0, 0, 0))
