"""The test command: ``python3 -m tests``.

It sets itself up like ``python3 -m bot``, says which real engines it found, and runs everything that CI runs:
format, lint, types, import contracts, then pytest with branch coverage. With arguments, which are pytest's,
only pytest runs: ``python3 -m tests tests/unit -k bump``.
"""

import os
import subprocess
import sys
from pathlib import Path

from bot.bootstrap import DEMO_GIT, ensure_environment, require_git

ROOT = Path(__file__).resolve().parent.parent

CHECKS = {
    "format": ("-m", "ruff", "format", "--check", "."),
    "lint": ("-m", "ruff", "check", "."),
    "types": ("-m", "mypy"),
    "import contracts": ("-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-logo"),
}
"""What a check is called -> how Python runs it."""

WHOLE = ("--cov", "--cov-report=term:skip-covered", "-n", "3", "--dist", "loadgroup")
"""pytest's arguments where none are given. Most tests wait for processes, so three run at once even on two cores."""


def main(arguments: list[str]) -> int:
    """Run the checks and the tests; 0 where all passed. The last line printed is pytest's own."""
    require_git(DEMO_GIT)
    ensure_environment(ROOT / "requirements-dev.txt", announce=say)
    from tests import engines  # needs the packages that were just made sure of

    for line in engines.report():
        say(line)
    failed = [] if arguments else [name for name in CHECKS if not passes(name)]
    pytest = ["-m", "pytest", *(arguments or WHOLE)]
    environment = {**os.environ, "SLIPWAY_FAILED_CHECKS": ", ".join(failed)}
    done = subprocess.run([sys.executable, *pytest], cwd=ROOT, env=environment, check=False)
    return done.returncode or bool(failed)


def passes(name: str) -> bool:
    """Run one of the checks; what it finds goes straight to the terminal."""
    passed = subprocess.run([sys.executable, *CHECKS[name]], cwd=ROOT, check=False).returncode == 0
    say(f"{name}: {'passed' if passed else 'FAILED'}")
    return passed


def say(line: str) -> None:
    """Print a line about the run itself."""
    print(f"[tests] {line}", file=sys.stderr, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
