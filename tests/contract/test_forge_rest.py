"""What is common to the stand-in's REST answers: identity, visibility, caching, limits, apps."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from github import Auth, GithubException, GithubIntegration

from bot.sandbox.forge import LoggedRequest
from bot.sandbox.forge.errors import ApiError
from tests.forge_stage import REPO, Stage, stage


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


def test_a_wrong_token_is_told_apart_from_none(scene: Stage) -> None:
    wrong = scene.call("GET", f"/repos/{REPO}", None, Authorization="token ghp_wrong")
    assert (wrong.status_code, wrong.json()["message"]) == (401, "Bad credentials")
    assert scene.call("GET", f"/repos/{REPO}", None).status_code == 200
    assert scene.call("GET", "/user", None).json()["message"] == "Requires authentication"


def test_a_private_repository_is_not_there_for_strangers(scene: Stage) -> None:
    scene.forge.create_repo("org/secret", private=True, collaborators={"ann": "read"})
    assert scene.call("GET", "/repos/org/secret", "ann").status_code == 200
    hidden, absent = (scene.call("GET", f"/repos/org/{name}", "carl") for name in ("secret", "never-was"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json() == absent.json()
    assert scene.call("POST", "/repos/org/secret/git/refs", "ann", {}).status_code == 403


def test_an_answer_that_did_not_change_is_not_sent_again(scene: Stage) -> None:
    path = f"/repos/{REPO}/commits"
    first = scene.call("GET", path)
    again = scene.call("GET", path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    scene.forge.commit(REPO, "master", {"a": "b"}, "Second", "ann")
    assert scene.call("GET", path, **{"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_every_answer_says_how_many_requests_are_left(scene: Stage) -> None:
    one, other = (scene.call("GET", "/user").headers for _ in range(2))
    assert int(one["X-RateLimit-Remaining"]) - int(other["X-RateLimit-Remaining"]) == 1
    assert (other["X-RateLimit-Limit"], other["X-RateLimit-Resource"]) == ("5000", "core")
    assert int(other["X-RateLimit-Reset"]) > time.time()
    assert one["X-GitHub-Request-Id"] != other["X-GitHub-Request-Id"]


def test_who_has_used_up_the_hour_is_refused(tmp_path: Path) -> None:
    with stage(tmp_path, rate_limit=3) as scene:
        assert [scene.call("GET", "/user").status_code for _ in range(4)] == [200, 200, 200, 403]
        refused = scene.call("GET", "/user")
        assert refused.headers["X-RateLimit-Remaining"] == "0"
        assert "rate limit exceeded" in refused.json()["message"]
        assert scene.call("GET", "/rate_limit").status_code == 200
        assert scene.call("GET", "/user", "ann").status_code == 200


@pytest.mark.parametrize(("text", "message"), [("{", "Problems parsing JSON"), ("[]", "Body should be a JSON object")])
def test_a_body_that_is_no_json_object_is_refused(scene: Stage, text: str, message: str) -> None:
    number = scene.pull_request()
    path = f"/repos/{REPO}/issues/{number}/comments"
    answer = scene.send("POST", path, text)
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_what_is_not_there_is_told_in_json(scene: Stage) -> None:
    answer = scene.call("GET", "/no/such/thing")
    assert answer.status_code == 404
    assert answer.json() == {
        "message": "Not Found",
        "documentation_url": "https://docs.github.com/rest",
        "status": "404",
    }


def test_names_are_found_in_any_case(scene: Stage) -> None:
    assert scene.hub().get_repo("ORG/Site").full_name == REPO
    assert scene.hub().get_user("ANN").login == "ann"


def test_a_file_comes_raw_when_asked(scene: Stage) -> None:
    path = f"/repos/{REPO}/contents/docs/read%20me.md"
    assert scene.call("GET", path, Accept="application/vnd.github.raw+json").content == b"# Site\n"
    assert base64.b64decode(scene.call("GET", path).json()["content"]) == b"# Site\n"
    names = [entry["name"] for entry in scene.call("GET", f"/repos/{REPO}/contents/").json()]
    assert names == ["colour.txt", "docs"]


def test_requests_are_counted_by_method_and_path(scene: Stage) -> None:
    scene.call("GET", "/user")
    scene.call("GET", "/users/nobody")
    assert scene.forge.requests_log == [
        LoggedRequest("GET", "/api/v3/user", 200),
        LoggedRequest("GET", "/api/v3/users/nobody", 404),
    ]


def test_it_comes_back_on_the_same_port_with_everything_it_knew(scene: Stage) -> None:
    number, before = scene.pull_request(), scene.forge.api_url
    scene.forge.stop()
    scene.forge.start()
    assert scene.forge.api_url == before
    assert scene.pull(number).title == "Paint it blue"


def test_people_act_through_python_under_the_same_rules(scene: Stage) -> None:
    number = scene.pull_request(author="ann")
    with pytest.raises(ApiError, match="Unprocessable Entity"):
        scene.forge.review(REPO, number, "ann", "APPROVE")
    with pytest.raises(KeyError, match="create_user first"):
        scene.forge.review(REPO, number, "nobody", "APPROVE")


# ---------------------------------------------------------------- apps


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> tuple[str, str]:
    """Private and public half."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return private.decode(), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_an_app_gets_tokens_for_its_repositories_only(scene: Stage, key: rsa.RSAPrivateKey) -> None:
    private, public = pem(key)
    scene.forge.create_repo("org/other", private=True)
    app_id = scene.forge.create_app("slipway", public, [REPO])
    with GithubIntegration(auth=Auth.AppAuth(app_id, private), base_url=scene.forge.api_url) as integration:
        assert integration.get_app().slug == "slipway"
        installation = integration.get_repo_installation("org", "site")
        assert [found.id for found in integration.get_installations()] == [installation.id]
        token = integration.get_access_token(installation.id).token
        with pytest.raises(GithubException, match="404"):
            integration.get_repo_installation("org", "other")
    bearer = {"Authorization": f"token {token}"}
    status = {"state": "success", "context": "slipway/staging"}
    sha = scene.forge.head(REPO, "master")
    created = scene.call("POST", f"/repos/{REPO}/statuses/{sha}", None, status, **bearer)
    assert created.json()["creator"]["login"] == "slipway[bot]"
    assert scene.call("GET", "/repos/org/other", None, **bearer).status_code == 404
    assert scene.call("GET", "/user", None, **bearer).json()["message"] == "Resource not accessible by integration"
    scene.judge()


def test_an_app_must_sign_with_its_key_and_soon(scene: Stage, key: rsa.RSAPrivateKey) -> None:
    private, public = pem(key)
    app_id = scene.forge.create_app("slipway", public, [REPO])
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def ask(signer: str, seconds: int) -> int:
        issued = int(time.time())
        text = jwt.encode({"iat": issued - 60, "exp": issued + seconds, "iss": str(app_id)}, signer, "RS256")
        return scene.call("GET", "/app", None, Authorization=f"Bearer {text}").status_code

    assert [ask(private, 300), ask(pem(stranger)[0], 300), ask(private, 3600), ask(private, -90)] == [
        200,
        401,
        401,
        401,
    ]
