"""How fast the whole bot is, beside floors measured in the same run: ``python -m tests.bench.whole``.

The bot's own processes (gunicorn, worker) run on the stand-ins. ``--quick`` measures each thing for a shorter time and
idles with 200 apps instead of 1,000; ``--json`` prints the figures alone.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.bootstrap import DEMO_GIT, ensure_environment, require_git

if TYPE_CHECKING:
    from tests.scenarios.world import Bot, World

ROOT = Path(__file__).resolve().parents[2]

SWITCH_SECONDS = 0.0005
"""The stand-ins are threads of this process, and so is who looks on: neither is to keep the other waiting."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured; times are in seconds."""

    merges: int
    together: int
    ack_seconds: float
    ack_rounds: int
    idle_apps: int
    idle_seconds: float


WHOLE = Plan(merges=9, together=27, ack_seconds=10, ack_rounds=3, idle_apps=1_000, idle_seconds=120)
QUICK = Plan(merges=3, together=27, ack_seconds=3, ack_rounds=2, idle_apps=200, idle_seconds=30)


def main(arguments: list[str]) -> int:
    """Measure, and print what was found. It fails only where something cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.whole", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="for a few minutes less")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    require_git(DEMO_GIT)
    ensure_environment(ROOT / "requirements-dev.txt", announce=say)
    found = measure(QUICK if options.quick else WHOLE)
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    for name, value in found.items():
        sys.stdout.write(f"{name:26}{value}\n")
    return 0


def measure(plan: Plan) -> dict[str, float | int]:
    """Everything, each in a world of its own."""
    sys.setswitchinterval(SWITCH_SECONDS)
    return {**_cycle(plan), **_acks(plan), **_idle(plan)}


def _cycle(plan: Plan) -> dict[str, float | int]:
    from tests.bench.cycle import measure_cycle, merge_together  # needs the packages that were just made sure of

    with _running({"RECONCILE_SECONDS": "3600"}) as world:
        say(f"{plan.merges} merges, one after the other, beside a raw push and apply; one of them to production")
        cycle = measure_cycle(world, plan.merges)
        say(f"{plan.together} apps merged together")
        together = merge_together(world, plan.together)
    return {
        "apply_overhead_seconds": round(cycle.overhead, 3),
        "to_staging_seconds": round(cycle.to_staging, 3),
        "build_seconds": round(cycle.build, 3),
        "floor_seconds": round(cycle.floor, 3),
        "rest_calls": cycle.rest_calls,
        "rest_creates": cycle.rest_creates,
        f"apps_{plan.together}_seconds": round(together, 1),
    }


def _acks(plan: Plan) -> dict[str, float | int]:
    from tests.bench.acks import RATE, acks, gunicorn, p99

    ours: list[float] = []
    floor: list[float] = []
    with _running({}) as world, tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        secret = world.variables["GITHUB_WEBHOOK_SECRET"]
        variables = {"GITHUB_WEBHOOK_SECRET": secret, "FLOOR_DATABASE": f"{folder}/floor.db"}
        say(f"acknowledgements at {RATE} a second, beside the floor, while the worker does what they are about")
        port = _free_port()
        with gunicorn("tests.bench.floor_web:create_app()", port, variables, Path(folder, "floor.log")):
            for _ in range(plan.ack_rounds):
                floor += acks(port, secret, plan.ack_seconds)
                ours += acks(world.port, secret, plan.ack_seconds)
    return {
        "ack_p99_ratio": round(p99(ours) / p99(floor), 2),
        "ack_p99_ms": round(1000 * p99(ours), 1),
        "ack_floor_p99_ms": round(1000 * p99(floor), 1),
    }


def _idle(plan: Plan) -> dict[str, float | int]:
    from tests.bench.idle import measure_idle, populate

    with _world({"RECONCILE_SECONDS": "120"}) as (world, bot):
        say(f"{plan.idle_apps:,} apps in 2 environments, and nothing to do, for {plan.idle_seconds:.0f} s")
        populate(world, plan.idle_apps)
        bot.start()
        idle = measure_idle(world, plan.idle_seconds)
        bot.stop()
    return {"idle_cpu_percent": round(idle.cpu_percent, 1), "rss_mb": round(idle.rss_mb)}


@contextmanager
def _world(variables: dict[str, str]) -> Iterator[tuple["World", "Bot"]]:
    from bot.sandbox.registry import Registry
    from tests.scenarios.world import Bot, world

    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as name:
        folder = Path(name)
        with (
            Registry(folder / "registry") as registry,
            world(folder, f"sqlite:///{folder / 'slipway.db'}", registry_host=registry.host) as made,
        ):
            made.variables.update(variables)
            bot = Bot(made)
            try:
                yield made, bot
            finally:
                bot.stop()


@contextmanager
def _running(variables: dict[str, str]) -> Iterator["World"]:
    with _world(variables) as (world, bot):
        bot.start()
        yield world


def _free_port() -> int:
    from tests.scenarios.world import free_port

    return free_port()


def say(line: str) -> None:
    """Print a line about the run itself."""
    print(f"[bench] {line}", file=sys.stderr, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
