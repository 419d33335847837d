"""What people read of a promotion that a person asked for: trailers, rows of its page, refusals. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.holds import Hold
from bot.messages import short
from bot.messages.gates import because, moment
from bot.wording import listed

CARRIED = ("Skipped", "Requested-by")
"""Trailers of a promotion's commit that its merge repeats; so it does every ``Slipway-Id``."""


def again_id(bump: str, earlier: str) -> str:
    """The ``Slipway-Id`` by which a release enters once more, beside its own; ``earlier`` is the bump before."""
    return f"{bump}/again/{earlier[:12]}"


def request_trailers(by: str, skipped: Sequence[str], again: str | None) -> list[tuple[str, str]]:
    """What a request adds to a bump's trailers."""
    pairs = [("Skipped", ", ".join(skipped)), ("Requested-by", f"@{by}" if by else ""), ("Slipway-Id", again or "")]
    return [(key, value) for key, value in pairs if value]


def carried(trailers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those of a promotion's trailers that tell of the request, for the message of its merge."""
    pairs = list(trailers)
    ids = [pair for pair in pairs if pair[0] == "Slipway-Id"]
    return [pair for pair in pairs if pair[0] in CARRIED] + ids[1:]


def page_notes(by: str, skipped: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What the promotion's page says of the request."""
    notes = [("Asked for by", f"@{by}")] if by else []
    if skipped:
        notes.append(("Skips", f"{', '.join(skipped)}: it has not been healthy there"))
    return tuple(notes)


# ---------------------------------------------------------------- refusals


def refused_held(app: str, environment: str, hold: Hold) -> str:
    """A hold keeps it out."""
    return (
        f"{app} is held in {environment}{because(hold)}. Lift the hold first, with `resume {app} {environment}`, and "
        "ask again."
    )


def refused_frozen(app: str, environment: str, until: datetime) -> str:
    """A freeze keeps it out."""
    return (
        f"{environment} is frozen until {moment(until)}: no release of {app} enters before. Ask again then; what the "
        "environment before runs healthily by then enters by itself."
    )


def refused_backwards(app: str, environment: str, sha: str, deployed: str | None) -> str:
    """It is older than what runs."""
    runs = (
        f"runs {short(deployed)}, which is newer than {short(sha)}"
        if deployed
        else f"runs a newer release than {short(sha)}"
    )
    return f"{environment} {runs}: a promotion never goes backwards. To go back, use `rollback {app} {environment}`."


def no_release(app: str, wanted: str, known: Sequence[str]) -> str:
    """No release has that commit."""
    newest = f" The newest ones are {listed(short(sha) for sha in known)}." if known else ""
    return (
        f"There is no release of {app} with the commit {wanted}: what was never brought into an environment has no "
        f"image that is known to work.{newest}"
    )


def ambiguous(app: str, wanted: str, shas: Sequence[str]) -> str:
    """Several releases begin like that."""
    return f"{wanted} could be {listed(shas, last='or')} of {app}: give more digits."


def nothing_healthy(app: str, before: str, environment: str) -> str:
    """There is nothing to promote."""
    return (
        f"{before} does not run a healthy release of {app} now, so there is nothing to promote to {environment}. See "
        f"`status {app}`, or name a release with `--release SHA`."
    )


def first_environment(app: str, environment: str) -> str:
    """There is no environment before."""
    return (
        f"{environment} is the first environment: releases of {app} enter it when they are merged. To bring in a "
        "certain one, name it with `--release SHA`."
    )
