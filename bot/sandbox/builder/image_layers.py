"""Turns ``COPY`` instructions into layers: tar files that are the same, byte for byte, for the same content.

Owner, group and time of every file are 0, and of its mode only the executable bit counts, as in git: neither the
checkout's clock nor its umask makes another image.
"""

import io
import stat
import tarfile
from pathlib import Path, PurePosixPath

from bot.sandbox.builder.build_context import Context, Entry
from bot.sandbox.builder.dockerfile import Copy, refuse

FILE, FOLDER, LINK = "a file", "a folder", "a symbolic link"


class Tree:
    """What the image holds after the layers so far: a path's kind decides what a later ``COPY`` means."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._kinds = {"": FOLDER}

    def layer(self, copy: Copy) -> bytes:
        """Carry out one ``COPY`` and return its layer.

        Raises:
            Permanent: a source is not there or of no kind that can be copied, or the target is in the way.
        """
        entries = [entry for source in copy.sources for entry in self._find(copy, source)]
        into_folder = copy.target.endswith("/") or len(entries) > 1
        if len(entries) > 1 and not copy.target.endswith("/"):
            refuse(copy.line, f"COPY of several sources needs a target that ends with /, not {copy.target}")
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
            writer = _Writer(tar, self._kinds, copy.line)
            for entry in entries:
                self._copy(writer, entry, _inside(copy.target), into_folder=into_folder)
        return content.getvalue()

    def _find(self, copy: Copy, source: str) -> list[Entry]:
        if ".." in PurePosixPath(source).parts:
            refuse(copy.line, f"COPY {source} leads out of the build context")
        found = self._context.find(source)
        if not found:
            refuse(copy.line, f"COPY {source}: no such file in the build context, or .dockerignore excludes it")
        for entry in found:
            if entry.is_link:
                refuse(copy.line, f"COPY {source}: {entry.path} is a symbolic link, which is not followed")
        return found

    def _copy(self, writer: "_Writer", entry: Entry, target: str, *, into_folder: bool) -> None:
        """A folder's content goes into the target, a file becomes it, or goes into it where it is a folder."""
        if not entry.is_folder:
            if into_folder or self._kinds.get(target) == FOLDER:
                target = _joined(target, PurePosixPath(entry.path).name)
            writer.add(entry, target)
            return
        writer.folder(target)
        for below in self._context.below(entry):
            writer.add(below, _joined(target, below.path[len(entry.path) :].lstrip("/")))


class _Writer:
    """Writes a layer's entries, and notes in ``kinds`` what the image holds then."""

    def __init__(self, tar: tarfile.TarFile, kinds: dict[str, str], line: int) -> None:
        self._tar = tar
        self._kinds = kinds
        self._line = line

    def add(self, entry: Entry, path: str) -> None:
        """Write a file, folder or link, and the folders above it that are not there yet."""
        if entry.is_folder:
            self.folder(path)
            return
        self.folder(str(PurePosixPath(path).parent).removeprefix("."))
        if entry.is_link:
            self._write(path, LINK, tarfile.SYMTYPE, 0o777, link=str(entry.file.readlink()))
        elif stat.S_ISREG(entry.mode):
            mode = 0o755 if entry.mode & stat.S_IXUSR else 0o644
            self._write(path, FILE, tarfile.REGTYPE, mode, content=entry.file)
        else:
            refuse(self._line, f"{entry.path} is neither a file, nor a folder, nor a symbolic link")

    def folder(self, path: str) -> None:
        """Have a folder, and all above it."""
        for part in [*reversed(PurePosixPath(path).parents), PurePosixPath(path)]:
            name = "" if str(part) == "." else str(part)
            if name not in self._kinds:
                self._write(name, FOLDER, tarfile.DIRTYPE, 0o755)
            elif self._kinds[name] != FOLDER:
                refuse(self._line, f"/{name} is {self._kinds[name]} in the image already, and a folder is needed")

    def _write(
        self, path: str, kind: str, tar_type: bytes, mode: int, *, link: str = "", content: Path | None = None
    ) -> None:
        there = self._kinds.get(path)
        if there is not None and (there, kind) != (FILE, FILE):
            refuse(self._line, f"/{path} is {there} in the image already, and {kind} is to take its place")
        self._kinds[path] = kind
        header = tarfile.TarInfo(path)
        header.type, header.mode, header.linkname = tar_type, mode, link
        if content is None:
            self._tar.addfile(header)
            return
        header.size = content.stat().st_size
        with content.open("rb") as file:
            self._tar.addfile(header, file)


def _inside(target: str) -> str:
    """The target as a path without the leading slash; relative ones start at the root, there being no WORKDIR."""
    parts: list[str] = []
    for part in PurePosixPath("/", target).parts[1:]:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


def _joined(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
