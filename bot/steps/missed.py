"""What there is to do: the jobs that a delivery is about, and those that nobody was told of. Starts nothing itself.

Both ask the same question of the same facts (branch heads, the config branch, reviews), so a webhook only makes
Slipway look sooner, and one that never came is made up for by the next look.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import structlog

from bot.catalog import App, Catalog
from bot.errors import SlipwayError
from bot.events import CommentCreated, Happening, PullRequestChanged, Pushed, ReviewSubmitted
from bot.facts import Job, JobRecord, JobState
from bot.jobs import (
    Ended,
    app_reconcile_job,
    approve_job,
    attempt_of,
    catalog_job,
    command_job,
    effect_job,
    next_attempt,
    prune_job,
    reconcile_job,
    release_job,
    rollback_job,
    sync_job,
)
from bot.ports import Queue
from bot.releases import Outcome, bump_id, parse_promotion_branch, release_id
from bot.services import Services
from bot.steps.barriers import barrier_before
from bot.steps.entries import lifted_releases, missing_entries
from bot.steps.open_promotions import looks_at, of_pull_requests, troubled_by_push
from bot.steps.prune import removals
from bot.steps.source import tracked_branch
from bot.steps.state import CATALOG, HOLDS, SHARED, deployment, outcome, read_catalog, shared_app
from bot.steps.wanted import wanted_head

LOG = structlog.get_logger()

MOST_ATTEMPTS_AFTER_DEFECTS = 3
"""A job that ended in a defect of ours is tried this often by itself; a person may `retry` it beyond that."""


def jobs_for(services: Services, event: Happening) -> tuple[Job, ...]:
    """The jobs that a delivery is about, less those that are known already."""
    match event:
        case Pushed(repo=repo, branch=branch):
            return (*_after_push_to_config(services, repo, branch), *_after_push_to_source(services, repo, branch))
        case PullRequestChanged(repo=repo, merged=True, base_branch=base, number=number):
            return _after_merge(services, event, repo, base, number)
        case PullRequestChanged(repo=services.config_name, head_branch=head) if (
            parse_promotion_branch(head) is not None
        ):
            return _due(services.queue, looks_at(services, event))
        case PullRequestChanged():
            return _due(services.queue, _effects_of_event(services, event))
        case ReviewSubmitted(repo=repo, number=number, review_id=review_id, state=state, head_branch=head):
            ours = repo == services.config_name and parse_promotion_branch(head) is not None
            return _due(services.queue, [approve_job(number, f"review-{review_id}-{state.value}")]) if ours else ()
        case CommentCreated():
            return _after_comment(services, event)


def _after_comment(services: Services, event: CommentCreated) -> tuple[Job, ...]:
    """Its commands, carried out once. What the bot writes itself is no command.

    A comment is not looked for where its webhook never came (see redeliver): nobody can tell later whether it is
    still meant.
    """
    bot = services.forge.identity()
    if bot is not None and bot.login.casefold() == event.author_login.casefold():
        return ()
    job = command_job(event.repo, event.number, event.comment_id, event.author_login, event.body)
    return (job,) if services.queue.job(job.id) is None else ()


def _after_push_to_config(services: Services, repo: str, branch: str) -> tuple[Job, ...]:
    if (repo, branch) != (services.config_name, services.config.branch):
        return ()
    head = services.config.fetch()
    jobs = (
        *_catalog_checks(services, head),
        *_tolerant(lambda: _syncs(services, head)),
        *_tolerant(lambda: _removals(services, head)),
        *_after_hold(services, head),
        *_tolerant(lambda: troubled_by_push(services, head)),
    )
    return _due(services.queue, jobs)


def _after_hold(services: Services, head: str) -> Iterator[Job]:
    """One look for the newest change of a hold: what it kept out may enter now."""
    change = services.config.last_change(head, [HOLDS])
    if change is not None:
        app = change.trailer("App")
        yield app_reconcile_job(app, change.sha) if app else reconcile_job(f"holds-{change.sha}")


def _after_push_to_source(services: Services, repo: str, branch: str) -> tuple[Job, ...]:
    head = services.config.fetch()
    catalog = read_catalog(services.config, head)
    apps = [app for app in catalog.apps if app.source == repo and tracked_branch(services, app) == branch]
    return _due(services.queue, _releases(services, head, catalog, apps))


def _after_merge(services: Services, event: PullRequestChanged, repo: str, base: str, number: int) -> tuple[Job, ...]:
    if repo == services.config_name and parse_promotion_branch(event.head_branch) is not None:
        return _due(services.queue, [approve_job(number, "merged")])
    return _after_push_to_source(services, repo, base)


def _effects_of_event(services: Services, event: PullRequestChanged) -> tuple[Job, ...]:
    """What a pull request would change is told for each head that people see."""
    ours = (event.repo, event.base_branch) == (services.config_name, services.config.branch)
    seen = event.action != "closed" and parse_promotion_branch(event.head_branch) is None
    return (effect_job(event.number, event.head_sha),) if ours and seen else ()


def missed_jobs(services: Services) -> tuple[Job, ...]:
    """The jobs that the facts ask for and the queue does not know."""
    head = services.config.fetch()
    return _of_parts(
        services,
        lambda: _catalog_checks(services, head),
        lambda: _syncs(services, head),
        lambda: _removals(services, head),
        lambda: of_pull_requests(services, head),
        lambda: _all_releases(services, head),
        lambda: _all_entries(services, head),
    )


def missed_jobs_of(services: Services, app_name: str, change: str) -> tuple[Job, ...]:
    """The same for one app, whose hold the config commit ``change`` has lifted.

    Raises:
        Permanent: the catalog has no such app.
    """
    head = services.config.fetch()
    catalog = read_catalog(services.config, head)
    app = catalog.app(app_name)
    return _of_parts(
        services,
        lambda: lifted_releases(services, head, catalog, app, change),
        lambda: of_pull_requests(services, head, app.name),
        lambda: _releases(services, head, catalog, [app]),
        lambda: missing_entries(services, head, catalog, app),
    )


def _of_parts(services: Services, *parts: Callable[[], Iterable[Job]]) -> tuple[Job, ...]:
    return tuple(job for part in parts for job in _due(services.queue, _tolerant(part)))


def _tolerant(part: Callable[[], Iterable[Job]]) -> list[Job]:
    """One part that cannot be looked at (GitHub is away) does not keep the others from being looked at."""
    try:
        return list(part())
    except SlipwayError as error:
        LOG.warning("cannot look", reason=str(error))
        return []


def _catalog_checks(services: Services, head: str) -> Iterator[Job]:
    """One for the newest change of the catalog."""
    change = services.config.last_change(head, [CATALOG])
    if change is not None:
        yield catalog_job(change.sha)


def _syncs(services: Services, head: str) -> Iterator[Job]:
    """One for each app and environment, shared files first: the newest config commit that changed it.

    Where that failed, what follows.
    """
    catalog = read_catalog(services.config, head)
    with_shared = [environment for environment in catalog.environments if environment.shared]
    places = [
        *((shared_app(environment), environment) for environment in with_shared),
        *((app, environment) for app in catalog.apps for environment in catalog.environments),
    ]
    for app, environment in places:
        try:
            deployed = deployment(services.config, head, app, environment)
        except SlipwayError as error:
            LOG.warning("cannot look", app=app.name, environment=environment.name, reason=str(error))
            changed = services.config.last_change(head, app.manifest_paths(environment))
            if changed is not None:  # the sync tells whoever made the files unreadable
                yield sync_job(app.name, environment.name, changed.sha)
            continue
        if deployed.changed_in is not None and not deployed.waiting:
            yield sync_job(app.name, environment.name, deployed.changed_in)
            note = outcome(services.config, deployed.changed_in, app.name, environment.name)
            if note is not None and note.outcome is Outcome.FAILED and app.name != SHARED:
                yield rollback_job(app.name, environment.name, deployed.changed_in)


def _removals(services: Services, head: str) -> Iterator[Job]:
    """One for each app that was taken out of an environment that prunes."""
    return (prune_job(*removal) for removal in removals(services, head))


def _releases(services: Services, head: str, catalog: Catalog, apps: Iterable[App]) -> Iterator[Job]:
    """One for each app whose newest merge that concerns it has not entered the first environment."""
    for app in apps:
        try:
            job = _release(services, catalog, app, head)
        except SlipwayError as error:
            LOG.warning("cannot look", app=app.name, reason=str(error))
            continue
        if job is not None:
            yield job


def _release(services: Services, catalog: Catalog, app: App, head: str) -> Job | None:
    """The newest merge's release, of those that concern the app; one that is kept out is built, and then waits."""
    first, sha = catalog.environments[0], wanted_head(services, head, catalog, app)
    id_ = release_id(app.name, sha)
    if services.config.find(head, "Slipway-Id", bump_id(id_, first.name)) is not None:
        return None
    job = release_job(app.name, sha)
    waits = barrier_before(services.config, services.clock.now(), head, first, app.name, id_) is not None
    return None if waits and services.queue.job(job.id) is not None else job


def _all_releases(services: Services, head: str) -> Iterator[Job]:
    catalog = read_catalog(services.config, head)
    return _releases(services, head, catalog, catalog.apps)


def _all_entries(services: Services, head: str) -> Iterator[Job]:
    catalog = read_catalog(services.config, head)
    for app in catalog.apps:
        yield from _tolerant(partial(missing_entries, services, head, catalog, app))


def _due(queue: Queue, jobs: Iterable[Job]) -> tuple[Job, ...]:
    return tuple(asked for job in jobs if (asked := due(queue, job)) is not None)


def due(queue: Queue, job: Job) -> Job | None:
    """The job, or its next attempt; None where it is under way, done, or must not be tried again by itself.

    The caller has just found that the work is wanted: an attempt that was superseded earlier, or waited for a hold or
    a freeze to end, is asked for anew.
    """
    while (record := queue.job(job.id)) is not None:
        if not _again(record):
            return None
        job = next_attempt(job)
    return job


def _again(record: JobRecord) -> bool:
    match record.state:
        case JobState.QUEUED | JobState.RUNNING:
            return False
        case JobState.FAILED:
            return attempt_of(record.id) < MOST_ATTEMPTS_AFTER_DEFECTS
        case JobState.DONE:
            ended = record.result
            return isinstance(ended, Ended) and (ended.retry or ended.outcome in {"superseded", "waiting"})
