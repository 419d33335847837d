"""The stage of a fault run: a world with secrets in every place for one, and the bot's processes under names."""

import base64
import json
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bot.adapters.dbos.queue import DbosQueue
from bot.errors import Transient
from bot.facts import JobRecord
from bot.sandbox.registry import Registry
from bot.wiring import QUEUES
from tests.faults.executioner import Executioner
from tests.faults.secrets_search import ArgvWatch
from tests.scenarios.world import PATIENCE, Bot, Middleware, World, web, worker, world

REGISTRY_USER = "robot"
RATE_LIMIT = 1_000_000
"""Hours of releases pass in minutes, and the suite looks all the time."""

ROLLOUT_SECONDS = 120
"""Longer than any machine needs: no release may fail that nobody broke."""


class Process:
    """One of the bot's processes, killed and started as often as asked. Safe to kill from a stand-in's thread."""

    def __init__(self, made: World, name: str, command: list[str], variables: Mapping[str, str]) -> None:
        self.name = name
        self._bot = Bot(made, name, variables)
        self._command = command
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start it, unless it runs."""
        with self._lock:
            if not self._bot.alive:
                self._bot.stop(signal.SIGKILL)
                self._bot.start(self._command)

    def kill(self) -> None:
        """SIGKILL to all of its process group."""
        with self._lock:
            self._bot.stop(signal.SIGKILL)

    def terminate(self) -> float:
        """SIGTERM; the seconds until it had ended."""
        began = time.monotonic()
        with self._lock:
            self._bot.stop(signal.SIGTERM)
        return time.monotonic() - began

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._bot.alive

    def log(self) -> str:
        """What it wrote."""
        return self._bot.log()


@dataclass(slots=True)
class Stage:
    """A world, ready for faults.

    Attributes:
        canaries: what each secret is, by what it is for.
        argv: the command lines that were seen with a secret in them.
    """

    folder: Path
    world: World
    registry: Registry
    database_url: str
    executioner: Executioner
    canaries: Mapping[str, str]
    argv: ArgvWatch
    processes: dict[str, Process] = field(default_factory=dict)

    def process(self, name: str, **variables: str) -> Process:
        """The process of that name: ``web``, or a worker whose id it is. Made at the first call, not started."""
        if name not in self.processes:
            command, own = (web(), {}) if name == "web" else (worker(), {"WORKER_ID": name})
            self.processes[name] = Process(self.world, name, command, own | variables)
        return self.processes[name]

    def queue(self) -> DbosQueue:
        """The durable queue. Close it."""
        return DbosQueue(self.database_url, QUEUES)

    def jobs(self, prefix: str = "") -> tuple[JobRecord, ...]:
        """Every job whose id begins so. A machine that is too busy to answer is asked again."""
        deadline = time.monotonic() + PATIENCE
        with closing(self.queue()) as queue:
            while True:
                try:
                    return queue.jobs(prefix, limit=100_000)
                except Transient:
                    if time.monotonic() > deadline:
                        raise


@contextmanager
def stage(folder: Path, database_url: str, *, reconcile_seconds: float = 5) -> Iterator[Stage]:
    """Set the stage in an empty folder; every process is gone afterwards."""
    executioner = Executioner()
    login = (REGISTRY_USER, secrets.token_hex(16))
    middleware = Middleware(executioner.in_front_of("github"), executioner.in_front_of_cluster)
    with (
        Registry(folder / "registry", login=login, middleware=executioner.in_front_of("registry")) as registry,
        world(folder, database_url, registry_host=registry.host, middleware=middleware, rate_limit=RATE_LIMIT) as made,
        ArgvWatch() as argv,
    ):
        made.variables["DOCKER_CONFIG"] = os.environ["DOCKER_CONFIG"] = _docker_config(folder, registry.host, login)
        made.deadline_seconds = ROLLOUT_SECONDS
        made.variables["RECONCILE_SECONDS"] = str(reconcile_seconds)
        argv.canaries = _canaries(made, database_url, login)
        Bot(made, "migrate").run("migrate")
        scene = Stage(folder, made, registry, database_url, executioner, argv.canaries, argv)
        try:
            yield scene
        finally:
            executioner.choose = None
            for process in scene.processes.values():
                process.kill()


def _docker_config(folder: Path, host: str, login: tuple[str, str]) -> str:
    """What ``docker login`` leaves behind; the folder."""
    (folder / "docker").mkdir()
    entry = {"auth": base64.b64encode(":".join(login).encode()).decode()}
    (folder / "docker" / "config.json").write_text(json.dumps({"auths": {host: entry}}))
    return str(folder / "docker")


def _canaries(made: World, database_url: str, login: tuple[str, str]) -> dict[str, str]:
    """Every credential of the world is random and long: wherever one shows, it leaked."""
    token = made.variables["GITHUB_TOKEN"]
    found = {
        "the GitHub token": token,
        "the GitHub token as git sends it": base64.b64encode(f"x-access-token:{token}".encode()).decode(),
        "the webhook secret": made.variables["GITHUB_WEBHOOK_SECRET"],
        "the registry password": login[1],
        "the registry login as it is sent": base64.b64encode(":".join(login).encode()).decode(),
        **{f"the token of {name}": cluster.token for name, cluster in made.clusters.items()},
    }
    if password := urlsplit(database_url).password:
        found["the database password"] = unquote(password)
    return found
