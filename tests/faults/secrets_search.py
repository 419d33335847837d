"""Looks for the secrets of a stage in everything that came out of the bot."""

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from bot.adapters.dbos.database import libpq_url

SAMPLE_SECONDS = 0.05
MINE = {"kubeconfig", "docker/config.json"}
"""The files through which the bot is given secrets."""


class ArgvWatch:
    """Samples the command line of every process on the machine but this one, as anybody on it could."""

    def __init__(self) -> None:
        self.canaries: Mapping[str, str] = {}
        self.seen: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="argv", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.wait(SAMPLE_SECONDS):
            for line in _command_lines():
                for name, secret in self.canaries.items():
                    if secret in line:
                        shown = line.replace(secret, "***").replace("\0", " ")
                        self.seen.add(f"{name} is in the command line {shown}")


def _command_lines() -> Iterator[str]:
    """Without this process's own, which may name a database; its children bear it until they are what they become.

    Where a child becomes that between two reads, the end of its new line, if longer, follows on this one's.
    """
    own = Path("/proc/self/cmdline").read_text(errors="replace")
    for name in os.listdir("/proc"):  # noqa: PTH208 - twenty times a second
        try:
            line = Path("/proc", name, "cmdline").read_text(errors="replace") if name.isdecimal() else ""
        except OSError:
            continue  # it has ended meanwhile
        if line and not line.startswith(own):
            yield line


def search(folder: Path, database_url: str, canaries: Mapping[str, str]) -> list[str]:
    """Where secrets are found: files below the folder, Git's objects, a PostgreSQL database's rows."""
    found: list[str] = []
    for where, content in _everything(folder, database_url):
        found += [f"{name} is in {where}" for name, secret in canaries.items() if secret.encode() in content]
    return found


def _everything(folder: Path, database_url: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and str(path.relative_to(folder)) not in MINE:
            yield str(path.relative_to(folder)), path.read_bytes()
    for head in sorted(folder.rglob("HEAD")):
        if (head.parent / "objects").is_dir():
            yield f"the objects of {head.parent.relative_to(folder)}", _objects(head.parent)
    if database_url.startswith("postgres"):
        yield from _rows(database_url)


def _objects(git_dir: Path) -> bytes:
    """Commits, files and notes, packed or not."""
    command = ["git", "--git-dir", str(git_dir), "cat-file", "--batch-all-objects", "--batch"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def _rows(database_url: str) -> Iterator[tuple[str, bytes]]:
    with psycopg.connect(libpq_url(database_url)) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, table in tables:
            query = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(schema, table))
            rows = connection.execute(query).fetchall()
            yield f"the table {schema}.{table}", "\n".join(row[0] for row in rows).encode()
