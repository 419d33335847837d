"""Reads a promotion's reviews afresh, decides, and merges exactly the head that was approved."""

from dataclasses import dataclass

from bot import messages
from bot.approval import Approved, Verdict
from bot.audit import release_of
from bot.errors import Permanent, Refused, Transient
from bot.facts import ConfigCommit, PullRequest, StatusState
from bot.messages import Failure, gates, promotions
from bot.messages import promote as promote_texts
from bot.releases import Release, parse_promotion_branch
from bot.repetition import may_be_repeated
from bot.services import Services
from bot.steps.barriers import hold_against
from bot.steps.people import verdict_on
from bot.steps.promote import APPROVAL
from bot.steps.proposals import own_proposal
from bot.steps.report import report_on_promotion, say_on_promotion
from bot.steps.state import Place, look


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A promotion, and what its reviews say of its present head.

    Attributes:
        merge_sha: the commit on the config branch, where it is merged already.
        approved_by: who approved; empty while it waits.
        frozen_until: RFC 3339, where it is approved but the environment is frozen.
        held: who holds the environment and why, where it is approved but held.
        closed: a person closed it without merging.
        release: the release's id, for the log; None where that is not known.
    """

    app: str
    environment: str
    head: str
    merge_sha: str | None = None
    approved_by: tuple[str, ...] = ()
    frozen_until: str | None = None
    held: str | None = None
    closed: bool = False
    release: str | None = None

    @property
    def may_be_merged(self) -> bool:
        """Approved, and neither a freeze nor a hold keeps it out."""
        return bool(self.approved_by) and self.frozen_until is None and self.held is None


def is_promotion(services: Services, pull_request: PullRequest) -> bool:
    """Whether a pull request is one of the bot's own: its branch is, and it does not come from a fork."""
    own = pull_request.head_repo in {None, services.config_name}
    return own and parse_promotion_branch(pull_request.head_branch) is not None


def review(services: Services, pull_request: PullRequest, *, show: bool = True) -> Reviewed:
    """Read a promotion's reviews, decide, and ``show`` what is missing as a commit status.

    Raises:
        Permanent: it is no promotion, or its head was pushed by somebody else.
    """
    place = _place(services, pull_request)
    ids = (place.app.name, place.environment.name, pull_request.head_sha)
    if pull_request.merged:
        tip = services.config.commit(pull_request.head_sha)
        brought = release_of(tip) if tip else None
        return Reviewed(*ids, merge_sha=pull_request.merge_sha, release=brought.id if brought else None)
    if pull_request.state == "closed":
        return Reviewed(*ids, closed=True)
    release = promoted(services, place, pull_request.number, pull_request.head_sha)[1]
    verdict = verdict_on(services, place, pull_request, release)
    approved = isinstance(verdict, Approved)
    frozen = place.environment.frozen_until(services.clock.now()) if approved else None
    held = (
        hold_against(services.config, place.head, place.environment.name, release.app, release.id) if approved else None
    )
    reviewed = Reviewed(
        *ids,
        approved_by=verdict.by if approved else (),
        frozen_until=frozen.isoformat() if frozen else None,
        held=gates.because(held) if held else None,
        release=release.id,
    )
    if show:
        _show(services, pull_request, verdict, gates.approved_but(held, frozen))
    return reviewed


def _place(services: Services, pull_request: PullRequest) -> Place:
    names = parse_promotion_branch(pull_request.head_branch)
    if names is None or not is_promotion(services, pull_request):
        raise Permanent(f"{services.config_name}#{pull_request.number} is not one of Slipway's promotions.")
    environment, app = names
    return look(services.config, app, environment)


def promoted(services: Services, place: Place, number: int, head: str) -> tuple[ConfigCommit, Release]:
    """The one commit of a promotion, its head, and the release it brings.

    Raises:
        Permanent: its head is not a commit of Slipway's.
        Transient: the head moved on before it could be fetched.
    """
    tip = services.config.commit(head)
    if tip is None:
        raise Transient(f"The head of #{number}, {head}, cannot be fetched yet.")
    release = own_proposal(services.config, place.head, place.app, place.environment, tip)
    if release is None:
        raise Permanent(
            f"The head of {services.config_name}#{number}, {messages.short(head)}, is not a commit of Slipway's: what "
            "it would put live is not known."
        )
    return tip, release


def _show(services: Services, pull_request: PullRequest, verdict: Verdict, waits_for: str) -> None:
    text = messages.approval_status(verdict) + waits_for
    done = isinstance(verdict, Approved) and not waits_for
    services.forge.set_status(
        services.config_name,
        pull_request.head_sha,
        context=APPROVAL,
        state=StatusState.SUCCESS if done else StatusState.PENDING,
        description=text,
        url=pull_request.url,
    )


@dataclass(frozen=True, slots=True)
class Merging:
    """What became of a merge: the new commit; or GitHub's refusal, in its words; or neither, where the head moved.

    ``found``: it was merged already. ``conflicts``: the config branch has changed in the same place.
    """

    commit: str | None = None
    found: bool = False
    refused: str = ""
    conflicts: bool = False


def merge(services: Services, number: int, reviewed: Reviewed) -> Merging:
    """Squash exactly the head that was reviewed: GitHub refuses where it is merged already, or has another head.

    Raises:
        Transient: GitHub is still working out whether it can be merged.
        Permanent: GitHub refuses for another reason than a rule or a conflict.
    """
    if may_be_repeated():
        before = services.forge.pull_request(services.config_name, number)
        if before.merged or before.head_sha != reviewed.head:
            return Merging(before.merge_sha if before.merged else None, found=before.merged)
    place = look(services.config, reviewed.app, reviewed.environment)
    tip, release = promoted(services, place, number, reviewed.head)
    title = messages.subject(release.app, release.sha, reviewed.environment)
    body = messages.commit_body(
        release,
        reviewed.environment,
        previous_image=tip.trailer("Previous-Image"),
        approved_by=reviewed.approved_by,
        further=promote_texts.carried(tip.trailers),
    )
    try:
        return Merging(
            services.forge.merge_pull_request(
                services.config_name, number, head=reviewed.head, title=title, message=body
            )
        )
    except Permanent as refusal:
        return _after_refusal(services, number, reviewed, refusal)


def _after_refusal(services: Services, number: int, reviewed: Reviewed, refusal: Permanent) -> Merging:
    """A refusal can be stale (it was merged meanwhile), about a moved head, or early (not computed yet)."""
    after = services.forge.pull_request(services.config_name, number)
    if after.merged:
        return Merging(after.merge_sha, found=True)
    if after.head_sha != reviewed.head:
        return Merging()
    if after.mergeable is None:
        raise Transient(f"GitHub is still working out whether #{number} can be merged.") from refusal
    if not isinstance(refusal, Refused):
        raise refusal
    return Merging(refused=refusal.words or str(refusal), conflicts=not after.mergeable)


def report_rules(services: Services, number: int, reviewed: Reviewed, words: str) -> None:
    """Say on an approved promotion which rule of the branch keeps it from being merged, and what to do."""
    pull_request = services.forge.pull_request(services.config_name, number)
    about = promotions.About(reviewed.app, reviewed.environment, promotions.release_in(pull_request.body))
    say_on_promotion(services, about.app, number, promotions.refused_by_rules(about, words, services.config.branch))
    services.forge.set_status(
        services.config_name,
        pull_request.head_sha,
        context=APPROVAL,
        state=StatusState.FAILURE,
        description=messages.one_line(f"approved, and not merged: {words}"),
        url=pull_request.url,
    )


def report_refusal(services: Services, number: int, failure: Failure) -> None:
    """Say on the promotion why it is not merged, and turn its status red."""
    pull_request = services.forge.pull_request(services.config_name, number)
    names = parse_promotion_branch(pull_request.head_branch)
    if names is None:
        return
    services.forge.set_status(
        services.config_name,
        pull_request.head_sha,
        context=APPROVAL,
        state=StatusState.FAILURE,
        description=messages.one_line(failure.reason),
        url=pull_request.url,
    )
    report_on_promotion(services, names[1], number, failure)
