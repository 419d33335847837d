"""The forms in which an app is kept: plain manifests, kustomizations, the values of a Helm chart. Pure.

Each answers the same three questions: which images run, how is one set, and whose changes are changes of the app.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.images import ImageReference, ImageReferenceError, ManifestImage
from bot.manifests import bump, find_images, helm, kustomize
from bot.manifests.helm import ImageKeys
from bot.manifests.kustomize import Read


@dataclass(frozen=True, slots=True)
class Chart:
    """A Helm chart's folder, the values files that exist, in their order, and the keys of the image in them."""

    folder: str
    values: tuple[str, ...]
    keys: ImageKeys

    @property
    def defaults(self) -> str:
        """The chart's own values."""
        return f"{self.folder}/values.yaml"


@dataclass(frozen=True, slots=True)
class Form:
    """What an app is made of in one environment.

    Attributes:
        files: plain manifest files.
        kustomizations: folders with a kustomization.
        chart: the Helm chart, in place of both.
    """

    files: tuple[str, ...] = ()
    kustomizations: tuple[str, ...] = ()
    chart: Chart | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in the config repo."""
        return not (self.files or self.kustomizations or (self.chart and self.chart.values))


def images(form: Form, read: Read, repository: str) -> tuple[str, ...]:
    """The images of a repository that run, each once, in the order in which they are found.

    Raises:
        ManifestError: something cannot be read.
    """
    wanted = ImageReference.parse(repository).normalised().repository
    found: dict[str, None] = {}
    for path in form.files:
        for one in find_images(read(path) or "", path):
            if one.image is not None and one.image.normalised_repository == wanted:
                found[one.text] = None
    for folder in form.kustomizations:
        found.update(dict.fromkeys(kustomize.images_of(read, folder, repository)))
    if form.chart is not None and form.chart.values:
        texts = [(path, read(path) or "") for path in (form.chart.defaults, *form.chart.values)]
        image = helm.image_of(texts, form.chart.keys, repository)
        found.update({image: None} if image else {})
    return tuple(found)


def edited(form: Form, read: Read, image: ImageReference) -> Mapping[str, str]:
    """The new text of each file that changes, for everything in it that runs the image's repository to run the image.

    Raises:
        ManifestError: something cannot be edited safely.
    """
    texts: dict[str, str] = {}
    for path in form.files:
        text = read(path)
        if text is not None:
            texts[path] = bump(text, path, image).text
    for folder in form.kustomizations:
        if kustomize.kustomization_file(read, folder) is not None:
            path, text = kustomize.set_image(read, folder, image) or ("", "")
            texts.update({path: text} if path else {})
    if form.chart is not None:
        values = [(path, text) for path in form.chart.values if (text := read(path)) is not None]
        defaults = [(form.chart.defaults, read(form.chart.defaults) or "")]
        texts.update(helm.set_image(values, form.chart.keys, image, defaults=defaults))
    return {path: text for path, text in texts.items() if text != read(path)}


def made_of(form: Form, read: Read) -> tuple[str, ...]:
    """The folders beyond its own paths that an app is made of: bases of its kustomizations, its chart.

    Raises:
        ManifestError: a kustomization cannot be read, or names what is not in the config repo.
    """
    found: dict[str, None] = {}
    for folder in form.kustomizations:
        found.update(dict.fromkeys(kustomize.roots(read, folder)))
    if form.chart is not None:
        found[form.chart.folder] = None
    return tuple(found)


def holding_files(form: Form, read: Read, images_there: Sequence[str]) -> tuple[str, ...]:
    """The files in which a release is set: those that hold one of the images, kustomizations, values."""
    found = [path for path in form.files if any(image in (read(path) or "") for image in images_there)]
    files = (kustomize.kustomization_file(read, folder) for folder in form.kustomizations)
    return (*found, *filter(None, files), *(form.chart.values if form.chart else ()))


def has_placeholder(text: str) -> bool:
    """Whether an image's tag is filled in only by the first release."""
    try:
        return ManifestImage.parse(text).has_placeholder
    except ImageReferenceError:
        return False
