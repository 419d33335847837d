"""How fast the config repo is written, beside git itself and a script: ``python -m tests.bench.config_repo``.

Real git over HTTP on loopback; the server is a process of its own. ``--quick`` leaves out the largest repo and most
of the bumps by which memory is measured; ``--json`` prints the figures instead of the table.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from bot.bootstrap import DEMO_GIT, ensure_environment, require_git

ROOT = Path(__file__).resolve().parents[2]
WIDTH = 120
"""Columns that the table needs: a pipe, which has none, gets as many."""


def main(arguments: list[str]) -> int:
    """Measure, and print what was found. It fails only where something cannot be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.config_repo", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="54 and 1,000 manifests, and 200 bumps for the memory")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    require_git(DEMO_GIT)
    ensure_environment(ROOT / "requirements-dev.txt", announce=say)
    from rich.console import Console  # needs the packages that were just made sure of

    from tests.bench.measure import QUICK, Plan, measure
    from tests.bench.report import figures, table

    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        results = measure(QUICK if options.quick else Plan(), Path(folder), say)
    found = figures(results)
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
        return 0
    console = Console()
    console.width = max(console.width, WIDTH)
    console.print(table(results))
    for name, value in found.items():
        console.print(f"{name:20}{'-' if value is None else value}")
    return 0


def say(line: str) -> None:
    """Print a line about the run itself."""
    print(f"[bench] {line}", file=sys.stderr, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
