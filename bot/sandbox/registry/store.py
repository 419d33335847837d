"""Where the registry stand-in keeps blobs, manifests and tags: plain files that a new start finds again.

``blobs/DIGEST`` holds each content once. A repository is a folder that links to what it holds; a path
component of a repository name cannot start with ``_``, so the folders ``_blobs``, ``_manifests``, ``_tags`` and
``_uploads`` never meet a repository nested below.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)

_CHUNK = 1 << 20


class RegistryError(Exception):
    """An error of the specification: an HTTP status, one of its codes, and words.

    Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#error-codes
    """

    def __init__(self, status: int, code: str, message: str, detail: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail


class Readable(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Manifest:
    """A stored manifest, byte for byte as it was put."""

    media_type: str
    content: bytes
    digest: str


class Store:
    """The registry's files below ``root``."""

    def __init__(self, root: Path) -> None:
        self._content = root / "blobs"
        self._repositories = root / "repositories"
        self._content.mkdir(parents=True, exist_ok=True)
        self._repositories.mkdir(exist_ok=True)

    # ------------------------------------------------------------ uploads

    def start_upload(self, name: str) -> str:
        """Begin an upload and return its id."""
        upload = str(uuid.uuid4())
        _write(self._repository(name) / "_uploads" / upload, b"")
        return upload

    def upload_size(self, name: str, upload: str) -> int:
        """How many bytes an upload has received."""
        return self._upload(name, upload).stat().st_size

    def append(self, name: str, upload: str, body: Readable) -> int:
        """Append a chunk to an upload and return its new size."""
        with self._upload(name, upload).open("ab") as file:
            while chunk := body.read(_CHUNK):
                file.write(chunk)
            return file.tell()

    def finish_upload(self, name: str, upload: str, digest: str) -> None:
        """Turn an upload into a blob, if it has that digest; the upload is gone in either case."""
        path = self._upload(name, upload)
        with path.open("rb") as file:
            actual = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        if actual != digest:
            path.unlink()
            _refuse_digest({"asked": digest, "received": actual})
        path.replace(self._content / digest)
        self._link_blob(name, digest)

    def cancel_upload(self, name: str, upload: str) -> None:
        """Forget an upload."""
        self._upload(name, upload).unlink()

    def _upload(self, name: str, upload: str) -> Path:
        path = self._repository(name) / "_uploads" / upload
        if not path.is_file():
            raise RegistryError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return path

    # ------------------------------------------------------------ blobs

    def has_blob(self, name: str, digest: str) -> bool:
        """Whether the repository holds the blob; that another one does is not enough."""
        return (self._repository(name) / "_blobs" / digest).is_file()

    def blob(self, name: str, digest: str) -> Path:
        """The file of a blob that the repository holds."""
        if not self.has_blob(name, digest):
            raise RegistryError(404, "BLOB_UNKNOWN", "blob unknown to registry", digest)
        return self._content / digest

    def mount(self, name: str, digest: str, source: str) -> bool:
        """Let a repository hold another one's blob too; False where that one does not hold it."""
        if not self.has_blob(source, digest):
            return False
        self._link_blob(name, digest)
        return True

    def delete_blob(self, name: str, digest: str) -> None:
        """Take a blob from the repository; its content stays, as it does until a garbage collection."""
        self.blob(name, digest)
        (self._repository(name) / "_blobs" / digest).unlink()

    def _link_blob(self, name: str, digest: str) -> None:
        _write(self._repository(name) / "_blobs" / digest, b"")

    # ------------------------------------------------------------ manifests and tags

    def put_manifest(self, name: str, reference: str, media_type: str, content: bytes) -> str:
        """Store a manifest under its digest, and under the tag if ``reference`` is one; returns the digest."""
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if ":" in reference and reference != digest:
            _refuse_digest({"asked": reference, "received": digest})
        self._check_manifest(name, media_type, content)
        _write(self._content / digest, content)
        _write(self._repository(name) / "_manifests" / digest, media_type.encode())
        if ":" not in reference:
            _write(self._repository(name) / "_tags" / reference, digest.encode())
        return digest

    def manifest(self, name: str, reference: str) -> Manifest:
        """The manifest under a digest or a tag."""
        digest = reference if ":" in reference else self._tagged(name, reference)
        link = self._repository(name) / "_manifests" / digest
        if not link.is_file():
            raise RegistryError(404, "MANIFEST_UNKNOWN", "manifest unknown", {"Name": name, "Reference": reference})
        return Manifest(link.read_text(), (self._content / digest).read_bytes(), digest)

    def delete_manifest(self, name: str, reference: str) -> None:
        """Take a tag away, or a manifest together with every tag that points to it."""
        manifest = self.manifest(name, reference)
        repository = self._repository(name)
        if ":" not in reference:
            (repository / "_tags" / reference).unlink()
            return
        (repository / "_manifests" / manifest.digest).unlink()
        for tag in _files(repository / "_tags"):
            if tag.read_text() == manifest.digest:
                tag.unlink()

    def tags(self, name: str) -> list[str]:
        """The repository's tags, sorted."""
        if not (self._repository(name) / "_manifests").is_dir():
            raise RegistryError(404, "NAME_UNKNOWN", "repository name not known to registry", {"name": name})
        return sorted(tag.name for tag in _files(self._repository(name) / "_tags"))

    def repositories(self) -> list[str]:
        """The names of all repositories that hold something, sorted."""
        found = {path.parent for kind in ("_manifests", "_blobs") for path in self._repositories.rglob(kind)}
        return sorted(str(path.relative_to(self._repositories)) for path in found)

    def _tagged(self, name: str, tag: str) -> str:
        try:
            return (self._repository(name) / "_tags" / tag).read_text()
        except FileNotFoundError:
            raise RegistryError(404, "MANIFEST_UNKNOWN", "manifest unknown", {"Tag": tag}) from None

    def _check_manifest(self, name: str, media_type: str, content: bytes) -> None:
        """Refuse what is no manifest of that type, or refers to what the repository does not hold."""
        try:
            document = json.loads(content)
        except ValueError:
            _refuse_manifest("it is not JSON")
        if not isinstance(document, dict) or document.get("schemaVersion") != 2:  # noqa: PLR2004 - the format's own
            _refuse_manifest("its schemaVersion is not 2")
        if media_type not in (*IMAGES, *INDEXES):
            _refuse_manifest(f"Content-Type {media_type!r} is no type of a manifest")
        if document.get("mediaType", media_type) != media_type:
            _refuse_manifest("its mediaType is not its Content-Type")
        for digest in _references(media_type, document):
            held = self._holds_manifest(name, digest) if media_type in INDEXES else self.has_blob(name, digest)
            if not held:
                raise RegistryError(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", digest)

    def _holds_manifest(self, name: str, digest: str) -> bool:
        return (self._repository(name) / "_manifests" / digest).is_file()

    def _repository(self, name: str) -> Path:
        return self._repositories / name


def _references(media_type: str, document: Mapping[str, Any]) -> Iterator[str]:
    """The digests that a manifest needs its repository to hold; layers with ``urls`` are held elsewhere."""
    try:
        entries = document["manifests"] if media_type in INDEXES else [document["config"], *document["layers"]]
        for entry in entries:
            if not entry.get("urls"):
                yield _checked(entry["digest"])
    except (KeyError, TypeError, AttributeError):
        _refuse_manifest("it lacks what its type requires")


def _checked(digest: str) -> str:
    if not DIGEST.fullmatch(digest):
        _refuse_manifest(f"{digest!r} is no sha256 digest")
    return digest


def _refuse_manifest(why: str) -> NoReturn:
    raise RegistryError(400, "MANIFEST_INVALID", "manifest invalid", why)


def _refuse_digest(detail: object) -> NoReturn:
    raise RegistryError(400, "DIGEST_INVALID", "provided digest did not match uploaded content", detail)


def _write(path: Path, content: bytes) -> None:
    """Write a small file whole or not at all: tags are read while they are moved."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{uuid.uuid4()}")
    fresh.write_bytes(content)
    fresh.replace(path)


def _files(folder: Path) -> Iterable[Path]:
    """The files of a folder that may not exist, without half written ones."""
    return [path for path in folder.glob("*") if not path.name.startswith(".")]
