"""What the registry stand-in does beyond the contract: logins, tokens, faults, a restart, and serving a real engine."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bot.sandbox.faults import Answer, Delay, Drop
from bot.sandbox.registry import Registry
from tests.contract.test_registry import OCI_MANIFEST, Repository, digest

LOGIN = ("robot", "open-sesame")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    with Registry(tmp_path) as stand_in:
        yield stand_in


def get(host: str, path: str, **headers: str) -> requests.Response:
    return requests.get(f"http://{host}{path}", headers=headers, timeout=10)


# ---------------------------------------------------------------- beyond the contract


def test_a_tag_alone_can_be_deleted(registry: Registry) -> None:
    repository = Repository(registry.host)
    content = repository.put_image("v1")
    assert repository.call("DELETE", "manifests/v1").status_code == 202
    assert repository.call("GET", "manifests/v1", Accept=OCI_MANIFEST).status_code == 404
    assert repository.call("GET", f"manifests/{digest(content)}", Accept=OCI_MANIFEST).status_code == 200


def test_a_chunk_out_of_order_is_refused(registry: Registry) -> None:
    repository = Repository(registry.host)
    location = repository.call("PATCH", repository.start_upload(), b"abc").headers["Location"]
    assert repository.call("PATCH", location, b"ghi", Content_Range="6-8").status_code == 416


def test_tags_come_in_pages(registry: Registry) -> None:
    repository = Repository(registry.host, "a/site")
    content = repository.put_image("a")
    repository.put_manifest("b", content)
    repository.put_manifest("c", content)
    page = repository.call("GET", "tags/list", params={"n": "2"})
    assert page.json()["tags"] == ["a", "b"]
    assert page.headers["Link"] == '</v2/a/site/tags/list?last=b&n=2>; rel="next"'
    last = repository.call("GET", "tags/list", params={"n": "2", "last": "b"})
    assert (last.json()["tags"], "Link" in last.headers) == (["c"], False)


def test_what_was_pushed_is_there_after_a_restart(tmp_path: Path) -> None:
    with Registry(tmp_path) as first:
        content = Repository(first.host, "a/site").put_image("v1")
    with Registry(tmp_path) as second:
        again = Repository(second.host, "a/site")
        assert again.call("GET", "manifests/v1", Accept=OCI_MANIFEST).content == content


def test_requests_are_noted_in_order(registry: Registry) -> None:
    get(registry.host, "/v2/")
    get(registry.host, "/v2/_catalog?n=1")
    assert registry.requests == ["GET /v2/", "GET /v2/_catalog?n=1"]


# ---------------------------------------------------------------- logins


def test_basic_lets_in_only_the_login(tmp_path: Path) -> None:
    with Registry(tmp_path, login=LOGIN) as registry:
        url = f"http://{registry.host}/v2/"
        refused = requests.get(url, timeout=10)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == 'Basic realm="Slipway sandbox"'
        assert refused.json()["errors"][0]["code"] == "UNAUTHORIZED"
        assert requests.get(url, auth=("robot", "wrong"), timeout=10).status_code == 401
        assert requests.get(url, auth=LOGIN, timeout=10).status_code == 200


def bearer(host: str, scope: str) -> dict[str, str]:
    asked = requests.get(f"http://{host}/token", auth=LOGIN, params={"scope": scope}, timeout=10)
    return {"Authorization": f"Bearer {asked.json()['token']}"}


def test_bearer_names_the_scope_and_takes_a_token_for_it(tmp_path: Path) -> None:
    with Registry(tmp_path, login=LOGIN, bearer=True) as registry:
        refused = get(registry.host, "/v2/a/site/tags/list")
        assert refused.headers["WWW-Authenticate"] == (
            f'Bearer realm="http://{registry.host}/token",service="slipway-sandbox",scope="repository:a/site:pull"'
        )
        token = bearer(registry.host, "repository:a/site:pull")
        assert get(registry.host, "/v2/a/site/tags/list", **token).status_code == 404
        assert get(registry.host, "/v2/", **token).status_code == 200


def test_a_token_is_no_good_for_another_scope(tmp_path: Path) -> None:
    with Registry(tmp_path, login=LOGIN, bearer=True) as registry:
        pull = bearer(registry.host, "repository:a/site:pull")
        push = requests.post(f"http://{registry.host}/v2/a/site/blobs/uploads/", headers=pull, timeout=10)
        assert push.status_code == 401
        assert 'scope="repository:a/site:pull,push"' in push.headers["WWW-Authenticate"]
        both = bearer(registry.host, "repository:a/site:pull,push")
        push = requests.post(f"http://{registry.host}/v2/a/site/blobs/uploads/", headers=both, timeout=10)
        assert push.status_code == 202


def test_an_expired_token_is_called_invalid(tmp_path: Path) -> None:
    with Registry(tmp_path, login=LOGIN, bearer=True, token_seconds=0) as registry:
        refused = get(registry.host, "/v2/", **bearer(registry.host, ""))
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].endswith('error="invalid_token"')


def test_no_token_for_a_stranger(tmp_path: Path) -> None:
    with Registry(tmp_path, login=LOGIN, bearer=True) as registry:
        for login in (None, ("robot", "wrong")):
            asked = requests.get(f"http://{registry.host}/token", auth=login, timeout=10)
            assert asked.status_code == 401


# ---------------------------------------------------------------- faults


def test_an_ordered_answer_comes_as_often_as_ordered(registry: Registry) -> None:
    registry.faults.add("GET", r"/v2/$", Answer(503, {"Retry-After": "7"}, b"busy"), times=2)
    seen = [get(registry.host, "/v2/") for _ in range(3)]
    assert [answer.status_code for answer in seen] == [503, 503, 200]
    assert (seen[0].headers["Retry-After"], seen[0].content) == ("7", b"busy")


def test_a_fault_meets_only_its_method_and_path(registry: Registry) -> None:
    registry.faults.add("PUT", r"/manifests/latest$", Answer(500))
    repository = Repository(registry.host)
    content = repository.put_image("v1")
    assert repository.call("GET", "manifests/latest", Accept=OCI_MANIFEST).status_code == 404
    assert repository.put_manifest("latest", content).status_code == 500
    assert repository.put_manifest("latest", content).status_code == 201


@pytest.mark.parametrize(("done", "status"), [(False, 404), (True, 200)])
def test_a_dropped_connection_leaves_it_open_whether_it_was_done(registry: Registry, done: bool, status: int) -> None:
    repository = Repository(registry.host)
    content = repository.put_image("v1")
    registry.faults.add("PUT", "/manifests/latest", Drop(done=done))
    with pytest.raises(requests.ConnectionError):
        repository.put_manifest("latest", content)
    assert repository.call("GET", "manifests/latest", Accept=OCI_MANIFEST).status_code == status


def test_a_delay_outlasts_an_impatient_caller(registry: Registry) -> None:
    registry.faults.add("GET", "/v2/$", Delay(1))
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"http://{registry.host}/v2/", timeout=0.1)
    assert get(registry.host, "/v2/").status_code == 200


def test_cleared_faults_do_not_happen(registry: Registry) -> None:
    registry.faults.add("GET", "/v2/$", Answer(500))
    registry.faults.clear()
    assert get(registry.host, "/v2/").status_code == 200


def test_a_process_that_only_starts_and_stops_it_says_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; import requests; from bot.sandbox.registry import Registry\n"
        "with Registry(Path(sys.argv[1])) as registry: requests.get(f'http://{registry.host}/v2/', timeout=10)"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
