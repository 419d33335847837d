"""What open promotions, and other pull requests, of the config repo ask for. Starts nothing itself."""

from collections.abc import Iterator

import structlog

from bot.declined import closed
from bot.errors import SlipwayError
from bot.events import PullRequestChanged
from bot.facts import Job, PullRequest
from bot.jobs import DECLINED, REOPENED, Ended, approve_job, effect_job, next_attempt, sync_job
from bot.ports import Queue
from bot.releases import parse_promotion_branch
from bot.services import Services
from bot.steps.approve import is_promotion, review
from bot.steps.proposals import Trouble, Troubled, own_proposal, pending, troubled, why_gone
from bot.steps.state import deployment, read_catalog

LOG = structlog.get_logger()


def looks_at(services: Services, event: PullRequestChanged) -> tuple[Job, ...]:
    """Somebody closed, reopened, pushed to or edited a promotion. What Slipway opens or edits asks for nothing."""
    match event.action:
        case "closed":
            return (approve_job(event.number, DECLINED),)
        case "reopened":
            return (approve_job(event.number, f"{REOPENED}{event.head_sha}"),)
        case "synchronize":
            job = approve_job(event.number, f"head-{event.head_sha}")
            # Whoever reviewed it, or heard that its head was not Slipway's, has to be told how that is now.
            looked_at_before = services.queue.jobs(f"approve/{event.number}/", limit=1)
            return (job,) if looked_at_before or not _is_own_head(services, event) else ()
        case "edited":
            job = approve_job(event.number, f"edited-{event.head_sha}-onto-{event.base_branch}")
            aimed_well = event.base_branch == services.config.branch
            since_aimed_elsewhere = services.queue.jobs(f"approve/{event.number}/edited-", limit=1)
            return () if aimed_well and not since_aimed_elsewhere else (job,)
    return ()


def merged_promotion(services: Services, event: PullRequestChanged) -> tuple[Job, ...]:
    """A promotion was merged, by Slipway or a person: the sync of what it brought, which Git tells."""
    environment_name, app_name = parse_promotion_branch(event.head_branch) or ("", "")
    head = services.config.fetch()
    catalog = read_catalog(services.config, head)
    if event.base_branch != services.config.branch or why_gone(catalog, app_name, environment_name) is not None:
        return ()
    environment = catalog.environment(environment_name)
    changed_in = deployment(services.config, head, catalog.app(app_name), environment).changed_in
    return (sync_job(app_name, environment_name, changed_in),) if changed_in is not None else ()


def _is_own_head(services: Services, event: PullRequestChanged) -> bool:
    """Whether a promotion's new head is Slipway's own, which asks for nothing."""
    environment_name, app_name = parse_promotion_branch(event.head_branch) or ("", "")
    head = services.config.fetch()
    catalog, tip = read_catalog(services.config, head), services.config.commit(event.head_sha)
    if tip is None or why_gone(catalog, app_name, environment_name) is not None:
        return False
    app, environment = catalog.app(app_name), catalog.environment(environment_name)
    return own_proposal(services.config, head, app, environment, tip) is not None


def troubled_by_push(services: Services, head: str) -> tuple[Job, ...]:
    """One for each open promotion under which the config branch, or the catalog, has moved away."""
    found = troubled(services.config, read_catalog(services.config, head), head, heads_too=False)
    if not found:
        return ()
    looks = {one.branch: one for one in found}
    opened = services.forge.open_pull_requests(services.config_name)
    jobs = (approve_job(one.number, looks[one.head_branch].occasion) for one in opened if one.head_branch in looks)
    return tuple(job for job in jobs if not _was_looked_at(services.queue, job))


def of_pull_requests(services: Services, head: str, app: str | None = None) -> Iterator[Job]:
    """What each open pull request asks for, and each promotion that was closed and not spoken of.

    Where it is about one ``app``, only what its promotions ask for.
    """
    catalog = read_catalog(services.config, head)
    looks = {one.branch: one for one in troubled(services.config, catalog, head, heads_too=True)}
    opened = services.forge.open_pull_requests(services.config_name)
    for pull_request in opened:
        names = parse_promotion_branch(pull_request.head_branch)
        if is_promotion(services, pull_request) and names is not None:
            if app in {None, names[1]}:
                yield from _of_promotion(services, pull_request, looks.get(pull_request.head_branch))
        elif app is None and pull_request.base_branch == services.config.branch:
            yield effect_job(pull_request.number, pull_request.head_sha)
    if app is None:
        yield from _closed_unheard(services, head, {one.head_branch for one in opened})


def _of_promotion(services: Services, pull_request: PullRequest, look: Troubled | None) -> Iterator[Job]:
    """One where it wants looking after, and one where its head is approved and may be merged now."""
    number = pull_request.number
    if pull_request.base_branch != services.config.branch:
        yield approve_job(number, f"edited-{pull_request.head_sha}-onto-{pull_request.base_branch}")
        return
    asked = approve_job(number, look.occasion) if look is not None else None
    if asked is not None and not _was_looked_at(services.queue, asked):
        yield asked
    if look is not None and look.trouble is not Trouble.MOVED:
        return
    try:
        reviewed = review(services, pull_request, show=False)
    except SlipwayError as error:
        LOG.warning("cannot look", pull_request=number, reason=str(error))
        return
    if reviewed.may_be_merged:
        yield approve_job(number, f"{reviewed.head}-{'-'.join(reviewed.approved_by)}")


def _closed_unheard(services: Services, head: str, opened: set[str]) -> Iterator[Job]:
    """One for each promotion that was closed without a merge, and was not looked at since: its webhook never came."""
    waiting = {branch: tip for branch, tip in pending(services.config, head).items() if branch not in opened}
    if not waiting:
        return
    for pull_request in services.forge.closed_pull_requests(services.config_name):
        number, head_sha = pull_request.number, pull_request.head_sha
        ours = is_promotion(services, pull_request) and not pull_request.merged
        if ours and waiting.get(pull_request.head_branch) == head_sha and not _was_heard(services.queue, number):
            yield approve_job(number, DECLINED)


def _was_heard(queue: Queue, number: int) -> bool:
    """Whether the newest look for somebody's closing or reopening a promotion was one for closing it."""
    return bool(closed(queue.jobs(f"approve/{number}/")))


def _was_looked_at(queue: Queue, job: Job) -> bool:
    """Whether the look at a promotion was had, and found that it is the reviews' turn."""
    ended = None
    while (record := queue.job(job.id)) is not None:
        ended, job = record.result, next_attempt(job)
    return isinstance(ended, Ended) and ended.outcome == "waiting"
