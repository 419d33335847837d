"""``python -m bot status``: what runs where, what waits for approval, what the workers do now."""

import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bot.activity import Work
from bot.adapters.config_repo import GitConfigRepo
from bot.adapters.dbos.queue import DbosQueue
from bot.config_mirror import open_mirror
from bot.errors import Permanent, SlipwayError
from bot.facts import JobState
from bot.links import Links
from bot.logs import Redactor
from bot.messages import duration, short
from bot.overview import NOT_COMPARED, Cell, CellState, Overview, Row, overview
from bot.overview_json import overview_facts
from bot.settings import Settings
from bot.telling import ago, title_of
from bot.wiring import QUEUES
from bot.wording import did_you_mean

WATCH_SECONDS = 2.0

_STYLES = {
    CellState.HEALTHY: ("✓", "green"),
    CellState.FAILED: ("✗", "red"),
    CellState.UNKNOWN: ("?", "yellow"),
    CellState.ROLLING_OUT: ("↻", "cyan"),
    CellState.NOT_APPLIED: ("·", "yellow"),
    CellState.AWAITING_RELEASE: ("·", "dim"),
    CellState.ABSENT: ("-", "dim"),
    CellState.UNREADABLE: ("✗", "red"),
}

HELP = """Show what runs where: every app (or only the APPs named) in every environment.

Reads the config repo and the database; GitHub's API is not asked, and nothing is changed.

\b
Exit codes:
  0  shown, whatever it shows
  1  the config repo, its catalog or the database cannot be read; standard error says why
  2  wrong usage, or an unknown APP
"""


@dataclass(frozen=True, slots=True)
class _Looker:
    """What it takes to look again and again."""

    config: GitConfigRepo
    queue: DbosQueue
    links: Links
    redact: Redactor

    def look(self, before: Overview | None = None) -> Overview:
        """Everything, now.

        Raises:
            Permanent: there is no catalog in force.
        """
        found = overview(self.config, self.queue, self.redact, before=before)
        if found.catalog is None:
            raise Permanent(found.catalog_error)
        return found


@click.command("status", help=HELP)
@click.argument("apps", nargs=-1, metavar="[APP]...")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON; with --watch one line at each change.")
@click.option("--watch", is_flag=True, help="Keep looking until Ctrl-C.")
def status(apps: tuple[str, ...], *, as_json: bool, watch: bool) -> None:
    """Look once, or until Ctrl-C."""
    settings = Settings.read(os.environ)
    with open_mirror(settings, "status") as config:
        queue = DbosQueue(settings.database_url, QUEUES, connections=1)
        web = Links(settings.github_url, settings.config_repo, config.branch)
        looker = _Looker(config, queue, web, Redactor(settings.secrets()))
        first = looker.look()
        _require_known(apps, first)
        _say_if_nothing_can_be_stored(queue)
        if watch:
            _watch(looker, first, apps, as_json=as_json)
        elif as_json:
            click.echo(json.dumps(_facts(first, looker.links, apps), indent=2))
        else:
            Console(soft_wrap=False).print(page(_only(first, apps), datetime.now(UTC)))


def _say_if_nothing_can_be_stored(queue: DbosQueue) -> None:
    """On standard error, beside what is to be seen: reading goes on where writing does not (a full disk)."""
    try:
        queue.check_writable()
    except SlipwayError as error:
        click.echo(f"Warning: {error}", err=True)


def _require_known(apps: Iterable[str], found: Overview) -> None:
    known = [row.app.name for row in found.rows]
    for app in apps:
        if app not in known:
            raise click.UsageError(f"the catalog has no app {app!r}{did_you_mean(app, known)}")


def _only(found: Overview, apps: tuple[str, ...]) -> Overview:
    """The overview without the rows that were not asked for."""
    if not apps:
        return found
    rows = tuple(row for row in found.rows if row.app.name in apps)
    return Overview(found.head, found.catalog, found.catalog_error, rows, found.work)


def _facts(found: Overview, web: Links, apps: tuple[str, ...]) -> dict[str, object]:
    return overview_facts(_only(found, apps), web)


# ---------------------------------------------------------------- watching


def _watch(looker: _Looker, first: Overview, apps: tuple[str, ...], *, as_json: bool) -> None:
    try:
        if as_json:
            _watch_lines(looker, first, apps)
        else:
            _watch_page(looker, first, apps)
    except KeyboardInterrupt:
        return


def _watch_lines(looker: _Looker, first: Overview, apps: tuple[str, ...]) -> None:
    line = ""
    for found, problem in _looks(looker, first):
        if problem:
            click.echo(problem, err=True)
        if line != (line := json.dumps(_facts(found, looker.links, apps))):
            click.echo(line)


def _watch_page(looker: _Looker, first: Overview, apps: tuple[str, ...]) -> None:
    with Live(auto_refresh=False, screen=False) as live:
        for found, problem in _looks(looker, first):
            shown = page(_only(found, apps), datetime.now(UTC))
            note = [Text(f"What you see may be old: {problem}", style="yellow")] if problem else []
            live.update(Group(shown, *note), refresh=True)


def _looks(looker: _Looker, found: Overview) -> Iterator[tuple[Overview, str]]:
    """One look after another, and why the newest did not work out: then the one before is given again."""
    problem = ""
    while True:
        yield found, problem
        time.sleep(WATCH_SECONDS)
        try:
            found, problem = looker.look(found), ""
        except SlipwayError as error:
            problem = str(error)


# ---------------------------------------------------------------- showing


def page(found: Overview, now: datetime) -> RenderableType:
    """Everything, one below the other."""
    parts: list[RenderableType] = [_table(found, now)]
    if found.catalog_error:
        parts.append(Text(f"\nThe last good catalog is in force. {found.catalog_error}", style="red"))
    parts += [Text("\nWaiting for approval", style="bold"), *_pending(found.rows, now)]
    parts += [Text("\nWhat the workers do now", style="bold"), *_work(found.work, now)]
    return Group(*parts)


def _table(found: Overview, now: datetime) -> Table:
    table = Table(show_lines=True, title=f"config branch at {short(found.head)}", title_justify="left")
    table.add_column("app", style="bold", overflow="fold")
    for environment in found.environments:
        table.add_column(environment.name, overflow="fold")
    for row in found.rows:
        table.add_row(row.app.name, *(_cell(cell, now) for cell in row.cells))
    if found.shared:
        cells = {cell.environment.name: _cell(cell, now) for cell in found.shared}
        none = Text("none", style="dim")
        table.add_row("shared files", *(cells.get(environment.name, none) for environment in found.environments))
    return table


def _cell(cell: Cell, now: datetime) -> Text:
    sign, style = _STYLES[cell.state]
    text = Text()
    if cell.release is not None:
        text.append(f"{short(cell.release.sha)} ", style="bold")
    text.append(f"{sign} {cell.state.value}", style=style)
    if cell.outcome is not None and cell.state is CellState.HEALTHY and cell.outcome.seconds >= 1:
        text.append(f" after {duration(cell.outcome.seconds)}", style="dim")
    text.append(f"  {ago(cell.changed.committed_at, now) if cell.changed else ''}".rstrip(), style="dim")
    if cell.release is not None:
        text.append(f"\n{title_of(cell.release)}", style="dim")
    for line, colour in _notes(cell):
        text.append(f"\n{line}", style=colour)
    return text


def _notes(cell: Cell) -> Iterator[tuple[str, str]]:
    """What else is to be said of a place, each with its colour."""
    if cell.problem or (cell.outcome and cell.outcome.reason and cell.state is not CellState.HEALTHY):
        yield cell.problem or (cell.outcome.reason if cell.outcome else ""), "red"
    if not cell.compared:
        yield NOT_COMPARED, "dim"
    if cell.failed is not None:
        yield f"{cell.failed.about.what} failed: {cell.failed.result}", "red"
    if cell.held is not None:
        yield f"held: {cell.held}" if cell.held else "held", "magenta"
    if cell.drift:
        yield f"drifted: {', '.join(cell.drift)}", "yellow"
    if cell.pending is not None:
        yield f"{short(cell.pending.release.sha)} waits for approval", "yellow"
    for work in cell.work:
        yield f"{work.about.what}: {work.state.value}", "cyan"


def _pending(rows: tuple[Row, ...], now: datetime) -> list[Text]:
    lines = [
        Text(
            f"  {row.app.name} {short(cell.pending.release.sha)} to {cell.environment.name}, "
            f"{ago(cell.pending.proposed_at, now)}: {title_of(cell.pending.release)} (branch {cell.pending.branch})"
        )
        for row in rows
        for cell in row.cells
        if cell.pending is not None
    ]
    return lines or [Text("  nothing", style="dim")]


def _work(work: Iterable[Work], now: datetime) -> list[Text]:
    running = sorted((one for one in work if one.under_way), key=lambda one: one.state is JobState.QUEUED)
    return [
        Text(f"  {one.about.what}: {one.state.value}, {ago(one.created_at, now)}", style="cyan") for one in running
    ] or [Text("  nothing", style="dim")]
