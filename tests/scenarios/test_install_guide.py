"""``docs/install.md``, followed to the letter: its own commands, with this world's values in its settings file."""

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import requests

from tests.scenarios.world import ROOT, Bot, World, until

GUIDE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
SETTINGS, DOCTOR, UP, STATUS = re.findall(r"^```sh\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def shell(script: str, folder: Path, variables: dict[str, str]) -> "subprocess.Popen[str]":
    """Run a snippet in the checkout, as the reader does; ``slipway.env`` is theirs."""
    script = script.replace("./slipway.env", str(folder / "slipway.env"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        ["bash", "-ec", script],
        cwd=ROOT,
        env={"HOME": os.environ.get("HOME", "/"), **variables, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_the_settings_file_is_for_the_owner_alone_and_names_variables_of_the_readme(tmp_path: Path) -> None:
    subprocess.run(["bash", "-ec", SETTINGS], cwd=tmp_path, check=True)
    made = tmp_path / "slipway.env"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for line in made.read_text().splitlines():
        assert f"`{line.partition('=')[0]}`" in readme, line


def test_the_guide_leads_to_a_release(quiet: tuple[World, Bot]) -> None:
    world, _ = quiet
    app = world.add_app("guided")
    settings = "".join(f"{name}={value}\n" for name, value in world.variables.items())
    (world.folder / "slipway.env").write_text(settings)
    doctor = shell(DOCTOR, world.folder, {})
    told, errors = doctor.communicate(timeout=120)
    assert doctor.returncode == 0, told + errors
    up = shell(UP, world.folder, world.variables)
    try:
        until("the web process", lambda: ready(world))
        assert app.await_live("staging", app.merge("A change")).outcome == "healthy"
        status = shell(STATUS, world.folder, world.variables)
        told, errors = status.communicate(timeout=120)
        assert (status.returncode, "guided" in told) == (0, True), told + errors
    finally:
        os.killpg(up.pid, signal.SIGTERM)
        up.communicate(timeout=60)


def ready(world: World) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{world.port}/readyz", timeout=10).ok
    except requests.RequestException:
        return False
