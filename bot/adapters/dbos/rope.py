"""The doorbell's rope on SQLite: a named pipe beside the database. Whoever has stored a job pulls it.

SQLite tells nobody of a change, so an idle worker would have to look often, or be late. Where there can be no named
pipe, it is a little late (see ``listener``). On PostgreSQL the database itself rings.
"""

import os
import select
import stat
import time
from contextlib import suppress
from pathlib import Path


class Rope:
    """The worker's end. Close it when nobody waits."""

    def __init__(self, database: Path) -> None:
        self._pipe = _hung_up(database)
        self._poll = select.poll()
        if self._pipe is not None:
            self._poll.register(self._pipe, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Wait until it is pulled, so long at most."""
        if self._pipe is None:
            time.sleep(seconds)
        elif self._poll.poll(1000 * seconds):
            with suppress(BlockingIOError):  # another worker of this database was quicker; both have heard it
                os.read(self._pipe, select.PIPE_BUF)

    def close(self) -> None:
        """Let go of it. It stays where it is: other workers may have it."""
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def pull(database: Path) -> None:
    """Wake the workers of a database. Where there are none, or they cannot be woken, nothing happens."""
    with suppress(OSError):
        pipe = os.open(_path(database), os.O_WRONLY | os.O_NONBLOCK)
        try:
            if _is_pipe(pipe):
                os.write(pipe, b"!")
        finally:
            os.close(pipe)


def _path(database: Path) -> Path:
    return database.with_name(f"{database.name}.bell")


def _hung_up(database: Path) -> int | None:
    """The pipe, open for reading and writing, so that it does not end with whoever has pulled last."""
    with suppress(OSError):
        with suppress(FileExistsError):
            os.mkfifo(_path(database))
            _path(database).chmod(stat.S_IMODE(database.stat().st_mode))  # for whoever may write to the database
        pipe = os.open(_path(database), os.O_RDWR | os.O_NONBLOCK)
        if _is_pipe(pipe):
            return pipe
        os.close(pipe)
    return None


def _is_pipe(opened: int) -> bool:
    return stat.S_ISFIFO(os.fstat(opened).st_mode)
