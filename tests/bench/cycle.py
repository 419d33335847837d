"""How long a merge takes to staging beyond what cannot be left out, and how often GitHub is asked on the whole way.

The floor is measured in the same run: git's own fast-import and push of the bump, and one server-side apply for each
object of the app, sent raw. Building is measured apart, with the same builder, and counts for neither.
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import requests
import yaml

from bot.facts import BuildRequest
from bot.sandbox.builder import SandboxImageBuilder
from bot.sandbox.cluster import Cluster
from tests.bench.git import git
from tests.bench.repository import commit_stream
from tests.scenarios.world import CONFIG, DEPLOYMENT, DEVELOPER, DOCKERFILE, AppWorld, World, until

SITE = {"Dockerfile": DOCKERFILE, "site/serve": "#!/bin/true\n"}
CREATING = frozenset({"POST", "PUT", "PATCH"})
REST = "/api/v3/"


@dataclass(frozen=True, slots=True)
class Cycle:
    """Medians in seconds; the calls of one whole way from merge to production and ``latest``."""

    to_staging: float
    build: float
    floor: float
    rest_calls: int
    rest_creates: int

    @property
    def overhead(self) -> float:
        """What Slipway adds, in seconds."""
        return self.to_staging - self.build - self.floor


def measure_cycle(world: World, merges: int) -> Cycle:
    """Run one app's merges through a bot that runs already, one after the other."""
    app = world.add_app("measured")
    app.await_live("staging", app.merge("The first", {**SITE, "site/index.html": "0"}))
    took = [_to_staging(app, number) for number in range(1, merges + 1)]
    whole = whole_way(app, merges + 1)
    return Cycle(
        statistics.median(took),
        statistics.median(_build(world, number) for number in range(merges)),
        statistics.median(_floor(world, number) for number in range(merges)),
        whole.calls,
        whole.creates,
    )


def _to_staging(app: AppWorld, number: int) -> float:
    before, sha = app.running("staging"), app.merge(f"Change {number}", {**SITE, "site/index.html": str(number)})
    began = time.perf_counter()
    until("the new image on staging", lambda: app.running("staging") != before, pause=0.005)
    took = time.perf_counter() - began
    app.await_live("staging", sha)
    until("the promotion", lambda: _promotion(app, sha))
    until("quiet", lambda: is_quiet(app.world))  # as it is around the floor
    return took


def _promotion(app: AppWorld, sha: str) -> int | None:
    """The number of the release's promotion, asked of the repository: asking the API would be counted."""
    tip = app.world.git("for-each-ref", "--format=%(objectname)", f"refs/heads/slipway/production/{app.name}")
    if not tip or sha not in app.world.git("log", "-1", "--format=%B", tip):
        return None
    refs = app.world.git("for-each-ref", f"--points-at={tip}", "--format=%(refname)", "refs/pull").split()
    return next((int(ref.split("/")[2]) for ref in refs), None)


@dataclass(frozen=True, slots=True)
class WholeWay:
    """What a cycle asked of GitHub's REST API: method, path and status of each request."""

    requests: tuple[tuple[str, str, int], ...]

    @property
    def calls(self) -> int:
        """All of them, any that GitHub answered 304 and did not count among them."""
        return len(self.requests)

    @property
    def creates(self) -> int:
        """Those that write, which GitHub allows fewer of."""
        return sum(method in CREATING for method, _, _ in self.requests)


def whole_way(app: AppWorld, number: int) -> WholeWay:
    """One merge to production and ``latest``, approved as soon as it waits; a promotion that is open takes it up."""
    world, log = app.world, app.world.forge.requests_log
    began = len(log)
    sha = app.merge(f"Change {number}", {**SITE, "site/index.html": str(number)})
    app.await_live("staging", sha)
    app.approve(until("the promotion", lambda: _promotion(app, sha)))
    app.await_live("production", sha)
    until("latest", lambda: world.digest(app.image, "latest") == world.digest(app.image, sha[:7]))
    until("quiet", lambda: is_quiet(world))
    asked = [request for request in log[began:] if request.path.startswith(REST)]
    return WholeWay(tuple((one.method, one.path.removeprefix(REST), one.status) for one in asked))


def is_quiet(world: World) -> bool:
    """Nothing was asked of GitHub for a second."""
    before = len(world.forge.requests_log)
    time.sleep(1)
    return len(world.forge.requests_log) == before


def _build(world: World, number: int) -> float:
    """The same build and push, called directly; seconds."""
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory() as folder:
        for path, text in {**SITE, "site/index.html": f"floor {number}"}.items():
            file = Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        image = f"{world.registry_host}/floor:{number}"
        builder = SandboxImageBuilder(Path(root))
        began = time.perf_counter()
        builder.build(BuildRequest(Path(folder), "Dockerfile", ".", image, {}), lambda _: None)
        builder.push(image, lambda _: None)
        return time.perf_counter() - began


def _floor(world: World, number: int) -> float:
    """A raw push of one changed manifest, and a raw apply of its objects; seconds."""
    text = DEPLOYMENT.format(app="floor", image=f"{world.registry_host}/floor").replace("${TAG_TO_DEPLOY}", str(number))
    objects = list(yaml.safe_load_all(text))
    cluster = world.clusters["staging"]
    branch, url = f"refs/heads/floor-{number}", f"{world.forge.url}/{CONFIG}.git"
    with tempfile.TemporaryDirectory() as folder, requests.Session() as session:
        clone = Path(folder, "clone.git")
        git(Path(folder), "clone", "--quiet", "--bare", url, str(clone), token=world.variables["GITHUB_TOKEN"])
        stream = commit_stream(f"floor {number}", {"floor.yaml": text.encode()}, on="refs/heads/master^0", ref=branch)
        began = time.perf_counter()
        git(clone, "fast-import", "--quiet", "--force", stdin=stream)
        git(clone, "push", "--quiet", url, f"{branch}:{branch}", token=world.variables["GITHUB_TOKEN"])
        for manifest in objects:
            _apply(session, cluster, manifest)
        return time.perf_counter() - began


def _apply(session: requests.Session, cluster: Cluster, manifest: dict[str, object]) -> None:
    kinds = {
        "Service": "/api/v1/namespaces/staging/services",
        "Deployment": "/apis/apps/v1/namespaces/staging/deployments",
    }
    metadata = manifest["metadata"]
    name = metadata["name"] if isinstance(metadata, dict) else ""
    answer = session.patch(
        f"{cluster.url}{kinds[str(manifest['kind'])]}/{quote(str(name))}?fieldManager=floor&force=true",
        data=yaml.safe_dump(manifest),
        headers={"Authorization": f"Bearer {cluster.token}", "Content-Type": "application/apply-patch+yaml"},
        timeout=30,
    )
    answer.raise_for_status()


def merge_together(world: World, count: int) -> float:
    """So many apps merged at the same moment; seconds until the last is healthy on staging."""
    apps = [world.add_app(f"many-{number:02}") for number in range(count)]
    for app in apps:
        world.forge.commit(app.source, "master", {"README.md": "# Site\n"}, "Begin", DEVELOPER)
    opened = [app.open_change("Together", {**SITE, "site/index.html": app.name}) for app in apps]
    until("quiet", lambda: is_quiet(world))
    began = time.perf_counter()
    merged = [app.merge_change(number) for app, number in zip(apps, opened, strict=True)]
    until("all are healthy", lambda: _healthy(world, merged), pause=0.25)
    return time.perf_counter() - began


def _healthy(world: World, merged: list[str]) -> bool:
    """Whether all of these commits are recorded as healthy on staging; asked in one go, which costs one process."""
    log = world.git("log", "--notes=slipway", "--format=%(trailers:key=Source,valueonly)%N%x00", "master")
    told = "".join(commit for commit in log.split("\0") if '"outcome":"healthy"' in commit.replace(" ", ""))
    return all(sha in told for sha in merged)
