"""Builds images where there is no Docker engine: from a few instructions, in Python, straight into a folder.

It serves the same port as the Docker adapter. What it cannot build exactly it refuses, by line (``dockerfile.py``).
The same content and labels make the same digest, on every machine.

Sources: https://github.com/opencontainers/image-spec (config, manifest, layer)
"""

import hashlib
import json
import platform
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from bot.adapters.docker.logins import DockerLogins
from bot.adapters.registry.http import RegistryHttp, place
from bot.errors import Permanent
from bot.facts import BuildRequest
from bot.images import ImageReference
from bot.sandbox.builder.build_context import Context
from bot.sandbox.builder.dockerfile import Dockerfile, parse_dockerfile
from bot.sandbox.builder.image_layers import Tree

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"

CREATED = "org.opencontainers.image.created"
EPOCH = "1970-01-01T00:00:00Z"
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What an engine sets in every image that sets no PATH itself."""

MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
"""``uname -m`` -> the name that images use."""

TIMEOUT = 60.0
"""Seconds a registry may stay silent."""


class SandboxImageBuilder:
    """``bot.ports.ImageBuilder`` without an engine.

    Args:
        root: where built images wait to be pushed; created when needed.
        logins: where the logins of registries are; by default where ``docker login`` keeps them.
    """

    def __init__(self, root: Path, logins: DockerLogins | None = None) -> None:
        self._root = root
        self._logins = logins or DockerLogins()

    def build(self, request: BuildRequest, log: Callable[[str], None]) -> None:
        """Build an image into the folder.

        Raises:
            Permanent: the Dockerfile, or what it copies, cannot be built here; with the line.
        """
        file = _within(request.folder, Path(request.dockerfile), "the Dockerfile")
        dockerfile = parse_dockerfile(_text(file, request.dockerfile))
        tree = Tree(Context(_within(request.folder, Path(request.context), "the build context")))
        log("FROM scratch")
        layers = []
        for copy in dockerfile.copies:
            layers.append(tree.layer(copy))
            log(f"COPY {' '.join(copy.sources)} {copy.target}: {len(layers[-1])} bytes")
        self._store(request.image, _config(request, dockerfile, layers), layers)
        log(f"built {request.image}")

    def push(self, image: str, log: Callable[[str], None]) -> None:
        """Push a built image: blobs that the registry lacks, then the manifest under the tag.

        Raises:
            Permanent: it was not built, or the registry refuses it.
            Transient: the registry gave no answer, or is not well; a push may be repeated.
        """
        folder = self._folder(image)
        if not folder.is_dir():
            raise Permanent(f"Pushing {image}: it was not built here. Build it first.")
        reference = ImageReference.parse(image)
        remote = _Remote(reference.repository, image, self._logins)
        manifest = (folder / "manifest.json").read_bytes()
        document = json.loads(manifest)
        for blob in [document["config"], *document["layers"]]:
            log(f"pushing {blob['digest']} ({blob['size']} bytes)")
            remote.put_blob(blob["digest"], folder / blob["digest"])
        remote.put_manifest(reference.tag or "latest", manifest)
        log(f"pushed {image}: {_digest(manifest)}")

    def remove(self, image: str) -> None:
        """Remove a built image; nothing where it is gone."""
        shutil.rmtree(self._folder(image), ignore_errors=True)

    def _folder(self, image: str) -> Path:
        return self._root / hashlib.sha256(image.encode()).hexdigest()

    def _store(self, image: str, config: bytes, layers: list[bytes]) -> None:
        self.remove(image)
        folder = self._folder(image)
        folder.mkdir(parents=True)
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": _stored(folder, CONFIG_TYPE, config),
            "layers": [_stored(folder, LAYER_TYPE, layer) for layer in layers],
        }
        (folder / "manifest.json").write_bytes(_json(manifest))


def _within(root: Path, relative: Path, what: str) -> Path:
    """A path of the checkout with every link resolved; refused where it leads out: the checkout is not trusted."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Permanent(f"Building: {what} `{relative}` leads out of the repository. Correct it in slipway.yaml.")
    return path


def _text(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Permanent(
            f"Building: the Dockerfile `{name}` cannot be read: {reason}. Add it to the repository, or name another "
            "one in slipway.yaml (`dockerfile`)."
        ) from None


def _config(request: BuildRequest, dockerfile: Dockerfile, layers: list[bytes]) -> bytes:
    """The image's configuration; labels of the request win over those of the Dockerfile, as with ``--label``."""
    labels = {**dict(dockerfile.labels), **request.labels}
    system, _, machine = (request.platform or f"linux/{_machine()}").partition("/")
    architecture, _, variant = machine.partition("/")
    steps = [f"COPY {' '.join(copy.sources)} {copy.target}" for copy in dockerfile.copies]
    created = labels.get(CREATED, EPOCH)
    config: dict[str, Any] = {
        "created": created,
        "architecture": architecture,
        **({"variant": variant} if variant else {}),
        "os": system,
        "config": {"Env": [DEFAULT_PATH], "Cmd": dockerfile.command, "Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer) for layer in layers]},
        "history": [{"created": created, "created_by": step} for step in steps],
    }
    return _json(config)


def _machine() -> str:
    found = platform.machine()
    return MACHINES.get(found, found)


def _stored(folder: Path, media_type: str, content: bytes) -> Mapping[str, Any]:
    """Write a blob beside its manifest and return its descriptor."""
    digest = _digest(content)
    (folder / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


class _Remote:
    """The image's repository in its registry."""

    def __init__(self, repository: str, image: str, logins: DockerLogins) -> None:
        self._http = RegistryHttp(logins, TIMEOUT)
        self._at = place(repository)
        self._doing = f"push {image}"

    def put_blob(self, digest: str, file: Path) -> None:
        """Upload a blob unless the registry holds it."""
        if self._call("HEAD", f"/blobs/{digest}").ok:
            return
        begun = self._call("POST", "/blobs/uploads/")
        location = urljoin(f"{self._at.base}/", begun.headers.get("Location", ""))
        upload = location.removeprefix(self._at.base)
        if upload == location:
            raise Permanent(
                f"Could not {self._doing}: {self._at.host} sends uploads elsewhere, which only Docker can do."
            )
        separator = "&" if "?" in upload else "?"
        self._written("PUT", f"{upload}{separator}digest={digest}", data=file.read_bytes())

    def put_manifest(self, tag: str, manifest: bytes) -> None:
        """Put the manifest under the tag: from then on the image is there."""
        self._written("PUT", f"/manifests/{tag}", data=manifest, headers={"Content-Type": MANIFEST_TYPE})

    def _written(self, method: str, path: str, **options: Any) -> None:
        if not self._call(method, path, **options).ok:
            raise Permanent(
                f"Could not {self._doing}: {self._at.host} answered 404 to a {method}. It may be read-only."
            )

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._http.request(self._at, self._doing, method, path, **options)
