"""``python -m bot doctor`` on stand-ins: what is wrong is named with its remedy, and nothing is changed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.adapters.dbos_database import migrate
from bot.doctor import examine
from bot.findings import Finding
from bot.sandbox.registry import Registry
from tests.scenarios.world import ROOT, World, world


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A world with one app, where all is well."""
    url = f"sqlite:///{tmp_path / 'slipway.db'}"
    migrate(url)
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    with Registry(tmp_path / "registry") as registry, world(tmp_path, url, registry_host=registry.host) as made:
        made.registry_requests = lambda: list(registry.requests)
        made.add_app("site")
        yield made


def found(world: World, **changes: str) -> dict[str, list[Finding]]:
    """The findings by part."""
    parts: dict[str, list[Finding]] = {}
    for finding in examine({**world.variables, **changes}):
        parts.setdefault(finding.part, []).append(finding)
    return parts


def test_where_all_is_well_nothing_fails(ready: World) -> None:
    environment = {"PATH": os.environ["PATH"], "DOCKER_CONFIG": os.environ["DOCKER_CONFIG"], **ready.variables}
    run = [sys.executable, "-m", "bot", "doctor"]
    text = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert text.returncode == 0, text.stdout + text.stderr
