"""``sync`` and ``retry``: an operator asks for work once more. They only put a job into the queue; a worker does it."""

import os

import click

from bot.adapters.dbos.queue import DbosQueue
from bot.errors import Permanent
from bot.facts import Job
from bot.job_request import EXIT_CODES, ask, wait_option
from bot.jobs import again, sync_job
from bot.ports import ConfigRepo
from bot.settings import Settings
from bot.steps.state import look
from bot.wiring import QUEUES

SYNC = f"""Have a worker make APP in ENV on the cluster match the config branch once more, and wait for the rollout.

{EXIT_CODES}"""

RETRY = f"""Do once more what job ID did, such as release/APP/SHA/1; what is done already is found, not doubled.

{EXIT_CODES}"""

_json = click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")


@click.command("sync", help=SYNC)
@click.argument("app")
@click.argument("environment", metavar="ENV")
@wait_option
@_json
def sync(app: str, environment: str, *, wait: bool, as_json: bool) -> None:
    """Refuse, or ask a worker."""
    from bot.config_mirror import open_mirror  # noqa: PLC0415 - `retry` needs no git

    settings = Settings.read(os.environ)
    job = sync_request(open_mirror(settings, "cli"), app, environment)
    ask(DbosQueue(settings.database_url, QUEUES), job, _told, as_json=as_json, wait=wait)


@click.command("retry", help=RETRY)
@click.argument("job_id", metavar="ID")
@wait_option
@_json
def retry(job_id: str, *, wait: bool, as_json: bool) -> None:
    """Refuse, or ask a worker."""
    settings = Settings.read(os.environ)
    queue = DbosQueue(settings.database_url, QUEUES)
    if queue.job(job_id) is None:
        again(job_id)  # a malformed id gets its own explanation
        raise Permanent(f"There has been no job {job_id}.")
    ask(queue, again(job_id), _told, as_json=as_json, wait=wait)


def sync_request(config: ConfigRepo, app: str, environment: str) -> Job:
    """The sync of what the config branch says now.

    Raises:
        Permanent: the app waits for its first release, or has no manifests there.
    """
    deployed = look(config, app, environment).deployed
    if deployed.waiting:
        raise Permanent(f"{app} waits for its first release in {environment}: there is nothing to apply yet.")
    if deployed.changed_in is None:
        raise Permanent(f"{app} has no manifests in {environment}.")
    return sync_job(app, environment, deployed.changed_in)


def _told(job: str) -> str:
    return f"Asked for {job}"
