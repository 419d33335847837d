"""Tells people: the one comment on the source pull request, commit statuses, and failures where they are looked for.

What the comment says is derived from the config repo and its pull requests each time, so it can be written again by
anyone at any moment and always tells the whole story.
"""

from dataclasses import replace
from datetime import datetime

from bot import messages
from bot.audit import release_of
from bot.catalog import App, Environment, Gate
from bot.errors import Permanent
from bot.facts import ConfigCommit, PullRequest, StatusState
from bot.holds import Hold
from bot.messages import Failure, Row, RowState, gates, promotions, statuses
from bot.releases import Merge, Outcome, bump_id, promotion_branch, release_id
from bot.services import Services
from bot.steps.barriers import barrier_before
from bot.steps.state import catalog_now, deployment, outcome, read_catalog, rollback_of
from bot.withdrawals import brought_in

_ROW_OF_OUTCOME = {
    Outcome.HEALTHY: RowState.HEALTHY,
    Outcome.FAILED: RowState.FAILED,
    Outcome.UNKNOWN: RowState.UNKNOWN,
    Outcome.SUPERSEDED: RowState.ROLLING_OUT,
}


def report_progress(
    services: Services,
    app_name: str,
    merge: Merge,
    *,
    image: str | None = None,
    failure: Failure | None = None,
    failed_in: str | None = None,
    story: str | None = None,
) -> None:
    """Write the comment on the source pull request; a direct push has none, and its statuses tell enough.

    ``failed_in`` is the environment that a failure kept the release from entering; ``story`` stands below the table.
    """
    if merge.pull_request is None:
        return
    building = image is None and failure is None
    rows = [
        replace(row, state=RowState.FAILED) if row.environment == failed_in and row.state is RowState.LATER else row
        for row in _rows(services, app_name, merge, building=building)
    ]
    body = messages.progress_comment(app_name, merge.sha, rows, image=image, failure=failure, story=story)
    marker = messages.comment_marker(app_name)
    services.forge.comment(merge.source, merge.pull_request, marker=marker, body=body)


def _rows(services: Services, app_name: str, merge: Merge, *, building: bool) -> list[Row]:
    head = services.config.fetch()
    catalog = read_catalog(services.config, head)
    app = catalog.app(app_name)
    rows: list[Row] = []
    for environment in catalog.environments:
        came_so_far = not rows or rows[-1].state is RowState.HEALTHY
        row = _entered_row(services, head, app, environment, merge)
        if row is None and came_so_far:
            row = _proposed_row(services, app, environment, merge)
        if row is None and not rows and building:
            row = Row(environment.name, RowState.BUILDING)
        if row is None and came_so_far:
            row = _kept_out_row(services, head, app, environment, merge)
        rows.append(row or Row(environment.name, RowState.LATER))
    return rows


def _kept_out_row(services: Services, head: str, app: App, environment: Environment, merge: Merge) -> Row | None:
    """The row of an environment that a hold or a freeze keeps the release out of.

    A hold that cannot be read is told elsewhere, as a failure, and this comment is where.
    """
    now, id_ = services.clock.now(), release_id(app.name, merge.sha)
    try:
        barrier = barrier_before(services.config, now, head, environment, app.name, id_)
    except Permanent:
        return None
    match barrier:
        case Hold() as hold:
            return Row(environment.name, RowState.HELD, gates.hold_cell(hold))
        case datetime() as until:
            return Row(environment.name, RowState.FROZEN, f"until {gates.moment(until)}")
        case None:
            return None


def _entered_row(services: Services, head: str, app: App, environment: Environment, merge: Merge) -> Row | None:
    """The row of an environment that the release has entered, None before that."""
    config = services.config
    bump = brought_in(config, head, bump_id(release_id(app.name, merge.sha), environment.name))
    if bump is None:
        return None
    there = deployment(config, head, app, environment)
    runs_here = there.release is not None and there.release.sha == merge.sha
    changed = there.changed_in if runs_here and there.changed_in else bump.sha
    note = outcome(config, changed, app.name, environment.name)
    commit = f"[`{messages.short(bump.sha)}`]({services.commit_url(bump.sha)})"
    taken_back = None if runs_here else rollback_of(config, head, bump.sha, app.name, environment.name)
    if taken_back is not None:
        return Row(environment.name, RowState.ROLLED_BACK, f"{commit} · {_link(services, taken_back)}")
    if note is None:
        return Row(environment.name, RowState.ROLLING_OUT, commit)
    took = f" after {messages.duration(note.seconds)}" if note.outcome is Outcome.HEALTHY else ""
    url = environment.url_for(app)
    address = f" · {url}" if url and note.outcome is Outcome.HEALTHY else ""
    return Row(environment.name, _ROW_OF_OUTCOME[note.outcome], f"{commit}{took}{address}")


def _link(services: Services, rollback: ConfigCommit) -> str:
    back = release_of(rollback)
    to = f"back to `{messages.short(back.sha)}` in " if back else ""
    return f"{to}[`{messages.short(rollback.sha)}`]({services.commit_url(rollback.sha)})"


def _proposed_row(services: Services, app: App, environment: Environment, merge: Merge) -> Row | None:
    """The row of a gated environment that the release waits before."""
    if environment.gate is not Gate.PULL_REQUEST:
        return None
    branch = promotion_branch(environment.name, app.name)
    found = services.forge.find_pull_request(services.config_name, branch, state="all")
    if found is None or bump_id(release_id(app.name, merge.sha), environment.name) not in found.body:
        return None
    state = RowState.AWAITING_APPROVAL if found.state == "open" else RowState.DECLINED
    return Row(environment.name, state, f"[{services.config_name}#{found.number}]({found.url})")


def set_environment_status(
    services: Services,
    merge: Merge,
    environment: str,
    state: StatusState,
    description: str,
    *,
    url: str | None = None,
    is_news: bool = False,
) -> None:
    """The commit status ``slipway/{environment}`` on the source commit; ``is_news`` as for the port."""
    services.forge.set_status(
        merge.source,
        merge.sha,
        context=f"slipway/{environment}",
        state=state,
        description=messages.one_line(description),
        url=url or services.dashboard_url,
        is_news=is_news,
    )


def report_failure(
    services: Services, app_name: str, merge: Merge, environment: str, failure: Failure, *, image: str | None = None
) -> None:
    """A failed build, bump or rollout: the paragraph on the source pull request, and a red status."""
    failure = replace(failure, reason=services.redact(failure.reason))
    shown = quotable(services, app_name, merge, failure)
    text = statuses.failed(failure)
    set_environment_status(services, merge, environment, StatusState.FAILURE, text)
    report_progress(services, app_name, merge, image=image, failure=shown, failed_in=environment)


def report_on_promotion(services: Services, app_name: str, number: int, failure: Failure) -> None:
    """A failed approval, merge or rollout: the paragraph on the promotion."""
    say_on_promotion(services, app_name, number, messages.failure_comment(app_name, failure))


def say_on_promotion(services: Services, app_name: str, number: int, body: str) -> None:
    """The one comment on a promotion, brought up to date; ``body`` begins with the app's marker."""
    marker = messages.comment_marker(app_name)
    services.forge.comment(services.config_name, number, marker=marker, body=body)


def close_promotion(services: Services, app_name: str, pull_request: PullRequest, body: str) -> str:
    """Say on a promotion why Slipway closes it, and close it and tidy its branch away: it waits for nobody.

    Its page no longer names the release, so that this is nobody's no to it. A branch that holds a person's work is
    left; then a sentence says so.
    """
    repo, number = services.config_name, pull_request.number
    say_on_promotion(services, app_name, number, body)
    page = promotions.closed_body(pull_request.body)
    services.forge.edit_pull_request(repo, number, title=pull_request.title, body=page)
    services.forge.close_pull_request(repo, number)
    try:
        services.config.delete_branch(pull_request.head_branch)
    except Permanent:
        return " Its branch holds a person's work, and is left."
    return ""


def quotable(services: Services, app_name: str, merge: Merge, failure: Failure) -> Failure:
    """Log lines are quoted only where the source repo is private or the catalog says so (DESIGN.md, promise 8)."""
    if not failure.evidence:
        return failure
    choice = catalog_now(services.config).app(app_name).quote_logs
    allowed = services.forge.repository(merge.source).private if choice is None else choice
    if allowed:
        return failure
    where = f" The log is on the dashboard: {services.dashboard_url}." if services.dashboard_url else ""
    return replace(failure, reason=failure.reason + where, evidence=())
