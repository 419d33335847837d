"""A registry's images by the OCI distribution API: digests, labels and tags, without pulling anything.

A tag is moved by sending the manifest's very bytes again, so that an index stays an index and the digest stays the
digest. Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import requests

from bot.adapters.docker.logins import DockerLogins
from bot.adapters.registry.http import Place, RegistryHttp, errors_of, place
from bot.errors import Permanent, Transient
from bot.facts import RemoteImage

TIMEOUT = 15.0
"""Seconds a registry may stay silent."""

MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""Every kind of manifest that digests are stable for. All are accepted, so that a registry converts none."""


@dataclass(frozen=True, slots=True)
class _Manifest:
    content: bytes
    parsed: Mapping[str, Any]
    media_type: str
    digest: str


class HttpRegistry:
    """``bot.ports.Registry`` for every registry that an image reference may name.

    Args:
        logins: where the logins are; by default where ``docker login`` keeps them.
        timeout: seconds a registry may stay silent.
    """

    def __init__(self, logins: DockerLogins | None = None, *, timeout: float = TIMEOUT) -> None:
        self._http = RegistryHttp(logins or DockerLogins(), timeout)

    def find(self, repository: str, reference: str) -> RemoteImage | None:
        """The manifest under the tag or digest, then the configuration for its labels."""
        at, doing = place(repository), f"look up {_written(repository, reference)}"
        manifest = self._manifest(at, doing, reference)
        if manifest is None:
            return None
        return RemoteImage(manifest.digest, self._labels(at, doing, manifest))

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Look, then put the manifest's bytes under the tag, then look again."""
        at, doing = place(repository), f"point {repository}:{tag} at {digest}"
        present = self._manifest(at, doing, tag)
        if present is not None and present.digest == digest:
            return
        manifest = self._manifest(at, doing, digest)
        if manifest is None:
            raise Permanent(f"Could not {doing}: the registry has no image of that digest any more. Build it again.")
        headers = {"Content-Type": manifest.media_type}
        answer = self._http.request(at, doing, "PUT", f"/manifests/{tag}", headers=headers, data=manifest.content)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise Permanent(f"Could not {doing}: the registry knows no such repository.")
        now = self._manifest(at, doing, tag)
        if now is None or now.digest != digest:
            raise Transient(f"Could not {doing}: somebody pointed it at {now.digest if now else 'nothing'} meanwhile.")

    def _manifest(self, at: Place, doing: str, reference: str) -> _Manifest | None:
        answer = self._get(at, doing, f"/manifests/{reference}", Accept=", ".join(MEDIA_TYPES))
        if answer is None:
            return None
        parsed = _object(answer, at, doing)
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        told = reference if ":" in reference else answer.headers.get("Docker-Content-Digest", digest)
        if told.startswith("sha256:") and told != digest:
            raise Transient(f"Could not {doing}: {at.host} sent a manifest whose digest is not {told}.")
        return _Manifest(answer.content, parsed, _media_type(answer, parsed), told)

    def _labels(self, at: Place, doing: str, manifest: _Manifest) -> Mapping[str, str]:
        """The labels of an image; of an index, those of its first image. None where it holds no image at all."""
        sent = manifest.parsed
        if isinstance(listed := sent.get("manifests"), list):
            first = next((str(entry["digest"]) for entry in listed if _is_image(entry)), None)
            image = self._manifest(at, doing, first) if first else None
            sent = image.parsed if image else {}
        digest = (sent.get("config") or {}).get("digest")
        answer = self._get(at, doing, f"/blobs/{digest}") if digest else None
        if answer is None:
            return {}
        labels = (_object(answer, at, doing).get("config") or {}).get("Labels") or {}
        return {str(name): str(value) for name, value in labels.items()}

    def _get(self, at: Place, doing: str, path: str, **headers: str) -> requests.Response | None:
        answer = self._http.request(at, doing, "GET", path, headers=headers)
        if answer.status_code != HTTPStatus.NOT_FOUND:
            return answer
        if not errors_of(answer):
            raise _no_registry(at, doing)
        return None


def _media_type(answer: requests.Response, parsed: Mapping[str, Any]) -> str:
    """The type to send it back with: the header's, unless the server called it just any JSON."""
    told = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    return told if told in MEDIA_TYPES else str(parsed.get("mediaType", told))


def _is_image(entry: Mapping[str, Any]) -> bool:
    """Whether an index's entry is an image, and not what buildx attests about one."""
    platform = entry.get("platform") or {}
    return platform.get("os") != "unknown" and bool(entry.get("digest"))


def _object(answer: requests.Response, at: Place, doing: str) -> Mapping[str, Any]:
    try:
        sent = answer.json()
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise _no_registry(at, doing)
    return sent


def _no_registry(at: Place, doing: str) -> Permanent:
    return Permanent(
        f"Could not {doing}: what answers at {at.host} is no registry, or knows no repository {at.name}. Check the "
        "image's name in slipway.yaml."
    )


def _written(repository: str, reference: str) -> str:
    return f"{repository}@{reference}" if ":" in reference else f"{repository}:{reference}"
