"""The suite: its parts one after another, on each database, each on a stage of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from tests import engines
from tests.faults import kills, races, takeover, webhooks
from tests.faults.plan import Plan
from tests.faults.tally import Tally

PARTS: Mapping[str, Callable[[Plan], None]] = {
    "writes": kills.kill_at_writes,
    "rollback": kills.kill_at_rollback,
    "kills": kills.kill_at_random,
    "webhooks": webhooks.lose_webhooks,
    "takeover": takeover.take_over,
    "competitor": races.compete,
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
        database: a URL; None takes SQLite, and then PostgreSQL where it is installed.
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
    if url is not None:
        yield url.partition(":")[0], lambda _: nullcontext(url)
        return
    yield "SQLite", _sqlite
    if engines.POSTGRES.find() and not short:
        server = stack.enter_context(engines.postgres_server())
        yield "PostgreSQL", lambda _: server.fresh_database()


@contextmanager
def _sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/slipway.db"
