"""The registry adapter on the stand-in, on distribution, and on servers that answer oddly."""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from bot.adapters.docker.logins import DockerLogins
from bot.adapters.registry.images import MEDIA_TYPES, HttpRegistry
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import RemoteImage
from bot.sandbox.faults import Answer as Fault
from bot.sandbox.faults import Drop
from bot.sandbox.registry import Registry
from tests.engines import RegistryServer
from tests.scripted_http import Answer, ScriptedServer

OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST = MEDIA_TYPES
NO_LOGINS = DockerLogins(Path("/nonexistent"))
NOWHERE = "sha256:" + "0" * 64
LOGIN = ("robot", "open-sesame")


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Site:
    """A repository to fill by hand, and the adapter that looks at it."""

    adapter: HttpRegistry
    host: str
    name: str
    login: tuple[str, str] | None = None

    @property
    def repository(self) -> str:
        return f"{self.host}/{self.name}"

    def call(self, method: str, path: str, **extra: Any) -> requests.Response:
        url = path if "://" in path else f"http://{self.host}/v2/{self.name}/{path}"
        answer = requests.request(method, url, auth=self.login, timeout=10, **extra)
        assert answer.ok, answer.text
        return answer

    def put_blob(self, content: bytes) -> dict[str, Any]:
        upload = self.call("POST", "blobs/uploads/").headers["Location"]
        self.call("PUT", upload, data=content, params={"digest": digest_of(content)})
        return {"digest": digest_of(content), "size": len(content), "mediaType": "application/octet-stream"}

    def put(self, reference: str, manifest: Mapping[str, Any]) -> str:
        content = json.dumps(manifest, indent=3).encode()  # no registry would write it like this
        self.call("PUT", f"manifests/{reference}", data=content, headers={"Content-Type": manifest["mediaType"]})
        return digest_of(content)

    def put_image(
        self, reference: str | None = None, media_type: str = OCI_MANIFEST, labels: Mapping[str, str] | None = None
    ) -> str:
        config = self.put_blob(json.dumps({"config": {"Labels": labels}}).encode())
        manifest = {"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [self.put_blob(b"layer")]}
        return self.put(reference or digest_of(json.dumps(manifest, indent=3).encode()), manifest)

    def tagged(self, tag: str) -> tuple[str, str]:
        """The digest and the media type under a tag, by the registry's own word."""
        answer = self.call("HEAD", f"manifests/{tag}", headers={"Accept": ", ".join(MEDIA_TYPES)})
        return answer.headers["Docker-Content-Digest"], answer.headers["Content-Type"]


def logins(folder: Path, host: str, login: tuple[str, str]) -> DockerLogins:
    auth = base64.b64encode(":".join(login).encode()).decode()
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return DockerLogins(folder)


@pytest.fixture(
    params=[
        "stand-in",
        "stand-in with a login",
        pytest.param("distribution", marks=pytest.mark.registry),
        pytest.param("distribution with a login", marks=pytest.mark.registry),
    ]
)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    kind, _, guarded = request.param.partition(" ")
    name = f"{secrets.token_hex(6)}/site"
    if kind == "distribution":
        server: RegistryServer = request.getfixturevalue("private_registry" if guarded else "registry")
        yield _site(server.host, name, server.login, tmp_path)
        return
    with Registry(tmp_path / "registry", login=LOGIN if guarded else None) as stand_in:
        yield _site(stand_in.host, name, LOGIN if guarded else None, tmp_path)


def _site(host: str, name: str, login: tuple[str, str] | None, folder: Path) -> Site:
    known = logins(folder / "docker", host, login) if login else NO_LOGINS
    return Site(HttpRegistry(known), host, name, login)


# ---------------------------------------------------------------- the contract


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_image_is_found_by_tag_and_by_digest_with_its_labels(site: Site, media_type: str) -> None:
    labels = {"org.opencontainers.image.revision": "3f2c1ab"}
    digest = site.put_image("v1", media_type, labels)
    assert site.adapter.find(site.repository, "v1") == RemoteImage(digest, labels)
    assert site.adapter.find(site.repository, digest) == RemoteImage(digest, labels)


def test_image_without_labels_has_none(site: Site) -> None:
    digest = site.put_image("v1")
    assert site.adapter.find(site.repository, "v1") == RemoteImage(digest, {})


def test_missing_repository_tag_or_digest_is_none(site: Site) -> None:
    assert site.adapter.find(site.repository, "v1") is None
    site.put_image("v1")
    assert site.adapter.find(site.repository, "v2") is None
    assert site.adapter.find(site.repository, NOWHERE) is None


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_index_shows_the_labels_of_its_first_image_and_not_of_an_attestation(site: Site, media_type: str) -> None:
    kind = OCI_MANIFEST if media_type == OCI_INDEX else DOCKER_MANIFEST
    entries = [
        {"mediaType": kind, "digest": site.put_image(None, kind, {"app": app}), "size": 1, "platform": platform}
        for app, platform in (
            ("attestation", {"os": "unknown", "architecture": "unknown"}),
            ("shop", {"os": "linux", "architecture": "amd64"}),
            ("other", {"os": "linux", "architecture": "arm64"}),
        )
    ]
    digest = site.put("v1", {"schemaVersion": 2, "mediaType": media_type, "manifests": entries})
    assert site.adapter.find(site.repository, "v1") == RemoteImage(digest, {"app": "shop"})
    site.adapter.tag(site.repository, digest, "latest")
    assert site.tagged("latest") == (digest, media_type)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_tag_moves_with_bytes_and_media_type_as_they_were(site: Site, media_type: str) -> None:
    site.put_image("latest", media_type, {"release": "1"})
    second = site.put_image("v2", media_type, {"release": "2"})
    site.adapter.tag(site.repository, second, "latest")
    assert site.tagged("latest") == (second, media_type)
    assert site.tagged("v2") == (second, media_type)


def test_tag_of_a_digest_that_is_gone_is_refused(site: Site) -> None:
    site.put_image("v1")
    with pytest.raises(Permanent, match="no image of that digest"):
        site.adapter.tag(site.repository, NOWHERE, "latest")


# ---------------------------------------------------------------- logins


@pytest.fixture
def bearer(tmp_path: Path) -> Iterator[tuple[Registry, str]]:
    """A registry that gives tokens as Docker Hub does, with one image, and its digest."""
    with Registry(tmp_path / "registry") as filling:
        digest = _site(filling.host, "team/site", None, tmp_path).put_image("v1")
    with Registry(tmp_path / "registry", login=LOGIN, bearer=True, token_seconds=3600) as guarded:
        yield guarded, digest


def test_token_is_asked_for_once_a_scope(bearer: tuple[Registry, str], tmp_path: Path) -> None:
    registry, digest = bearer
    adapter = HttpRegistry(logins(tmp_path / "docker", registry.host, LOGIN))
    for _ in range(2):
        assert adapter.find(f"{registry.host}/team/site", "v1") == RemoteImage(digest, {})
    adapter.tag(f"{registry.host}/team/site", digest, "latest")
    asked = [line.partition("scope=")[2] for line in registry.requests if line.startswith("GET /token")]
    assert asked == ["repository%3Ateam%2Fsite%3Apull", "repository%3Ateam%2Fsite%3Apull%2Cpush"]


def test_expired_token_is_replaced(bearer: tuple[Registry, str], tmp_path: Path) -> None:
    registry, digest = bearer
    adapter = HttpRegistry(logins(tmp_path / "docker", registry.host, LOGIN))
    assert adapter.find(f"{registry.host}/team/site", "v1") is not None
    challenge = f'Bearer realm="http://{registry.host}/token",service="slipway-sandbox"'
    registry.faults.add("GET", "/manifests/", Fault(401, {"WWW-Authenticate": challenge}))
    assert adapter.find(f"{registry.host}/team/site", "v1") == RemoteImage(digest, {})


@pytest.mark.parametrize("login", [None, ("robot", "guessed")])
@pytest.mark.parametrize("tokens", [False, True])
def test_who_is_not_let_in_reads_what_to_do(tmp_path: Path, login: tuple[str, str] | None, tokens: bool) -> None:
    with Registry(tmp_path / "registry", login=LOGIN, bearer=tokens) as registry:
        known = logins(tmp_path / "docker", registry.host, login) if login else NO_LOGINS
        with pytest.raises(Permanent, match=f"docker login {registry.host}") as caught:
            HttpRegistry(known).find(f"{registry.host}/team/site", "v1")
    assert "guessed" not in str(caught.value)


def test_login_is_not_sent_where_a_registry_wants_it_unencrypted(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        challenge = 'Bearer realm="http://tokens.example/give",service="x"'
        server.script(Answer(401, headers={"WWW-Authenticate": challenge}))
        adapter = HttpRegistry(logins(tmp_path / "docker", server.host, LOGIN))
        with pytest.raises(Permanent, match="unencrypted"):
            adapter.find(f"{server.host}/site", "v1")


def test_identity_token_is_exchanged_for_an_access_token(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with ScriptedServer() as server:
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.host: {"identitytoken": "long-lived"}}}))
        challenge = f'Bearer realm="{server.url}/oauth2/token",service="a,b"'
        server.script(
            Answer(401, headers={"WWW-Authenticate": challenge}),
            Answer(body={"access_token": "short-lived"}),
            Answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]}),
        )
        assert HttpRegistry(DockerLogins(tmp_path)).find(f"{server.host}/site", "v1") is None
        assert server.lines[1] == "POST /oauth2/token"
        assert b"grant_type=refresh_token&refresh_token=long-lived" in server.received[1].body
        assert b"service=a%2Cb" in server.received[1].body
        assert server.received[2].headers["Authorization"] == "Bearer short-lived"


# ---------------------------------------------------------------- failures


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[tuple[Registry, Site, str]]:
    with Registry(tmp_path / "registry") as registry:
        site = _site(registry.host, "team/site", None, tmp_path)
        yield registry, site, site.put_image("v1")


@pytest.mark.parametrize("fault", [Fault(500), Fault(503), Fault(429), Drop(), Drop(done=True)])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_breakdown_is_transient_and_the_same_call_mends_it(
    broken: tuple[Registry, Site, str], fault: Fault | Drop, method: str
) -> None:
    registry, site, digest = broken
    registry.faults.add(method, "/manifests/", fault)
    with pytest.raises(Transient, match=registry.host):
        site.adapter.tag(site.repository, digest, "latest")
    site.adapter.tag(site.repository, digest, "latest")
    assert site.tagged("latest")[0] == digest


def test_tag_that_is_there_is_not_put_again(broken: tuple[Registry, Site, str]) -> None:
    registry, site, digest = broken
    registry.requests.clear()
    site.adapter.tag(site.repository, digest, "v1")
    assert registry.requests == ["GET /v2/team/site/manifests/v1"]


def test_registry_that_asks_to_wait_is_believed(broken: tuple[Registry, Site, str]) -> None:
    registry, site, _ = broken
    registry.faults.add("GET", "/manifests/", Fault(429, {"Retry-After": "17"}))
    with pytest.raises(Transient) as caught:
        site.adapter.find(site.repository, "v1")
    assert caught.value.retry_after == 17


def test_tag_that_somebody_else_moves_meanwhile_is_not_called_done() -> None:
    image = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}}
    mine, theirs = (json.dumps(image | {"annotations": {"of": who}}).encode() for who in ("me", "them"))
    manifest = {"Content-Type": OCI_MANIFEST}
    with ScriptedServer() as server:
        server.script(
            Answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]}),
            Answer(body=mine, headers=manifest),
            Answer(201),
            Answer(body=theirs, headers=manifest),
        )
        with pytest.raises(Transient, match="somebody pointed it"):
            HttpRegistry(NO_LOGINS).tag(f"{server.host}/site", digest_of(mine), "latest")


def test_media_type_a_server_keeps_to_itself_is_read_from_the_manifest() -> None:
    image = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": {}}).encode()
    with ScriptedServer() as server:
        missing = Answer(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]})
        plain = Answer(body=image, headers={"Content-Type": "application/json; charset=utf-8"})
        server.script(missing, plain, Answer(201), plain)
        HttpRegistry(NO_LOGINS).tag(f"{server.host}/site", digest_of(image), "latest")
        assert server.received[2].headers["Content-Type"] == DOCKER_MANIFEST
        assert server.received[2].body == image


def test_manifest_of_another_digest_than_promised_is_not_believed() -> None:
    with ScriptedServer() as server:
        server.script(Answer(body={"schemaVersion": 2, "config": {}}, headers={"Docker-Content-Digest": NOWHERE}))
        with pytest.raises(Transient, match="digest"):
            HttpRegistry(NO_LOGINS).find(f"{server.host}/site", "v1")


@pytest.mark.parametrize(
    "answer", [Answer(404, "404 page not found"), Answer(200, "<html>Hello</html>"), Answer(200, [1])]
)
def test_server_that_is_no_registry_is_not_taken_for_an_empty_one(answer: Answer) -> None:
    with ScriptedServer() as server:
        server.script(answer)
        with pytest.raises(Permanent, match="no registry"):
            HttpRegistry(NO_LOGINS).find(f"{server.host}/site", "v1")


def test_refusal_is_told_in_the_registrys_words() -> None:
    with ScriptedServer() as server:
        server.script(Answer(400, {"errors": [{"code": "NAME_INVALID", "message": "invalid repository name"}]}))
        with pytest.raises(Permanent, match="NAME_INVALID: invalid repository name"):
            HttpRegistry(NO_LOGINS).find(f"{server.host}/Site", "v1")


@pytest.mark.parametrize("answer", [Answer(delay=30), Answer(body={"config": {}}, cut=True)])
def test_silence_and_half_an_answer_are_transient(answer: Answer) -> None:
    with ScriptedServer() as server:
        server.script(answer)
        with pytest.raises(Transient, match=server.host):
            HttpRegistry(NO_LOGINS, timeout=0.2).find(f"{server.host}/site", "v1")


def test_registry_elsewhere_is_only_asked_with_https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with ScriptedServer() as proxy:  # it sees what is asked of hosts elsewhere, and refuses to connect
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with pytest.raises(SlipwayError):
            HttpRegistry(NO_LOGINS).find("registry.example.com/site", "v1")
        with pytest.raises(SlipwayError):
            HttpRegistry(NO_LOGINS).find("nginx", "latest")
        with Registry(tmp_path) as here:
            assert HttpRegistry(NO_LOGINS).find(f"{here.host}/site", "v1") is None
        assert proxy.lines == ["CONNECT registry.example.com:443", "CONNECT registry-1.docker.io:443"]


def test_registry_elsewhere_without_encryption_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer() as proxy:  # lets the connection through, and then speaks plain HTTP
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        proxy.script(Answer(200))
        with pytest.raises(Permanent, match="does not speak HTTPS"):
            HttpRegistry(NO_LOGINS).find("registry.example.com/site", "v1")
