"""What people read when an environment goes back, or does not: the commit, the comments, the statuses. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot import messages
from bot.messages import Failure, description, failure_text, one_line, short
from bot.releases import Outcome, Release
from bot.rollback import Refusal, Why, rollback_id


@dataclass(frozen=True, slots=True)
class Return:
    """A rollback that is to be written down.

    Attributes:
        environment: where.
        to: the release that runs again.
        previous_image: the image that it takes the place of.
        left: the source commit of the release that is taken back.
        reverted: the config commits by which that one had come in; the first is the one on the config branch.
        reason: why; one line.
        by: the login of the person who asked; empty where it is not known, None where nobody did.
    """

    environment: str
    to: Release
    previous_image: str
    left: str
    reverted: tuple[str, ...]
    reason: str
    by: str | None = None


def commit_message(back: Return) -> str:
    """The whole message of a rollback."""
    trailers = messages.trailers(back.to, back.environment, previous_image=back.previous_image)[1:]
    pairs = [
        ("Slipway-Id", rollback_id(back.to.id, back.environment, back.reverted[0])),
        *trailers,
        *(("Reverts", commit) for commit in back.reverted),
        ("Reason", one_line(back.reason)),
        *([("Requested-by", f"@{back.by}")] if back.by else []),
    ]
    subject = f"{back.to.app}: back to {short(back.to.sha)} in {back.environment}"
    lines = "".join(f"{key}: {value}\n" for key, value in pairs if value)
    return f"{subject}\n\n{description(back.to)}\n\n{_explanation(back)}\n\n{lines}"


def _explanation(back: Return) -> str:
    return (
        f"{_who(back.by)} took {short(back.left)} back: it stays out of {back.environment} until a newer release comes "
        "or the hold is lifted."
    )


def _who(by: str | None) -> str:
    if by is None:
        return "Slipway"
    return f"@{by}" if by else "An operator"


def failed_reason(environment: str, reason: str) -> str:
    """The reason of an automatic rollback."""
    return one_line(f"The rollout on {environment} failed. {reason}")


def by_hand_reason(reason: str | None) -> str:
    """The reason of a rollback that a person asked for."""
    return one_line(reason) if reason and reason.strip() else "No reason was given."


# ---------------------------------------------------------------- comments


@dataclass(frozen=True, slots=True)
class RolledBack:
    """A rollback as it is told.

    Attributes:
        app: whose.
        environment: where.
        left: the source commit that was taken back.
        to: the source commit that runs again.
        commit: the rollback on the config branch, and ``url``, its page.
        ended: how its rollout ended, unless it failed; None while that is awaited.
        by: as in ``Return``.
        reason: that person's.
        failure: the failed rollout; None where a person asked.
    """

    app: str
    environment: str
    left: str
    to: str
    commit: str
    url: str
    ended: Outcome | None = None
    by: str | None = None
    reason: str = ""
    failure: Failure | None = None


def rolled_back(told: RolledBack) -> str:
    """What failed, what runs again, what is held, how to lift that."""
    failed = [failure_text(told.failure)] if told.failure else []
    return "\n\n".join([*failed, f"{_went_back(told)} {_RUNNING[told.ended].format(to=short(told.to))}", _held(told)])


def _went_back(told: RolledBack) -> str:
    link = f"[`{short(told.commit)}`]({told.url})"
    where = f"{told.environment} back from `{short(told.left)}` to `{short(told.to)}`, in {link}"
    return f"**{_who(told.by)} took {where}.** {messages.inline(told.reason)}".rstrip()


_RUNNING = {
    None: "`{to}` was healthy there before; its pods are being waited for.",
    Outcome.HEALTHY: "`{to}` runs again, and its pods are ready.",
    Outcome.UNKNOWN: "Whether its pods are ready could not be seen yet; Slipway keeps looking.",
    Outcome.SUPERSEDED: "Something newer has taken its place since.",
}


def _held(told: RolledBack) -> str:
    return (
        f"`{short(told.left)}` stays out of {told.environment} until a newer release takes its place: merge the "
        f"correction, and it goes its usual way. To let `{short(told.left)}` itself in again, lift the hold:\n\n"
        f"    python -m bot resume {told.app} {told.environment}"
    )


def stayed(why: Why, app: str, environment: str, failure: Failure, to: str | None) -> str:
    """A failed rollout after which Slipway does not go back, why, and what to do."""
    return f"{failure_text(failure)}\n\n{_why(why, app, environment, to)}{_by_hand(why, app, environment, to)}"


_WHY = {
    Why.BY_HAND: "Slipway does not go back here: a person changed the config repo, and what people decide stays. "
    "Correct it, or revert that commit.",
    Why.WAS_HEALTHY: "Slipway does not go back here: this release was healthy in {environment} before, so something "
    "beside it has changed.",
    Why.REFUSED: "Slipway does not go back here, since nothing was rolled out: the cluster refused the change. Once "
    "the cause is gone, `python -m bot sync {app} {environment}` applies it.",
    Why.MANUAL: "Slipway does not go back here: the catalog says `rollback: manual` for {environment}.",
    Why.NOTHING_HEALTHY: "There is nothing to go back to: nothing that ran in {environment} before is recorded as "
    "healthy. Merge a correction.",
    Why.IMAGE_GONE: "Slipway cannot go back: `{to}` was healthy in {environment} before, but its image is not in the "
    "registry any more. Merge a correction.",
}


def _why(why: Why, app: str, environment: str, to: str | None) -> str:
    return _WHY[why].format(app=app, environment=environment, to=short(to or ""))


def _by_hand(why: Why, app: str, environment: str, to: str | None) -> str:
    if to is None or why in {Why.NOTHING_HEALTHY, Why.BY_HAND}:
        return ""
    further = " --to COMMIT" if why is Why.IMAGE_GONE else ""
    what = "further back" if further else f"back to `{short(to)}`"
    return f" To go {what}:\n\n    python -m bot rollback {app} {environment}{further}"


def rollback_failed(told: RolledBack) -> str:
    """The rollback's own rollout failed: Slipway stops, and says so loudly. ``reason`` is why it failed."""
    return (
        f"🚨 **The rollback of {told.environment} failed as well, and Slipway stops here: somebody has to look now.** "
        f"It had gone from `{short(told.left)}` back to `{short(told.to)}` in [`{short(told.commit)}`]({told.url}), "
        f"which was healthy there before. {messages.inline(told.reason)}\n\n"
        f"Since `{short(told.to)}` used to run, the cause is probably in the cluster, or in what the app needs there. "
        "When that is mended, apply it once more:\n\n"
        f"    python -m bot sync {told.app} {told.environment}\n\n"
        "Or go back further, to a commit that you choose:\n\n"
        f"    python -m bot rollback {told.app} {told.environment} --to COMMIT"
    )


def promotion_comment(app: str, text: str) -> str:
    """The one comment on a promotion, with what became of it."""
    return f"{messages.comment_marker(app)}\n\n{text}\n"


def withdrawn(app: str, sha: str, came_from: str) -> str:
    """Why an open promotion is closed."""
    return promotion_comment(
        app,
        f"**Closed: `{short(sha)}` was taken back in {came_from}.** What does not stay there does not go further. "
        f"The next release that is healthy in {came_from} gets a pull request of its own.",
    )


# ---------------------------------------------------------------- statuses


def status(app: str, environment: str, to: str, by: str | None) -> str:
    """The red status on the commit that was taken back."""
    why = "the rollout failed, and " if by is None else ""
    return f"{why}{_who(by)} took {app} on {environment} back to {short(to)}"


def stayed_status(why: Why, app: str, environment: str, reason: str) -> str:
    """The red status on a config commit whose rollout failed and that Slipway leaves as it is."""
    note = "; what a person changed is not taken back" if why is Why.BY_HAND else ""
    return f"the rollout of {app} on {environment} failed{note}: {reason}"


def failed_status(app: str, environment: str, to: str) -> str:
    """The red status where a rollback failed."""
    return f"{app} on {environment}: the rollback to {short(to)} failed as well; somebody has to look now"


# ---------------------------------------------------------------- refusals by name


def refusal(why: Refusal, app: str, environment: str, to: str | None, known: Sequence[str]) -> str:
    """Why a person's rollback is refused, and what to do."""
    wanted, place = f"{short(to)}" if to else "", f"{app} in {environment}"
    proven = f" Known to have been healthy there: {', '.join(known)}." if known else ""
    insist = (
        " To insist, set the image in the manifest by a commit of your own (`python -m bot bump`): what a person "
        "commits is applied."
    )
    match why:
        case Refusal.NO_RELEASE:
            return f"{place} runs nothing that Slipway knows as one release, so there is none to take back.{insist}"
        case Refusal.NO_SUCH:
            return f"{place} never ran {to}, as far as its last changes tell.{proven}"
        case Refusal.AMBIGUOUS:
            return f"{to} means more than one release of {place}: give more of its digits."
        case Refusal.RUNS_ALREADY:
            return f"{place} runs {wanted} already."
        case Refusal.NOT_PROVEN:
            return (
                f"No note says that {wanted} was healthy for {place}, so going there may make it worse.{proven}{insist}"
            )
        case Refusal.NOTHING_HEALTHY:
            return f"Nothing that {place} ran before is recorded as healthy.{insist}"


def image_gone(app: str, environment: str, to: str, image: str) -> str:
    """The image to go back to is not in the registry any more."""
    return (
        f"{app} in {environment} cannot go back to {short(to)}: its image {image} is not in the registry any more. "
        "Choose another commit with `--to`, or merge a correction."
    )
