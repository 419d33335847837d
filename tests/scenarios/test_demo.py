"""The README's first command, as it is typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.scenarios.world import ROOT


def test_the_demo_goes_to_production_and_leaves_nothing_behind() -> None:
    before = _untracked()
    command = [sys.executable, "-m", "bot", "demo", "--yes"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=180)
    assert told.returncode == 0, told.stdout + told.stderr
    steps = re.findall(r"^✓ +[0-9.]+ s  (\S+)", told.stdout, re.MULTILINE)
    assert [step for step in steps if step != "The"] == [
        *("merge", "build,", "commit", "pods", "pull", "approve", "commit", "pods", "latest", "outcome"),
    ]
    for trailer in ("Slipway-Id: blog@", "Merged-by: @maya", "Approved-by: @sam", "Previous-Image: ", "Source-PR: "):
        assert trailer in told.stdout
    assert told.stdout.count("1 file changed, 1 insertion(+), 1 deletion(-)") == 2
    assert "Staging, production and latest are one digest" in told.stdout
    assert _untracked() == before
    assert _processes_of(ROOT / "var" / "demo") == []


def _untracked() -> str:
    command = ["git", "status", "--porcelain", "--untracked-files=all"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def _processes_of(folder: Path) -> list[str]:
    """Processes that were started with the demo's folder among their variables."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if re.search(re.escape(f"SLIPWAY_STATE={folder}"), environment) and process.name != str(os.getpid()):
            found.append(process.name)
    return found
