"""What there is to do: the jobs that a delivery is about, and those that nobody was told of. Starts nothing itself.

Both ask the same question of the same facts (branch heads, the config branch, reviews), so a webhook only makes
Slipway look sooner, and one that never came is made up for by the next look.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial

import structlog

from bot.catalog import App, Catalog
from bot.errors import SlipwayError
from bot.events import CommentCreated, Happening, PullRequestChanged, Pushed, ReviewSubmitted
from bot.facts import Job, JobState
from bot.jobs import (
    ROUND,
    app_reconcile_job,
    approve_job,
    catalog_job,
    command_job,
    effect_job,
    prune_job,
    reconcile_job,
    release_job,
    round_job,
)
from bot.memory import ConfigLook, Place
from bot.ports import ConfigRepo
from bot.releases import bump_id, parse_promotion_branch, release_id
from bot.services import Services
from bot.steps.barriers import barrier_before
from bot.steps.changes import changed_places
from bot.steps.due import all_due
from bot.steps.entries import lifted_releases, missing_entries
from bot.steps.open_promotions import looks_at, merged_promotion, of_pull_requests, troubled_by_push
from bot.steps.parts import WHOLE, Part, parts_for, pause_between
from bot.steps.prune import removals
from bot.steps.source import tracked_branch
from bot.steps.state import CATALOG, HOLDS, read_catalog
from bot.steps.wanted import wanted_head

LOG = structlog.get_logger()

AT_ONCE = 8
"""Source repositories that are looked at side by side: a look waits for the network, and takes little else."""


def jobs_for(services: Services, event: Happening, looked: Callable[[ConfigLook], None]) -> tuple[Job, ...]:
    """The jobs that a delivery is about, less those that are known already.

    ``looked`` is told of a look at the whole config branch; once the jobs are started, it is to be remembered.
    """
    match event:
        case Pushed(repo=repo, branch=branch):
            to_config = (repo, branch) == (services.config_name, services.config.branch)
            return _after_push_to_config(services, event, looked) if to_config else _of_source(services, repo, branch)
        case PullRequestChanged(repo=repo, merged=True, base_branch=base):
            return _after_merge(services, event, repo, base)
        case PullRequestChanged(repo=services.config_name, head_branch=head) if (
            parse_promotion_branch(head) is not None
        ):
            return all_due(services.queue, looks_at(services, event))
        case PullRequestChanged():
            return all_due(services.queue, _effects_of_event(services, event))
        case ReviewSubmitted(repo=repo, number=number, review_id=review_id, state=state, head_branch=head):
            ours = repo == services.config_name and parse_promotion_branch(head) is not None
            return all_due(services.queue, [approve_job(number, f"review-{review_id}-{state.value}")]) if ours else ()
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


def _after_push_to_config(services: Services, event: Pushed, looked: Callable[[ConfigLook], None]) -> tuple[Job, ...]:
    """What changed since the last such look. One look answers for every push that it has seen the end of."""
    before = services.memory.looked
    if before is not None and _has_seen(services.config, before, event):
        return ()
    head = services.config.fetch()
    changes = dict(before.changes) if before is not None else {}
    parts = [
        _looked_at(part)
        for part in (
            lambda: _catalog_checks(services, head),
            lambda: _new_changes(services, head, changes),
            lambda: _removals(services, head),
            lambda: _after_hold(services, head),
            lambda: troubled_by_push(services, head),
            lambda: _new_apps(services, head, before),
            lambda: _releases_from(services, head, event.repo, event.branch),
        )
    ]
    if all(part is not None for part in parts):
        looked(ConfigLook(head, changes))
    return all_due(services.queue, [job for part in parts for job in part or ()])


def _has_seen(config: ConfigRepo, look: ConfigLook, event: Pushed) -> bool:
    """Whether a push moved the branch forward to what was looked at, or had been passed by then."""
    return config.contains(look.head, event.after) and config.contains(event.after, event.before)


def _new_changes(services: Services, head: str, changes: dict[Place, str]) -> Iterator[Job]:
    """The syncs of what changed since ``changes``, which is brought up to date."""
    for place, changed, jobs in changed_places(services, head, WHOLE):
        if changes.get(place) != changed:
            yield from jobs
            changes[place] = changed


def _new_apps(services: Services, head: str, before: ConfigLook | None) -> Iterator[Job]:
    """The release of each app that the newest change of the catalog brought, or gave another source: no push did."""
    config = services.config
    change = config.last_change(head, [CATALOG])
    if change is None or (before is not None and config.contains(before.head, change.sha)):
        return iter(())
    catalog = read_catalog(config, head)
    earlier = read_catalog(config, change.parents[0]).apps if change.parents else ()
    known = {(app.name, app.source, app.branch) for app in earlier}
    return _releases(
        services, head, catalog, (app for app in catalog.apps if (app.name, app.source, app.branch) not in known)
    )


def _after_hold(services: Services, head: str) -> Iterator[Job]:
    """One look for the newest change of a hold: what it kept out may enter now."""
    change = services.config.last_change(head, [HOLDS])
    if change is not None:
        app = change.trailer("App")
        yield app_reconcile_job(app, change.sha) if app else reconcile_job(f"holds-{change.sha}")


def _of_source(services: Services, repo: str, branch: str) -> tuple[Job, ...]:
    return all_due(services.queue, _releases_from(services, services.config.fetch(), repo, branch))


def _releases_from(services: Services, head: str, repo: str, branch: str) -> Iterator[Job]:
    """Those of the apps whose tracked branch that is."""
    catalog = read_catalog(services.config, head)
    apps = [app for app in catalog.apps if app.source == repo and tracked_branch(services, app) == branch]
    return _releases(services, head, catalog, apps)


def _after_merge(services: Services, event: PullRequestChanged, repo: str, base: str) -> tuple[Job, ...]:
    if repo == services.config_name and parse_promotion_branch(event.head_branch) is not None:
        return all_due(services.queue, _tolerant(lambda: merged_promotion(services, event)))
    return _of_source(services, repo, base)


def _effects_of_event(services: Services, event: PullRequestChanged) -> tuple[Job, ...]:
    """What a pull request would change is told for each head that people see."""
    ours = (event.repo, event.base_branch) == (services.config_name, services.config.branch)
    seen = event.action != "closed" and parse_promotion_branch(event.head_branch) is None
    return (effect_job(event.number, event.head_sha),) if ours and seen else ()


def missed_jobs(services: Services, occasion: str) -> tuple[Job, ...]:
    """The jobs that the facts ask for and the queue does not know.

    Where there are many apps, a round looks at each of them later; ``occasion`` is its name.
    """
    head = services.config.fetch()
    jobs = _of_parts(
        services,
        lambda: _catalog_checks(services, head),
        lambda: _removals(services, head),
        lambda: of_pull_requests(services, head),
        lambda: _round(services, head, occasion),
    )
    return jobs if _parts(services, head) > 1 else (*jobs, *_missed_jobs_of_apps(services, head, WHOLE))


def missed_jobs_in(services: Services, part: Part) -> tuple[Job, ...]:
    """The jobs that one part of the apps asks for and the queue does not know."""
    return _missed_jobs_of_apps(services, services.config.fetch(), part)


def _missed_jobs_of_apps(services: Services, head: str, part: Part) -> tuple[Job, ...]:
    return _of_parts(
        services,
        lambda: _syncs(services, head, part),
        lambda: _all_releases(services, head, part),
        lambda: _all_entries(services, head, part),
    )


def _round(services: Services, head: str, occasion: str) -> Iterator[Job]:
    """A round, unless the last one is not over yet: then the next look starts one."""
    parts = _parts(services, head)
    last = services.queue.jobs(ROUND, limit=1) if parts > 1 else ()
    if parts > 1 and not any(record.state in {JobState.QUEUED, JobState.RUNNING} for record in last):
        yield round_job(occasion, parts, pause_between(parts, services.reconcile_seconds))


def _parts(services: Services, head: str) -> int:
    """How many parts the apps are looked at in; one where the catalog cannot be read, which each look then says."""
    try:
        return parts_for(len(read_catalog(services.config, head).apps), services.reconcile_seconds)
    except SlipwayError:
        return 1


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
    return tuple(job for part in parts for job in all_due(services.queue, _tolerant(part)))


def _tolerant(part: Callable[[], Iterable[Job]]) -> list[Job]:
    """One part that cannot be looked at (GitHub is away) does not keep the others from being looked at."""
    return _looked_at(part) or []


def _looked_at(part: Callable[[], Iterable[Job]]) -> list[Job] | None:
    """What a part asks for; None where it cannot be looked at."""
    try:
        return list(part())
    except SlipwayError as error:
        LOG.warning("cannot look", reason=str(error))
        return None


def _catalog_checks(services: Services, head: str) -> Iterator[Job]:
    """One for the newest change of the catalog."""
    change = services.config.last_change(head, [CATALOG])
    if change is not None:
        yield catalog_job(change.sha)


def _syncs(services: Services, head: str, part: Part) -> Iterator[Job]:
    """What the newest change of each place asks for."""
    return (job for _, _, jobs in changed_places(services, head, part) for job in jobs)


def _removals(services: Services, head: str) -> Iterator[Job]:
    """One for each app that was taken out of an environment that prunes."""
    return (prune_job(*removal) for removal in removals(services, head))


def _releases(services: Services, head: str, catalog: Catalog, apps: Iterable[App]) -> Iterator[Job]:
    """One for each app whose newest merge that concerns it has not entered the first environment."""

    def look(app: App) -> Job | None:
        try:
            return _release(services, catalog, app, head)
        except SlipwayError as error:
            LOG.warning("cannot look", app=app.name, reason=str(error))
            return None

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="look") as pool:
        asked = [pool.submit(copy_context().run, look, app) for app in apps]
    return (job for one in asked if (job := one.result()) is not None)


def _release(services: Services, catalog: Catalog, app: App, head: str) -> Job | None:
    """The newest merge's release, of those that concern the app; one that is kept out is built, and then waits."""
    first, sha = catalog.environments[0], wanted_head(services, head, catalog, app)
    id_ = release_id(app.name, sha)
    if services.config.find(head, "Slipway-Id", bump_id(id_, first.name)) is not None:
        return None
    job = release_job(app.name, sha)
    waits = barrier_before(services.config, services.clock.now(), head, first, app.name, id_) is not None
    return None if waits and services.queue.job(job.id) is not None else job


def _all_releases(services: Services, head: str, part: Part) -> Iterator[Job]:
    catalog = read_catalog(services.config, head)
    return _releases(services, head, catalog, part.apps(catalog.apps))


def _all_entries(services: Services, head: str, part: Part) -> Iterator[Job]:
    catalog = read_catalog(services.config, head)
    for app in part.apps(catalog.apps):
        yield from _tolerant(partial(missing_entries, services, head, catalog, app))
