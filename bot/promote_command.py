"""``promote``: a person brings a release into an environment, through its gate. A worker does it.

What cannot be is refused here and now, by name; the worker looks again, since things move.
"""

import os

import click

from bot.adapters.dbos.queue import DbosQueue
from bot.clock import SystemClock
from bot.config_mirror import open_forge, open_mirror
from bot.errors import Permanent
from bot.job_request import EXIT_CODES, ask, wait_option
from bot.jobs import promote_job
from bot.messages import short
from bot.releases import Release
from bot.settings import Settings
from bot.steps.requested import Asked, asked_for, backwards, refusal_now, wanted_release
from bot.wiring import QUEUES

HELP = f"""Bring into ENV what the environment before runs healthily, or the release that is named; through ENV's gate.

Behind a `commit` gate it goes in at once, behind a `pull-request` gate a pull request asks for approval, also where one
about the same release was closed. A release that skips an environment says so in the log. It never goes backwards:
that is what `rollback` is for.

{EXIT_CODES}"""


@click.command("promote", help=HELP)
@click.argument("app")
@click.argument("environment", metavar="ENV")
@click.option(
    "--release", "wanted", metavar="SHA", help="The release's source commit, short or whole. Default: see above."
)
@click.option(
    "--as",
    "login",
    envvar="SLIPWAY_AS",
    metavar="LOGIN",
    help="Your GitHub account, for the trailer Requested-by. Without it (or SLIPWAY_AS) nobody is named.",
)
@wait_option
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
def promote(app: str, environment: str, wanted: str | None, login: str | None, *, wait: bool, as_json: bool) -> None:
    """Refuse, or ask a worker."""
    settings = Settings.read(os.environ)
    by = (login or "").removeprefix("@")
    with open_mirror(settings, "cli") as config:
        release = wanted_release(config, app, environment, wanted)
        refusal = refusal_now(config, SystemClock().now(), release, environment)
        if refusal is None:
            refusal = backwards(config, open_forge(settings), release, environment)
        asked = asked_for(config, release, environment, by)
    if refusal is not None:
        raise Permanent(refusal)
    queue = DbosQueue(settings.database_url, QUEUES)
    job, facts = promote_job(app, environment, release.sha, by=by), _facts(release, environment, asked)
    ask(queue, job, lambda it: _told(it, release, environment), facts=facts, as_json=as_json, wait=wait)


def _facts(release: Release, environment: str, asked: Asked) -> dict[str, object]:
    return {
        "app": release.app,
        "environment": environment,
        "release": release.id,
        "image": release.image,
        "skipped": list(asked.skipped),
    }


def _told(job: str, release: Release, environment: str) -> str:
    return f"{release.app} {short(release.sha)} to {environment}: asked for {job}"
