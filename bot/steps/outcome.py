"""Ends a sync: records how it ended in Git, tells people, and says which release it was about."""

from dataclasses import dataclass, replace

from bot.catalog import Gate
from bot.errors import Permanent
from bot.facts import ConfigCommit, DeploymentState, StatusState
from bot.messages import Failure, statuses
from bot.releases import Release
from bot.services import Services
from bot.steps import deployments
from bot.steps.people import Approval, approval_of_commit
from bot.steps.report import report_failure, report_on_promotion, report_progress, set_environment_status
from bot.steps.rollback import arrived, is_rollback
from bot.steps.rollout import wanted_of
from bot.steps.state import SHARED, Place, deployment, look, manifest_files, rollback_of
from bot.steps.take_back import UnapprovedMerge, puts_back, unapproved_merge


@dataclass(frozen=True, slots=True)
class Subject:
    """What a sync was about.

    Attributes:
        release: the release that runs with this config commit, where one is known.
        brought: whether this very commit brought it (else a person changed something beside the image).
        went_back: whether it brought it by taking another one back, as a rollback or a person's revert does.
        approved_by: who approved, in a gated environment.
        unapproved: the environment is gated, and nobody who may has approved.
        pull_request: the config repo's pull request that it came by, where there was one.
        next_environment: where the release may go next; None behind the last one.
        to_take_back: a merge that is not approved and was not applied yet, where the catalog wants such reverted.
        is_news: whether nobody can have told of this commit yet.
        deployment: the GitHub Deployment that tells of it, once it rolls out and where there is one.
    """

    release: Release | None
    brought: bool
    went_back: bool
    approved_by: tuple[str, ...]
    unapproved: bool
    pull_request: int | None
    next_environment: str | None
    to_take_back: UnapprovedMerge | None = None
    is_news: bool = False
    deployment: int | None = None

    @property
    def told_by_what_follows(self) -> bool:
        """Whether the comment tells of a healthy end together with what comes next, a moment later."""
        return self.is_news and self.brought and self.next_environment is not None


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is to be synced.

    Attributes:
        wanted: the config commit that the app's environment shall match now.
        subject: what the sync's own commit is about; None where another one is wanted.
    """

    wanted: str | None
    subject: Subject | None


def see(services: Services, app: str, environment: str, commit: str) -> Seen:
    """See whether a commit is still the one to be synced, and what it is about."""
    place = look(services.config, app, environment)
    wanted = wanted_of(services, place, commit)
    return Seen(wanted, _subject(services, place, commit) if wanted == commit else None)


def subject_of(services: Services, app: str, environment: str, commit: str) -> Subject:
    """Read what a sync of this commit is about, and who approved it."""
    return _subject(services, look(services.config, app, environment), commit)


def _subject(services: Services, place: Place, commit_sha: str) -> Subject:
    commit = services.config.commit(commit_sha)
    if commit is None:
        raise Permanent(f"The config commit {commit_sha} is not on the config branch any more.")
    there = deployment(services.config, commit_sha, place.app, place.environment)
    before = _release_before(services, place, commit)
    gated = place.environment.gate is Gate.PULL_REQUEST
    approval = approval_of_commit(services, place, commit) if gated else Approval()
    following = place.catalog.next_environment(place.environment.name)
    brought = there.release is not None and (before is None or before.sha != there.release.sha)
    moved_on = there.release is not None and arrived(services.config, place, commit, there.release) is not None
    return Subject(
        release=there.release,
        brought=brought,
        went_back=brought and not moved_on,
        approved_by=approval.by,
        unapproved=gated and not approval.by and _served_before(services, place, commit, before),
        pull_request=approval.pull_request,
        next_environment=following.name if following else None,
        to_take_back=unapproved_merge(services, place, commit, approval) if gated else None,
    )


def _served_before(services: Services, place: Place, commit: ConfigCommit, before: Release | None) -> bool:
    """Whether the commit changed what was there: bringing an app in at first needs no approval, nor taking one back."""
    if place.app.name == SHARED and commit.parents:
        return bool(manifest_files(services.config, commit.parents[0], place.app, place.environment))
    return before is not None and not _needs_none(services, place, commit)


def _needs_none(services: Services, place: Place, commit: ConfigCommit) -> bool:
    """What takes something back needs no approval."""
    return puts_back(services, commit) or is_rollback(services.config, place, commit)


def _release_before(services: Services, place: Place, commit: ConfigCommit) -> Release | None:
    """What ran before a commit; a state that could not be read never ran, so the one before that counts."""
    config, paths = services.config, place.app.manifest_paths(place.environment)
    change: ConfigCommit | None = commit
    while change is not None and change.parents:
        parent = change.parents[0]
        try:
            return deployment(config, parent, place.app, place.environment).release
        except Permanent:
            change = config.last_change(parent, paths)
    return None


def tell_rolling_out(services: Services, app: str, environment: str, commit: str, subject: Subject) -> int | None:
    """The pods are being replaced: a deployment of the source commit; without those, a pending status on it."""
    release = subject.release
    if release is None or not subject.brought:
        return None
    deployment = deployments.begin(services, app, environment, commit, release, is_news=subject.is_news)
    if deployment is None:
        text = statuses.rolling_out(app, environment)
        set_environment_status(services, release.merge, environment, StatusState.PENDING, text, is_news=subject.is_news)
    return deployment


def tell_healthy(services: Services, app: str, environment: str, commit: str, subject: Subject, seconds: float) -> None:
    """The pods are ready: a green status, and the comment brought up to date, unless what follows is told with it.

    Nothing where it went back meanwhile: the rollback has told that.
    """
    release = subject.release
    if release is None or not subject.brought:
        return
    place = look(services.config, app, environment)
    if rollback_of(services.config, place.head, commit, app, environment) is not None:
        return
    text = statuses.live(app, environment, seconds)
    url = place.environment.url_for(place.app)
    set_environment_status(
        services, release.merge, environment, StatusState.SUCCESS, text, url=url, is_news=subject.is_news
    )
    if subject.deployment is not None:
        state = DeploymentState.SUCCESS
        deployments.end(services, release, subject.deployment, state, text, url=url, is_news=subject.is_news)
    if not subject.told_by_what_follows:
        report_progress(services, app, release.merge, image=release.image)


def tell_superseded(services: Services, app: str, environment: str, subject: Subject) -> None:
    """A newer change came while the pods were being replaced: it has a deployment of its own."""
    if subject.release is not None and subject.deployment is not None:
        text = statuses.superseded(app, environment)
        deployments.end(services, subject.release, subject.deployment, DeploymentState.INACTIVE, text)


def tell_failed(
    services: Services,
    app: str,
    environment: str,
    commit: str,
    subject: Subject,
    failure: Failure,
    *,
    is_unknown: bool,
) -> None:
    """The pods did not come up, the cluster refused, or could not be asked: where those look who can mend it.

    A release's people look at the source pull request, an approver at the promotion; who changed something beside the
    image looks at the config commit. Where it went back meanwhile, the rollback tells both, and is not contradicted.
    """
    release = subject.release
    if release is not None and subject.deployment is not None:
        state = DeploymentState.ERROR if is_unknown else DeploymentState.FAILURE
        deployments.end(services, release, subject.deployment, state, services.redact(statuses.failed(failure)))
    if rollback_of(services.config, services.config.fetch(), commit, app, environment) is not None:
        return
    if release is not None and subject.brought:
        report_failure(services, app, release.merge, environment, failure, image=release.image)
    else:
        _config_status(services, environment, commit, failure)
    if subject.pull_request is not None:
        report_on_promotion(services, app, subject.pull_request, replace(failure, evidence=()))


def tell_unreadable(services: Services, app: str, environment: str, commit: str, failure: Failure) -> None:
    """A config commit left files that cannot be read: a red status on it, and a comment on its pull request."""
    _config_status(services, environment, commit, failure)
    for pull_request in services.forge.pull_requests_of(services.config_name, commit):
        report_on_promotion(services, app, pull_request.number, failure)


def tell_unapproved(services: Services, app: str, environment: str, commit: str, subject: Subject) -> None:
    """A gated path was changed without the approvals that the catalog asks for: said on the commit itself."""
    text = statuses.unapproved(app if app != SHARED else "What all share", environment)
    context = f"slipway/{environment}"
    url = services.commit_url(commit)
    services.forge.set_status(
        services.config_name, commit, context=context, state=StatusState.FAILURE, description=text, url=url
    )
    if subject.pull_request is not None:
        failure = Failure(
            "The approval check", f"{text}: it runs, since Git is the truth, and is recorded as unapproved."
        )
        report_on_promotion(services, app, subject.pull_request, failure)


def _config_status(services: Services, environment: str, commit: str, failure: Failure) -> None:
    services.forge.set_status(
        services.config_name,
        commit,
        context=f"slipway/{environment}",
        state=StatusState.FAILURE,
        description=services.redact(statuses.failed(failure)),
        url=services.commit_url(commit),
    )
