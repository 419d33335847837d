"""Kustomizations: what they make of an app's image, which folders they are made of, and the ``images:`` entry to set.

Pure over a function that reads the config repo. Kustomize names every file that it uses, so nothing needs to be
listed. What is modelled is what ``kubectl kustomize`` does to images (kustomize 5: resources, then components, then
patches, then ``images``); a sync renders with the real one, and holds it to what is said here.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.images import ImageReference, ImageReferenceError, ManifestImage
from bot.manifests import find_images
from bot.manifests.documents import ManifestError
from bot.manifests.structure import Section, add_item, read_section, remove_key, set_key

Read = Callable[[str], str | None]
"""A file's text, None where there is no such file."""

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""In the order in which kustomize looks for them."""

_FOLDERS = ("resources", "bases", "components")
_PLUGINS = ("generators", "transformers", "validators")
_FETCHED = ("helmCharts", "helmChartInflationGenerator")
_MATCHED_REST = re.compile(r"(?::[a-zA-Z0-9_.{}-]*)?(?:@sha256:[a-zA-Z0-9_.{}-]*)?")
"""What may follow an image's name for kustomize to take it for an image of that name: ``:${TAG}`` is not among it."""

_LOADING = (
    *("patches", "patchesStrategicMerge", "patchesJson6902", "configMapGenerator", "secretGenerator"),
    *("crds", "configurations", "openapi", "replacements"),
)
_PATH_KEYS = frozenset({"path", "files", "envs", "env"})
_DEEPEST = 32

Place = tuple[str, str, str]
"""Kind, name and container."""


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """A container's image as it comes out.

    Attributes:
        text: the image.
        name: its repository before this kustomization's own ``images``.
        entry: the place of the last of these that matched; None where none did.
    """

    text: str
    name: str
    entry: int | None

    @property
    def image(self) -> ManifestImage | None:
        """The image taken apart; None where it is none."""
        return _parsed(self.text)


def kustomization_file(read: Read, folder: str) -> str | None:
    """The path of the folder's kustomization; None where it has none."""
    paths = (posixpath.join(folder, name) for name in FILE_NAMES)
    return next((path for path in paths if read(path) is not None), None)


def roots(read: Read, folder: str) -> tuple[str, ...]:
    """The folder itself and every other folder that its kustomization is made of.

    Kustomize loads files from below a kustomization's folder only, so these hold all that can change what it renders.

    Raises:
        ManifestError: something is not in the config repo, or cannot be read.
    """
    found: dict[str, None] = {}
    _collect(read, folder, found, 0)
    return tuple(found)


def _collect(read: Read, folder: str, found: dict[str, None], depth: int) -> None:
    found[folder] = None
    section = _load(read, folder)
    _refuse_fetching(section)
    if depth > _DEEPEST:
        raise section.error((), f"kustomizations are nested more than {_DEEPEST} deep", "let none refer back to itself")
    for field, entry in _entries(section, (*_FOLDERS, *_PLUGINS)):
        below = _folder_of(read, section, folder, field, entry)
        if below is not None and below not in found:
            _collect(read, below, found, depth + 1)


def images(read: Read, folder: str) -> tuple[RenderedImage, ...]:
    """The image of every container that a kustomization renders, as far as workloads of Kubernetes' own kinds go.

    Raises:
        ManifestError: it cannot be read.
    """
    section = _load(read, folder)
    return tuple(_transformed(text, section) for text in _untransformed(read, folder, section, 0).values())


def images_of(read: Read, folder: str, repository: str) -> tuple[str, ...]:
    """The images of one repository that a kustomization renders.

    Where no container is seen (kinds of custom resources, say), an ``images`` entry of that repository speaks for it.
    """
    section = _load(read, folder)
    wanted = ImageReference.parse(repository).normalised().repository
    rendered = images(read, folder)
    ours = [one.text for one in rendered if one.image is not None and one.image.normalised_repository == wanted]
    if not ours:
        ours = [_said(entry) for entry in _image_entries(section) if _output(entry) == wanted]
    return tuple(dict.fromkeys(ours))


def set_image(read: Read, folder: str, image: ImageReference) -> tuple[str, str] | None:
    """The path and the new text of a folder's kustomization that has its containers run an image.

    None where nothing in it runs the image's repository.

    Raises:
        ManifestError: it cannot be edited safely.
    """
    section, repository = _load(read, folder), image.normalised().repository
    rendered = [one for one in images(read, folder) if one.image and one.image.normalised_repository == repository]
    entries = {one.entry for one in rendered if one.entry is not None}
    if not rendered:
        entries = {place for place, entry in enumerate(_image_entries(section)) if _output(entry) == repository}
    names = dict.fromkeys(one.name for one in rendered if one.entry is None)
    if not entries and not names:
        return None
    path = section.document.path
    for place in sorted(entries):
        section = _entry_set(section, place, image)
    for name in names:
        section = _entry_added(section, name, image)
    _verify(lambda asked: section.text if asked == path else read(asked), folder, section, image)
    return path, section.text


def _entry_set(section: Section, place: int, image: ImageReference) -> Section:
    way = ("images", place)
    entry = section.data["images"][place]
    if "tagSuffix" in entry:
        raise section.error(way, "tagSuffix would be put behind the release's tag", "remove tagSuffix")
    for key, value, after in (
        ("newTag", image.tag, ("name", "newName")),
        ("digest", image.digest, ("name", "newName", "newTag")),
    ):
        if value is not None:
            section = set_key(section, (*way, key), value, after=after)
    for key, value in (("newTag", image.tag), ("digest", image.digest)):
        if value is None:
            section = remove_key(section, (*way, key))
    return section


def _entry_added(section: Section, name: str, image: ImageReference) -> Section:
    keys = {"name": name, "newTag": image.tag, "digest": image.digest}
    return add_item(section, ("images",), {key: value for key, value in keys.items() if value is not None})


def _verify(read: Read, folder: str, section: Section, image: ImageReference) -> None:
    """Whether every container that runs the repository would run the image now."""
    repository = image.normalised().repository
    for one in images(read, folder):
        found = one.image
        if found is not None and found.normalised_repository == repository and found.rest != image.suffix:
            reason = f"an entry here does not change the image {one.text!r}, as kustomize does not match it"
            raise section.error(("images",), reason, "write a plain tag, or none, behind the image that it is made of")


# ---------------------------------------------------------------- what is rendered


def _untransformed(read: Read, folder: str, section: Section, depth: int) -> dict[Place, str]:
    """Every container's image before the kustomization's own ``images``."""
    if depth > _DEEPEST:
        raise section.error((), f"kustomizations are nested more than {_DEEPEST} deep", "let none refer back to itself")
    found: dict[Place, str] = {}
    for field, entry in _entries(section, _FOLDERS):
        below = _folder_of(read, section, folder, field, entry)
        if below is None:
            path = _resolved(folder, entry)
            found.update(_places(read(path) or "", path))
            continue
        inner = _load(read, below)
        for place, text in _untransformed(read, below, inner, depth + 1).items():
            found[place] = _transformed(text, inner).text
        if field == "components":
            found = {place: _transformed(text, inner).text for place, text in found.items()}
    for path, text in _patches(read, folder, section):
        found.update({place: image for place, image in _places(text, path).items() if place in found})
    return found


def _places(text: str, path: str) -> dict[Place, str]:
    return {(one.kind, one.name, one.container): one.text for one in find_images(text, path)}


def _patches(read: Read, folder: str, section: Section) -> Iterator[tuple[str, str]]:
    """The strategic merge patches, in files and written out."""
    listed = (patch for patch in _list(section, "patches") if isinstance(patch, dict))
    newer = [patch.get("path") or patch.get("patch") for patch in listed]
    for patch in [*_list(section, "patchesStrategicMerge"), *newer]:
        if isinstance(patch, str) and "\n" in patch:
            yield section.document.path, patch
        elif isinstance(patch, str):
            path = _resolved(folder, patch)
            yield path, read(path) or ""


def _transformed(text: str, section: Section) -> RenderedImage:
    """An image after a kustomization's ``images``, each in its turn."""
    image, last = _parsed(text), None
    name = image.repository if image else ""
    for place, entry in enumerate(_image_entries(section)):
        image = _parsed(text)
        if image is None or entry.get("name") != image.repository or not _MATCHED_REST.fullmatch(image.rest):
            continue
        text, last = _set(image, entry), place
    return RenderedImage(text, name, last)


def _set(image: ManifestImage, entry: dict[str, Any]) -> str:
    suffix = _suffix(entry)
    return str(entry.get("newName") or image.repository) + (suffix or image.rest)


def _suffix(entry: dict[str, Any]) -> str:
    tag, digest = entry.get("newTag"), entry.get("digest")
    return (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def _said(entry: dict[str, Any]) -> str:
    return str(entry.get("newName") or entry.get("name")) + _suffix(entry)


def _output(entry: dict[str, Any]) -> str | None:
    """The repository that an entry leaves behind."""
    image = _parsed(str(entry.get("newName") or entry.get("name") or ""))
    return image.normalised_repository if image else None


def _parsed(text: str) -> ManifestImage | None:
    try:
        return ManifestImage.parse(text)
    except ImageReferenceError:
        return None


# ---------------------------------------------------------------- what it is made of


def _load(read: Read, folder: str) -> Section:
    path = kustomization_file(read, folder)
    if path is None:
        raise ManifestError(f"{folder}/{FILE_NAMES[0]}", 1, "there is no such file", "add it")
    section = read_section(read(path) or "", path)
    for place, entry in enumerate(_list(section, "images")):
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            raise section.error(("images", place), "an entry of images needs a name", "give it one")
    return section


def _image_entries(section: Section) -> list[dict[str, Any]]:
    return _list(section, "images")


def _list(section: Section, field: str) -> list[Any]:
    value = section.data.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise section.error((field,), f"{field} must be a list", "correct it")
    return value


def _entries(section: Section, fields: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Field and text of each entry that names a file or folder; a plug-in's configuration may be written out."""
    for field in fields:
        for entry in _list(section, field):
            if not isinstance(entry, str):
                raise section.error((field,), f"an entry of {field} must be a path", "correct it")
            if "\n" not in entry:
                yield field, entry


def _resolved(folder: str, entry: str) -> str:
    return posixpath.normpath(posixpath.join(folder, entry))


def _folder_of(read: Read, section: Section, folder: str, field: str, entry: str) -> str | None:
    """The folder that an entry names; None where it names a file."""
    path = _resolved(folder, entry)
    place = next((place for place, one in enumerate(_list(section, field)) if one == entry), 0)
    if path.startswith(("..", "/")):
        raise section.error((field, place), f"{entry} leads out of the config repo", "keep what it names in the repo")
    if read(path) is not None:
        if not path.startswith(f"{folder}/"):
            reason = f"{entry} is a file outside of the kustomization's folder, which kubectl kustomize refuses"
            raise section.error((field, place), reason, "name a folder with a kustomization of its own")
        return None
    if kustomization_file(read, path) is None:
        reason = (
            f"{entry} is neither a file nor a folder with a kustomization in the config repo, and nothing is fetched"
        )
        raise section.error((field, place), reason, "copy it into the config repo, or correct the path")
    return path


def _refuse_fetching(section: Section) -> None:
    """Kustomize would load any of its files from the web: then what was approved is not what runs."""
    for field in _FETCHED:
        if field in section.data:
            raise section.error((field,), f"{field} is not supported", "use the key helm of the app in slipway.yaml")
    for field in _LOADING:
        if address := _address(section.data.get(field)):
            reason = f"{address} is not in the config repo, and nothing is fetched"
            raise section.error((field,), reason, "copy it into the config repo")


def _address(value: Any) -> str | None:
    """A path in it that is an address. Literals, options and targets hold no paths."""
    match value:
        case str():
            return value if re.match(r"(?:[\w./-]+=)?[a-z][a-z0-9+.-]*://", value) else None
        case list():
            return next(filter(None, map(_address, value)), None)
        case dict():
            held = (one for key, one in value.items() if key in _PATH_KEYS)
            return next(filter(None, map(_address, held)), None)
    return None
