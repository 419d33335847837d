"""Looks after a promotion that somebody, or time, has meddled with: closes, explains, or makes it once more.

Each ends as a person would expect, and says so on the pull request. A person's commits are never overwritten.
"""

from dataclasses import dataclass

from bot import messages
from bot.approval import latest_opinions
from bot.audit import release_of
from bot.catalog import Catalog
from bot.errors import Transient
from bot.facts import ConfigCommit, PullRequest, ReviewState, StatusState
from bot.jobs import REOPENED
from bot.manifests import find_images
from bot.messages import promotions as texts
from bot.releases import parse_promotion_branch
from bot.services import Services
from bot.steps.approve import Reviewed, is_promotion, review
from bot.steps.declined import tell_closed
from bot.steps.enter import Entered, Entry, enter
from bot.steps.promote import APPROVAL
from bot.steps.proposals import left_paths, moved_paths, own_proposal, why_gone
from bot.steps.report import close_promotion, say_on_promotion
from bot.steps.state import Place, decode, look, read_catalog

IN_ORDER_SINCE = ("head-", "edited-", REOPENED)
"""Occasions that may have mended what was said on the pull request."""

FURTHEST_BACK = 20
"""Commits that a person may have put on top of Slipway's for that one to be found and named."""


@dataclass(frozen=True, slots=True)
class Tended:
    """What was found, where a promotion is not simply waiting for reviews: a word for machines, one for people.

    Attributes:
        ask_again: GitHub has not worked out yet whether it can be merged.
        outdated_tip: its head, where its change must be made once more on top of the config branch.
    """

    outcome: str
    detail: str
    ask_again: bool = False
    outdated_tip: str | None = None


def tend(services: Services, number: int, *, patient: bool = False) -> Tended | Reviewed:
    """See how a promotion stands, and do what that asks for; where its reviews are all that matters, read them.

    Args:
        services: the ports.
        number: the pull request.
        patient: whether it can be asked again, where GitHub does not know yet if it can be merged.

    Raises:
        Transient: its head cannot be fetched yet.
    """
    pull_request = services.forge.pull_request(services.config_name, number)
    names = parse_promotion_branch(pull_request.head_branch)
    if names is None or not is_promotion(services, pull_request):
        return Tended("ignored", f"#{number} is not one of Slipway's promotions")
    if pull_request.merged:
        return review(services, pull_request)
    environment, app = names
    head = services.config.fetch()
    catalog = read_catalog(services.config, head)
    about = texts.About(app, environment, texts.release_in(pull_request.body))
    if pull_request.state == "closed":
        return _declined(services, catalog, pull_request, about)
    why = why_gone(catalog, app, environment)
    if why is not None:
        return _close(services, pull_request, about, why)
    tip = services.config.commit(pull_request.head_sha)
    if tip is None:
        raise Transient(f"The head of #{number}, {pull_request.head_sha}, cannot be fetched yet.")
    place = look(services.config, app, environment)
    return _tend_open(services, place, pull_request, tip, about, patient=patient) or review(services, pull_request)


def _tend_open(
    services: Services, place: Place, pull_request: PullRequest, tip: ConfigCommit, about: texts.About, *, patient: bool
) -> Tended | None:
    number = pull_request.number
    if pull_request.base_branch != services.config.branch:
        text = texts.wrong_base(about, pull_request.base_branch, services.config.branch)
        return _refuse(services, pull_request, about, text, f"it is aimed at {pull_request.base_branch}")
    if own_proposal(services.config, place.head, place.app, place.environment, tip) is None:
        ours, branch = _ours_below(services, place, tip), pull_request.head_branch
        text = texts.foreign_head(about, _named(tip), services.config_name, ours=ours, branch=branch)
        return _refuse(services, pull_request, about, text, "its head is not Slipway's commit")
    conflicting = _conflicts(services, place, pull_request, tip)
    if conflicting is None and patient:
        return Tended("waiting", f"GitHub is working out whether #{number} can be merged", ask_again=True)
    if conflicting:
        return Tended("waiting", f"#{number} conflicts with the config branch", outdated_tip=tip.sha)
    return None


def _named(commit: ConfigCommit) -> texts.Commit:
    return texts.Commit(commit.sha, commit.subject, commit.author_name)


# ---------------------------------------------------------------- closed


def _declined(services: Services, catalog: Catalog, pull_request: PullRequest, about: texts.About) -> Tended:
    """A person closed it, or deleted its branch, which closes it on GitHub."""
    if about.release is None:
        return Tended("done", f"#{pull_request.number} was closed by Slipway")
    branch_gone = services.config.branch_tip(pull_request.head_branch) is None
    say_on_promotion(services, about.app, pull_request.number, texts.declined(about, branch_gone=branch_gone))
    if why_gone(catalog, about.app, about.environment) is None:
        tell_closed(services, pull_request, about.app, about.environment, about.release)
    return Tended("superseded", f"#{pull_request.number} was declined at {pull_request.head_sha}")


def _close(services: Services, pull_request: PullRequest, about: texts.About, why: str) -> Tended:
    left = close_promotion(services, about.app, pull_request, texts.gone(about, why))
    return Tended("done", f"closed #{pull_request.number}: {why}{left}")


# ---------------------------------------------------------------- a head that is not ours


def _refuse(services: Services, pull_request: PullRequest, about: texts.About, text: str, why: str) -> Tended:
    marker = texts.head_marker(about.app)
    services.forge.comment(services.config_name, pull_request.number, marker=marker, body=text)
    services.forge.set_status(
        services.config_name,
        pull_request.head_sha,
        context=APPROVAL,
        state=StatusState.FAILURE,
        description=f"not merged: {why}",
        url=pull_request.url,
    )
    return Tended("refused", f"#{pull_request.number} is not merged: {why}")


def _ours_below(services: Services, place: Place, tip: ConfigCommit) -> str | None:
    """Slipway's own commit that a person's were put on top of; None where they replaced it."""
    commit: ConfigCommit | None = tip
    for _ in range(FURTHEST_BACK):
        commit = services.config.commit(commit.parents[0]) if commit and commit.parents else None
        if commit is None:
            return None
        if own_proposal(services.config, place.head, place.app, place.environment, commit) is not None:
            return commit.sha
    return None


def say_in_order(services: Services, number: int, occasion: str) -> None:
    """Take back, where it was said, that the head is not Slipway's, or that the promotion was declined."""
    pull_request = services.forge.pull_request(services.config_name, number)
    environment, app = parse_promotion_branch(pull_request.head_branch) or ("", "")
    if pull_request.state != "open":
        return
    about = texts.About(app, environment, texts.release_in(pull_request.body))
    marker, text = texts.head_marker(app), texts.head_mended(about)
    if occasion.startswith(REOPENED):
        marker, text = messages.comment_marker(app), texts.reopened(about)
    services.forge.comment(services.config_name, number, marker=marker, body=text, only_update=True)


# ---------------------------------------------------------------- a base that moved


def _conflicts(services: Services, place: Place, pull_request: PullRequest, tip: ConfigCommit) -> bool | None:
    """Whether the config branch moved in the same place; None where only GitHub can tell, and does not know yet."""
    config, app, environment = services.config, place.app, place.environment
    if left_paths(config, place.head, app, environment, tip):
        return True
    moved = moved_paths(config, place.head, app, environment, tip)
    if not moved:
        return False
    base = tip.parents[0]
    if any(_images(services, base, path) != _images(services, place.head, path) for path in moved):
        return True
    return None if pull_request.mergeable is None else not pull_request.mergeable


def _images(services: Services, commit: str, path: str) -> tuple[str, ...] | None:
    data = services.config.read(commit, path)
    return tuple(found.text for found in find_images(decode(data, path), path)) if data is not None else None


def rebuild(services: Services, number: int, outdated_tip: str) -> Tended:
    """Make the change once more on top of the config branch; close it where there is nothing left to change.

    Raises:
        Permanent: its head is not a commit of Slipway's, or the app's manifests do not allow it.
    """
    pull_request = services.forge.pull_request(services.config_name, number)
    environment, app = parse_promotion_branch(pull_request.head_branch) or ("", "")
    tip = services.config.commit(outdated_tip)
    release = release_of(tip) if tip else None
    if release is None or release.app != app or pull_request.state != "open":
        return Tended("superseded", f"#{number} moved on meanwhile")
    about = texts.About(app, environment, release.sha)
    match enter(services, release, environment):
        case Entered(entry=Entry.PROPOSED, pull_request=proposed) if proposed == number:
            return Tended("done", f"#{number} was made anew: it must be approved anew", outdated_tip=outdated_tip)
        case Entered(entry=Entry.PRESENT | Entry.UNCHANGED):
            return _close(services, pull_request, about, texts.there_already(environment))
        case Entered(entry=Entry.OUTDATED):
            return _close(services, pull_request, about, texts.overtaken(environment))
        case entered:
            return Tended("waiting", f"#{number} cannot be made anew: {entered.entry.value}")


def say_rebuilt(services: Services, number: int, outdated_tip: str) -> None:
    """On the pull request: what moved, who did that, and whose approval is void."""
    pull_request = services.forge.pull_request(services.config_name, number)
    environment, app = parse_promotion_branch(pull_request.head_branch) or ("", "")
    place, tip = look(services.config, app, environment), services.config.commit(outdated_tip)
    if tip is None:
        return
    paths = moved_paths(services.config, place.head, place.app, place.environment, tip)
    change = services.config.last_change(place.head, place.app.manifest_paths(place.environment))
    opinions = latest_opinions(services.forge.reviews(services.config_name, number))
    voided = [who for who, review in opinions.items() if review.state is ReviewState.APPROVED]
    text = texts.rebuilt(
        texts.About(app, environment, texts.release_in(pull_request.body)),
        _named(change) if change else None,
        services.config_name,
        paths=paths or services.config.changed_paths(tip.sha),
        voided=voided,
    )
    say_on_promotion(services, app, number, text)
