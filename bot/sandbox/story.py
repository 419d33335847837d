"""The demo: one change's way from a merge to production, told while it happens.

Everything told is looked up where an outsider would look: Git, the registry, the clusters, GitHub. Nothing is asked of
the bot itself, so the story cannot be rosier than the truth.
"""

import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import requests
from rich.console import Console

from bot.adapters.docker.logins import DockerLogins
from bot.adapters.registry.images import HttpRegistry
from bot.errors import SlipwayError
from bot.releases import SHORT_SHA, bump_id, release_id
from bot.sandbox.stage import APP, APPROVER, CONFIG, DEVELOPER, Stage, StageError, change, stage

T = TypeVar("T")

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.05


class StoryError(Exception):
    """Something did not come; the text says what, and where to look."""


@dataclass(slots=True)
class Teller:
    """Prints one line for each thing that came true, with the time it took, and waits for the next."""

    console: Console
    scene: Stage
    began: float = field(default_factory=time.monotonic)

    def await_(self, waiting: str, look: Callable[[], T | None], told: Callable[[T], str], *, patience: float) -> T:
        """Wait until ``look`` finds something, then tell it."""
        deadline = time.monotonic() + patience
        with self.console.status(waiting):
            while (found := look()) is None:
                if time.monotonic() > deadline:
                    raise StoryError(f"{waiting} took longer than {patience:.0f} s. The bot's log: {self.scene.log}")
                time.sleep(POLL_SECONDS)
        self.tell(told(found))
        return found

    def tell(self, line: str) -> None:
        """One line, with the seconds since the story began."""
        seconds = time.monotonic() - self.began
        self.console.print(f"[green]✓[/] [dim]{seconds:5.1f} s[/]  {line}", highlight=False, soft_wrap=True)


def tell(*, yes: bool, keep: bool = False) -> int:
    """Run the demo; returns the exit code: 0 only if production runs the approved digest and ``latest`` is it."""
    console = Console()
    console.print("[bold]Slipway[/]: from a merge to production, on stand-ins on this machine.\n")
    try:
        with console.status("Setting the stage: GitHub, a registry, two clusters, and the bot"):
            setting = stage()
            scene = setting.__enter__()
        try:
            return _story(Teller(console, scene), yes=yes, keep=keep)
        finally:
            setting.__exit__(None, None, None)
    except (StageError, StoryError, SlipwayError) as error:
        console.print(f"[red]✗[/] {error}", highlight=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("Stopped.")
        return 130


def _story(teller: Teller, *, yes: bool, keep: bool) -> int:
    scene, console = teller.scene, teller.console
    console.print(f"  GitHub      {scene.forge.url}/{CONFIG}")
    console.print(f"  dashboard   {scene.dashboard}")
    console.print(f"  bot's log   {scene.log}\n")
    for environment in scene.clusters:
        _await_live(teller, environment, None, f"The first version is live on {environment}")
    sha = change(scene, "search", "Add a search box", {"site/index.html": "<h1>Our blog</h1><input type=search>\n"})
    teller.tell(f"[bold]merge[/]         @{DEVELOPER} merged “Add a search box”, {sha[:SHORT_SHA]} on master")
    digest = _built(teller, sha)
    _committed(teller, sha, "staging")
    _await_live(teller, "staging", digest, "[bold]pods[/]          ready on staging")
    number, url = _proposed(teller, sha)
    _approve(teller, number, url, yes=yes)
    _committed(teller, sha, "production")
    _await_live(teller, "production", digest, "[bold]pods[/]          ready on production")
    teller.await_(
        "Waiting for latest",
        lambda: True if _digest(scene, "latest") == digest else None,
        lambda _: f"[bold]latest[/]        is {digest[:19]}…",
        patience=PATIENCE_SECONDS,
    )
    _await_note(teller, sha)
    _show_log(teller)
    if keep:
        console.print("\nEverything keeps running until Ctrl-C.")
        while True:
            time.sleep(1)
    return _verdict(teller, digest)


def _built(teller: Teller, sha: str) -> str:
    return teller.await_(
        "Building and pushing the image",
        lambda: _digest(teller.scene, sha[:SHORT_SHA]),
        lambda digest: f"[bold]build, push[/]   {teller.scene.image}:{sha[:SHORT_SHA]} is {digest[:19]}…",
        patience=PATIENCE_SECONDS,
    )


def _committed(teller: Teller, sha: str, environment: str) -> str:
    """The bump on the config branch; it must change exactly one line."""
    wanted = bump_id(release_id(APP, sha), environment)
    found = teller.await_(
        f"Writing it into the config repo for {environment}",
        lambda: _git(teller.scene, "log", "-1", "--format=%H", f"--grep=^Slipway-Id: {wanted}$", "master") or None,
        lambda commit: f"[bold]commit[/]        {_git(teller.scene, 'log', '-1', '--format=%h %s (%an)', commit)}",
        patience=PATIENCE_SECONDS,
    )
    changed = _git(teller.scene, "show", "--numstat", "--format=", found).split()
    if changed[:2] != ["1", "1"]:
        raise StoryError(f"The bump {found} changed more than one line: {' '.join(changed)}")
    return found


def _await_live(teller: Teller, environment: str, digest: str | None, told: str) -> None:
    """The deployment runs the digest (any, where None is given) and its pods are ready."""

    def look() -> str | None:
        deployment = teller.scene.clusters[environment].get("Deployment", environment, APP)
        return _ready_image(deployment, digest) if deployment else None

    teller.await_(
        f"Waiting for the pods on {environment}",
        look,
        lambda image: f"{told}: {image[:60]}…",
        patience=PATIENCE_SECONDS,
    )


def _ready_image(deployment: Any, digest: str | None) -> str | None:
    image = str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
    right = digest is None or image.endswith(digest)
    return image if right and current and counts == [wanted] * 3 else None


def _proposed(teller: Teller, sha: str) -> tuple[int, str]:
    wanted = bump_id(release_id(APP, sha), "production")

    def look() -> tuple[int, str] | None:
        pulls = requests.get(f"{teller.scene.forge.api_url}/repos/{CONFIG}/pulls", timeout=5).json()
        return next(((pull["number"], pull["html_url"]) for pull in pulls if wanted in (pull["body"] or "")), None)

    return teller.await_(
        "Waiting for the pull request for production",
        look,
        lambda found: f"[bold]pull request[/]  #{found[0]} asks for production: {found[1]}",
        patience=PATIENCE_SECONDS,
    )


def _approve(teller: Teller, number: int, url: str, *, yes: bool) -> None:
    """A person approves: in the browser, or here; with --yes the story does it for them."""
    forge = teller.scene.forge
    if not yes:
        teller.console.print(f"\n  Open {url}?as={APPROVER} and press [bold]Approve[/],")
        teller.console.print("  or press Enter here to approve in the terminal.", end=" ")
        pressed = _await_person(lambda: _merged(teller.scene, number))
        teller.console.print()
        if not pressed:
            teller.tell("[bold]approve[/]       in the browser")
            return
    forge.review(CONFIG, number, APPROVER, "APPROVE", "Looks good.")
    teller.tell(f"[bold]approve[/]       @{APPROVER} approved #{number}")


def _await_person(done: Callable[[], bool]) -> bool:
    """True when Enter was pressed here, False when it was done in the browser."""
    while not done():
        ready, _, _ = select.select([sys.stdin], [], [], 0.3)
        if ready:
            if not sys.stdin.readline():
                raise StoryError("Nobody is here to approve: run the demo in a terminal, or with --yes.")
            return True
    return False


def _merged(scene: Stage, number: int) -> bool:
    pull = requests.get(f"{scene.forge.api_url}/repos/{CONFIG}/pulls/{number}", timeout=5).json()
    return bool(pull["merged"])


def _await_note(teller: Teller, sha: str) -> None:
    wanted = bump_id(release_id(APP, sha), "production")
    commit = _git(teller.scene, "log", "-1", "--format=%H", f"--grep=^Slipway-Id: {wanted}$", "master")
    teller.await_(
        "Waiting for the outcome in Git",
        lambda: _git(teller.scene, "log", "-1", "--notes=slipway", "--format=%N", commit) or None,
        lambda _: "[bold]outcome[/]       is written in Git",
        patience=PATIENCE_SECONDS,
    )


def _show_log(teller: Teller) -> None:
    teller.console.print("\n[bold]git log[/] of the config repo tells it all (--notes=slipway):\n")
    log = _git(teller.scene, "log", "-2", "--notes=slipway", "--date=iso", "--stat", "master")
    teller.console.print(log + "\n", markup=False, highlight=False, soft_wrap=True)


def _verdict(teller: Teller, digest: str) -> int:
    scene = teller.scene
    running = {name: _image_of(scene, name) for name in scene.clusters}
    wrong = [f"{name} runs {image}" for name, image in running.items() if not image.endswith(digest)]
    if (latest := _digest(scene, "latest")) != digest:
        wrong.append(f"latest is {latest}")
    if wrong:
        raise StoryError(f"Not everything is {digest}: {'; '.join(wrong)}.")
    seconds = time.monotonic() - teller.began
    teller.console.print(f"[bold green]Staging, production and latest are one digest[/], after {seconds:.1f} s.")
    return 0


def _image_of(scene: Stage, environment: str) -> str:
    deployment = scene.clusters[environment].get("Deployment", environment, APP) or {}
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _digest(scene: Stage, tag: str) -> str | None:
    image = HttpRegistry(DockerLogins()).find(scene.image, tag)
    return image.digest if image else None


def _git(scene: Stage, *arguments: str) -> str:
    command = ["git", "--git-dir", str(scene.config_git), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
