"""The commands, as an operator types them."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.scenarios.world import ROOT, World


def command(world: World, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``python -m bot …`` with the bot's variables."""
    environment = {"PATH": os.environ["PATH"], **world.variables}
    run = [sys.executable, "-m", "bot", *arguments]
    return subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def facts(world: World, *arguments: str) -> dict[str, Any]:
    """What a command that works prints with ``--json``."""
    done = command(world, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
