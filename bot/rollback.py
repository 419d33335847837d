"""Whether an environment goes back after a failed rollout, and to what. Pure.

What the environment ran before is read from the config branch: one :class:`Past` for each change of the app's files
there, newest first. What a note says counts for an image, wherever it was recorded: a person's change of replicas does
not make an image unproven.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise, takewhile

from bot.catalog import Rollback
from bot.facts import ConfigCommit
from bot.releases import Outcome, Release, bump_id

DIGITS = 12
"""Hex digits of the reverted config commit in a rollback's ``Slipway-Id``."""

_ID = re.compile(r"(?P<bump>.+@[0-9a-f]{40}/[^/]+)/rollback/[0-9a-f]{12}")


def rollback_id(release: str, environment: str, reverted: str) -> str:
    """The ``Slipway-Id`` of the commit that goes back to ``release`` from the config commit ``reverted``."""
    return f"{bump_id(release, environment)}/rollback/{reverted[:DIGITS]}"


def says_rollback(commit: ConfigCommit, app: str, environment: str) -> bool:
    """Whether a commit says of itself that it is a rollback of this place. Anybody who may push can say so."""
    match = _ID.fullmatch(commit.trailer("Slipway-Id") or "")
    said = (commit.trailer("App"), commit.trailer("Environment"))
    return match is not None and commit.trailer("Reverts") is not None and said == (app, environment)


@dataclass(frozen=True, slots=True)
class Past:
    """An environment of an app as one config commit left it.

    Attributes:
        commit: the config commit.
        images: the app's images, as ``Deployment`` has them.
        release: the release they come from, where it is known.
        forward: whether Slipway brought that release with this very commit; false for whatever a person did.
        rollback: whether it is a rollback of Slipway's.
        outcomes: how its syncs ended, oldest first.
        applied: whether the newest of them got so far that the cluster took the manifests.
    """

    commit: str
    images: tuple[str, ...]
    release: Release | None
    forward: bool = False
    rollback: bool = False
    outcomes: tuple[Outcome, ...] = ()
    applied: bool = True

    @property
    def verdict(self) -> Outcome | None:
        """The last of its outcomes that says something of the image itself."""
        telling = (one for one in reversed(self.outcomes) if one in {Outcome.HEALTHY, Outcome.FAILED})
        return next(telling, None)


class Why(StrEnum):
    """Why an environment is left as it is."""

    MOVED_ON = "moved on"
    NOT_FAILED = "not failed"
    ROLLBACK_FAILED = "rollback failed"
    BY_HAND = "by hand"
    WAS_HEALTHY = "was healthy"
    REFUSED = "refused"
    MANUAL = "manual"
    NOTHING_HEALTHY = "nothing healthy"
    IMAGE_GONE = "image gone"


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing is done, and why. ``to`` is what it would have gone back to, where that is known."""

    why: Why
    to: Past | None = None


@dataclass(frozen=True, slots=True)
class GoBack:
    """Put back the images of ``to``."""

    to: Past


Decision = Stay | GoBack


def decide(pasts: Sequence[Past], carried: tuple[str, ...], policy: Rollback) -> Decision:
    """What follows on a failed rollout; whether the image is still in the registry remains to be seen.

    Args:
        pasts: what the failed sync was about, then what the environment was like before that, newest first.
        carried: the app's images on the branch now.
        policy: the environment's.
    """
    failed = pasts[0]
    if carried != failed.images:
        return Stay(Why.MOVED_ON)
    if not failed.outcomes or failed.outcomes[-1] is not Outcome.FAILED:
        return Stay(Why.NOT_FAILED)
    if failed.rollback:
        return Stay(Why.ROLLBACK_FAILED)
    to = last_healthy(pasts)
    why = _why_not(failed, policy)
    if why is not None:
        return Stay(why, to)
    return GoBack(to) if to is not None else Stay(Why.NOTHING_HEALTHY)


def _why_not(failed: Past, policy: Rollback) -> Why | None:
    """A refused change is no failed rollout: nothing was applied, and what ran before was not touched."""
    if not failed.forward:
        return Why.BY_HAND
    if Outcome.HEALTHY in failed.outcomes:
        return Why.WAS_HEALTHY
    if not failed.applied:
        return Why.REFUSED
    return Why.MANUAL if policy is Rollback.MANUAL else None


def last_healthy(pasts: Sequence[Past]) -> Past | None:
    """The newest state before ``pasts[0]`` whose one image is of a known release, proven, and was not taken back."""
    away = taken_back(pasts)
    fit = (past for past in pasts[1:] if past.images != pasts[0].images and past.images not in away)
    return next((past for past in fit if is_proven(pasts, past)), None)


def is_proven(pasts: Iterable[Past], past: Past) -> bool:
    """Whether a state has one image, of a known release, and the newest word on that image is that it was healthy."""
    return past.release is not None and len(past.images) == 1 and _verdict(pasts, past.images) is Outcome.HEALTHY


def _verdict(pasts: Iterable[Past], images: tuple[str, ...]) -> Outcome | None:
    verdicts = (past.verdict for past in pasts if past.images == images)
    return next((verdict for verdict in verdicts if verdict is not None), None)


def taken_back(pasts: Sequence[Past]) -> frozenset[tuple[str, ...]]:
    """The images that a rollback or a person replaced by something that is no newer release, and that stayed away.

    Args:
        pasts: newest first; the first one is what runs. One without images could not be read, and tells nothing.
    """
    settled: set[tuple[str, ...]] = {past.images for past in pasts[:1]}
    found: set[tuple[str, ...]] = set()
    for newer, older in pairwise(past for past in pasts if past.images):
        if older.images not in settled and newer.images != older.images:
            settled.add(older.images)
            if not newer.forward:
                found.add(older.images)
    return frozenset(found)


def brought_by(pasts: Sequence[Past]) -> int:
    """Where among ``pasts`` the change is that brought what ``pasts[0]`` runs."""
    same = takewhile(lambda past: past.images == pasts[0].images, pasts)
    return sum(1 for _ in same) - 1


# ---------------------------------------------------------------- by hand


class Refusal(StrEnum):
    """Why a person's wish cannot be met."""

    NO_RELEASE = "no release"
    NO_SUCH = "no such"
    AMBIGUOUS = "ambiguous"
    RUNS_ALREADY = "runs already"
    NOT_PROVEN = "not proven"
    NOTHING_HEALTHY = "nothing healthy"


def wished(pasts: Sequence[Past], to: str | None) -> Past | Refusal:
    """What a person means to go back to.

    Args:
        pasts: newest first; the first one is what runs.
        to: a commit of the source or of the config repo, short or full; None: the last healthy predecessor.
    """
    if pasts[0].release is None:
        return Refusal.NO_RELEASE
    if to is None:
        return last_healthy(pasts) or Refusal.NOTHING_HEALTHY
    found = [past for past in pasts if _is_called(past, to.lower())]
    if not found:
        return Refusal.NO_SUCH
    if len({past.images for past in found}) > 1:
        return Refusal.AMBIGUOUS
    if found[0].images == pasts[0].images:
        return Refusal.RUNS_ALREADY
    return found[0] if is_proven(pasts, found[0]) else Refusal.NOT_PROVEN


def _is_called(past: Past, text: str) -> bool:
    return past.commit.startswith(text) or (past.release is not None and past.release.sha.startswith(text))
