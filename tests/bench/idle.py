"""What the bot takes when nothing happens: 1,000 apps in 2 environments, one web process, one worker.

Every app's head counts as released and no place has an image yet, so that there is nothing to do; what a reconcile
looks at (the heads of 1,000 source repositories, the catalog, 2,000 manifests) is all there.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bot.adapters.dbos.database import sqlite_path
from bot.releases import bump_id, release_id
from bot.steps.parts import FEW_APPS
from tests.bench.git import git
from tests.bench.repository import commit_stream
from tests.scenarios.world import DEPLOYMENT, DEVELOPER, World, until

MEBIBYTE = 2**20
BRANCH = "refs/heads/master"


@dataclass(frozen=True, slots=True)
class Idle:
    """Per cent of one core over the time looked at, and resident memory in MiB: web and worker together."""

    cpu_percent: float
    rss_mb: float


def populate(world: World, apps: int) -> None:
    """Put so many apps into the catalog, each with a source repository and a head that was released long ago."""
    names = [f"site-{number:04}" for number in range(apps)]
    entries: list[dict[str, str]] = []
    files: dict[str, bytes] = {}
    released = b""
    for name in names:
        source = f"acme/{name}"
        world.forge.create_repo(source, collaborators={DEVELOPER: "write"})
        sha = world.forge.commit(source, "master", {"README.md": name}, "Begin", DEVELOPER)
        image = f"{world.registry_host}/{name}"
        entries.append({"name": name, "source": source, "branch": "master", "image": image})
        manifest = DEPLOYMENT.format(app=name, image=image).encode()
        files |= {f"{environment}/{name}.yaml": manifest for environment in world.clusters}
        trailer = f"Slipway-Id: {bump_id(release_id(name, sha), 'staging')}"
        released += commit_stream(f"{name}: taken back\n\n{trailer}\n", {"README.md": name.encode()}, ref=BRANCH)
    world.apps[:] = entries
    files["slipway.yaml"] = world.catalog().encode()
    stream = commit_stream("Add the apps\n", files, on=f"{BRANCH}^0", ref=BRANCH) + released
    git(world.git_dir, "fast-import", "--quiet", stdin=stream)


def measure_idle(world: World, seconds: float) -> Idle:
    """Wait until the bot has seen every app once and rests, then look at its processes for so long."""
    processes = [int(pid) for pid in _pids(world)]
    if len(world.apps) > FEW_APPS:
        until("the first round to end", lambda: _has_ended(world, "round"), patience=600)
    until("the bot to rest", lambda: _rests(processes), patience=300)
    before, began = cpu_of(processes), time.monotonic()
    time.sleep(seconds)
    used = cpu_of(processes) - before
    return Idle(100 * used / (time.monotonic() - began), sum(map(memory_of, filter(_is_there, processes))) / MEBIBYTE)


def _pids(world: World) -> Iterator[str]:
    """Every process of this world's bot: its environment names the world's state folder."""
    mark = f"SLIPWAY_STATE={world.variables['SLIPWAY_STATE']}\0".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and mark in _environment(folder):
            yield folder.name


def processes_of(world: World, kind: str) -> list[int]:
    """Those of one kind: ``web`` or ``worker``."""
    word = {"web": b"webhooks.app", "worker": b"worker"}[kind]
    return [int(pid) for pid in _pids(world) if word in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


def _has_ended(world: World, workflow: str) -> bool:
    path = sqlite_path(world.variables["DATABASE_URL"])
    question = "SELECT count(*) FROM workflow_status WHERE name = ? AND status = 'SUCCESS'"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return bool(database.execute(question, [workflow]).fetchone()[0])


def _rests(processes: list[int]) -> bool:
    """The start is over: in two seconds they used less than a tenth of a core."""
    before = cpu_of(processes)
    time.sleep(2)
    return cpu_of(processes) - before < 0.2


def cpu_of(processes: list[int]) -> float:
    """Seconds of processor time, those of children that ended included (git)."""
    ticks = 0
    for pid in filter(_is_there, processes):
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _is_there(pid: int) -> bool:
    """A git that ran at the start may be gone; who started it counts what it used."""
    return Path(f"/proc/{pid}/stat").exists()


def memory_of(pid: int) -> int:
    """Bytes of memory that the process shares with nobody, or its part of what is shared (``Pss``)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
