"""The command: ``python -m tests.faults [--short] [--database URL] [--json]``.

It sets itself up like ``python3 -m tests``, breaks the bot in every way of ``docs/reliability.md``, and counts what
that did. Exit code 0 where nothing was lost, stuck, doubled, taken backwards or leaked; else 1.
"""

import argparse
import json
import signal
import sys
from pathlib import Path

from bot.bootstrap import DEMO_GIT, ensure_environment, require_git

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Run the suite; what it tries goes to standard error, the counts to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="few releases and kills: what CI runs, in minutes")
    parser.add_argument(
        "--database",
        metavar="URL",
        help="only on this PostgreSQL server, or on sqlite://; else SQLite, then PostgreSQL if here",
    )
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.add_argument("--part", action="append", help="only this part, may be repeated")
    options = parser.parse_args(arguments)
    require_git(DEMO_GIT)
    ensure_environment(ROOT / "requirements-dev.txt", announce=say)
    from tests.faults.suite import PARTS, run  # needs the packages that were just made sure of

    if unknown := set(options.part or ()) - PARTS.keys():
        say(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by the way out that stops the bot
    tally = run(say, short=options.short, database=options.database, parts=options.part or list(PARTS))
    if options.json:
        sys.stdout.write(json.dumps(tally.counts()) + "\n")
    else:
        sys.stdout.write("".join(f"{name:22}{count}\n" for name, count in tally.counts().items()))
    return 1 if tally.failed else 0


def say(line: str) -> None:
    """Print a line about the run itself."""
    print(f"[faults] {line}", file=sys.stderr, flush=True)  # noqa: T201 - this is a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
