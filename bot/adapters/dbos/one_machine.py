"""SQLite is for the processes of one machine: its write-ahead log is memory that they share.

"All processes using a database must be on the same host computer; WAL does not work over a network filesystem"
(https://www.sqlite.org/wal.html). On a shared folder a second machine would not fail at once: it would damage the
database later. So every connection holds a shared lock on the file ``DATABASE.machine``, which names the machine.
Whoever finds nobody else there writes its own name into it; whoever finds another machine's name is refused.

Where a file system does not pass locks from machine to machine, the second one overwrites the name of the first;
the first one's worker looks at the name twice a second (``named``), and ends when it is not its own.
"""

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Permanent

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
"""One for each running kernel, so containers of one host are one machine (random(4), Linux)."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A machine's use of a database, by a shared lock that the kernel frees when the process ends."""

    path: Path
    descriptor: int

    def named(self) -> bool:
        """Whether the file still names this machine."""
        try:
            return _identity(self.path.read_text(encoding="utf-8", errors="replace")) == _identity(this_machine())
        except OSError:
            return False

    def release(self) -> None:
        """Give it up."""
        os.close(self.descriptor)


def claim(database: Path) -> Claim:
    """Use an SQLite file from this machine. Its folder must be there.

    Raises:
        Permanent: processes of another machine use it, or the file beside it cannot be written.
    """
    path = database.with_name(f"{database.name}.machine")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise Permanent(
            f"The file {path} cannot be opened ({error.strerror}). It stands beside the database that DATABASE_URL "
            "names; see that its folder is there (python -m bot migrate makes it) and may be written to."
        ) from None
    try:
        named = _named_after_locking(descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    if _identity(named) != _identity(this_machine()):
        os.close(descriptor)
        raise Permanent(
            f"The SQLite database {database} is in use by the machine {named.partition(' ')[2] or 'of another name'}, "
            f"and this is {socket.gethostname()}: SQLite serves the processes of one machine only, also on a shared "
            "folder. Stop Slipway there, or give all machines one PostgreSQL in DATABASE_URL "
            "(postgresql://USER:PASSWORD@HOST/DATABASE)."
        )
    return Claim(path, descriptor)


def this_machine() -> str:
    """What the file says: an identity without spaces, a space, the host's name."""
    name = socket.gethostname()
    try:
        return f"{_BOOT_ID.read_text(encoding='ascii').strip()} {name}"
    except OSError:
        return f"{name} {name}"


def _named_after_locking(descriptor: int) -> str:
    """The machine that the file names, once a shared lock is held; ours where nobody else was there."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass
    else:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, this_machine().encode(), 0)
    # From exclusive to shared the lock is free for an instant (flock(2)): what counts is what is there afterwards.
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return os.pread(descriptor, 500, 0).decode("utf-8", "replace")


def _identity(named: str) -> str:
    return named.partition(" ")[0]
