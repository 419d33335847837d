"""Pushing refs by compare-and-swap, and what the server's answer means for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from bot.adapters.git.command import GitCommand
from bot.adapters.git.errors import GitFailure, explain, may_have_been_sent, said
from bot.errors import Permanent, SlipwayError, Transient

_RACED = (
    "fetch first",
    "non-fast-forward",
    "stale info",
    "cannot lock ref",
    "failed to lock",
    "incorrect old value",
    "failed to update ref",
    "already exists",
    "needs force",
)
_REFUSED = (
    "hook",
    "declined",
    "rule",
    "protected",
    "prohibited",
    "denied",
    "deny",
    "refusing",
    "not allowed",
    "hidden",
)


class Pushed(Enum):
    """What became of a ref that was pushed. ``UNKNOWN``: sent, and no answer came; only the remote knows."""

    DONE = auto()
    RACED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A ref to be pushed.

    ``sha`` None deletes. ``expected`` is the tip that may be replaced ("" for none yet, compare-and-swap by lease);
    None allows only what follows on the present tip (a plain push).
    """

    ref: str
    sha: str | None
    expected: str | None = None


def push(git: GitCommand, url: str, repo: str, updates: Sequence[RefUpdate]) -> dict[str, Pushed | SlipwayError]:
    """Push refs, each by compare-and-swap, in one go. What became of each (an error: refused, nothing done).

    Raises:
        Transient, Permanent: nothing was sent.
    """
    arguments = ["push", "--porcelain", "--no-verify"]
    arguments += [f"--force-with-lease={one.ref}:{one.expected}" for one in updates if one.expected is not None]
    arguments += [url, *(f"{one.sha or ''}:{one.ref}" for one in updates)]
    try:
        output = git.remote(url, repo, *arguments, timeout=git.patience.push).decode(errors="replace")
        failure = None
    except GitFailure as error:
        output, failure = error.stdout, error
    told = _told(output)
    if failure is not None and not any(one.ref in told for one in updates) and not may_have_been_sent(failure):
        raise explain(failure, "pushing to", repo) from failure
    return {one.ref: _judge(repo, one.ref, told.get(one.ref), failure) for one in updates}


def _judge(repo: str, ref: str, told: str | None, failure: GitFailure | None) -> Pushed | SlipwayError:
    if told == "":
        return Pushed.DONE
    if told is None or "remote fail" in told or "failed to report" in told:
        return Pushed.UNKNOWN
    if any(words in told for words in _RACED):
        return Pushed.RACED
    words = f"{told}: {said(failure)}" if failure and "remote:" in failure.stderr else told
    if any(word in told for word in _REFUSED):
        return Permanent(
            f"{repo} does not let the bot push to {ref.removeprefix('refs/heads/')} ({words}). "
            "Let the bot's account or app bypass the branch's rules."
        )
    return Transient(f"The Git server did not take the push to {ref} of {repo} ({words}).")


def _told(porcelain: str) -> dict[str, str]:
    """What ``git push --porcelain`` tells about each ref: "" where it is as wished, else the reason."""
    told: dict[str, str] = {}
    for line in porcelain.splitlines():
        flag, _, rest = line.partition("\t")
        refs, _, summary = rest.partition("\t")
        if len(flag) == 1 and summary:
            told[refs.rpartition(":")[2]] = summary if flag == "!" else ""
    return told
