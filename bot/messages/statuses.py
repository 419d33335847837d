"""The lines beside a commit on GitHub: commit statuses, of which GitHub shows the first 140 characters. Pure."""

from bot.messages import Failure, duration, one_line

CATALOG_GOOD = "The catalog is good"


def building(app: str) -> str:
    """A release's image is being made."""
    return f"{app} is being built"


def waits(app: str, environment: str) -> str:
    """A release's promotion is open."""
    return f"{app} waits for approval to enter {environment}"


def rolling_out(app: str, environment: str) -> str:
    """A release's pods are being replaced."""
    return f"{app} is rolling out on {environment}"


def live(app: str, environment: str, seconds: float) -> str:
    """A release's pods are ready."""
    return f"{app} is live on {environment} after {duration(seconds)}"


def superseded(app: str, environment: str) -> str:
    """A release's pods were being replaced when a newer change came."""
    return f"{app} on {environment} gave way to something newer"


def unapproved(app: str, environment: str) -> str:
    """A gated path was changed by somebody who may not alone."""
    return f"{app} on {environment} was changed without approval"


def closed(app: str, environment: str, reference: str) -> str:
    """A release's promotion was closed; ``reference`` is ``owner/repo#N``."""
    return f"{app} stays out of {environment}: {reference} was closed without a merge"


def failed(failure: Failure) -> str:
    """Something failed; the comment tells the rest."""
    return one_line(f"{failure.what} failed: {failure.reason}")
