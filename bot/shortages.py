"""What the machine has run out of, as an error that says so and is tried again: disk, open files, memory."""

import errno

from bot.errors import Transient

_REMEDIES = {
    errno.ENOSPC: "the disk is full. Make room there",
    errno.EDQUOT: "the disk quota is used up. Raise it, or make room",
    errno.EROFS: "the file system is read-only. See to its disk, and mount it writable",
    errno.EIO: "the disk gave an error. See to it",
    errno.EMFILE: "Slipway has too many files open. Raise the limit on open files (`ulimit -n`)",
    errno.ENFILE: "the machine has too many files open. See what holds them",
    errno.ENOMEM: "the machine has no memory left. See what uses it",
}


def shortage(doing: str, error: OSError) -> Transient | None:
    """Our error for one of the machine's shortages; None for any other, which is a mistake of ours.

    Args:
        doing: what was being done, as in "fetching".
        error: Python's; it names the file where there is one.
    """
    remedy = _REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    where = f" ({error.filename})" if error.filename else ""
    return Transient(f"While {doing}{where}, {remedy}; it is tried again by itself.")
