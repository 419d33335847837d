"""``python -m bot audit``: the trail, read from Git alone: a clone is enough, no database and no variable is needed."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import logs
from bot.adapters.config_repo.clone import ConfigClone, is_clone
from bot.config_mirror import open_mirror
from bot.errors import Permanent
from bot.logs import Redactor
from bot.messages import audit as words
from bot.messages import short
from bot.ports import ConfigHistory
from bot.settings import Settings, SettingsError
from bot.since import parse_since
from bot.steps.state import CATALOG
from bot.trail_facts import Audit, audit_csv, audit_facts
from bot.trail_reading import read_trail
from bot.wording import did_you_mean, listed

PAPER = 120
"""Columns of the figures' table where there is no terminal to fit it into."""

HELP = """Tell who changed what where, who approved it, and how it ended; then the four DORA figures.

Everything is read from the config repo's commits and notes. Inside a clone of it (or with --repo) nothing else is
needed; elsewhere the worker's variables say where it is. Nothing is fetched into a clone, and nothing is changed.

\b
Exit codes:
  0  told, whatever it tells
  1  the config repo or its catalog cannot be read, or --since is no time; standard error says why
  2  wrong usage, or an unknown app or environment
"""


@click.command("audit", help=HELP)
@click.option("--app", metavar="APP", help="Only this app.")
@click.option("--env", "environment", metavar="ENV", help="Only this environment.")
@click.option("--since", metavar="WHEN", help="Only from then on: 2026-11-01, 2026-11-01T08:00:00Z, 12h, 30d, 8w.")
@click.option("--repo", type=click.Path(path_type=Path), help="A clone of the config repo (the current folder's).")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the entries as CSV, with a header row.")
def audit(
    *, app: str | None, environment: str | None, since: str | None, repo: Path | None, as_json: bool, as_csv: bool
) -> None:
    """Read everything, and print what was asked for."""
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    now = datetime.now(UTC)
    logs.configure(Redactor(), level=logging.ERROR)  # what is wrong with the catalog is among the hints
    begun = parse_since(since, now) if since is not None else None
    with _history(repo) as (config, hints):
        found = read_audit(config, app, environment, begun, now, hints)
    for hint in found.hints:
        click.echo(f"Note: {hint}", err=True)
    if as_json:
        click.echo(json.dumps(audit_facts(found), indent=2))
    elif as_csv:
        click.echo(audit_csv(found), nl=False)
    else:
        show(found, Console(width=None if sys.stdout.isatty() else PAPER))


@contextmanager
def _history(repo: Path | None) -> Iterator[tuple[ConfigHistory, tuple[str, ...]]]:
    """The config repo, from the clone that is named or stood in, else through a mirror; and what the clone lacks."""
    here = repo or (Path.cwd() if is_clone(Path.cwd(), CATALOG) else None)
    if here is not None:
        with ConfigClone(here) as clone:
            yield clone, clone.hints()
        return
    try:
        settings = Settings.read(os.environ)
    except SettingsError as error:
        where = f"This folder is in no clone of the config repo (with a {CATALOG} at its root)."
        raise Permanent(f"{where} Go into one, or name one with --repo. {error}") from error
    with open_mirror(settings, "audit") as mirror:
        yield mirror, ()


def read_audit(
    config: ConfigHistory,
    app: str | None,
    environment: str | None,
    since: datetime | None,
    now: datetime,
    hints: tuple[str, ...] = (),
) -> Audit:
    """The trail of the config repo, and what was asked of it.

    Raises:
        Permanent: there is no catalog in force.
        click.UsageError: neither the catalog nor the trail knows such an app or environment.
    """
    found = read_trail(config)
    entries, catalog = found.entries, found.catalog
    _require_known("app", app, [*(one.name for one in catalog.apps), *(one.app for one in entries if one.app)])
    names = tuple(one.name for one in catalog.environments)
    _require_known("environment", environment, [*names, *(one.environment for one in entries if one.environment)])
    if found.catalog_error:
        hints = (*hints, f"The last good catalog tells whose manifests are whose. {found.catalog_error}")
    return Audit(config.branch, found.head, names, entries, now, app, environment, since, hints)


def _require_known(kind: str, name: str | None, known: list[str]) -> None:
    names = list(dict.fromkeys(known))
    if name is not None and name not in names:
        there_are = f"; there are {listed(names)}" if names else ""
        raise click.UsageError(f"the trail has no {kind} {name!r}{did_you_mean(name, names) or there_are}")


# ---------------------------------------------------------------- showing


def show(found: Audit, console: Console) -> None:
    """Everything, the newest first; lines are left whole, so that a terminal or a file takes them as they are."""
    shown = found.shown
    since = f" since {found.since:%Y-%m-%d %H:%M}" if found.since else ""
    count = "1 entry" if len(shown) == 1 else f"{len(shown)} entries"
    title = f"{found.branch} at {short(found.head)}: {count}{since}, newest first, times in UTC"
    console.print(Text(title, style="bold"), soft_wrap=True)
    for entry in shown:
        console.print(Text(f"\n{words.heading(entry)}", style="bold"), soft_wrap=True)
        for line, style in words.details(entry):
            console.print(Text(f"    {line}", style=style), soft_wrap=True)
    console.print()
    console.print(_figures(found))


def _figures(found: Audit) -> Table:
    last = found.environment or (found.environments[-1] if found.environments else "-")
    table = Table(title="DORA's four figures (medians)", title_justify="left")
    table.add_column("app", style="bold", overflow="fold")
    table.add_column("environment", overflow="fold")
    for name in ("deployment frequency", "lead time", "change failure rate", "time to restore"):
        table.add_column(name)
    table.add_row(found.app or "all", last, *words.figures_row(found.overall), end_section=True)
    places = found.places
    for app, environment, figures in places if len(places) > 1 else ():
        table.add_row(app, environment, *words.figures_row(figures))
    return table
