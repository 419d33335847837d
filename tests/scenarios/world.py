"""A whole world for the bot: GitHub, registry, clusters, and the bot's own processes as the Procfile runs them.

One world serves many tests: each test adds an app of its own to the catalog, so that they do not see each other.
Everything a test asserts is read where an outsider would read it.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from wsgiref.types import WSGIApplication

import requests
import yaml

from bot.adapters.registry.images import HttpRegistry
from bot.audit import OutcomeNote, outcome_of
from bot.sandbox.cluster import Answerer, Cluster, write_kubeconfig
from bot.sandbox.forge import Forge

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent.parent
CONFIG = "acme/config"
DEVELOPER, APPROVER, OUTSIDER, BOT = "dora", "abel", "otto", "slipway-bot"
PATIENCE = 60.0
"""Seconds until a test gives up waiting; the machines are slow and shared."""

DOCKERFILE = 'FROM scratch\nCOPY site /site\nCMD ["/site/serve"]\n'

DEPLOYMENT = """\
apiVersion: v1
kind: Service
metadata:
  name: {app}
spec:
  selector: {{app: {app}}}
  ports: [{{port: 80}}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {app}
spec:
  replicas: 2
  progressDeadlineSeconds: 3
  selector:
    matchLabels: {{app: {app}}}
  template:
    metadata:
      labels: {{app: {app}}}
    spec:
      containers:
        - name: web
          image: {image}:${{TAG_TO_DEPLOY}}  # set by Slipway
"""


def until(what: str, look: Callable[[], T | bool | None], patience: float = PATIENCE, *, pause: float = 0.05) -> T:
    """Wait until ``look`` answers with something true, and return that; ``pause`` is in seconds."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s in vain for: {what}")
        time.sleep(pause)
    return found  # type: ignore[return-value]


@dataclass(slots=True)
class World:
    """The running servers, and the variables the bot is started with."""

    folder: Path
    forge: Forge
    registry_host: str
    clusters: Mapping[str, Cluster]
    git_dir: Path
    variables: dict[str, str]
    port: int
    registry_requests: Callable[[], list[str]] = list
    apps: list[dict[str, Any]] = field(default_factory=list)
    staging: dict[str, Any] = field(default_factory=dict)
    qa: dict[str, Any] = field(default_factory=dict)
    gate: dict[str, Any] = field(
        default_factory=lambda: {"gate": "pull-request", "approvals": 1, "approvers": [f"@{APPROVER}"]}
    )
    hooks: dict[str, int] = field(default_factory=dict)
    deadline_seconds: int = 3
    """How long a rollout may show no progress. Where the bot is killed meanwhile, long."""

    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Environment -> further keys of it in the catalog."""

    # ------------------------------------------------------------ setting the scene

    def add_app(self, app: str, *, source: str | None = None, private: bool = False, **keys: Any) -> "AppWorld":
        """Add an app to the catalog, with manifests and a source repo that has one commit and no Dockerfile's image."""
        source = source or f"acme/{app}"
        image = keys.pop("image", f"{self.registry_host}/{app}")
        people = {DEVELOPER: "write", APPROVER: "write", BOT: "write"}
        if not any(known["source"] == source for known in self.apps):
            self.forge.create_repo(source, private=private, collaborators=people)
            self.add_webhook(source)
        self.apps.append({"name": app, "source": source, "branch": "master", "image": image, **keys})
        patient = f"DeadlineSeconds: {self.deadline_seconds}"
        manifest = DEPLOYMENT.format(app=app, image=image).replace("DeadlineSeconds: 3", patient)
        files: dict[str, str | None] = {f"{name}/{app}.yaml": manifest for name in self.namespaces}
        self.forge.commit(CONFIG, "master", files | {"slipway.yaml": self.catalog()}, f"Add {app}", DEVELOPER)
        return AppWorld(self, app, source, image)

    def add_webhook(self, repo: str) -> None:
        """Have GitHub tell the bot of what happens in a repository."""
        self.hooks[repo] = self.forge.add_webhook(repo, self.webhook_url, self.variables["GITHUB_WEBHOOK_SECRET"])

    def change_app(self, app: str, **keys: Any) -> None:
        """Change an app's keys in the catalog."""
        next(known for known in self.apps if known["name"] == app).update(keys)
        self.forge.commit(CONFIG, "master", {"slipway.yaml": self.catalog()}, f"Correct {app}", DEVELOPER)

    def patch(self, cluster: Cluster, path: str, patch: dict[str, Any]) -> None:
        """Change something in a cluster behind the bot's back, as ``kubectl patch`` does."""
        headers = {
            "Authorization": f"Bearer {cluster.token}",
            "Content-Type": "application/strategic-merge-patch+json",
        }
        requests.patch(cluster.url + path, json=patch, headers=headers, timeout=10).raise_for_status()

    def catalog(self) -> str:
        """``slipway.yaml`` with the apps so far."""
        environments = [
            {"name": "staging", "cluster": "staging", "namespace": "staging", "gate": "commit", **self.staging},
            *({"name": "qa", "cluster": "staging", "namespace": "qa", **qa} for qa in [self.qa] if qa),
            {"name": "production", "cluster": "production", "namespace": "production", **self.gate},
        ]
        environments = [environment | self.keys.get(environment["name"], {}) for environment in environments]
        return yaml.safe_dump({"environments": environments, "apps": self.apps}, sort_keys=False)

    @property
    def webhook_url(self) -> str:
        """Where the bot takes webhooks."""
        return f"http://127.0.0.1:{self.port}/webhooks/github"

    def change_catalog(self, message: str = "Change the catalog") -> None:
        """Commit the catalog after a change of ``staging``, ``qa`` or ``gate``."""
        self.forge.commit(CONFIG, "master", {"slipway.yaml": self.catalog()}, message, DEVELOPER)

    # ------------------------------------------------------------ looking

    @property
    def namespaces(self) -> Mapping[str, Cluster]:
        """The environments, each in the namespace of its name, and their clusters."""
        return {**self.clusters, **({"qa": self.clusters["staging"]} if self.qa else {})}

    def git(self, *arguments: str) -> str:
        """Ask the config repo itself."""
        command = ["git", "--git-dir", str(self.git_dir), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def api(self, path: str) -> Any:
        """Ask GitHub's REST API as somebody who may read everything."""
        headers = {"Authorization": f"Bearer {self.variables['GITHUB_TOKEN']}"}
        return requests.get(f"{self.forge.api_url}{path}", headers=headers, timeout=PATIENCE).json()

    def digest(self, image: str, tag: str) -> str | None:
        """What a tag points to."""
        found = HttpRegistry().find(image, tag)
        return found.digest if found else None


@dataclass(frozen=True, slots=True)
class AppWorld:
    """One app of the world, and what a test wants to do with it and know of it."""

    world: World
    name: str
    source: str
    image: str

    def merge(self, title: str, files: Mapping[str, str | None] | None = None) -> str:
        """Dora opens a pull request and merges it; returns the commit on master."""
        return self.merge_change(self.open_change(title, files))

    def open_change(self, title: str, files: Mapping[str, str | None] | None = None) -> int:
        """Dora opens a pull request; its number."""
        forge, branch = self.world.forge, f"change-{secrets.token_hex(4)}"
        if forge.head(self.source, "master") is None:
            forge.commit(self.source, "master", {"README.md": "# Site\n"}, "Begin", DEVELOPER)
        content = files or {"Dockerfile": DOCKERFILE, "site/serve": "#!/bin/true\n", "site/index.html": title}
        forge.commit(self.source, branch, dict(content), title, DEVELOPER)
        return forge.open_pull_request(self.source, branch, "master", title, author=DEVELOPER)

    def merge_change(self, number: int) -> str:
        """Dora merges it; the commit on master."""
        return self.world.forge.merge_pull_request(self.source, number, DEVELOPER, "squash")

    def bumps(self, environment: str, sha: str | None = None) -> list[str]:
        """The commits on the config branch that brought a release (any, without ``sha``) into an environment."""
        wanted = f"^Slipway-Id: {self.name}@{sha or '[0-9a-f]*'}/{environment}$"
        return self.world.git("log", "--format=%H", f"--grep={wanted}", "master").split()

    def await_bump(self, environment: str, sha: str) -> str:
        """The bump of a release, once it is there."""
        return until(f"{self.name} {sha[:7]} bumped on {environment}", lambda: self.bumps(environment, sha))[0]

    def outcome(self, commit: str, environment: str) -> OutcomeNote | None:
        """What the note on a config commit says."""
        lines = self.world.git("log", "-1", "--notes=slipway", "--format=%N", commit).splitlines()
        return outcome_of(lines, self.name, environment)

    def await_outcome(self, commit: str, environment: str) -> OutcomeNote:
        """The outcome of a sync, once it is written."""
        return until(f"the outcome of {self.name} on {environment}", lambda: self.outcome(commit, environment))

    def await_live(self, environment: str, sha: str) -> OutcomeNote:
        """Wait until a release is bumped and its outcome known."""
        return self.await_outcome(self.await_bump(environment, sha), environment)

    def promotions(self, state: str = "open") -> list[dict[str, Any]]:
        """The app's pull requests into production."""
        pulls = self.world.api(f"/repos/{CONFIG}/pulls?state={state}&per_page=100")
        return [pull for pull in pulls if pull["head"]["ref"] == f"slipway/production/{self.name}"]

    def await_promotion(self, sha: str) -> dict[str, Any]:
        """The open pull request for a release."""
        wanted = f"{self.name}@{sha}/production"
        return until(
            f"a promotion of {self.name} {sha[:7]}",
            lambda: next((pull for pull in self.promotions() if wanted in pull["body"]), None),
        )

    def approve(self, number: int, login: str = APPROVER) -> None:
        """Approve a promotion as somebody."""
        self.world.forge.review(CONFIG, number, login, "APPROVE")

    def running(self, environment: str) -> str | None:
        """The image that the cluster's deployment names."""
        deployment = self.world.namespaces[environment].get("Deployment", environment, self.name)
        return deployment["spec"]["template"]["spec"]["containers"][0]["image"] if deployment else None

    def comments(self, pull_request: int = 1) -> list[str]:
        """The comments on a source pull request."""
        return [
            str(comment["body"]) for comment in self.world.api(f"/repos/{self.source}/issues/{pull_request}/comments")
        ]

    def statuses(self, sha: str) -> dict[str, str]:
        """The newest state of each commit status."""
        combined = self.world.api(f"/repos/{self.source}/commits/{sha}/status")
        return {status["context"]: status["state"] for status in combined["statuses"]}


# ---------------------------------------------------------------- processes


class Bot:
    """The bot's processes: ``web`` and ``worker``, started and stopped as often as a test likes."""

    def __init__(self, world: World, name: str = "bot", variables: Mapping[str, str] | None = None) -> None:
        self._world = world
        self._variables = dict(variables or {})
        self._log = world.folder / f"{name}.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *commands: list[str]) -> None:
        """Start both, or the given ones; wait until deliveries can be stored."""
        for command in commands or (web(), worker()):
            with self._log.open("ab") as log:
                self._processes.append(
                    subprocess.Popen(
                        command, cwd=ROOT, env=self.environment(), stdout=log, stderr=log, start_new_session=True
                    )
                )
        if not commands or web() in commands:
            until(f"the web process; see {self._log}", self._ready)

    def run(self, *arguments: str) -> str:
        """Run one of the bot's commands to its end; what it prints."""
        command = [sys.executable, "-m", "bot", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(), stdout=subprocess.PIPE, text=True, check=True
        ).stdout

    def environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}}
        return {**inherited, **self._world.variables, **self._variables}

    def _ready(self) -> bool:
        dead = [process for process in self._processes if process.poll() is not None]
        assert not dead, f"the bot ended:\n{self.log()[-3000:]}"
        try:
            return requests.get(f"http://127.0.0.1:{self._world.port}/readyz", timeout=10).ok
        except requests.RequestException:
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Stop all of them."""
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, number)
        for process in self._processes:
            process.wait(30)
        self._processes.clear()

    @property
    def alive(self) -> bool:
        """Whether all that were started still run."""
        return bool(self._processes) and all(process.poll() is None for process in self._processes)

    def log(self) -> str:
        """What they wrote."""
        return self._log.read_text() if self._log.exists() else ""


def web() -> list[str]:
    """The Procfile's web."""
    config = ["--config", "python:webhooks.gunicorn_conf"]
    return [sys.executable, "-m", "gunicorn", *config, "webhooks.app:create_app()"]


def worker() -> list[str]:
    """The Procfile's worker."""
    return [sys.executable, "-m", "bot", "worker"]


@dataclass(frozen=True, slots=True)
class Middleware:
    """Who looks on, or meddles, in front of the stand-ins."""

    github: Callable[[WSGIApplication], WSGIApplication] | None = None
    cluster: Callable[[Answerer], Answerer] | None = None


@contextmanager
def world(
    folder: Path,
    database_url: str,
    *,
    registry_host: str,
    docker_host: str | None = None,
    middleware: Middleware = Middleware(),
    rate_limit: int = 5000,
) -> Iterator[World]:
    """The servers, without the bot.

    Args:
        folder: an empty folder.
        database_url: the bot's.
        registry_host: a registry that runs.
        docker_host: the engine that builds; None takes the stand-in's builder.
        middleware: what stands in front of the stand-ins.
        rate_limit: requests that GitHub answers in an hour, to the bot and to a test that looks together.
    """
    with (
        Forge(folder / "github", middleware=middleware.github, rate_limit=rate_limit) as forge,
        Cluster("staging", namespaces=["staging", "qa"], middleware=middleware.cluster) as staging,
        Cluster("production", namespaces=["production"], middleware=middleware.cluster) as production,
    ):
        clusters = {"staging": staging, "production": production}
        write_kubeconfig(folder / "kubeconfig", clusters)
        for login in (DEVELOPER, APPROVER, OUTSIDER):
            forge.create_user(login)
        token = forge.create_user(BOT, type="Bot")
        people = {DEVELOPER: "write", APPROVER: "write", BOT: "write", OUTSIDER: "read"}
        git_dir = forge.create_repo(CONFIG, collaborators=people)
        port = free_port()
        variables = {
            "CONFIG_REPO": CONFIG,
            "GITHUB_URL": forge.url,
            "GITHUB_API_URL": forge.api_url,
            "GITHUB_TOKEN": token,
            "GITHUB_WEBHOOK_SECRET": secrets.token_hex(16),
            "DATABASE_URL": database_url,
            "KUBECONFIG": str(folder / "kubeconfig"),
            "RECONCILE_SECONDS": "3",
            "SLIPWAY_STATE": str(folder / "state"),
            "PORT": str(port),
            **({"DOCKER_HOST": docker_host} if docker_host else {"SLIPWAY_BUILDER": "sandbox"}),
        }
        made = World(folder, forge, registry_host, clusters, git_dir, variables, port)
        forge.commit(CONFIG, "master", {"README.md": "# Config\n"}, "Begin", DEVELOPER)
        made.add_webhook(CONFIG)
        yield made


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
