"""The image in the values files of a Helm chart: which one they name, and how another is set. Pure.

Helm lays values files over each other, and all of them over the chart's own ``values.yaml``: the last file that has a
key decides. An image is set in the file that decides now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.images import ImageReference, ImageReferenceError, ManifestImage
from bot.manifests.documents import ManifestError, compose, split_documents
from bot.manifests.structure import read_section, remove_key, set_key
from bot.manifests.values import read_value


@dataclass(frozen=True, slots=True)
class ImageKeys:
    """The keys that hold an image, dotted. Where ``tag`` and ``digest`` are one key, it holds ``TAG@DIGEST``."""

    repository: str = "image.repository"
    tag: str = "image.tag"
    digest: str = "image.digest"


def image_of(texts: Iterable[tuple[str, str]], keys: ImageKeys, repository: str) -> str | None:
    """The image that values name; None where it is not of the repository.

    Args:
        texts: path and text of each values file, the chart's own first.
        keys: where in them the image is.
        repository: the app's.

    Raises:
        ManifestError: a file cannot be read.
    """
    layers = [_data(text, path) for path, text in texts]
    name = _effective(layers, keys.repository)
    try:
        same = (
            ImageReference.parse(repository).normalised().repository == ManifestImage.parse(name).normalised_repository
        )
    except ImageReferenceError:
        return None
    if not same:
        return None
    tag = _effective(layers, keys.tag)
    digest = _effective(layers, keys.digest) if keys.digest != keys.tag else ""
    return name + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")


def set_image(
    texts: Sequence[tuple[str, str]],
    keys: ImageKeys,
    image: ImageReference,
    *,
    defaults: Sequence[tuple[str, str]] = (),
) -> Mapping[str, str]:
    """The new text of each values file that changes, for the chart to run an image.

    Args:
        texts: path and text of each values file, in their order.
        keys: where in them the image is.
        image: what to set; its repository must be the one that the values name.
        defaults: the chart's own values, which stay as they are.

    Raises:
        ManifestError: a file cannot be edited safely.
    """
    before = image_of([*defaults, *texts], keys, image.repository)
    if before is None or not texts:
        return {}
    files = dict(texts)
    for key, value in _wanted(keys, image).items():
        path = _home(files, keys, key)
        section, way = read_section(files[path], path), tuple(key.split("."))
        siblings = tuple(one.rpartition(".")[2] for one in (keys.repository, keys.tag))
        changed = remove_key(section, way) if value is None else set_key(section, way, value, after=siblings)
        files[path] = changed.text
    wanted = f"{ManifestImage.parse(before).repository}{image.suffix}"
    after = image_of([*defaults, *files.items()], keys, image.repository)
    if after != wanted:
        path = list(files)[-1]
        raise ManifestError(
            path, 1, f"with {wanted} set here, the values would name {after}", "set the image in one file"
        )
    return {path: text for path, text in files.items() if text != dict(texts)[path]}


def _wanted(keys: ImageKeys, image: ImageReference) -> dict[str, str | None]:
    if keys.tag == keys.digest:
        return {keys.tag: image.suffix.removeprefix(":") or None}
    return {keys.tag: image.tag, keys.digest: image.digest}


def _home(files: Mapping[str, str], keys: ImageKeys, key: str) -> str:
    """The file to set a key in: the last that has it, or one of its fellows, or the last of all."""
    for wanted in ((key,), (keys.tag, keys.digest), (keys.repository,)):
        for path, text in reversed(list(files.items())):
            data = _data(text, path)
            if any(_value(data, one) is not None for one in wanted):
                return path
    return list(files)[-1]


def _data(text: str, path: str) -> Any:
    """What a values file says; an empty one says nothing."""
    trees = [tree for document in split_documents(text, path) if (tree := compose(document)).root is not None]
    if len(trees) > 1:
        raise ManifestError(path, trees[1].document.first_line, "a values file is one document", "remove the others")
    return read_value(trees[0]) if trees else {}


def _effective(layers: Iterable[Any], key: str) -> str:
    found = [value for data in layers if (value := _value(data, key)) is not None]
    return str(found[-1]) if found else ""


def _value(data: Any, key: str) -> Any:
    for step in key.split("."):
        data = data.get(step) if isinstance(data, dict) else None
    return data
