"""Set an image in the text of a manifest, and change no other byte of it. Pure: text in, text out.

ruamel.yaml says where the image stands; the text is spliced there, never written anew, and the result is read
again: it must hold the same data but for the images. What cannot be changed safely is refused by
:class:`ManifestError`, which names the line and what to write instead.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from bot.images import DEFAULT_DOMAIN, ImageReference, ImageReferenceError, ManifestImage
from bot.manifests.documents import Document, ManifestError, Tree, compose, split_documents
from bot.manifests.splice import Splice, apply_splices, plan_splice, refuse_other_uses, spelling
from bot.manifests.values import parse_documents
from bot.manifests.workloads import ImageSite, image_sites

__all__ = [
    "Bumped",
    "Change",
    "FoundImage",
    "ManifestError",
    "bump",
    "find_images",
    "parse_documents",
    "unresolved_placeholders",
]


@dataclass(frozen=True, slots=True)
class FoundImage:
    """One container's image in a file.

    ``document`` counts from 0, ``line`` from 1; ``text`` is the image as Kubernetes reads it, and ``start`` and
    ``end`` are the character offsets of its spelling in the file, quotes excluded.
    """

    path: str
    document: int
    kind: str
    name: str
    namespace: str | None
    container: str
    init: bool
    text: str
    line: int
    start: int
    end: int

    @property
    def workload(self) -> str:
        """``Kind/name``."""
        return f"{self.kind}/{self.name}"

    @property
    def image(self) -> ManifestImage | None:
        """The image taken apart; None where it is no image, or its repository is a placeholder."""
        try:
            return ManifestImage.parse(self.text)
        except ImageReferenceError:
            return None


@dataclass(frozen=True, slots=True)
class Change:
    """One scalar that changed, and the containers that use it (more than one where they share an anchor)."""

    line: int
    old: str
    new: str
    used_by: tuple[FoundImage, ...]


@dataclass(frozen=True, slots=True)
class Bumped:
    """A bumped file.

    ``found`` are the containers that run the image's repository; it is empty where the file has none. ``changes``
    leaves out what was at the wanted image already.
    """

    text: str
    changes: tuple[Change, ...]
    found: tuple[FoundImage, ...]


@lru_cache(maxsize=4096)
def find_images(text: str, path: str) -> tuple[FoundImage, ...]:
    """Every image of every workload in a file, in the file's order. Remembered: idle, the same files are asked about.

    Raises:
        ManifestError: where a document that mentions an image cannot be read.
    """
    found: list[FoundImage] = []
    for document in split_documents(text, path):
        if "image" in document.text:
            tree = compose(document)
            found += (_found(text, tree, site) for site in image_sites(tree))
    return tuple(found)


def unresolved_placeholders(images: Iterable[FoundImage]) -> tuple[FoundImage, ...]:
    """Those whose tag is still to be filled in (``:${TAG_TO_DEPLOY}``): their app awaits its first release."""
    return tuple(found for found in images if found.image is not None and found.image.has_placeholder)


def bump(text: str, path: str, image: ImageReference, *, deployment: str | None = None) -> Bumped:
    """Set the tag and digest of every container that runs the image's repository.

    Args:
        text: the file; its line endings and byte order mark stay.
        path: its name, for errors.
        image: what to set. The repository stays spelled as the file spells it.
        deployment: only workloads of this name, of whatever kind.

    Raises:
        ImageReferenceError: the image has neither tag nor digest, so there is nothing to set.
        ManifestError: a document that mentions the repository cannot be read, or not be changed safely.
    """
    if not image.suffix:
        raise ImageReferenceError(f"image {str(image)!r} has neither a tag nor a digest, so there is nothing to set")
    pieces: list[str] = []
    changes: list[Change] = []
    found: list[FoundImage] = []
    done = 0
    for document in split_documents(text, path):
        if _mentions(document, image):
            bumped = _bump_document(text, document, image, deployment)
            pieces += (text[done : document.start], bumped.text)
            done = document.start + len(document.text)
            changes += bumped.changes
            found += bumped.found
    return Bumped("".join((*pieces, text[done:])), tuple(changes), tuple(found))


def _mentions(document: Document, image: ImageReference) -> bool:
    """Cheap, and never wrong the dangerous way: a name can hide from a search only behind an escape."""
    has_many_spellings = image.domain == DEFAULT_DOMAIN
    name = image.path.rpartition("/")[2] if has_many_spellings else image.repository
    return "image" in document.text and (name in document.text or "\\" in document.text)


def _bump_document(text: str, document: Document, image: ImageReference, deployment: str | None) -> Bumped:
    tree = compose(document)
    sites = tuple(image_sites(tree))
    wanted = image.normalised().repository
    chosen = [site for site in sites if deployment in (None, site.name) and _repository(site) == wanted]
    changes: list[Change] = []
    splices: list[Splice] = []
    for scalar in {id(site.scalar): site.scalar for site in chosen}.values():
        users = [site for site in chosen if site.scalar is scalar]
        splice = plan_splice(text, tree, scalar, image.suffix)
        if splice.old != splice.new:
            refuse_other_uses(tree, users, sites)
            splices.append(splice)
            used_by = tuple(_found(text, tree, site) for site in users)
            changes.append(Change(document.line_of(splice.start), splice.old, splice.new, used_by))
    found = tuple(_found(text, tree, site) for site in chosen)
    return Bumped(apply_splices(text, tree, splices), tuple(changes), found)


def _repository(site: ImageSite) -> str | None:
    try:
        return ManifestImage.parse(site.scalar.value.strip()).normalised_repository
    except ImageReferenceError:
        return None


def _found(text: str, tree: Tree, site: ImageSite) -> FoundImage:
    start, end = spelling(text, site.scalar)
    return FoundImage(
        path=tree.document.path,
        document=tree.document.index,
        kind=site.kind,
        name=site.name,
        namespace=site.namespace,
        container=site.container,
        init=site.init,
        text=site.scalar.value.strip(),
        line=tree.document.line_of(start),
        start=start,
        end=end,
    )
