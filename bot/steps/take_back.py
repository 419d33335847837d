"""Takes back a merge that a person pressed before the promotion was approved, ahead of its being applied."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from bot import messages
from bot.audit import release_of
from bot.errors import Permanent
from bot.facts import Change, ConfigCommit, Edit, Reader, StatusState
from bot.manifests import FoundImage, ManifestError, find_images
from bot.messages import approvals as texts
from bot.ports import ConfigRepo
from bot.releases import Outcome, Release, release_id
from bot.services import Services
from bot.steps.people import Approval, approval_of_commit
from bot.steps.report import say_on_promotion
from bot.steps.rollout import record
from bot.steps.state import MANIFEST_ENDINGS, Place, changing_paths, deployment, look, outcome
from bot.withdrawals import is_withdrawal, withdrawal_id

FURTHEST_BACK = 20
"""Changes of an app's files, none of them applied yet, that are gone back for an unapproved merge."""


@dataclass(frozen=True, slots=True)
class UnapprovedMerge:
    """A person's merge of a promotion that does not meet the environment's rule.

    Attributes:
        commit: the merge on the config branch.
        number: the promotion.
        release: what it brought, where the head was a commit of the bot's.
        missing: what the rule still asked for, in words.
        approved_by: those who did approve.
    """

    commit: str
    number: int
    merged_by: str
    release: Release | None
    missing: str
    approved_by: tuple[str, ...] = ()


def unapproved_merge(
    services: Services, place: Place, commit: ConfigCommit, approval: Approval
) -> UnapprovedMerge | None:
    """The newest unapproved merge among a change and those before it that no sync has applied.

    What an outcome is recorded for is not judged again: whoever approved it may have lost the permission since.
    """
    if not place.environment.require_approval_on_merge or puts_back(services, commit):
        return None
    if not _is_new(services, place, commit):
        return None
    earlier = ((one, approval_of_commit(services, place, one)) for one in _not_applied_before(services, place, commit))
    return next(
        (
            _unapproved(services, place, one, its_approval)
            for one, its_approval in chain([(commit, approval)], earlier)
            if its_approval.merged_by is not None and not its_approval.by
        ),
        None,
    )


def _is_new(services: Services, place: Place, commit: ConfigCommit) -> bool:
    return outcome(services.config, commit.sha, place.app.name, place.environment.name) is None


def _not_applied_before(services: Services, place: Place, commit: ConfigCommit) -> Iterator[ConfigCommit]:
    """The bumps that came just before a change and have no outcome, newest first."""
    config = services.config
    paths = changing_paths(config, commit.sha, place.app, place.environment)
    for _ in range(FURTHEST_BACK):
        before = config.last_change(commit.parents[0], paths) if commit.parents else None
        if before is None or not _is_new(services, place, before):
            return
        if _brings_a_release(config, place, before):
            yield before
        commit = before


def _brings_a_release(config: ConfigRepo, place: Place, commit: ConfigCommit) -> bool:
    """Whether it, or what it merged, carries a bump's trailers."""
    merged = [config.commit(sha) for sha in commit.parents[1:]]
    wanted = (place.app.name, place.environment.name)
    return any(
        one is not None and release_of(one) is not None and (one.trailer("App"), one.trailer("Environment")) == wanted
        for one in (commit, *merged)
    )


def _unapproved(services: Services, place: Place, commit: ConfigCommit, approval: Approval) -> UnapprovedMerge:
    if approval.pull_request is None or approval.merged_by is None or approval.verdict is None:
        raise ValueError(f"{commit.sha} is no person's merge")
    there = deployment(services.config, commit.sha, place.app, place.environment)
    return UnapprovedMerge(
        commit=commit.sha,
        number=approval.pull_request,
        merged_by=approval.merged_by,
        release=there.release,
        missing=texts.missing_words(approval.verdict),
        approved_by=getattr(approval.verdict, "by", ()),
    )


# ---------------------------------------------------------------- the revert


def take_back(services: Services, app: str, environment: str, unapproved: UnapprovedMerge) -> str | None:
    """Revert the merge by one commit, and record that it was not applied; None where nothing of it is left.

    Raises:
        Permanent: the merge is not on the config branch any more.
    """
    place = look(services.config, app, environment)
    merge = services.config.commit(unapproved.commit)
    if merge is None:
        raise Permanent(f"The config commit {unapproved.commit} is not on the config branch any more.")
    sha = unapproved.release.sha if unapproved.release else merge.sha
    id_ = withdrawal_id(release_id(app, sha), environment, merge.sha)
    message = texts.revert_message(
        app,
        environment,
        unapproved.release.sha if unapproved.release else None,
        id=id_,
        reverts=(merge.sha, *merge.parents[1:]),
        reason=texts.revert_reason(unapproved.number, unapproved.merged_by, unapproved.missing),
    )
    made = services.config.make(Change(id_, message, None, _revert(services.config, merge)))
    how = f"reverted in {made.sha}" if made else "its change is gone already"
    record(
        services,
        place.app.name,
        environment,
        merge.sha,
        ended=Outcome.SUPERSEDED,
        seconds=0,
        reason=f"unapproved: {how}, and not applied",
    )
    return made.sha if made else None


def puts_back(services: Services, commit: ConfigCommit) -> bool:
    """Whether a commit is, to the byte, the revert of an unapproved merge: nobody need approve what had been there.

    Its trailers alone prove nothing, since anybody who may push can write them.
    """
    config = services.config
    merge = config.commit(commit.trailer("Reverts") or "") if is_withdrawal(commit) else None
    if merge is None or not commit.parents:
        return False
    parent = commit.parents[0]
    expected = _revert(config, merge)(lambda path: config.read(parent, path))
    changed = set(config.changed_paths(commit.sha))
    return changed <= set(expected) and all(config.read(commit.sha, path) == expected[path] for path in changed)


def _revert(config: ConfigRepo, merge: ConfigCommit) -> Edit:
    """Each file of the merge as it was before; where it was edited since, the images that the merge had set."""
    before = merge.parents[0]
    paths = config.changed_paths(merge.sha)

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        put_back: dict[str, bytes | None] = {}
        for path in paths:
            old, merged, now = config.read(before, path), config.read(merge.sha, path), read(path)
            if now == merged:
                put_back[path] = old
            elif old is not None and merged is not None and now is not None and path.endswith(MANIFEST_ENDINGS):
                put_back[path] = _images_put_back(old, merged, now, path)
        return put_back

    return edit


def _images_put_back(old: bytes, merged: bytes, now: bytes, path: str) -> bytes:
    """The file as it is now, with each image that the merge had set spelled as before it; else as it is."""
    try:
        before, after, text = old.decode("utf-8"), merged.decode("utf-8"), now.decode("utf-8")
        was, became, found = (find_images(one, path) for one in (before, after, text))
    except (ManifestError, UnicodeDecodeError):
        return now
    if len(was) != len(became):
        return now
    spelled = {
        new.text: before[one.start : one.end] for one, new in zip(was, became, strict=True) if one.text != new.text
    }
    places: dict[int, FoundImage] = {one.start: one for one in found if one.text in spelled}
    for start in sorted(places, reverse=True):
        text = text[:start] + spelled[places[start].text] + text[places[start].end :]
    return text.encode("utf-8")


# ---------------------------------------------------------------- telling


def tell_taken_back(
    services: Services, app: str, environment: str, unapproved: UnapprovedMerge, reverted: str, anew: int | None
) -> None:
    """Say on the promotion, and on the commits, that the merge was reverted and why."""
    taken = texts.TakenBack(
        app=app,
        environment=environment,
        merge=unapproved.commit,
        merged_by=unapproved.merged_by,
        missing=unapproved.missing,
        reverted=reverted,
        url=services.commit_url(reverted),
        anew=anew,
    )
    say_on_promotion(services, app, unapproved.number, texts.taken_back_comment(taken))
    services.forge.set_status(
        services.config_name,
        unapproved.commit,
        context=f"slipway/{environment}",
        state=StatusState.FAILURE,
        description=messages.one_line(f"merged before it was approved, and reverted: {unapproved.missing}"),
        url=services.commit_url(reverted),
    )
