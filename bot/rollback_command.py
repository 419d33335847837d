"""``rollback``: a person takes an app's environment back to what was healthy there. A worker does it.

What cannot be is refused here and now, by name; the worker looks again, since things move.
"""

import os

import click

from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.registry.images import HttpRegistry
from bot.config_mirror import open_mirror
from bot.errors import SlipwayError
from bot.job_request import EXIT_CODES, ask, wait_option
from bot.jobs import Wish, rollback_job
from bot.messages import short
from bot.settings import Settings
from bot.steps.rollback import Plan, image_exists, plan_by_hand
from bot.wiring import QUEUES

HELP = f"""Take APP in ENV back to what was healthy there before, by one commit on the config branch.

It needs no approval, and no freeze delays it. What is taken back stays out until a newer release comes, or until
`resume APP ENV` lifts the hold. A worker makes the commit, applies it and waits for the pods.

{EXIT_CODES}"""


@click.command("rollback", help=HELP)
@click.argument("app")
@click.argument("environment", metavar="ENV")
@click.option(
    "--to", metavar="COMMIT", help="A commit of the source or of the config repo. Default: the last healthy one."
)
@click.option("--reason", metavar="TEXT", help="Why, for those who read the log and the pull request.")
@click.option(
    "--as",
    "login",
    envvar="SLIPWAY_AS",
    metavar="LOGIN",
    help="Your GitHub account: the author of the commit. Without it (or SLIPWAY_AS) the bot's own is named.",
)
@wait_option
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
def rollback(
    app: str, environment: str, to: str | None, reason: str | None, login: str | None, *, wait: bool, as_json: bool
) -> None:
    """Refuse, or ask a worker."""
    settings = Settings.read(os.environ)
    with open_mirror(settings, "cli") as config:
        plan = plan_by_hand(config, _may_exist, app, environment, to)
    wish = Wish(plan.target, login.removeprefix("@") if login else None, reason)
    queue = DbosQueue(settings.database_url, QUEUES)
    job = rollback_job(app, environment, plan.reverted[0], wish=wish)
    facts = _facts(app, environment, plan)
    ask(queue, job, lambda it: _told(it, app, environment, plan), facts=facts, as_json=as_json, wait=wait)


def _may_exist(image: str) -> bool:
    """Whether the registry has the image. Where it cannot be asked from here, the worker, who must, will see."""
    try:
        return image_exists(HttpRegistry(), image)
    except SlipwayError:
        return True


def _facts(app: str, environment: str, plan: Plan) -> dict[str, str | None]:
    return {
        "app": app,
        "environment": environment,
        "from": plan.left.id if plan.left else None,
        "to": plan.to.id if plan.to else None,
        "image": plan.to.image if plan.to else None,
    }


def _told(job: str, app: str, environment: str, plan: Plan) -> str:
    left, to = (short(release.sha) if release else "" for release in (plan.left, plan.to))
    return f"{app} in {environment} goes from {left} back to {to}: asked for {job}"
