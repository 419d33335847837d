"""Tries a registry's rights out: one tag is pushed and deleted again.

The tag and its content are always the same, so that a registry which lets nobody delete gathers no litter.
Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests
"""

import hashlib
import json
from http import HTTPStatus
from urllib.parse import urljoin

from bot.adapters.docker.logins import DockerLogins
from bot.adapters.registry.http import Place, RegistryHttp, place
from bot.adapters.registry.images import TIMEOUT
from bot.errors import Permanent, SlipwayError

TAG = "slipway-doctor"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"


class RegistryProbe:
    """One registry, with the logins that pushes use."""

    def __init__(self, logins: DockerLogins | None = None) -> None:
        self._http = RegistryHttp(logins or DockerLogins(), TIMEOUT)

    def log_in(self, repository: str) -> None:
        """Read, as a look before each build does.

        Raises:
            Permanent: the login is refused.
            Transient: the registry cannot be reached.
        """
        at = place(repository)
        self._http.request(at, f"read {repository}", "GET", f"/manifests/{TAG}", headers={"Accept": MANIFEST})

    def push(self, repository: str) -> None:
        """Push an image of no layers under the probe tag.

        Raises:
            Permanent: the login may not push.
            Transient: the registry cannot be reached.
        """
        at, doing = place(repository), f"push the probe tag {repository}:{TAG}"
        if not self._upload(at, doing):
            return
        headers = {"Content-Type": MANIFEST}
        answer = self._http.request(at, doing, "PUT", f"/manifests/{TAG}", headers=headers, data=_manifest())
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise Permanent(f"Could not {doing}: the registry knows no such repository. Create {at.name} there first.")

    def delete(self, repository: str) -> str | None:
        """Delete the probe image, by its digest; why that was not possible, or None."""
        at, doing = place(repository), f"delete the probe tag {repository}:{TAG}"
        try:
            self._http.request(at, doing, "DELETE", f"/manifests/{_digest(_manifest())}")
        except SlipwayError as error:
            return str(error)
        return None

    def _upload(self, at: Place, doing: str) -> bool:
        """Upload the image's configuration; False where it leads elsewhere: pushing is allowed, then."""
        began = self._http.request(at, doing, "POST", "/blobs/uploads/", data=b"")
        if began.status_code == HTTPStatus.NOT_FOUND:
            raise Permanent(f"Could not {doing}: the registry knows no such repository. Create {at.name} there first.")
        where = urljoin(f"{at.base}/blobs/uploads/", began.headers.get("Location", ""))
        if not where.startswith(f"{at.base}/"):
            return False
        path = where.removeprefix(at.base)
        path += f"{'&' if '?' in path else '?'}digest={_digest(_config())}"
        headers = {"Content-Type": "application/octet-stream"}
        self._http.request(at, doing, "PUT", path, headers=headers, data=_config())
        return True


def _config() -> bytes:
    labels = {"Labels": {"org.opencontainers.image.title": "Left by `python -m bot doctor`; may be deleted"}}
    rootfs = {"type": "layers", "diff_ids": []}
    return json.dumps({"architecture": "amd64", "os": "linux", "config": labels, "rootfs": rootfs}).encode()


def _manifest() -> bytes:
    config = {"mediaType": CONFIG, "size": len(_config()), "digest": _digest(_config())}
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
