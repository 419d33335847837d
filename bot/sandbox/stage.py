"""The demo's stage: the stand-ins, the people, a config repo and a source repo with a first release already made.

Everything lives in ``var/demo`` of the checkout and on loopback; nothing is left running when the stage closes.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from bot import messages
from bot.adapters.docker.engine import DockerEngine
from bot.adapters.docker.logins import DockerLogins
from bot.adapters.registry.images import HttpRegistry
from bot.facts import BuildRequest
from bot.images import ImageReference
from bot.manifests import bump
from bot.releases import SHORT_SHA, Merge, Person, Release
from bot.sandbox.builder import SandboxImageBuilder
from bot.sandbox.cluster import Cluster, write_kubeconfig
from bot.sandbox.forge import Forge
from bot.sandbox.registry import Registry

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = ROOT / "config-repo-example"
EXAMPLE_REGISTRY = "registry.example.com"
CONFIG, SOURCE, APP = "example-web/config", "example-web/blog", "blog"
DEVELOPER, APPROVER, BOT = "maya", "sam", "slipway-bot"
ENVIRONMENTS = ("staging", "production")

SITE = {
    "Dockerfile": 'FROM scratch\nCOPY site /site\nLABEL org.opencontainers.image.title="blog"\nCMD ["/site/serve"]\n',
    "site/serve": "#!/bin/true\n",
    "site/index.html": "<h1>Our blog</h1>\n",
}


class StageError(Exception):
    """The stage could not be set up; the text says why and where the log is."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The running stand-ins and where the bot keeps its things."""

    folder: Path
    forge: Forge
    registry: Registry
    clusters: dict[str, Cluster]
    config_git: Path
    port: int

    @property
    def image(self) -> str:
        """The image repository of the app in the story."""
        return f"{self.registry.host}/{APP}"

    @property
    def dashboard(self) -> str:
        """The bot's own address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What the bot writes on standard error."""
        return self.folder / "bot.log"


@contextmanager
def stage() -> Iterator[Stage]:
    """Set the stage in a fresh ``var/demo``, and clear it away: processes always, files at the next demo."""
    folder = ROOT / "var" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (
        Forge(folder / "github") as forge,
        Registry(folder / "registry") as registry,
        Cluster("staging", namespaces=["staging"]) as staging,
        Cluster("production", namespaces=["production"]) as production,
    ):
        clusters = {"staging": staging, "production": production}
        write_kubeconfig(folder / "kubeconfig", clusters)
        for login, name in ((DEVELOPER, "Maya Lind"), (APPROVER, "Sam Okafor")):
            forge.create_user(login, name)
        token = forge.create_user(BOT, "Slipway", type="Bot")
        people = {DEVELOPER: "write", APPROVER: "write", BOT: "write"}
        config_git = forge.create_repo(CONFIG, collaborators=people)
        for repo in (SOURCE, "example-web/shop", "example-web/api", "example-web/learn"):
            forge.create_repo(repo, private=True, collaborators=people)
        scene = Stage(folder, forge, registry, clusters, config_git, _free_port())
        _first_release(scene)
        with _bot(scene, token):
            yield scene


def _first_release(scene: Stage) -> None:
    """The past: the blog's first version was merged, built, and promoted."""
    forge = scene.forge
    forge.commit(CONFIG, "master", _example(scene.registry.host), "Describe our sites", DEVELOPER)
    forge.commit(SOURCE, "master", {"README.md": "# Our blog\n"}, "Begin", DEVELOPER)
    sha = change(scene, "first-version", "Open the blog", SITE)
    merge = Merge(
        source=SOURCE,
        sha=sha,
        subject="Open the blog",
        merged_by=Person(DEVELOPER),
        merged_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        pull_request=1,
        title="Open the blog",
    )
    release = Release(APP, _build(scene, sha), merge)
    for environment in ENVIRONMENTS:
        _bump(scene, release, environment)


def change(scene: Stage, branch: str, title: str, files: dict[str, str]) -> str:
    """A developer's change: a branch, a pull request, Merge; returns the merged commit."""
    forge = scene.forge
    forge.commit(SOURCE, branch, files, title, DEVELOPER)
    number = forge.open_pull_request(SOURCE, branch, "master", title, author=DEVELOPER)
    return forge.merge_pull_request(SOURCE, number, DEVELOPER, "squash")


def _example(registry: str) -> dict[str, str | None]:
    """The example config repo, its images pointing to the stand-in's registry."""
    files = (path for path in EXAMPLE.rglob("*") if path.is_file())
    return {
        str(path.relative_to(EXAMPLE)): path.read_text().replace(EXAMPLE_REGISTRY, registry) for path in sorted(files)
    }


def _build(scene: Stage, sha: str) -> str:
    context = scene.folder / "first-version"
    for name, text in SITE.items():
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(text)
    image = f"{scene.image}:{sha[:SHORT_SHA]}"
    labels = {"org.opencontainers.image.revision": sha}
    builder = SandboxImageBuilder(scene.folder / "images")
    quiet: list[str] = []
    builder.build(BuildRequest(context, "Dockerfile", ".", image, labels), quiet.append)
    builder.push(image, quiet.append)
    remote = HttpRegistry(DockerLogins()).find(scene.image, sha[:SHORT_SHA])
    if remote is None:
        raise StageError("The stand-in registry lost the first image.")
    return f"{image}@{remote.digest}"


def _bump(scene: Stage, release: Release, environment: str) -> None:
    path = f"{environment}/{APP}.yaml"
    text = _example(scene.registry.host)[path] or ""
    bumped = bump(text, path, ImageReference.parse(release.image)).text
    message = messages.commit_message(release, environment, previous_image=None)
    scene.forge.commit(CONFIG, "master", {path: bumped}, message, DEVELOPER)


@contextmanager
def _bot(scene: Stage, token: str) -> Iterator[None]:
    """Web and worker as the Procfile runs them, with the design's variables."""
    secret = secrets.token_hex(16)
    environment = {
        **os.environ,
        "CONFIG_REPO": CONFIG,
        "GITHUB_URL": scene.forge.url,
        "GITHUB_API_URL": scene.forge.api_url,
        "GITHUB_TOKEN": token,
        "GITHUB_WEBHOOK_SECRET": secret,
        "DATABASE_URL": f"sqlite:///{scene.folder / 'slipway.db'}",
        "KUBECONFIG": str(scene.folder / "kubeconfig"),
        "RECONCILE_SECONDS": "30",
        "SLIPWAY_STATE": str(scene.folder / "state"),
        "SLIPWAY_BUILDER": "docker" if DockerEngine().answers() else "sandbox",
        "SLIPWAY_URL": scene.dashboard,
        "PORT": str(scene.port),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    environment.pop("WORKER_ID", None)
    with scene.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", "up"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            _await_ready(scene, process)
            for repo in (CONFIG, SOURCE):
                scene.forge.add_webhook(repo, f"{scene.dashboard}/webhooks/github", secret)
            yield
        finally:
            _end(process)


def _await_ready(scene: Stage, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if requests.get(f"{scene.dashboard}/readyz", timeout=2).ok:
                return
        except requests.RequestException:
            pass
        time.sleep(0.05)
    raise StageError(f"The bot did not start; its log is {scene.log}:\n{scene.log.read_text()[-2000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    """The whole process group: the bot's web and worker are in it."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: gunicorn waits for nobody's kept-alive connection
        try:
            process.wait(25)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
