"""How the adapter finds clusters and their credentials, and what people are told where it does not."""

import base64
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.kubernetes.client import Kubeconfig
from bot.adapters.kubernetes.clusters import KubernetesClusters
from bot.adapters.kubernetes.connection import Connection, encode_yaml
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import Applied, Target
from bot.sandbox.cluster import Cluster, faults, write_kubeconfig
from bot.sandbox.faults import Answer
from tests.contract.cluster_fixtures import config_map

TOKEN = "a-token-that-nobody-may-see"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster("staging", namespaces=["web"]) as running:
        yield running


def applied(kubeconfig: Path | str | None, context: str = "staging") -> tuple[Applied, ...]:
    """Apply something by an adapter of its own."""
    clusters = KubernetesClusters(None if kubeconfig is None else str(kubeconfig))
    try:
        return clusters.apply(Target(context, "web"), [config_map("settings", colour="red")])
    finally:
        clusters.close()


def refused(kubeconfig: Path | str | None, context: str = "staging") -> str:
    """Apply where it cannot be done; what a person reads."""
    with pytest.raises(Permanent) as caught:
        applied(kubeconfig, context)
    return str(caught.value)


def written(path: Path, cluster: Cluster, **user: Any) -> Path:
    """A kubeconfig whose user has other credentials."""
    write_kubeconfig(path, {"staging": cluster})
    content = yaml.safe_load(path.read_text())
    content["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(content))
    return path


def test_contexts_are_found_in_every_file_of_the_list(tmp_path: Path, cluster: Cluster) -> None:
    with Cluster("production", namespaces=["web"]) as production:
        write_kubeconfig(tmp_path / "one", {"staging": cluster})
        write_kubeconfig(tmp_path / "two", {"production": production})
        files = os.pathsep.join([str(tmp_path / "one"), str(tmp_path / "absent"), str(tmp_path / "two")])
        for context in ("staging", "production"):
            assert applied(files, context)[0].changed
        assert production.get("ConfigMap", "web", "settings") is not None


def test_an_unknown_context_is_told_with_those_that_there_are(tmp_path: Path, cluster: Cluster) -> None:
    write_kubeconfig(tmp_path / "config", {"staging": cluster, "production": cluster})
    told = refused(tmp_path / "config", "stagign")
    assert "has no context `stagign`; did you mean `staging`? (it has `staging` and `production`)" in told


def test_the_contexts_that_there_are_can_be_asked_for(tmp_path: Path, cluster: Cluster) -> None:
    write_kubeconfig(tmp_path / "config", {"staging": cluster, "production": cluster})
    assert KubernetesClusters(str(tmp_path / "config")).contexts() == ("staging", "production")
    assert KubernetesClusters(str(tmp_path / "absent")).contexts() == ()
    (tmp_path / "config").write_text("]")
    with pytest.raises(Permanent, match="is not valid YAML"):
        KubernetesClusters(str(tmp_path / "config")).contexts()


def test_a_context_that_comes_to_the_file_later_is_found(tmp_path: Path, cluster: Cluster) -> None:
    write_kubeconfig(tmp_path / "config", {"production": cluster})
    clusters = KubernetesClusters(str(tmp_path / "config"))
    with pytest.raises(Permanent):
        clusters.apply(Target("staging", "web"), [config_map("settings")])
    write_kubeconfig(tmp_path / "config", {"production": cluster, "staging": cluster})
    assert clusters.apply(Target("staging", "web"), [config_map("settings")])[0].changed
    clusters.close()


def test_the_default_file_is_that_of_kubectl(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kube").mkdir()
    write_kubeconfig(tmp_path / ".kube/config", {"staging": cluster})
    assert applied(None)[0].changed


def test_a_file_that_is_not_there_is_told_by_name(tmp_path: Path) -> None:
    assert f"there is no kubeconfig at `{tmp_path / 'absent'}`" in refused(tmp_path / "absent")


def config_of(cluster: dict[str, Any], user: dict[str, Any]) -> str:
    """A kubeconfig's text."""
    contexts = [{"name": "staging", "context": {"cluster": "x", "user": "y"}}]
    clusters, users = [{"name": "x", "cluster": cluster}], [{"name": "y", "user": user}]
    return json.dumps({"contexts": contexts, "clusters": clusters, "users": users})


@pytest.mark.parametrize(
    "text",
    [
        f"users: [{{user: {{token: {TOKEN}}}}}\n",
        f"- token: {TOKEN}\n",
        f"users: {TOKEN}\n",
        "",
        json.dumps({"contexts": [{"name": "staging", "context": {"cluster": "x"}}], "users": [{"token": TOKEN}]}),
        config_of({"server": "http://127.0.0.1:1"}, {"auth-provider": {"name": "oidc", "config": {"secret": TOKEN}}}),
        config_of({}, {"token": TOKEN}),
        json.dumps({"contexts": "staging", "token": TOKEN}),
    ],
)
def test_a_broken_file_is_told_without_what_is_in_it(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config").write_text(text)
    told = refused(tmp_path / "config")
    assert str(tmp_path / "config") in told
    assert TOKEN not in told + caplog.text


def test_a_certificate_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with Cluster("staging", tls=True) as secured:
        path = written(tmp_path / "config", secured)
    content = yaml.safe_load(path.read_text())
    content["clusters"][0]["cluster"] = {"server": secured.url, "certificate-authority": "ca.crt"}
    path.write_text(yaml.safe_dump(content))
    assert f"File does not exist: {tmp_path / 'ca.crt'}" in refused(path)


def test_a_server_with_a_certificate_is_asked_over_tls(tmp_path: Path) -> None:
    with Cluster("staging", namespaces=["web"], tls=True) as secured:
        write_kubeconfig(tmp_path / "config", {"staging": secured})
        assert applied(tmp_path / "config")[0].changed


def test_a_certificate_that_is_not_trusted_is_no_answer(tmp_path: Path) -> None:
    with Cluster("staging", namespaces=["web"], tls=True) as secured:
        path = tmp_path / "config"
        write_kubeconfig(path, {"staging": secured})
        content = yaml.safe_load(path.read_text())
        del content["clusters"][0]["cluster"]["certificate-authority-data"]
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(Transient, match="its certificate or TLS is not accepted"):
            applied(path)


def test_a_token_that_has_run_out_is_read_again_once(tmp_path: Path, cluster: Cluster) -> None:
    path = written(tmp_path / "config", cluster, token="old")
    clusters = KubernetesClusters(str(path))
    with pytest.raises(Permanent, match=r"the credentials of the context `staging` are not accepted \(401\)"):
        clusters.apply(Target("staging", "web"), [config_map("settings")])
    write_kubeconfig(path, {"staging": cluster})
    assert clusters.apply(Target("staging", "web"), [config_map("settings")])[0].changed
    clusters.close()


def test_a_token_file_is_read_as_the_server_asks_for_it_anew(tmp_path: Path, cluster: Cluster) -> None:
    (tmp_path / "token").write_text("old")
    path = written(tmp_path / "config", cluster, tokenFile="token")
    assert "401" in refused(path)
    (tmp_path / "token").write_text(cluster.token)
    assert applied(path)[0].changed


def test_a_credential_plugin_is_run_again_when_its_token_has_run_out(tmp_path: Path, cluster: Cluster) -> None:
    (tmp_path / "token").write_text("old")
    path = written(tmp_path / "config", cluster, exec=plugin(tmp_path))
    clusters = KubernetesClusters(str(path))
    with pytest.raises(Permanent, match="401"):
        clusters.apply(Target("staging", "web"), [config_map("settings")])
    (tmp_path / "token").write_text(cluster.token)
    assert clusters.apply(Target("staging", "web"), [config_map("settings")])[0].changed
    clusters.close()


def test_a_credential_plugin_that_fails_is_told_of(
    tmp_path: Path, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "config", cluster, exec=plugin(tmp_path))
    assert "The credential plugin of the context `staging`" in refused(path)
    assert "process returned 1" in caplog.text


def plugin(folder: Path) -> dict[str, Any]:
    """A credential plugin that gives what is in the file ``token``."""
    program = folder / "plugin.py"
    program.write_text(
        "import json, pathlib\n"
        f"token = pathlib.Path({str(folder / 'token')!r}).read_text()\n"
        'head = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}\n'
        'print(json.dumps({**head, "status": {"token": token}}))\n'
    )
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(program)],
        "interactiveMode": "Never",
    }


def in_pod(folder: Path, secured: Cluster) -> Kubeconfig:
    """What a pod of the cluster finds."""
    account = folder / "serviceaccount"
    account.mkdir(exist_ok=True)
    entry = secured.kubeconfig_entry
    host, _, port = entry["server"].removeprefix("https://").partition(":")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    return Kubeconfig(None, environment=environment, service_account=account)


@pytest.fixture
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("nobodys_home")
def test_a_pod_without_a_kubeconfig_uses_its_own_credentials_for_any_context(tmp_path: Path) -> None:
    with Cluster("staging", namespaces=["web"], tls=True) as secured:
        kubeconfig = in_pod(tmp_path, secured)
        (tmp_path / "serviceaccount/token").write_text(secured.token)
        authority = base64.b64decode(secured.kubeconfig_entry["certificate-authority-data"])
        (tmp_path / "serviceaccount/ca.crt").write_bytes(authority)
        assert kubeconfig.contexts() is None
        connection = Connection(kubeconfig, "whatever")
        assert connection.get("/version").body["major"] == "1"
        connection.close()


@pytest.mark.usefixtures("nobodys_home")
def test_a_pod_with_half_of_its_credentials_is_told_what_is_wrong(tmp_path: Path) -> None:
    with Cluster("staging", tls=True) as secured:
        kubeconfig = in_pod(tmp_path, secured)
    (tmp_path / "serviceaccount/token").write_text("x")
    with pytest.raises(Permanent, match="the credentials of this pod are not complete"):
        kubeconfig.client("staging")


@pytest.mark.usefixtures("nobodys_home")
def test_without_any_kubeconfig_people_are_told_to_set_one(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="Set KUBECONFIG to a file that holds this context"):
        Kubeconfig(None, environment={}, service_account=tmp_path).client("staging")


@pytest.mark.parametrize(
    ("server", "why"),
    [
        ("http://127.0.0.1:{port}", "it does not accept connections"),
        ("http://cluster.invalid", "its name is not known"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_tried_again_later(tmp_path: Path, server: str, why: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    (tmp_path / "config").write_text(config_of({"server": server.format(port=port)}, {"token": TOKEN}))
    with pytest.raises(Transient, match=rf"The cluster `staging` at .* cannot be reached \({why}\)") as caught:
        applied(tmp_path / "config")
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(302, ""),
        Answer(200, {"Content-Type": "application/json"}, b'{"kind": "APIResourceList", "resour'),
        Answer(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>"),
    ],
)
def test_a_server_that_is_no_kubernetes_api_ends_in_a_sentence(tmp_path: Path, cluster: Cluster, fault: Answer) -> None:
    write_kubeconfig(tmp_path / "config", {"staging": cluster})
    cluster.faults.add("GET", "^/api/v1$", fault)
    with pytest.raises(SlipwayError, match="`staging`"):
        applied(tmp_path / "config")


def test_a_read_is_repeated_on_a_connection_that_had_gone_stale(tmp_path: Path, cluster: Cluster) -> None:
    write_kubeconfig(tmp_path / "config", {"staging": cluster})
    connection = Connection(Kubeconfig(str(tmp_path / "config")), "staging")
    cluster.faults.add("GET", "^/version$", faults.drop())
    assert connection.get("/version").body["major"] == "1"
    connection.close()


def test_requests_name_slipway_and_send_no_token_in_their_path(tmp_path: Path, cluster: Cluster) -> None:
    write_kubeconfig(tmp_path / "config", {"staging": cluster})
    applied(tmp_path / "config")
    assert {one.user_agent for one in cluster.requests_log} == {"slipway"}
    assert cluster.token not in str([(one.path, one.query) for one in cluster.requests_log])


def test_only_the_group_version_in_question_is_discovered_once(tmp_path: Path, cluster: Cluster) -> None:
    write_kubeconfig(tmp_path / "config", {"staging": cluster})
    clusters = KubernetesClusters(str(tmp_path / "config"))
    for _ in range(2):
        clusters.apply(Target("staging", "web"), [config_map("settings")])
    clusters.close()
    assert [one.path for one in cluster.requests_log].count("/api/v1") == 1
    assert len(cluster.requests_log) == 1 + 2 * 3


def test_json_is_sent_so_that_a_yaml_reader_sees_the_same() -> None:
    text = "é 😀 \u2028\u2029\x85\x7f\ufeff\x00\x1f\t\"'\\/ \n: #"
    sent = encode_yaml({"data": {text: [text, None, True, 1, 1.5]}})
    assert json.loads(sent) == {"data": {text: [text, None, True, 1, 1.5]}}
    assert yaml.load(sent, Loader=yaml.CSafeLoader) == {"data": {text: [text, None, True, 1, 1.5]}}
