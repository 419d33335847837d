"""A disk that a test may fill or make read-only: an ext4 file system of its own, of a few megabytes."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.engines import Engine, require

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """The mounted file system."""

    folder: Path

    def fill(self) -> None:
        """Leave not a byte."""
        piece = MEGABYTE
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            while piece:
                try:
                    filler.write(b"\0" * piece)
                except OSError:
                    piece //= 2

    def free(self) -> None:
        """Make room again."""
        (self.folder / "filler").unlink()

    def freeze(self, *paths: Path, on: bool) -> None:
        """Let nobody write to files, root and those who have them open included; in a folder, make no file."""
        subprocess.run(["chattr", "+i" if on else "-i", *map(str, paths)], check=True)


@contextmanager
def small_disk(image: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Make one, and mount it beside its image.

    Where that is not allowed the test is skipped, and fails where ``CI=true``. A limit on the size of files
    (``RLIMIT_FSIZE``) would be no full disk: it kills git by a signal, and leaves other files their room.
    """
    require(DISKS)
    folder = _mounted(image, megabytes)
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mounted(image: Path, megabytes: int) -> Path:
    folder = image.with_suffix(".mounted")
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes * MEGABYTE)
    path = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    for command in (
        ["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", str(image)],
        ["mount", "-o", "loop", str(image), str(folder)],
    ):
        subprocess.run(command, check=True, capture_output=True, env=path)
    return folder


@cache
def _may_make() -> str | None:
    """What can be done here: found out by doing it once."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = _mounted(Path(scratch) / "tried.img", 1)
        except (OSError, subprocess.CalledProcessError):
            return None
        made = subprocess.run(["chattr", "+i", str(folder)], check=False, capture_output=True).returncode == 0
        subprocess.run(["chattr", "-i", str(folder)], check=False, capture_output=True)
        subprocess.run(["umount", str(folder)], check=True)
    return "mkfs.ext4, mount, chattr" if made else None


DISKS = Engine("disks of one's own (ext4 on a loop device)", _may_make, "run as root, with the right to mount")
