"""Logins as Docker files them: in config.json, or behind a credential helper."""

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.docker.logins import DockerLogins, Login
from bot.errors import Permanent


def find(folder: Path, config: object, host: str) -> Login | None:
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    return DockerLogins(folder).find(host)


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper ``docker-credential-vault`` that knows two registries, and notes what it is asked."""
    program = tmp_path / "bin" / "docker-credential-vault"
    program.parent.mkdir()
    program.write_text(
        f"""#!{sys.executable}
import json, sys
host = sys.stdin.read()
open({str(tmp_path / "asked")!r}, "w").write(" ".join([*sys.argv[1:], host]))
known = {{"a.example": ["ada", "s3cret"], "https://index.docker.io/v1/": ["<token>", "refresh"]}}
if host == "broken.example":
    sys.exit("no vault")
if host not in known:
    print("credentials not found in native keychain")
    sys.exit(1)
print(json.dumps({{"ServerURL": host, "Username": known[host][0], "Secret": known[host][1]}}))
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return tmp_path / "asked"


def test_without_a_file_there_is_no_login(tmp_path: Path) -> None:
    assert DockerLogins(tmp_path).find("a.example") is None


@pytest.mark.parametrize("key", ["a.example:5000", "https://a.example:5000", "https://a.example:5000/v2/"])
def test_login_is_found_however_its_key_is_spelled(tmp_path: Path, key: str) -> None:
    assert find(tmp_path, {"auths": {key: auth("ada:s3c:ret")}}, "a.example:5000") == Login("ada", "s3c:ret")
    assert find(tmp_path, {"auths": {key: auth("ada:s3c:ret")}}, "a.example") is None


def test_docker_hub_is_filed_under_its_old_name(tmp_path: Path) -> None:
    assert find(tmp_path, {"auths": {"https://index.docker.io/v1/": auth("ada:pw")}}, "docker.io") == Login("ada", "pw")


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        ({"username": "ada", "password": "pw"}, Login("ada", "pw")),
        ({"identitytoken": "long"}, Login("<token>", "", "long")),
        (auth("ada:") | {"identitytoken": "long"}, Login("ada", "", "long")),
        ({}, None),
        (None, None),
    ],
)
def test_other_ways_to_file_a_login(tmp_path: Path, entry: Any, login: Login | None) -> None:
    assert find(tmp_path, {"auths": {"a.example": entry}}, "a.example") == login


def test_folder_is_docker_config_else_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("named", "home/.docker"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(json.dumps({"auths": {"a.example": auth(f"{name}:pw")}}))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "named"))
    assert DockerLogins().find("a.example") == Login("named", "pw")
    monkeypatch.delenv("DOCKER_CONFIG")
    assert DockerLogins().find("a.example") == Login("home/.docker", "pw")


@pytest.mark.parametrize("config", [{"credsStore": "vault"}, {"credHelpers": {"a.example": "vault"}}])
def test_helper_is_asked_without_putting_anything_into_argv(
    tmp_path: Path, helper: Path, config: dict[str, Any]
) -> None:
    assert find(tmp_path, config, "a.example") == Login("ada", "s3cret")
    assert helper.read_text() == "get a.example"


def test_helper_gives_docker_hubs_identity_token(tmp_path: Path, helper: Path) -> None:
    assert find(tmp_path, {"credsStore": "vault"}, "docker.io") == Login("<token>", "", "refresh")


def test_login_that_the_helper_does_not_have_is_taken_from_the_file(tmp_path: Path, helper: Path) -> None:
    config = {"credsStore": "vault", "auths": {"b.example": auth("bob:pw"), "c.example": {}}}
    assert find(tmp_path, config, "b.example") == Login("bob", "pw")
    assert find(tmp_path, config, "c.example") is None


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "not a JSON object"),
        ({"auths": {"broken.example": {"auth": "%"}}}, "not base64"),
        ({"credsStore": "vault"}, "docker-credential-vault, which failed"),
        ({"credsStore": "missing"}, "docker-credential-missing, which is not on PATH"),
        ({"credsStore": "../../bin/sh"}, "impossible credential helper"),
    ],
)
def test_unusable_file_is_named_with_the_reason(tmp_path: Path, helper: Path, config: object, reason: str) -> None:
    with pytest.raises(Permanent, match=reason) as caught:
        find(tmp_path, config, "broken.example")
    assert str(tmp_path / "config.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_login_does_not_show_when_it_is_printed() -> None:
    assert "s3cret" not in repr(Login("ada", "s3cret", "s3cret"))
