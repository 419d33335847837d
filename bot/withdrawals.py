"""Merges that Slipway took back because they were not approved, and what that means for the release they brought.

Such a revert carries its own ``Slipway-Id``, ``APP@<40 hex>/ENV/unapproved/<12 hex of the merge>``, and names in
``Reverts`` every commit by which the release had come in. The release may then come in once more.
"""

from bot.facts import ConfigCommit
from bot.ports import ConfigRepo
from bot.releases import bump_id

_KIND = "unapproved"
_DIGITS = 12


def withdrawal_id(release: str, environment: str, merge: str) -> str:
    """The ``Slipway-Id`` of the revert of an unapproved merge."""
    return f"{bump_id(release, environment)}/{_KIND}/{merge[:_DIGITS]}"


def is_withdrawal(commit: ConfigCommit) -> bool:
    """Whether a commit says of itself that it reverts an unapproved merge."""
    merge = commit.trailer("Reverts") or ""
    return bool(merge) and (commit.trailer("Slipway-Id") or "").endswith(f"/{_KIND}/{merge[:_DIGITS]}")


def brought_in(config: ConfigRepo, head: str, bump: str) -> ConfigCommit | None:
    """The newest commit reachable from ``head`` with this bump's id; None also where it was taken back as unapproved.

    What a person reverts stays reverted: only Slipway's own revert of a merge that nobody had approved counts here.
    """
    found = config.find(head, "Slipway-Id", bump)
    taken_back = config.find(head, "Reverts", found.sha) if found is not None else None
    return None if taken_back is not None and is_withdrawal(taken_back) else found
