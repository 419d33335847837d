"""The command line. Each command reads the environment, does one thing, and says in a line how it went.

Exit codes: 0 done, 1 it failed (the paragraph is on standard error), 2 the arguments are wrong.
"""

import importlib
import json
import logging
import os
import sys

import click

from bot import __version__, logs
from bot.errors import SlipwayError
from bot.logs import Redactor
from bot.settings import Settings, SettingsError, WebSettings, not_complete

ELSEWHERE = {
    "audit": "bot.audit_command:audit",
    "bump": "bot.bump_command:bump",
    "doctor": "bot.doctor_command:doctor",
    "hold": "bot.gate_commands:hold",
    "promote": "bot.promote_command:promote",
    "resume": "bot.gate_commands:resume",
    "retry": "bot.operator_commands:retry",
    "rollback": "bot.rollback_command:rollback",
    "status": "bot.status_command:status",
    "sync": "bot.operator_commands:sync",
}
"""Commands in files of their own; loaded when they are asked for, so that a worker does not pay for them."""


COMPLETION = "_SLIPWAY_COMPLETE"
"""The variable by which a shell asks for completions (https://click.palletsprojects.com/en/stable/shell-completion/)."""


class LazyGroup(click.Group):
    """Loads a command's module when it is needed (https://click.palletsprojects.com/en/stable/complex/)."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return sorted({*super().list_commands(ctx), *ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command."""
        if cmd_name not in ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, _, name = ELSEWHERE[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        return command if isinstance(command, click.Command) else None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="slipway")
def cli() -> None:
    """Slipway: merge to master, and Git knows what runs where."""


@cli.command()
@click.option("--yes", is_flag=True, help="Approve without asking; exit 0 only if production runs what was approved.")
@click.option("--keep", is_flag=True, help="Keep everything running at the end until Ctrl-C, to look around.")
def demo(*, yes: bool, keep: bool) -> None:
    """Show the whole way from a merge to production, on stand-ins that run on this machine only."""
    from bot.sandbox.story import tell  # noqa: PLC0415 - the stand-ins are for the demo only

    sys.exit(tell(yes=yes, keep=keep))


@cli.command()
def worker() -> None:
    """Run the workflows, until SIGTERM."""
    from bot.worker import WorkerProcess  # noqa: PLC0415 - the adapters load slowly; other commands do without

    settings = Settings.read(os.environ)
    logs.configure(Redactor(settings.secrets()))
    WorkerProcess(settings).run()


@cli.command()
def up() -> None:
    """Run web (on PORT, 8000) and worker together, until Ctrl-C or SIGTERM."""
    from bot.adapters.dbos.database import migrate as migrate_database  # noqa: PLC0415 - as above
    from bot.process_group import run_together  # noqa: PLC0415 - as above

    if problems := [*WebSettings.problems(os.environ), *Settings.problems(os.environ)]:
        raise SettingsError(not_complete(problems))
    migrate_database(Settings.read(os.environ).database_url)  # what is wrong with it is said once, and not by both
    sys.exit(run_together())


@cli.command()
def migrate() -> None:
    """Create the database's tables, or bring them up to date."""
    from bot.adapters.dbos.database import migrate as migrate_database  # noqa: PLC0415 - as above
    from bot.adapters.dbos.database import sqlite_path  # noqa: PLC0415 - as above

    url = os.environ.get("DATABASE_URL") or "sqlite:///var/slipway.db"
    migrate_database(url)
    path = sqlite_path(url)
    click.echo(f"The database{f' {path}' if path else ''} is up to date.")


@cli.command()
def schema() -> None:
    """Print the JSON Schema of slipway.yaml, for editors."""
    from bot.catalog.raw import schema as catalog_schema  # noqa: PLC0415 - as above

    click.echo(json.dumps(catalog_schema(), indent=2))


def _called() -> str:
    """What the command is called in its own words. A shell completes one word: see ``docs/commands.md``."""
    return "slipway" if COMPLETION in os.environ else "python -m bot"


def main() -> None:
    """Run a command; what Slipway can explain ends as one paragraph on standard error, never as a traceback."""
    logs.configure(Redactor(), level=logging.WARNING)
    try:
        cli(prog_name=_called(), complete_var=COMPLETION, standalone_mode=True)
    except SlipwayError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
