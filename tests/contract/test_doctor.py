"""``python -m bot doctor`` on stand-ins: what is wrong is named with its remedy, and nothing is changed."""

import base64
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from bot.adapters.dbos.database import migrate
from bot.adapters.registry.images import HttpRegistry
from bot.adapters.registry.probe import TAG, RegistryProbe
from bot.doctor import database, engine, examine
from bot.doctor_config import registry as try_registry
from bot.errors import Permanent, SlipwayError
from bot.findings import Finding, State
from bot.sandbox.faults import Answer
from bot.sandbox.registry import Registry
from tests.engines import RegistryServer
from tests.scenarios.world import CONFIG, DEVELOPER, ROOT, World, world
from tests.scripted_http import Answer as Scripted
from tests.scripted_http import ScriptedServer

INGRESS = """\
apiVersion: extensions/v1beta1
kind: Ingress
metadata:
  name: old
spec:
  backend: {serviceName: old, servicePort: 80}
"""

JOB = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: once
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: once, image: busybox:1}]
"""


@pytest.fixture
def logged_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Docker configuration without logins."""
    folder = tmp_path / "docker"
    folder.mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(folder))
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world with one app, where all is well."""
    folder = tmp_path_factory.mktemp("world")
    url = f"sqlite:///{folder / 'slipway.db'}"
    migrate(url)
    with Registry(folder / "registry") as registry, world(folder, url, registry_host=registry.host) as made:
        made.add_app("site")
        yield made


@pytest.fixture
def ready(shared: World, logged_out: Path) -> Iterator[World]:
    """The world; what a test breaks in the config repo and in the clusters is mended afterwards."""
    head, apps = shared.git("rev-parse", "master"), list(shared.apps)
    yield shared
    shared.git("update-ref", "refs/heads/master", head)
    shared.apps[:] = apps
    for cluster in shared.clusters.values():
        cluster.permit_all()
        cluster.start()


def found(world: World, **changes: str) -> dict[str, list[Finding]]:
    """The findings by part; nothing went wrong in a check itself."""
    parts: dict[str, list[Finding]] = {}
    for finding in examine({**world.variables, **changes}):
        assert "check itself broke" not in finding.text, finding
        parts.setdefault(finding.part, []).append(finding)
    return parts


def lines(findings: list[Finding]) -> str:
    return "\n".join(finding.line() for finding in findings)


def failed(parts: dict[str, list[Finding]]) -> set[str]:
    return {part for part, findings in parts.items() if any(finding.state is State.FAIL for finding in findings)}


def doctor(world: World, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "DOCKER_CONFIG": os.environ["DOCKER_CONFIG"],
        **world.variables,
        **changes,
    }
    run = [sys.executable, "-m", "bot", "doctor", *arguments]
    return subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


# ---------------------------------------------------------------- the command


def test_where_all_is_well_nothing_fails_and_nothing_is_changed(ready: World) -> None:
    refs, objects = ready.git("for-each-ref"), {name: it.list("Deployment") for name, it in ready.clusters.items()}
    answer = doctor(ready)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 of " in answer.stdout
    assert answer.stderr == ""
    assert ready.git("for-each-ref") == refs
    assert {name: it.list("Deployment") for name, it in ready.clusters.items()} == objects
    assert HttpRegistry().find(f"{ready.registry_host}/site", TAG) is None
    assert not (ready.folder / "state").exists()


def test_without_github_the_answer_is_a_list_with_exit_code_1_and_no_traceback(ready: World) -> None:
    nowhere = "http://127.0.0.1:9"
    answer = doctor(ready, "--json", GITHUB_URL=nowhere, GITHUB_API_URL=nowhere)
    assert answer.returncode == 1
    assert answer.stderr == ""
    facts = {fact["part"]: fact for fact in json.loads(answer.stdout)}
    assert facts["github identity"]["state"] == "fail"
    assert "cannot be reached" in facts["github identity"]["text"]
    assert facts["config repo"]["state"] == "fail"
    assert facts["manifests"]["text"] == "not checked: the config repo cannot be fetched"
    assert facts["database"]["state"] == "ok"
    assert ready.variables["GITHUB_TOKEN"] not in answer.stdout


def test_all_missing_variables_are_named_at_once_and_what_needs_them_is_not_checked() -> None:
    findings = list(examine({"SLIPWAY_BUILDER": "sandbox", "ROLLOUT_TIMEOUT_SECONDS": "soon"}))
    first = findings[0]
    assert first.state is State.FAIL
    for words in (
        "CONFIG_REPO: is missing",
        "GITHUB_WEBHOOK_SECRET: is missing",
        "set GITHUB_TOKEN",
        "ROLLOUT_TIMEOUT",
    ):
        assert words in first.text
    assert lines(findings).count("not checked: the variables are not complete") == 7


# ---------------------------------------------------------------- database, engine


def test_a_database_that_is_not_there_is_not_created(ready: World) -> None:
    path = ready.folder / "other.db"
    finding = found(ready, DATABASE_URL=f"sqlite:///{path}")["database"][0]
    assert finding.state is State.FAIL
    assert "There is no database at" in finding.text
    assert "python -m bot migrate" in finding.text
    assert not path.exists()


def test_a_database_without_tables_calls_for_migrate(ready: World) -> None:
    path = ready.folder / "empty.db"
    path.touch()
    finding = found(ready, DATABASE_URL=f"sqlite:///{path}")["database"][0]
    assert finding.state is State.FAIL
    assert "at version 0" in finding.text
    assert "python -m bot migrate" in finding.text


def test_a_database_of_a_newer_version_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'slipway.db'}"
    migrate(url)
    with closing(sqlite3.connect(tmp_path / "slipway.db")) as connection, connection:
        connection.execute("UPDATE dbos_migrations SET version = 999")
    with pytest.raises(Permanent, match=r"at version 999, .*a newer version has run on it"):
        database(url)


def test_on_postgres_the_write_is_tried_and_taken_back(postgres_url: str) -> None:
    with pytest.raises(Permanent, match="python -m bot migrate"):
        database(postgres_url)
    migrate(postgres_url)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("INSERT INTO dbos.slipway_probe VALUES (1, 'now')")
        connection.commit()
        assert database(postgres_url).text == "PostgreSQL is up to date and can be written to."
        assert connection.execute("SELECT count(*) FROM dbos.slipway_probe").fetchone() == (1,)


def test_a_key_that_is_none_leaves_git_and_database_checked(ready: World) -> None:
    parts = found(ready, GITHUB_APP_ID="7", GITHUB_APP_PRIVATE_KEY="nonsense")
    assert failed(parts) == {"github identity"}
    assert "GITHUB_APP_PRIVATE_KEY is not the private key of a GitHub App" in parts["github identity"][0].text
    assert parts["database"][0].state is State.OK
    assert parts["catalog"][0].text == "not checked: there is no identity on GitHub"


def test_an_engine_that_is_not_there_is_named_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    with pytest.raises(SlipwayError, match=r"No Docker engine answers at tcp://127\.0\.0\.1:9\. Start one, or let"):
        list(engine("docker"))


@pytest.mark.parametrize(("buildx", "state"), [(True, State.OK), (False, State.WARN)])
def test_the_engine_is_told_with_its_version_and_a_missing_buildx_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, buildx: bool, state: State
) -> None:
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755 if buildx else 0o644)
    with ScriptedServer() as server:
        monkeypatch.setenv("DOCKER_HOST", server.url.replace("http", "tcp"))
        monkeypatch.setenv("PATH", str(tmp_path))
        server.script(*[Scripted(body={"Version": "20.10.24", "ApiVersion": "1.41", "Os": "linux"})] * 2)
        here, plugin = engine("docker")
    assert here.line() == "ok    docker: The engine answers as version 20.10.24."
    assert plugin.state is state
    assert ("Install docker buildx" in plugin.remedy) is not buildx


# ---------------------------------------------------------------- catalog, manifests


def test_a_bad_catalog_is_told_by_line_and_the_last_good_one_is_checked(ready: World) -> None:
    catalog = ready.catalog().replace("gate: commit", "gate: comit")
    ready.forge.commit(CONFIG, "master", {"slipway.yaml": catalog}, "Break it", DEVELOPER)
    parts = found(ready)
    assert failed(parts) == {"catalog"}
    told = lines(parts["catalog"])
    assert "slipway.yaml:5: environments[staging].gate" in told
    assert "did you mean `commit`?" in told
    assert "Until it is mended, the last good one stays in force" in told
    assert parts["manifests of site in staging"][0].state is State.OK


def test_without_a_catalog_what_it_names_is_not_checked(ready: World) -> None:
    ready.forge.commit(CONFIG, "master", {"slipway.yaml": None}, "Remove it", DEVELOPER)
    parts = found(ready)
    assert failed(parts) == {"catalog"}
    assert "There is no slipway.yaml at the root of the branch master: write one" in parts["catalog"][0].text
    for part in ("manifests", "clusters", "registries", "source repos"):
        assert parts[part][0].text == "not checked: there is no valid catalog"


def test_each_broken_manifest_is_named_and_the_others_are_checked(ready: World) -> None:
    for app in ("gone", "foreign", "broken"):
        ready.add_app(app)
    foreign = JOB.replace("once", "foreign")
    files = {"staging/gone.yaml": None, "staging/foreign.yaml": foreign, "staging/broken.yaml": "a: [1\n"}
    ready.forge.commit(CONFIG, "master", files, "Break them", DEVELOPER)
    parts = found(ready)
    staging = {f"manifests of {app} in staging" for app in ("gone", "foreign", "broken")}
    assert failed(parts) == staging
    assert "no manifest at `staging/gone.yaml`" in lines(parts["manifests of gone in staging"])
    assert "mend `manifests` in slipway.yaml" in lines(parts["manifests of gone in staging"])
    assert "No container runs the image" in lines(parts["manifests of foreign in staging"])
    assert "mend `image` in slipway.yaml" in lines(parts["manifests of foreign in staging"])
    assert "staging/broken.yaml" in lines(parts["manifests of broken in staging"])
    assert "not checked" in lines(parts["kinds of broken in staging"])
    assert "waits for its first release" in lines(parts["manifests of site in staging"])


# ---------------------------------------------------------------- clusters


def test_a_kind_that_is_served_no_more_is_told_with_what_to_write_instead(ready: World) -> None:
    deployment = ready.git("show", "master:staging/site.yaml")
    ready.forge.commit(CONFIG, "master", {"staging/site.yaml": f"{deployment}\n---\n{INGRESS}"}, "Old", DEVELOPER)
    parts = found(ready)
    assert failed(parts) == {"kinds of site in staging"}
    told = lines(parts["kinds of site in staging"])
    assert "`extensions/v1beta1` Ingress is not served (any more)" in told
    assert "write `apiVersion: networking.k8s.io/v1`" in told


def test_a_cluster_that_does_not_answer_leaves_the_other_one_checked(ready: World) -> None:
    ready.clusters["staging"].stop()
    parts = found(ready)
    assert failed(parts) == {"cluster staging"}
    assert "cannot be reached" in parts["cluster staging"][0].text
    assert "not checked: the cluster `staging` does not answer" in lines(parts["access to staging"])
    assert parts["access to production"][0].state is State.OK


def test_a_context_and_a_namespace_that_are_not_there_are_told(ready: World) -> None:
    catalog = ready.catalog().replace("cluster: staging", "cluster: stagin")
    catalog = catalog.replace("namespace: production", "namespace: prod")
    ready.forge.commit(CONFIG, "master", {"slipway.yaml": catalog}, "Mistype", DEVELOPER)
    parts = found(ready)
    assert failed(parts) == {"cluster stagin", "kinds of site in production"}
    assert "did you mean `staging`" in lines(parts["cluster stagin"])
    told = lines(parts["kinds of site in production"])
    assert "The namespace `prod` does not exist. Create it: kubectl --context production create namespace prod" in told


def test_each_denied_verb_is_named_with_the_rule_to_add(ready: World) -> None:
    deployment = ready.git("show", "master:staging/site.yaml")
    ready.forge.commit(CONFIG, "master", {"staging/site.yaml": f"{deployment}\n---\n{JOB}"}, "A job", DEVELOPER)
    staging = ready.clusters["staging"]
    staging.forbid("patch", "deployments", "staging")
    staging.forbid("watch", "deployments", "staging")
    staging.forbid("delete", "jobs", "staging")
    staging.forbid("list", "events")
    parts = found(ready)
    assert failed(parts) == {"access to staging"}
    told = lines(parts["access to staging"])
    assert "may not watch, patch `deployments` in namespace `staging`" in told
    assert 'apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list", "watch", "create", "patch"]' in told
    assert "may not delete `jobs`" in told
    assert 'resources: ["jobs"], verbs: ["get", "list", "watch", "create", "patch", "delete"]' in told
    assert "may not list `events`" in told
    assert "Add to the rules of a Role of the bot's user: `- {apiGroups: " in told


# ---------------------------------------------------------------- registries


def test_a_refused_login_names_the_registry_and_docker_login(tmp_path: Path, logged_out: Path) -> None:
    with Registry(tmp_path / "private", login=("bot", "s3cret")) as registry:
        finding = try_registry(RegistryProbe(), registry.host, f"{registry.host}/site")
    assert finding.state is State.FAIL
    assert f"Run docker login {registry.host}" in finding.text


def test_a_login_that_may_only_pull_is_told_by_the_push(tmp_path: Path, logged_out: Path) -> None:
    with Registry(tmp_path / "shared") as registry:
        denied = json.dumps({"errors": [{"code": "DENIED", "message": "requested access is denied"}]}).encode()
        registry.faults.add("POST", "/blobs/uploads/", Answer(403, {"Content-Type": "application/json"}, denied))
        finding = try_registry(RegistryProbe(), registry.host, f"{registry.host}/site")
    assert finding.state is State.FAIL
    assert "Could not push the probe tag" in finding.text
    assert "DENIED" in finding.text


def test_a_probe_tag_that_cannot_be_deleted_is_a_warning(tmp_path: Path, logged_out: Path) -> None:
    with Registry(tmp_path / "append-only") as registry:
        refused = json.dumps({"errors": [{"code": "UNSUPPORTED", "message": "no deletes"}]}).encode()
        registry.faults.add("DELETE", "/manifests/", Answer(405, {"Content-Type": "application/json"}, refused))
        finding = try_registry(RegistryProbe(), registry.host, f"{registry.host}/site")
        again = try_registry(RegistryProbe(), registry.host, f"{registry.host}/site")
    assert finding.state is State.WARN
    assert f"{registry.host}/site:{TAG} stays" in finding.text
    assert "UNSUPPORTED" in finding.text
    assert "does no harm" in finding.remedy
    assert again.state is State.OK


def test_the_probe_tag_goes_to_a_real_registry_and_away_again(
    private_registry: RegistryServer, logged_out: Path
) -> None:
    assert private_registry.login is not None
    encoded = base64.b64encode(":".join(private_registry.login).encode()).decode()
    (logged_out / "config.json").write_text(json.dumps({"auths": {private_registry.host: {"auth": encoded}}}))
    finding = try_registry(RegistryProbe(), private_registry.host, f"{private_registry.host}/doctor/site")
    assert finding.state is State.OK, finding
    assert HttpRegistry().find(f"{private_registry.host}/doctor/site", TAG) is None
