"""Reads the source repos: where a tracked branch points, and how a commit came onto it. Changes nothing."""

from collections.abc import Callable

from bot.catalog import App
from bot.errors import Permanent
from bot.facts import PullRequest
from bot.ordering import Order, order
from bot.ports import Forge
from bot.releases import Merge
from bot.services import Services
from bot.steps.state import catalog_now


def tracked_branch(services: Services, app: App) -> str:
    """The branch whose head is released: the catalog's, or the source repo's default branch."""
    return app.branch or services.forge.default_branch(app.source)


def tracked_head(services: Services, app: App) -> str:
    """The commit that the tracked branch points to now.

    Raises:
        Permanent: the branch is gone.
    """
    branch = tracked_branch(services, app)
    head = services.sources.branch_head(app.source, branch)
    if head is None:
        raise Permanent(
            f"{app.source} has no branch {branch}: correct `branch` of the app {app.name} in slipway.yaml, or push the "
            "branch again."
        )
    return head


def standing(forge: Forge, source: str, *, deployed: str, new: str, tracked: Callable[[], str]) -> Order:
    """How one commit of a source repo stands to another; ``tracked`` names the tracked branch or its head, if asked."""
    if deployed == new:
        return Order.SAME
    comparison = forge.compare(source, deployed, new)
    ahead = comparison is None or comparison.status in {"ahead", "identical"}
    reachable = None if ahead else forge.compare(source, deployed, tracked())
    return order(comparison, reachable, same=False)


def describe_merge(services: Services, app_name: str, sha: str) -> Merge:
    """Who brought a commit onto the tracked branch, when, and by which pull request.

    Always asked of the API, whichever event came first. A direct push has no pull request: its author counts.
    """
    app = catalog_now(services.config).app(app_name)
    commit = services.forge.commit(app.source, sha)
    pull_request = _merged_pull_request(services, app, sha)
    if pull_request is None:
        return Merge(
            source=app.source,
            sha=sha,
            subject=commit.subject,
            merged_by=commit.author,
            merged_at=commit.committed_at,
            author=commit.author,
        )
    return Merge(
        source=app.source,
        sha=sha,
        subject=commit.subject,
        merged_by=pull_request.merged_by or commit.author,
        merged_at=pull_request.merged_at or commit.committed_at,
        pull_request=pull_request.number,
        title=pull_request.title,
        author=pull_request.author,
    )


def _merged_pull_request(services: Services, app: App, sha: str) -> PullRequest | None:
    branch = tracked_branch(services, app)
    merged = [
        candidate
        for candidate in services.forge.pull_requests_of(app.source, sha)
        if candidate.merged and candidate.base_branch == branch
    ]
    if not merged:
        return None
    best = max(merged, key=lambda candidate: (candidate.merge_sha == sha, candidate.merged_at or ""))
    return best if best.merged_by is not None else services.forge.pull_request(app.source, best.number)
