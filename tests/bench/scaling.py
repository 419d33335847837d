"""What a release and a delivery take, on PostgreSQL: ``python -m tests.bench.scaling [--json]``. See docs/scaling.md.

The bot's own processes run on the stand-ins and on a PostgreSQL server of the run's own. The stand-in's build is part
of what a release takes here: a copy of some files.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.bootstrap import DEMO_GIT, ensure_environment, require_git

if TYPE_CHECKING:
    from tests.scenarios.world import World

ROOT = Path(__file__).resolve().parents[2]
RELEASES = 10
ACK_SECONDS = 5.0

_DATABASE = """
SELECT (SELECT count(*) FROM dbos.workflow_status) AS jobs,
       (SELECT count(*) FROM dbos.operation_outputs) AS steps,
       xact_commit AS commits,
       tup_inserted + tup_updated + tup_deleted AS writes,
       pg_database_size(datname) AS bytes,
       numbackends AS connections
FROM pg_stat_database WHERE datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds of processor time, by process; the database's own figures; GitHub's requests."""

    web: float
    worker: float
    database: Mapping[str, int]
    requests: int


def main(arguments: list[str]) -> int:
    """Measure, and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    require_git(DEMO_GIT)
    ensure_environment(ROOT / "requirements-dev.txt", announce=_say)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder, _running(Path(folder)) as (world, url):
        found = {**_releases(world, url), **_deliveries(world, url), **_processes(world)}
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    for name, value in found.items():
        sys.stdout.write(f"{name:28}{value}\n")
    return 0


def _releases(world: "World", url: str) -> dict[str, float | int]:
    """One app after another, each from its merge to production and ``latest``."""
    from tests.bench.cycle import is_quiet, whole_way
    from tests.scenarios.world import until

    apps = [world.add_app(f"site-{number}") for number in range(RELEASES + 1)]
    whole_way(apps[0], 0)  # everything is loaded and connected by then
    until("quiet", lambda: is_quiet(world))
    _say(f"{RELEASES} releases to production")
    before = _taken(world, url)
    for number, app in enumerate(apps[1:], 1):
        whole_way(app, number)
    until("quiet", lambda: is_quiet(world))
    after = _taken(world, url)
    grown = {name: (after.database[name] - before.database[name]) / RELEASES for name in after.database}
    return {
        "release_worker_cpu_seconds": round((after.worker - before.worker) / RELEASES, 2),
        "release_web_cpu_seconds": round((after.web - before.web) / RELEASES, 3),
        "release_requests": round((after.requests - before.requests) / RELEASES, 1),
        **{f"release_db_{name}": round(grown[name], 1) for name in ("jobs", "steps", "commits", "writes", "bytes")},
        "connections": after.database["connections"],
    }


def _deliveries(world: "World", url: str) -> dict[str, float]:
    """Pushes of a repository that is in no catalog: what every webhook takes, and nothing more."""
    from tests.bench.acks import RATE, acks, p99
    from tests.scenarios.world import until

    _say(f"{RATE} deliveries a second for {ACK_SECONDS:.0f} s")
    before = _taken(world, url)
    took = acks(world.port, world.variables["GITHUB_WEBHOOK_SECRET"], ACK_SECONDS)
    acked = _taken(world, url)
    until("the deliveries to be worked off", lambda: not _waiting(url), patience=600)
    after = _taken(world, url)
    return {
        "delivery_web_cpu_ms": round(1000 * (acked.web - before.web) / len(took), 2),
        "delivery_worker_cpu_ms": round(1000 * (after.worker - before.worker) / len(took), 2),
        "delivery_p99_ms": round(1000 * p99(took), 1),
        "delivery_db_bytes": round((after.database["bytes"] - before.database["bytes"]) / len(took)),
    }


def _processes(world: "World") -> dict[str, int]:
    from tests.bench.idle import MEBIBYTE, memory_of, processes_of

    return {
        f"{kind}_mb": round(sum(memory_of(pid) for pid in processes_of(world, kind)) / MEBIBYTE)
        for kind in ("web", "worker")
    }


def _taken(world: "World", url: str) -> Taken:
    from tests.bench.idle import cpu_of, processes_of

    return Taken(
        web=cpu_of(processes_of(world, "web")),
        worker=cpu_of(processes_of(world, "worker")),
        database=_ask(url, _DATABASE),
        requests=len(world.forge.requests_log),
    )


def _waiting(url: str) -> int:
    count = "SELECT count(*) AS waiting FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING')"
    return int(_ask(url, count)["waiting"])


def _ask(url: str, query: str) -> dict[str, Any]:
    import psycopg
    from psycopg.rows import dict_row

    from bot.adapters.dbos.database import libpq_url

    with closing(psycopg.connect(libpq_url(url), row_factory=dict_row)) as connection:
        return dict(connection.execute(query.encode()).fetchone() or {})


@contextmanager
def _running(folder: Path) -> Iterator[tuple["World", str]]:
    from bot.sandbox.registry import Registry
    from tests.engines import postgres_server
    from tests.scenarios.world import Bot, world

    with postgres_server() as server, Registry(folder / "registry") as registry:
        url = server.url("postgres")
        with world(folder, url, registry_host=registry.host, rate_limit=1_000_000) as made:
            made.variables["RECONCILE_SECONDS"] = "3600"
            bot = Bot(made)
            bot.start()
            try:
                yield made, url
            finally:
                bot.stop()


def _say(line: str) -> None:
    print(f"[bench] {line}", file=sys.stderr, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
