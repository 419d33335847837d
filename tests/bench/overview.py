"""How long it takes to see what runs where, cold, from a mirror: ``python -m tests.bench.overview [--json]``.

1,000 apps in 2 environments. The fetch is not counted: it is git's, and depends on the network.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from bot.bootstrap import DEMO_GIT, ensure_environment, require_git
from tests.bench.config_repo import say

ROOT = Path(__file__).resolve().parents[2]
APPS = 1_000

_ENVIRONMENTS = """\
environments:
  - {name: staging, cluster: staging, namespace: staging, gate: commit}
  - {name: production, cluster: production, namespace: production, gate: pull-request}
apps:
"""


def measure(folder: Path, apps: int) -> dict[str, float]:
    """Seconds by the wall and of this process, in an empty folder. Every app has had one bump in each environment."""
    from bot.overview import overview  # needs the packages that are made sure of first
    from tests.bench.contenders import slipway
    from tests.bench.repository import Bump, commit_stream, create
    from tests.bench.server import serve_apart
    from tests.config_fake import FakeQueue

    bumped = [Bump(manifest, 1) for manifest in range(2 * apps)]
    images = {one.app: one.release.image.partition("@")[0].rpartition(":")[0] for one in bumped}
    lines = [f"  - {{name: {app}, source: web/{app}, image: {image}}}\n" for app, image in images.items()]
    catalog = _ENVIRONMENTS + "".join(lines)
    with serve_apart(folder / "server") as server:
        bare = server.bare("overview/config")
        create(bare, 2 * apps)
        _import(bare, commit_stream("Catalog\n", {"slipway.yaml": catalog.encode()}, on="refs/heads/main^0"))
        first, *others = bumped
        stream = [commit_stream(first.message, {first.path: first.text}, on="refs/heads/main^0")]
        _import(bare, b"".join([*stream, *(commit_stream(one.message, {one.path: one.text}) for one in others)]))
        with slipway(folder / "mirror", server.repo_url("overview/config"), 1) as ours:
            began, cpu = time.perf_counter(), time.process_time()
            found = overview(ours.config, FakeQueue(), str)
            took = {"seconds": time.perf_counter() - began, "own_cpu_seconds": time.process_time() - cpu}
    known = sum(cell.release is not None for row in found.rows for cell in row.cells)
    if known != 2 * apps:
        raise RuntimeError(f"{known} of {2 * apps} releases were found")
    return took


def _import(bare: Path, stream: bytes) -> None:
    from tests.bench.git import git

    git(bare, "fast-import", "--quiet", "--force", stdin=stream)


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overview", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    require_git(DEMO_GIT)
    ensure_environment(ROOT / "requirements-dev.txt", announce=say)
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        took = measure(Path(folder), APPS)
    lines = [f"{name:20}{value:.2f}" for name, value in took.items()]
    sys.stdout.write((json.dumps(took) if options.json else "\n".join(lines)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
