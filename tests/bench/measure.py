"""Runs the contenders against each other and keeps what it took them. They take turns, for a machine has moods."""

import contextlib
import gc
import itertools
import shutil
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.account import Account, settle
from tests.bench.contenders import Competitor, Floor, Script, slipway
from tests.bench.repository import Bump, bumps, create
from tests.bench.server import Server, serve_apart

LARGE = 5_000
"""Manifests from which on a push takes so long that the competitor is given more time between two."""

ENOUGH = 10.0
"""Seconds after which a case is not repeated any more."""


@dataclass(frozen=True)
class Plan:
    """How much is measured. ``lone`` and ``waves``: repetitions with one caller, and with more."""

    sizes: tuple[int, ...] = (54, 1_000, 10_000)
    callers: tuple[int, ...] = (1, 8, 32)
    lone: int = 21
    waves: int = 5
    scripts: int = 3
    memory_manifests: int = 1_000
    memory_bumps: int = 1_000


QUICK = Plan(sizes=(54, 1_000), memory_bumps=200)


@dataclass(frozen=True)
class Case:
    """What is measured: whose waves of how many bumps, among how many manifests, alone or not."""

    manifests: int
    contender: str
    callers: int
    competitor: bool = False


@dataclass
class Took:
    """The seconds that each wave took, and the HTTP requests of all of them (a competitor's included)."""

    seconds: list[float] = field(default_factory=list)
    requests: int = 0

    @property
    def p50(self) -> float:
        return statistics.median(self.seconds)


@dataclass
class Results:
    """Everything that was measured. ``rss_growth`` is in bytes; None where the system does not tell."""

    took: dict[Case, Took] = field(default_factory=dict)
    account: Account = field(default_factory=lambda: Account(0, 0))
    rss_growth: int | None = None

    def rate(self, case: Case) -> float:
        """Bumps per second."""
        return case.callers / self.took[case].p50


@dataclass
class Lane:
    """A contender on a config repo of its own, and the bumps that it is still to make."""

    name: str
    run: Callable[[list[Bump]], None]
    supply: Iterator[Bump]

    def measure(self, server: Server, results: Results, case: Case) -> None:
        took = results.took.setdefault(case, Took())
        if sum(took.seconds) > ENOUGH:
            return
        wave = list(itertools.islice(self.supply, case.callers))
        before = server.requests()
        began = time.perf_counter()
        self.run(wave)
        took.seconds.append(time.perf_counter() - began)
        took.requests += server.requests() - before


def measure(plan: Plan, folder: Path, tell: Callable[[str], None]) -> Results:
    """Run the whole plan in an empty folder."""
    results = Results()
    with serve_apart(folder / "server") as server:
        tell(f"memory: {plan.memory_bumps:,} bumps, {plan.memory_manifests:,} manifests")
        _measure_memory(plan, server, folder, results)
        for size in plan.sizes:
            tell(f"{size:,} manifests")
            create(server.bare(f"{size}/template"), size)
            _measure_size(plan, size, server, folder / str(size), results)
            shutil.rmtree(folder / str(size))
            shutil.rmtree(server.folder / str(size))
    return results


def _measure_size(plan: Plan, size: int, server: Server, folder: Path, results: Results) -> None:
    folder.mkdir()
    urls = {name: _copy(server, size, name) for name in ("slipway", "floor", "script")}
    with slipway(folder / "slipway", urls["slipway"], max(plan.callers)) as ours:
        competitor = Competitor(Floor(folder / "competitor", urls["slipway"]), 1.0 if size >= LARGE else 0.2)
        lane = Lane("slipway", ours.run, bumps(size))
        floor = Lane("floor", Floor(folder / "floor", urls["floor"]).run, bumps(size))
        script = Lane("script", Script(folder / "script", urls["script"]).run, bumps(size))
        for warm_up in (lane, floor):
            warm_up.run(list(itertools.islice(warm_up.supply, 2)))
        for callers, one in _rounds(plan):
            for contender in (lane, floor) if one % 2 else (floor, lane):
                contender.measure(server, results, Case(size, contender.name, callers))
        for _ in range(plan.scripts):
            script.measure(server, results, Case(size, "script", 1))
        with competitor.at_work():
            for callers, _ in _rounds(plan):
                lane.measure(server, results, Case(size, "slipway", callers, competitor=True))
        results.account += settle(server.bare(f"{size}/slipway"), ours.made, competitor.pushed)


def _rounds(plan: Plan) -> Iterator[tuple[int, int]]:
    for callers in plan.callers:
        yield from ((callers, one) for one in range(plan.lone if callers == 1 else plan.waves))


def _copy(server: Server, size: int, name: str) -> str:
    shutil.copytree(server.bare(f"{size}/template"), server.bare(f"{size}/{name}"))
    return server.repo_url(f"{size}/{name}")


def _measure_memory(plan: Plan, server: Server, folder: Path, results: Results) -> None:
    """What Slipway's process keeps of many bumps, 32 at a time, once the first waves have warmed it up."""
    create(server.bare("memory/slipway"), plan.memory_manifests)
    supply, wave = bumps(plan.memory_manifests), max(plan.callers)
    with slipway(folder / "memory", server.repo_url("memory/slipway"), wave) as ours:
        for _ in range(3):
            ours.run(list(itertools.islice(supply, wave)))
        before, until = _resident(), len(ours.made) + plan.memory_bumps
        while len(ours.made) < until:
            ours.run(list(itertools.islice(supply, min(wave, until - len(ours.made)))))
        after = _resident()
        results.rss_growth = None if before is None or after is None else after - before
        results.account += settle(server.bare("memory/slipway"), ours.made)


def _resident() -> int | None:
    """Bytes of this process in memory; None without ``/proc``."""
    gc.collect()
    with contextlib.suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))
    return None
