"""One contract for registries, held by the stand-in and by distribution, the registry most people run."""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import requests

from bot.sandbox.registry import Registry
from tests.engines import RegistryServer

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
NOWHERE = "sha256:" + "0" * 64


class Repository:
    """One repository of a registry, over plain HTTP: the calls that the contract is about."""

    def __init__(self, host: str, name: str | None = None) -> None:
        self.host = host
        self.name = name or f"{secrets.token_hex(6)}/site"

    def call(
        self,
        method: str,
        path: str,
        data: bytes | Iterable[bytes] = b"",
        params: dict[str, str] | None = None,
        **headers: str,
    ) -> requests.Response:
        url = path if "://" in path else f"http://{self.host}/v2/{self.name}/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, url, data=data, params=params, headers=named, timeout=10)

    def start_upload(self) -> str:
        return self.call("POST", "blobs/uploads/").headers["Location"]

    def put_blob(self, content: bytes) -> str:
        stored = self.call("PUT", self.start_upload(), content, {"digest": digest(content)})
        assert stored.status_code == 201, stored.text
        return digest(content)

    def put_manifest(self, reference: str, content: bytes, media_type: str = OCI_MANIFEST) -> requests.Response:
        return self.call("PUT", f"manifests/{reference}", content, Content_Type=media_type)

    def put_image(self, tag: str, media_type: str = OCI_MANIFEST, text: bytes = b"a layer") -> bytes:
        """An image of one layer under a tag; returns the manifest's bytes."""
        config, layer = (OCI_CONFIG, OCI_LAYER) if media_type == OCI_MANIFEST else (DOCKER_CONFIG, DOCKER_LAYER)
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {"mediaType": config, "digest": self.put_blob(b"{}"), "size": 2},
            "layers": [{"mediaType": layer, "digest": self.put_blob(text), "size": len(text)}],
        }
        content = json.dumps(manifest, indent=3).encode()
        stored = self.put_manifest(tag, content, media_type)
        assert stored.status_code == 201, stored.text
        return content


@pytest.fixture(params=["stand-in", pytest.param("distribution", marks=pytest.mark.registry)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "distribution":
        server: RegistryServer = request.getfixturevalue("registry")
        yield server.host
        return
    with Registry(tmp_path) as stand_in:
        yield stand_in.host


@pytest.fixture
def repository(host: str) -> Repository:
    return Repository(host)


def digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def codes(response: requests.Response) -> list[str]:
    return [error["code"] for error in response.json()["errors"]]


# ---------------------------------------------------------------- the base


def test_base_says_that_it_is_a_registry(host: str) -> None:
    answer = requests.get(f"http://{host}/v2/", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert answer.json() == {}


@pytest.mark.parametrize("path", ["Upper/manifests/latest", "a/manifests/-x", "a/blobs/latest", "a/nonsense", "a"])
def test_malformed_paths_are_not_found(host: str, path: str) -> None:
    assert requests.get(f"http://{host}/v2/{path}", timeout=10).status_code == 404


def test_a_manifest_cannot_be_posted(repository: Repository) -> None:
    assert repository.call("POST", "manifests/latest", b"{}").status_code == 405


# ---------------------------------------------------------------- uploads


def test_an_upload_begins_with_a_location_and_an_empty_range(repository: Repository) -> None:
    begun = repository.call("POST", "blobs/uploads/")
    assert begun.status_code == 202
    assert begun.headers["Docker-Upload-UUID"] in begun.headers["Location"]
    assert begun.headers["Range"] == "0-0"


def test_a_blob_uploaded_in_one_put_is_there(repository: Repository) -> None:
    stored = repository.call("PUT", repository.start_upload(), b"abcdef", {"digest": digest(b"abcdef")})
    assert stored.status_code == 201
    assert stored.headers["Docker-Content-Digest"] == digest(b"abcdef")
    assert repository.call("GET", stored.headers["Location"]).content == b"abcdef"


def test_a_blob_uploaded_in_chunks_is_whole(repository: Repository) -> None:
    first = repository.call("PATCH", repository.start_upload(), b"abc", Content_Range="0-2")
    assert (first.status_code, first.headers["Range"]) == (202, "0-2")
    seen = repository.call("GET", first.headers["Location"])
    assert (seen.status_code, seen.headers["Range"]) == (204, "0-2")
    second = repository.call("PATCH", seen.headers["Location"], b"def", Content_Range="3-5")
    assert second.headers["Range"] == "0-5"
    stored = repository.call("PUT", second.headers["Location"], b"ghi", {"digest": digest(b"abcdefghi")})
    assert stored.status_code == 201
    assert repository.call("GET", f"blobs/{digest(b'abcdefghi')}").content == b"abcdefghi"


def test_a_chunk_may_come_without_a_length_as_engines_send_it(repository: Repository) -> None:
    pieces = iter([b"a" * 70_000, b"b" * 70_000])
    sent = repository.call("PATCH", repository.start_upload(), pieces)
    assert sent.headers["Range"] == "0-139999"


def test_a_wrong_digest_is_refused_and_ends_the_upload(repository: Repository) -> None:
    location = repository.start_upload()
    refused = repository.call("PUT", location, b"abc", {"digest": NOWHERE})
    assert (refused.status_code, codes(refused)) == (400, ["DIGEST_INVALID"])
    assert repository.call("GET", location).status_code == 404
    assert repository.call("HEAD", f"blobs/{NOWHERE}").status_code == 404


@pytest.mark.parametrize("asked", [{}, {"digest": "latest"}])
def test_an_upload_cannot_end_without_a_digest(repository: Repository, asked: dict[str, str]) -> None:
    refused = repository.call("PUT", repository.start_upload(), b"abc", asked)
    assert (refused.status_code, codes(refused)) == (400, ["DIGEST_INVALID"])


def test_a_finished_or_cancelled_upload_is_unknown(repository: Repository) -> None:
    finished, cancelled = repository.start_upload(), repository.start_upload()
    repository.call("PUT", finished, b"abc", {"digest": digest(b"abc")})
    assert repository.call("DELETE", cancelled).status_code == 204
    for location in (finished, cancelled):
        gone = repository.call("PATCH", location, b"x")
        assert (gone.status_code, codes(gone)) == (404, ["BLOB_UPLOAD_UNKNOWN"])


# ---------------------------------------------------------------- blobs


def test_a_blob_answers_with_length_digest_and_ranges(repository: Repository) -> None:
    path = f"blobs/{repository.put_blob(b'abcdef')}"
    head = repository.call("HEAD", path)
    assert head.status_code == 200
    assert head.headers["Content-Length"] == "6"
    assert head.headers["Content-Type"] == "application/octet-stream"
    assert head.headers["Docker-Content-Digest"] == digest(b"abcdef")
    part = repository.call("GET", path, Range="bytes=1-2")
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, b"bc", "bytes 1-2/6")


def test_a_blob_belongs_to_its_repository_until_it_is_mounted(repository: Repository) -> None:
    known = repository.put_blob(b"shared")
    other = Repository(repository.host)
    unknown = other.call("GET", f"blobs/{known}")
    assert (unknown.status_code, codes(unknown)) == (404, ["BLOB_UNKNOWN"])
    mounted = other.call("POST", "blobs/uploads/", params={"mount": known, "from": repository.name})
    assert (mounted.status_code, mounted.headers["Docker-Content-Digest"]) == (201, known)
    assert other.call("GET", f"blobs/{known}").content == b"shared"


def test_mounting_what_is_not_there_begins_an_upload_instead(repository: Repository) -> None:
    begun = repository.call("POST", "blobs/uploads/", params={"mount": NOWHERE, "from": "no/where"})
    assert begun.status_code == 202
    stored = repository.call("PUT", begun.headers["Location"], b"abc", {"digest": digest(b"abc")})
    assert stored.status_code == 201


def test_a_deleted_blob_is_gone(repository: Repository) -> None:
    path = f"blobs/{repository.put_blob(b'abc')}"
    assert repository.call("DELETE", path).status_code == 202
    assert repository.call("GET", path).status_code == 404
    assert codes(repository.call("DELETE", path)) == ["BLOB_UNKNOWN"]


# ---------------------------------------------------------------- manifests


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_a_manifest_comes_back_byte_for_byte_by_tag_and_by_digest(repository: Repository, media_type: str) -> None:
    content = repository.put_image("v1", media_type)
    for reference in ("v1", digest(content)):
        for method in ("GET", "HEAD"):
            found = repository.call(method, f"manifests/{reference}", Accept=f"{OCI_INDEX}, {media_type}")
            assert found.status_code == 200
            assert found.headers["Content-Type"] == media_type
            assert found.headers["Docker-Content-Digest"] == digest(content)
            assert found.headers["Content-Length"] == str(len(content))
            assert found.content == (content if method == "GET" else b"")


@pytest.mark.parametrize(("index_type", "media_type"), [(OCI_INDEX, OCI_MANIFEST), (DOCKER_LIST, DOCKER_MANIFEST)])
def test_an_index_comes_back_byte_for_byte(repository: Repository, index_type: str, media_type: str) -> None:
    image = repository.put_image("amd64", media_type)
    entry = {"mediaType": media_type, "digest": digest(image), "size": len(image)}
    entry["platform"] = {"os": "linux", "architecture": "amd64"}
    index = json.dumps({"schemaVersion": 2, "mediaType": index_type, "manifests": [entry]}).encode()
    assert repository.put_manifest("v1", index, index_type).headers["Docker-Content-Digest"] == digest(index)
    found = repository.call("GET", "manifests/v1", Accept=f"{media_type}, {index_type}")
    assert (found.content, found.headers["Content-Type"]) == (index, index_type)


def test_an_oci_manifest_is_shown_only_to_who_accepts_it(repository: Repository) -> None:
    repository.put_image("v1")
    for accept in ("*/*", DOCKER_MANIFEST):
        refused = repository.call("GET", "manifests/v1", Accept=accept)
        assert (refused.status_code, codes(refused)) == (404, ["MANIFEST_UNKNOWN"])


def test_an_unchanged_manifest_is_not_sent_again(repository: Repository) -> None:
    content = repository.put_image("v1")
    etag = f'"{digest(content)}"'
    assert repository.call("GET", "manifests/v1", Accept=OCI_MANIFEST, If_None_Match=etag).status_code == 304


def test_putting_the_same_bytes_under_another_tag_moves_the_tag(repository: Repository) -> None:
    old, new = repository.put_image("latest", text=b"old"), repository.put_image("v2", text=b"new")
    assert old != new
    moved = repository.put_manifest("latest", new)
    assert (moved.status_code, moved.headers["Docker-Content-Digest"]) == (201, digest(new))
    assert repository.call("GET", "manifests/latest", Accept=OCI_MANIFEST).content == new
    assert repository.call("GET", f"manifests/{digest(old)}", Accept=OCI_MANIFEST).content == old


def test_an_unknown_manifest_is_told_apart_from_an_unknown_repository_list(repository: Repository) -> None:
    for reference in ("v1", NOWHERE):
        unknown = repository.call("GET", f"manifests/{reference}", Accept=OCI_MANIFEST)
        assert (unknown.status_code, codes(unknown)) == (404, ["MANIFEST_UNKNOWN"])
    unknown = repository.call("GET", "tags/list")
    assert (unknown.status_code, codes(unknown)) == (404, ["NAME_UNKNOWN"])


def test_a_manifest_that_refers_to_nothing_is_refused(repository: Repository) -> None:
    entry = {"mediaType": OCI_MANIFEST, "digest": NOWHERE, "size": 1}
    platform = {"platform": {"os": "linux", "architecture": "amd64"}}
    config = {"mediaType": OCI_CONFIG, "digest": NOWHERE, "size": 1}
    image = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": []}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**entry, **platform}]}
    for document, media_type in ((image, OCI_MANIFEST), (index, OCI_INDEX)):
        refused = repository.put_manifest("v1", json.dumps(document).encode(), media_type)
        assert (refused.status_code, codes(refused)) == (400, ["MANIFEST_BLOB_UNKNOWN"])


def test_what_is_no_manifest_is_refused(repository: Repository) -> None:
    content = repository.put_image("v1")
    wrong = [(b"no json", OCI_MANIFEST), (content, DOCKER_MANIFEST), (content, "text/plain")]
    for text, media_type in wrong:
        refused = repository.put_manifest("v2", text, media_type)
        assert (refused.status_code, codes(refused)) == (400, ["MANIFEST_INVALID"])


def test_a_manifest_under_another_digest_is_refused(repository: Repository) -> None:
    content = repository.put_image("v1")
    assert repository.put_manifest(digest(content), content).status_code == 201
    refused = repository.put_manifest(NOWHERE, content)
    assert (refused.status_code, codes(refused)) == (400, ["DIGEST_INVALID"])


def test_deleting_a_manifest_takes_its_tags_along(repository: Repository) -> None:
    content, kept = repository.put_image("v1"), repository.put_image("kept", text=b"another")
    repository.put_manifest("also-v1", content)
    assert repository.call("DELETE", f"manifests/{digest(content)}").status_code == 202
    assert repository.call("GET", "manifests/v1", Accept=OCI_MANIFEST).status_code == 404
    assert repository.call("GET", "tags/list").json() == {"name": repository.name, "tags": ["kept"]}
    assert repository.call("GET", "manifests/kept", Accept=OCI_MANIFEST).content == kept
    assert codes(repository.call("DELETE", f"manifests/{digest(content)}")) == ["MANIFEST_UNKNOWN"]


# ---------------------------------------------------------------- lists


def follow(url: str, key: str) -> list[str]:
    """Every entry of a list, page after page."""
    found: list[str] = []
    while url:
        answer = requests.get(url, timeout=10)
        found += answer.json()[key]
        link = answer.links.get("next", {}).get("url", "")
        url = requests.compat.urljoin(url, link) if link else ""
    return found


def test_following_the_links_lists_every_tag_once(repository: Repository) -> None:
    content = repository.put_image("a")
    for tag in "bcde":
        repository.put_manifest(tag, content)
    listed = follow(f"http://{repository.host}/v2/{repository.name}/tags/list?n=2", "tags")
    assert sorted(listed) == list("abcde")


def test_following_the_links_lists_every_repository_once(host: str) -> None:
    names = [Repository(host).name for _ in range(3)]
    for name in names:
        Repository(host, name).put_image("v1")
    listed = follow(f"http://{host}/v2/_catalog?n=1", "repositories")
    assert [name for name in listed if name in names] == sorted(names)
