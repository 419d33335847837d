"""``sync`` and ``retry``: an operator asks for work once more. They only put a job into the queue; a worker does it."""

import json
import os

import click

from bot.adapters.dbos.queue import DbosQueue
from bot.errors import Permanent
from bot.facts import Job, JobState
from bot.jobs import again, next_attempt, sync_job
from bot.ports import ConfigRepo, Queue
from bot.settings import Settings
from bot.steps.state import look
from bot.wiring import QUEUES


@click.command("sync")
@click.argument("app")
@click.argument("environment", metavar="ENV")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
def sync(app: str, environment: str, *, as_json: bool) -> None:
    """Make APP in ENV on the cluster match the config branch once more, and wait for the rollout."""
    from bot.config_mirror import open_mirror  # noqa: PLC0415 - `retry` needs no git

    settings = Settings.read(os.environ)
    job = sync_request(open_mirror(settings, "cli"), app, environment)
    _ask(DbosQueue(settings.database_url, QUEUES), job, as_json=as_json)


@click.command("retry")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
def retry(job_id: str, *, as_json: bool) -> None:
    """Do once more what job ID did, such as release/APP/SHA/1; what is done already is found, not doubled."""
    settings = Settings.read(os.environ)
    queue = DbosQueue(settings.database_url, QUEUES)
    if queue.job(job_id) is None:
        again(job_id)  # a malformed id gets its own explanation
        raise Permanent(f"There has been no job {job_id}.")
    _ask(queue, again(job_id), as_json=as_json)


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


def unused(queue: Queue, job: Job) -> Job:
    """The first attempt of this work that nobody has asked for yet.

    Raises:
        Permanent: an earlier attempt is under way.
    """
    while (record := queue.job(job.id)) is not None:
        if record.state in {JobState.QUEUED, JobState.RUNNING}:
            raise Permanent(f"{record.id} is {record.state.value} already.")
        job = next_attempt(job)
    return job


def _ask(queue: DbosQueue, job: Job, *, as_json: bool) -> None:
    asked = unused(queue, job)
    queue.enqueue(asked)
    click.echo(json.dumps({"job": asked.id}) if as_json else f"Asked for {asked.id}; a worker takes it up now.")
