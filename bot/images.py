"""Image references, read as every Docker tool reads them, and as manifests spell them.

The grammar is that of the distribution project's ``reference`` package, which the Docker engine, containerd and the
kubelet share: ``[DOMAIN/]PATH[:TAG][@DIGEST]``. A manifest may hold something the engine would refuse, a tag that
is filled in on deploy (``:${TAG_TO_DEPLOY}``); :class:`ManifestImage` reads that too.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from bot.errors import Permanent

DEFAULT_DOMAIN = "docker.io"
LEGACY_DOMAIN = "index.docker.io"
OFFICIAL_NAMESPACE = "library"
MAX_REPOSITORY_LENGTH = 255

_PATH_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_COMPONENT}(?:/{_PATH_COMPONENT})*")
_LABEL = r"(?:[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9-]*[A-Za-z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")
_PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\$\([^)]*\)|\$[A-Za-z_][A-Za-z0-9_]*|\{\{.*?\}\}")


class ImageReferenceError(Permanent, ValueError):
    """A text that is no image reference. The message quotes the text and names what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ImageReference:
    """``REPOSITORY[:TAG][@DIGEST]``, the repository spelled as it was written.

    Two spellings of one repository (``nginx``, ``docker.io/library/nginx``) are equal once ``normalised()``.
    """

    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference.

        Raises:
            ImageReferenceError: when a Docker tool would refuse it.
        """
        if not text:
            raise ImageReferenceError("an image reference is needed, and this one is empty")
        name, at, digest = text.partition("@")
        repository, tag = _split_tag(name)
        _check_repository(text, repository)
        if tag is not None:
            _check_tag(text, tag)
        if at:
            _check_digest(text, digest)
        return cls(repository, tag, digest if at else None)

    def __str__(self) -> str:
        return self.repository + self.suffix

    @property
    def suffix(self) -> str:
        """What follows the repository: ``:TAG``, ``@DIGEST``, both or nothing."""
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    @property
    def domain(self) -> str:
        """The registry's host and port; ``docker.io`` where none is written."""
        return _split_domain(self.repository)[0]

    @property
    def path(self) -> str:
        """The repository inside its registry; ``library/nginx`` for ``nginx``."""
        return _split_domain(self.repository)[1]

    def with_tag(self, tag: str) -> "ImageReference":
        """Same repository under another tag; the digest belonged to the old one and is dropped."""
        _check_tag(f"{self.repository}:{tag}", tag)
        return replace(self, tag=tag, digest=None)

    def normalised(self) -> "ImageReference":
        """Spell out the defaults of Docker Hub, so that equal images compare equal."""
        return replace(self, repository=f"{self.domain}/{self.path}")


@dataclass(frozen=True, slots=True)
class ManifestImage:
    """An image as a manifest spells it: a repository, and whatever comes after it.

    ``rest`` is ``""``, or begins with ``:`` or ``@``. It may hold a placeholder, and is otherwise not checked: an
    image that a manifest gets wrong must still be found to be put right.
    """

    repository: str
    rest: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split an image text behind its repository.

        Raises:
            ImageReferenceError: when the repository itself is a placeholder or no repository.
        """
        placeholder = _PLACEHOLDER.search(text)
        known = text[: placeholder.start()] if placeholder else text
        repository = _split_tag(known.partition("@")[0])[0]
        rest = text[len(repository) :]
        if placeholder and not rest.startswith((":", "@")):
            raise ImageReferenceError(
                f"image {text!r}: the placeholder {placeholder.group()} stands in the repository, so which "
                f"image this is cannot be known; only a tag or a digest may be a placeholder"
            )
        _check_repository(text, repository)
        if re.search(r"\s", _PLACEHOLDER.sub("", rest)):
            raise ImageReferenceError(f"image {text!r} has white space in it")
        return cls(repository, rest)

    @property
    def normalised_repository(self) -> str:
        """The repository with Docker Hub's defaults spelled out."""
        return "/".join(_split_domain(self.repository))

    @property
    def has_placeholder(self) -> bool:
        """Whether the tag or the digest is filled in only on deploy."""
        return _PLACEHOLDER.search(self.rest) is not None


def _split_tag(name: str) -> tuple[str, str | None]:
    """Split at the colon behind the last slash: one before it is a registry's port."""
    colon = name.find(":", name.rfind("/") + 1)
    return (name, None) if colon < 0 else (name[:colon], name[colon + 1 :])


def _split_domain(repository: str) -> tuple[str, str]:
    """Tell ``localhost/x``, ``host:5000/x`` and ``a.b/x`` (a registry) from ``a/x`` (a Docker Hub account)."""
    first, slash, remainder = repository.partition("/")
    is_domain = slash and (re.search(r"[.:]", first) or first == "localhost" or first != first.lower())
    domain, path = (first, remainder) if is_domain else (DEFAULT_DOMAIN, repository)
    if domain == LEGACY_DOMAIN:
        domain = DEFAULT_DOMAIN
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"{OFFICIAL_NAMESPACE}/{path}"
    return domain, path


def _check_repository(text: str, repository: str) -> None:
    if not repository:
        raise ImageReferenceError(f"image {text!r} has no repository before its tag or digest")
    if _IMAGE_ID.fullmatch(repository):
        raise ImageReferenceError(f"image {text!r} is an image id; a repository is needed")
    domain, path = _split_domain(repository)
    if path != path.lower():
        raise ImageReferenceError(f"image {text!r}: the repository must be lower case")
    if not _DOMAIN.fullmatch(domain):
        raise ImageReferenceError(f"image {text!r}: {domain!r} is not a registry's host and port")
    if not _PATH.fullmatch(path):
        raise ImageReferenceError(
            f"image {text!r}: {path!r} is not a repository path (lower-case letters and digits, "
            f"separated by '/', '.', '_', '__' or '-')"
        )
    if len(path) > MAX_REPOSITORY_LENGTH:
        raise ImageReferenceError(f"image {text!r}: the repository is longer than {MAX_REPOSITORY_LENGTH} characters")


def _check_tag(text: str, tag: str) -> None:
    if not _TAG.fullmatch(tag):
        raise ImageReferenceError(
            f"image {text!r}: {tag!r} is not a tag (up to 128 letters, digits, '_', '.' and '-', "
            f"not beginning with '.' or '-')"
        )


def _check_digest(text: str, digest: str) -> None:
    algorithm, _, encoded = digest.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if length is None:
        raise ImageReferenceError(
            f"image {text!r}: {digest!r} is not a digest (sha256:, sha384: or sha512: and its hex digits)"
        )
    if len(encoded) != length or not re.fullmatch(r"[0-9a-f]+", encoded):
        raise ImageReferenceError(f"image {text!r}: the digest needs {length} lower-case hex digits after {algorithm}:")
