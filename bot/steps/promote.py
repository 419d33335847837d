"""Opens, or moves, the one pull request by which an app's release may enter a gated environment."""

from dataclasses import dataclass

from bot import messages
from bot.approval import Waiting
from bot.errors import Permanent
from bot.facts import Change, Commit, ConfigCommit, PullRequest, StatusState
from bot.manifests.forms import holding_files
from bot.messages import promote as promote_texts
from bot.messages import statuses
from bot.releases import Release, promotion_branch
from bot.repetition import may_be_repeated
from bot.services import Services
from bot.steps.owners import owners_of_files
from bot.steps.report import set_environment_status
from bot.steps.requested import Asked
from bot.steps.state import Place, deployment, form_of, outcome, previous_environment, text_reader

APPROVAL = "slipway/approval"
"""The status context that tells what a promotion still waits for."""

LABEL = "slipway"
"""What promotions are labelled with; beside it ``slipway:ENVIRONMENT``."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """The promotion's number; None where there is nothing to change. ``declined``: a person closed it."""

    number: int | None
    declined: bool = False


def propose(services: Services, place: Place, release: Release, change: Change, asked: Asked | None = None) -> Proposal:
    """Have exactly one open pull request for this app and environment, about this release.

    A pull request about the very same release that a person closed without merging stays closed: they declined it.
    Only where somebody has ``asked`` for it since, a new one is opened.
    """
    branch = promotion_branch(place.environment.name, release.app)
    known = services.forge.find_pull_request(services.config_name, branch, state="all")
    about_this = known is not None and messages.promotion_marker(release, place.environment.name) in known.body
    if known is not None and about_this and known.state == "closed" and not known.merged:
        if asked is None:
            return Proposal(known.number, declined=True)
        if not _made_already(services, branch, known, change):
            services.config.delete_branch(branch)  # what it holds says nothing of the request
    tip = services.config.propose(branch, change)
    if tip is None:
        return Proposal(None)
    already_open = known if known is not None and known.state == "open" else None
    moved = already_open is None or already_open.head_sha != tip.sha
    if moved or may_be_repeated():
        _say_on_source(services, place, release, is_news=tip.is_new)
    pull_request = _open_or_edit(services, place, release, already_open, asked)
    if moved:
        _say_waiting(services, place, pull_request, tip)
    return Proposal(pull_request.number)


def _made_already(services: Services, branch: str, declined: PullRequest, change: Change) -> bool:
    """Whether the branch holds what was put there for this request, before whoever did so died."""
    tip = services.config.branch_tip(branch)
    commit = services.config.commit(tip) if tip is not None and tip != declined.head_sha else None
    return commit is not None and commit.message.strip() == change.message.strip()


def _say_on_source(services: Services, place: Place, release: Release, *, is_news: bool) -> None:
    """That it waits, on the source commit. Said before anybody can approve it, so that it is never the last word."""
    environment, text = place.environment.name, statuses.waits(release.app, place.environment.name)
    set_environment_status(services, release.merge, environment, StatusState.PENDING, text, is_news=is_news)


def _say_waiting(services: Services, place: Place, pull_request: PullRequest, head: ConfigCommit) -> None:
    services.forge.set_status(
        services.config_name,
        head.sha,
        context=APPROVAL,
        state=StatusState.PENDING,
        description=messages.approval_status(
            Waiting(by=(), needed=place.environment.approvals, owners=_code_owners(services, place))
        ),
        url=pull_request.url,
        is_news=head.is_new,
    )


def _open_or_edit(
    services: Services, place: Place, release: Release, known: PullRequest | None, asked: Asked | None
) -> PullRequest:
    forge, repo = services.forge, services.config_name
    title = messages.subject(release.app, release.sha, place.environment.name)
    body = messages.promotion_body(_promotion(services, place, release, asked))
    if known is not None:
        _label(services, known, place)
        if (known.title, known.body.replace("\r\n", "\n").strip()) != (title, body.strip()):
            forge.edit_pull_request(repo, known.number, title=title, body=body)
        return known
    branch = promotion_branch(place.environment.name, release.app)
    try:
        opened = forge.open_pull_request(repo, head=branch, base=services.config.branch, title=title, body=body)
    except Permanent:
        meanwhile = forge.find_pull_request(repo, branch)
        if meanwhile is None:
            raise
        return meanwhile  # GitHub refuses a second one: another job has just opened it, about the same branch
    _label(services, opened, place)
    return opened


def _label(services: Services, pull_request: PullRequest, place: Place) -> None:
    """So that promotions, and those of one environment, can be listed among what else the config repo has open."""
    wanted = (LABEL, f"{LABEL}:{place.environment.name}")
    if not set(wanted) <= set(pull_request.labels):
        services.forge.label(services.config_name, pull_request.number, wanted)


def _promotion(services: Services, place: Place, release: Release, asked: Asked | None) -> messages.Promotion:
    deployed = place.deployed.release.sha if place.deployed.release else None
    commits, total = _commits_between(services, release, deployed)
    return messages.Promotion(
        release=release,
        environment=place.environment.name,
        previous_image=next(iter(place.deployed.images), None) if not place.deployed.waiting else None,
        commits=commits,
        total=total,
        deployed_sha=deployed,
        came_through=_came_through(services, place, release),
        who=messages.who_may_approve(
            place.environment.approvers, place.environment.approvals, _code_owners(services, place)
        ),
        url=place.environment.url_for(place.app),
        source_url=f"{services.github_url}/{release.merge.source}",
        notes=promote_texts.page_notes(asked.by, asked.skipped) if asked else (),
    )


def _code_owners(services: Services, place: Place) -> tuple[tuple[str, ...], ...]:
    """The code owners of the files that hold the app's image."""
    config, head = services.config, place.head
    form = form_of(config, head, place.app, place.environment)
    return owners_of_files(config, head, holding_files(form, text_reader(config, head), place.deployed.images))


def _commits_between(services: Services, release: Release, deployed: str | None) -> tuple[tuple[Commit, ...], int]:
    """What the environment would gain; nothing where GitHub does not know what it runs."""
    comparison = services.forge.compare(release.merge.source, deployed, release.sha) if deployed else None
    return (comparison.commits, comparison.total) if comparison else ((), 0)


def _came_through(services: Services, place: Place, release: Release) -> tuple[str, float, str | None] | None:
    """The environment before this one, and how long the release took to become healthy there."""
    config, app = services.config, place.app
    before = previous_environment(place.catalog, place.environment.name)
    if before is None:
        return None
    there = deployment(config, place.head, app, before)
    if there.release is None or there.release.sha != release.sha or there.changed_in is None:
        return None
    note = outcome(config, there.changed_in, app.name, before.name)
    return (before.name, note.seconds, before.url_for(app)) if note else None
