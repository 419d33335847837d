"""Replace files whole, or not at all: a reader sees the old content or the new, never a part of one."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path


def replace_files(contents: dict[Path, bytes]) -> None:
    """Write every file beside itself first, then move all into place: a full disk or a missing right changes none.

    Symbolic links are followed; mode and, where allowed, owner stay.

    Raises:
        OSError: a file is not there, is no regular file, or cannot be written; ``filename`` says which.
    """
    staged: list[tuple[Path, Path]] = []
    try:
        for path, content in contents.items():
            target = path.resolve(strict=True)
            staged.append((_stage(target, content), target))
        while staged:
            temporary, target = staged[0]
            temporary.replace(target)
            staged.pop(0)
    finally:
        for temporary, _ in staged:
            temporary.unlink()


def _stage(target: Path, content: bytes) -> Path:
    """Write ``content`` to a new file in the target's folder, and give it the target's mode and owner."""
    status = target.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError(0, "it is not a regular file", str(target))
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            with contextlib.suppress(PermissionError):
                os.fchown(descriptor, status.st_uid, status.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            file.flush()
            os.fsync(descriptor)
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name)
