"""What SQLite's errors mean for the people who run the bot: which file, what stands in the way, what to do.

Source of the names: https://www.sqlite.org/rescode.html
"""

import sqlite3
from pathlib import Path

import sqlalchemy as sa

from bot.errors import Permanent, Transient

_FILE = "slipway_file"
"""The attribute of an error that names the database's file."""

_UNTIL_THEN = "Until then nothing new is accepted, and what was accepted is safe; Slipway goes on by itself."
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_UNWRITABLE = ("SQLITE_READONLY", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")


def note_file(path: Path, context: sa.ExceptionContext) -> None:
    """Write into an error which file it is about, and leave a connection that will not recover. For ``handle_error``.

    A connection that was opened while the file could not be written to reads only, for as long as it lasts.
    """
    error = context.original_exception
    setattr(error, _FILE, path)
    if (getattr(error, "sqlite_errorname", None) or "").startswith(_UNWRITABLE):
        context.is_disconnect = True


def sqlite_error(action: str, error: BaseException | None) -> Permanent | Transient | None:
    """Our error for one of SQLite's that a person has to do with; None for any other.

    Args:
        action: completes "could not ...".
        error: the driver's.
    """
    name = getattr(error, "sqlite_errorname", None) or ""
    if not isinstance(error, sqlite3.Error) or "no such table" in str(error):
        return None
    file, could_not = getattr(error, _FILE, "that DATABASE_URL names"), f"Slipway could not {action}: "
    if name.startswith(_DAMAGED):
        return Permanent(
            f"{could_not}the SQLite file {file} is damaged ({error}). Stop Slipway, move that file away together with "
            "those beside it that end in -wal and -shm, run `python -m bot migrate`, and start Slipway again. What is "
            "in Git stays; what was under way is found again by reconcile."
        )
    if name == "SQLITE_FULL":
        return Transient(f"{could_not}the disk that holds {file} is full ({error}). Make room there. {_UNTIL_THEN}")
    if name.startswith(_UNWRITABLE):
        return Transient(
            f"{could_not}the SQLite file {file} cannot be written to or read ({error}). See that its disk is well and "
            "not mounted read-only, and that the file, those beside it that end in -wal and -shm, and the folder "
            f"belong to the user who runs Slipway. {_UNTIL_THEN}"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return Transient(
            f"{could_not}the SQLite file {file} was locked by another process all the time ({error}). See what else "
            f"has it open. {_UNTIL_THEN}"
        )
    return None
