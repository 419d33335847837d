"""The suite in its short form, as CI runs it: the command itself, judged by what it prints."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_nothing_is_lost_stuck_doubled_backwards_or_leaked() -> None:
    command = [sys.executable, "-m", "tests.faults", "--short", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = json.loads(done.stdout.splitlines()[-1])
    wrong = {name: counts[name] for name in ("lost", "stuck", "doubled", "backwards", "secrets_found")}
    assert wrong == dict.fromkeys(wrong, 0), done.stderr
    assert done.returncode == 0
    assert counts["releases"] >= 15
    assert counts["kills"] >= 20
    assert counts["webhooks_dropped"] > 0
    assert counts["webhooks_repeated"] > 0
