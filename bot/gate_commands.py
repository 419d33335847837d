"""``hold`` and ``resume``: an operator keeps an app's environment as it is, and lets it go again.

Each is a commit that the command itself makes, so that a hold works while every worker is down.
"""

import json
import os
import secrets
from collections.abc import Callable

import click

from bot.adapters.dbos.queue import DbosQueue
from bot.clock import SystemClock
from bot.config_mirror import accounts, open_mirror
from bot.errors import SlipwayError
from bot.jobs import app_reconcile_job
from bot.messages import gates
from bot.ports import ConfigRepo
from bot.settings import Settings
from bot.steps import hold as holding
from bot.steps.hold import HoldChange, Occasion
from bot.wiring import QUEUES

_as = click.option(
    "--as",
    "login",
    envvar="SLIPWAY_AS",
    metavar="LOGIN",
    help="Your GitHub account: the author of the commit. Without it (or SLIPWAY_AS) the bot's own is named.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")


@click.command("hold")
@click.argument("app")
@click.argument("environment", metavar="ENV")
@click.option("--reason", required=True, help="Why, for those who find that nothing enters.")
@_as
@_json
def hold(app: str, environment: str, reason: str, login: str | None, *, as_json: bool) -> None:
    """Let no release of APP enter ENV, and carry out no approval, until `resume`. Writes .slipway/holds/ENV/APP.yaml.

    What runs there keeps running; syncs and rollbacks go on. Holding twice changes nothing.
    """
    settings = Settings.read(os.environ)
    done = _commit(settings, login, lambda config, by: holding.hold(config, app, environment, reason, by))
    if as_json:
        click.echo(json.dumps(facts(done, held=True)))
    elif done.commit or done.hold is None:
        click.echo(gates.held(app, environment))
    else:
        click.echo(gates.held_already(app, environment, done.hold))


@click.command("resume")
@click.argument("app")
@click.argument("environment", metavar="ENV")
@_as
@_json
def resume(app: str, environment: str, login: str | None, *, as_json: bool) -> None:
    """Lift the hold on APP in ENV. The release that it kept out, or a newer one, enters; so do approvals that stand."""
    settings = Settings.read(os.environ)
    done = _commit(settings, login, lambda config, by: holding.resume(config, app, environment, by))
    lifted = done.hold if done.commit else None
    if done.commit:
        _look_now(settings, app, done.commit)
    if as_json:
        click.echo(json.dumps(facts(done, held=False)))
    else:
        click.echo(gates.resumed(app, environment, lifted) if lifted else gates.not_held(app, environment))


def facts(done: HoldChange, *, held: bool) -> dict[str, object]:
    """The outcome as JSON: ``held`` says how it is now, ``changed`` whether this command made it so."""
    found = done.hold
    return {
        "app": done.app,
        "environment": done.environment,
        "held": held,
        "changed": done.commit is not None,
        "commit": done.commit,
        "reason": found.reason if found else None,
        "by": found.by if found else None,
        "at": found.at if found else None,
        "release": found.release if found else None,
    }


def _commit(settings: Settings, login: str | None, act: Callable[[ConfigRepo, Occasion], HoldChange]) -> HoldChange:
    known = accounts(settings, login)
    with open_mirror(settings, "cli", known.bot) as config:
        return act(config, Occasion(known.person, SystemClock().now(), secrets.token_hex(6)))


def _look_now(settings: Settings, app: str, commit: str) -> None:
    """Without a database the workers find it at their next look; the hold is lifted in any case."""
    try:
        DbosQueue(settings.database_url, QUEUES).enqueue(app_reconcile_job(app, commit))
    except SlipwayError as error:
        click.echo(f"What waits enters at the workers' next look, since they cannot be told now. {error}", err=True)
