"""The suite: its parts one after another, on each database, each on a stage of its own."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from bot.adapters.dbos.database import libpq_url
from tests import engines
from tests.faults import answers, downtime, kills, people, races, restarts, takeover, upkeep, webhooks
from tests.faults.plan import Plan
from tests.faults.tally import Tally

PARTS: Mapping[str, Callable[[Plan], None]] = {
    "writes": kills.kill_at_writes,
    "rollback": kills.kill_at_rollback,
    "requests": people.kill_at_requests,
    "upkeep": upkeep.kill_at_upkeep,
    "kills": kills.kill_at_random,
    "answers": answers.lie,
    "webhooks": webhooks.lose_webhooks,
    "downtime": downtime.make_up,
    "restarts": restarts.restart,
    "takeover": takeover.take_over,
    "competitor": races.compete,
    "crowd": races.compete_in_a_crowd,
    "backwards": races.never_backwards,
    "two bots": races.two_bots,
}
"""What the suite does, by name."""

Database = Callable[[Path], AbstractContextManager[str]]


def run(say: Callable[[str], None], *, short: bool, database: str | None, parts: Sequence[str]) -> Tally:
    """Run parts of the suite.

    Args:
        say: takes a line for people.
        short: do little.
        database: a PostgreSQL server's URL, or any of SQLite; None takes SQLite, then PostgreSQL where it is.
        parts: names of ``PARTS``.
    """
    tally = Tally()
    with ExitStack() as stack:
        for name, opened in _databases(stack, database, short=short):
            say(f"on {name}")
            for part in parts:
                PARTS[part](Plan(say, tally, short, opened))
    return tally


def _databases(stack: ExitStack, url: str | None, *, short: bool) -> Iterator[tuple[str, Database]]:
    if url is None or url.startswith("sqlite"):
        yield "SQLite", _sqlite
    if url is not None and not url.startswith("sqlite"):
        yield "PostgreSQL", lambda _: beside(url)
    if url is None and engines.POSTGRES.find() and not short:
        server = stack.enter_context(engines.postgres_server())
        yield "PostgreSQL", lambda _: beside(server.url("postgres"))


@contextmanager
def _sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/slipway.db"


@contextmanager
def beside(url: str) -> Iterator[str]:
    """The URL of a new database on the server of a PostgreSQL URL; it is dropped afterwards.

    Parts must not share one: numbers of pull requests, of which jobs' ids are made, begin at 1 in each.
    """
    name = f"slipway_faults_{secrets.token_hex(6)}"
    with psycopg.connect(libpq_url(url), autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
