"""``python3 -m bot``: sets itself up in a fresh clone (``bot.bootstrap``), then runs the command line (``bot.cli``)."""

import sys
from pathlib import Path

from bot.bootstrap import DEMO_GIT, ensure_environment, require_git


def _announce(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    if "demo" in sys.argv[1:2]:
        require_git(DEMO_GIT)
    ensure_environment(Path(__file__).resolve().parent.parent / "requirements.txt", announce=_announce)
    from bot.cli import main

    main()
