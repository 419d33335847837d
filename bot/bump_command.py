"""``python -m bot bump``: set an image in manifest files by hand or in a script, and change no other byte.

A tool in its own right, like ``kustomize edit set image`` for plain manifests: it needs no catalog, no settings and
no network.
"""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click

from bot import manifests
from bot.atomic_files import replace_files
from bot.errors import Permanent
from bot.images import ImageReference, ImageReferenceError
from bot.manifests import Bumped, ManifestError
from bot.unified_diff import unified_diff

STANDARD_INPUT = "-"
EXIT_CANNOT_EDIT = 1
EXIT_NO_MATCH = 2

HELP = """Set the image of every container and init container in FILEs that runs REPOSITORY.

Only the tag and the digest change; every other byte stays. Prints a diff that 'git apply' takes and writes nothing,
unless --in-place is given. With - as FILE, standard input is read and the edited document is printed.

\b
Exit codes:
  0  the images are set, or were already (then standard error says so)
  1  a FILE cannot be read, written, or edited safely; the message names file, line and remedy
  2  wrong usage, or a FILE has no container that runs REPOSITORY
Where a FILE is refused, none is written.
"""


@dataclass(frozen=True, slots=True)
class _Edit:
    """One file, before and after."""

    path: str
    before: str
    bumped: Bumped

    @property
    def diff(self) -> str:
        return unified_diff(self.path, self.before, self.bumped.text)


class _Refusal(click.ClickException):
    """A file that cannot be read, edited or written. The exit codes are those the help page promises."""

    exit_code = EXIT_CANNOT_EDIT


class _NoMatch(_Refusal):
    exit_code = EXIT_NO_MATCH


@click.command("bump", help=HELP)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--image", required=True, metavar="REPOSITORY[:TAG][@DIGEST]", help="The image to set.")
@click.option("--deployment", metavar="NAME", help="Only workloads of this name, of whatever kind.")
@click.option("--in-place", is_flag=True, help="Write the FILEs: all of them, or none where one is refused.")
@click.option("--json", "as_json", is_flag=True, help="Print what changed as JSON in place of diff or document.")
def bump(files: tuple[str, ...], image: str, deployment: str | None, in_place: bool, as_json: bool) -> None:
    """Check all files, then write or print."""
    if STANDARD_INPUT in files and (in_place or len(files) > 1):
        raise click.UsageError(
            "standard input (-) is edited alone and printed: leave out the other FILEs and --in-place"
        )
    reference = _reference(image)
    edits = [_edit(path, reference, deployment) for path in _distinct(files)]
    if in_place:
        _write([edit for edit in edits if edit.bumped.changes])
    if as_json:
        click.echo(json.dumps(_facts(reference, edits, written=in_place), indent=2))
    else:
        _print_texts(edits, in_place)
    for edit in edits:
        if not edit.bumped.changes:
            click.echo(f"{edit.path}: already at {reference}", err=True)


def _reference(text: str) -> ImageReference:
    try:
        reference = ImageReference.parse(text)
    except ImageReferenceError as error:
        raise click.BadParameter(str(error), param_hint="--image") from None
    if not reference.suffix:
        raise click.BadParameter(
            f"{text!r} has neither a tag nor a digest, so there is nothing to set", param_hint="--image"
        )
    return reference


def _distinct(files: tuple[str, ...]) -> list[str]:
    """Each file once, however often and by whatever links it is named."""
    return list(
        {path if path == STANDARD_INPUT else os.path.realpath(path): path for path in reversed(files)}.values()
    )[::-1]


def _edit(path: str, image: ImageReference, deployment: str | None) -> _Edit:
    text = _read(path)
    try:
        bumped = manifests.bump(text, path, image, deployment=deployment)
    except ManifestError as error:
        raise _Refusal(str(error)) from None
    if not bumped.found:
        raise _NoMatch(_no_match(path, text, image, deployment))
    return _Edit(path, text, bumped)


def _read(path: str) -> str:
    """The file's text, byte for byte: no line ending translated, a byte order mark kept."""
    try:
        data: bytes = sys.stdin.buffer.read() if path == STANDARD_INPUT else Path(path).read_bytes()
        return data.decode()
    except IsADirectoryError:
        _fail(f"{path} is a folder; name the manifest files in it, for instance {path.rstrip('/')}/*.yaml")
    except OSError as error:
        _fail(f"{path} cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        _fail(f"{path} is not UTF-8 from byte {error.start + 1} on; convert it first")


def _fail(message: str) -> NoReturn:
    raise _Refusal(message)


def _no_match(path: str, text: str, image: ImageReference, deployment: str | None) -> str:
    """Say what was looked for, and what there is: a typing error is then plain to see."""
    where = f" in a workload named {deployment}" if deployment else ""
    message = f"{path}: no container{where} runs {image.repository}"
    try:
        found = manifests.find_images(text, path)
    except Permanent as error:
        return f"{message}, as far as it can be read: {error}"
    images = sorted({f"{image.text} ({image.workload})" for image in found})
    return f"{message}; it has {', '.join(images)}" if images else f"{message}; it has no container at all"


def _print_texts(edits: list[_Edit], in_place: bool) -> None:
    for edit in edits:
        if edit.path == STANDARD_INPUT:
            click.echo(edit.bumped.text.encode(), nl=False)
        elif in_place:
            for change in edit.bumped.changes:
                click.echo(f"{edit.path}:{change.line}: {change.old} -> {change.new}")
        else:
            click.echo(edit.diff.encode(), nl=False)


def _facts(image: ImageReference, edits: list[_Edit], *, written: bool) -> dict[str, Any]:
    return {"image": str(image), "files": [_file_facts(edit, written=written) for edit in edits]}


def _file_facts(edit: _Edit, *, written: bool) -> dict[str, Any]:
    changes = [
        {
            "line": change.line,
            "old": change.old,
            "new": change.new,
            "containers": [
                {"workload": user.workload, "container": user.container, "init": user.init} for user in change.used_by
            ],
        }
        for change in edit.bumped.changes
    ]
    facts = {
        "path": edit.path,
        "found": len(edit.bumped.found),
        "changes": changes,
        "written": written and bool(changes),
    }
    return facts | ({"document": edit.bumped.text} if edit.path == STANDARD_INPUT else {"diff": edit.diff})


def _write(edits: list[_Edit]) -> None:
    try:
        replace_files({Path(edit.path): edit.bumped.text.encode() for edit in edits})
    except OSError as error:
        _fail(f"{error.filename} cannot be written: {error.strerror}")
