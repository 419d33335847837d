"""Kustomizations and charts, rendered by the real tools, out of a config repo's commit."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bot.adapters.render import commands
from bot.adapters.render.commands import CommandRenderer
from bot.catalog import App, Environment, Gate, Helm, parse_catalog
from bot.doctor_config import tools
from bot.errors import Permanent, Transient
from bot.findings import State
from bot.images import ImageReference
from bot.manifests.forms import edited
from bot.steps.render import Objects, objects
from bot.steps.state import changing_paths, deployment, form_of, text_reader
from tests.config_fake import FakeConfig
from tests.engines import HELM, KUBECTL, require

REPOSITORY = "registry.example.com/site"
DIGEST = f"sha256:{'0a' * 32}"
NEW = ImageReference.parse(f"{REPOSITORY}:1234567@{DIGEST}")
LIVE = Environment("live", "live", "web", Gate.COMMIT)
WORKLOAD = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: site}}
spec:
  selector: {{matchLabels: {{app: site}}}}
  template:
    metadata: {{labels: {{app: site}}}}
    spec:
      containers:
        - name: web
          image: {REPOSITORY}:v1
"""
KUSTOMIZED = App("site", "acme/site", REPOSITORY, manifests=("{environment}/site",))
OVERLAY = {
    "live/site/kustomization.yaml": "resources:\n- ../../base\nnamePrefix: live-\n",
    "base/kustomization.yaml": "resources: [site.yaml]\nconfigMapGenerator:\n- name: c\n  files: [data/motd]\n",
    "base/site.yaml": WORKLOAD,
    "base/data/motd": "hello\n",
}
CHART = {
    "charts/site/Chart.yaml": "apiVersion: v2\nname: site\nversion: 0.1.0\n",
    "charts/site/values.yaml": f"image: {{repository: {REPOSITORY}, tag: v1, digest: ''}}\nreplicas: 1\n",
    "charts/site/templates/site.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}", namespace: "{{ .Release.Namespace }}"}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
        - name: web
          {{- with .Values.image }}
          image: "{{ .repository }}:{{ .tag }}{{ with .digest }}@{{ . }}{{ end }}"
          {{- end }}
""",
    "charts/site/templates/hook.yaml": """\
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: pre-delete}}
""",
    "values/live/site.yaml": "# of the team\nreplicas: 3\n",
}
CHARTED = App(
    "site",
    "acme/site",
    REPOSITORY,
    manifests=("values/{environment}/{app}.yaml",),
    helm=Helm("charts/site", "image.repository", "image.tag", "image.digest"),
)


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helm may have to be unpacked beside PATH."""
    helm, kubectl = Path(require(HELM)).parent, Path(require(KUBECTL)).parent
    monkeypatch.setenv("PATH", f"{helm}:{kubectl}:/usr/bin:/bin")


def committed(files: Mapping[str, str]) -> tuple[FakeConfig, str]:
    config = FakeConfig()
    return config, config.edit(files)


def rendered(files: Mapping[str, str], app: App) -> Objects:
    config, commit = committed(files)
    return objects(config, CommandRenderer(), commit, app, LIVE)


def bumped(files: Mapping[str, str], app: App) -> dict[str, str]:
    config, commit = committed(files)
    return {**files, **edited(form_of(config, commit, app, LIVE), text_reader(config, commit), NEW)}


def image_of(found: Objects) -> str:
    deployment = next(each for each in found if each["kind"] == "Deployment")
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


@pytest.mark.parametrize(("files", "app"), [(OVERLAY, KUSTOMIZED), (CHART, CHARTED)], ids=["kustomize", "helm"])
def test_what_is_bumped_is_read_and_rendered_alike(files: Mapping[str, str], app: App) -> None:
    assert image_of(rendered(files, app)) == f"{REPOSITORY}:v1"
    after = bumped(files, app)
    config, commit = committed(after)
    assert deployment(config, commit, app, LIVE).images == (str(NEW),)
    assert image_of(rendered(after, app)) == str(NEW)


def test_a_base_outside_of_the_folder_comes_from_the_same_commit() -> None:
    found = rendered(OVERLAY, KUSTOMIZED)
    assert {each["metadata"]["name"].rpartition("-")[0] or each["kind"] for each in found} == {"live", "live-c"}
    config, commit = committed(OVERLAY)
    assert changing_paths(config, commit, KUSTOMIZED, LIVE) == ("live/site", "base")


def test_a_chart_s_release_namespace_and_values_are_the_app_s_and_hooks_stay_out() -> None:
    (found,) = rendered(CHART, CHARTED)
    assert found["metadata"] == {"name": "site", "namespace": "web"}
    assert found["spec"]["replicas"] == 3
    config, commit = committed(CHART)
    assert changing_paths(config, commit, CHARTED, LIVE) == ("values/live/site.yaml", "charts/site")


def test_a_chart_that_leaves_the_digest_out_is_refused() -> None:
    template = CHART["charts/site/templates/site.yaml"].replace("{{ with .digest }}@{{ . }}{{ end }}", "")
    files = bumped({**CHART, "charts/site/templates/site.yaml": template}, CHARTED)
    with pytest.raises(Permanent, match=r"Deployment/site would run .*:1234567, and Git says .*@sha256"):
        rendered(files, CHARTED)


def test_a_chart_that_is_not_there_is_named() -> None:
    with pytest.raises(Permanent, match=r"charts/site/Chart\.yaml is not on the config branch.*helm\.chart"):
        rendered({"values/live/site.yaml": f"image: {{repository: {REPOSITORY}}}\n"}, CHARTED)


def test_a_chart_s_dependencies_are_not_fetched() -> None:
    dependency = "dependencies:\n- {name: redis, version: 1.0.0, repository: 'https://charts.example.com'}\n"
    chart = CHART["charts/site/Chart.yaml"] + dependency
    with pytest.raises(Permanent, match=r"helm cannot render the chart charts/site: .*redis"):
        rendered({**CHART, "charts/site/Chart.yaml": chart}, CHARTED)


def test_the_tool_s_own_words_are_told_without_paths_of_this_machine() -> None:
    broken = {**OVERLAY, "base/kustomization.yaml": "resources: [site.yaml]\nnameprefixx: x\n"}
    with pytest.raises(Permanent, match=r"kubectl cannot render the kustomization in live/site: ") as refused:
        rendered(broken, KUSTOMIZED)
    assert "nameprefixx" in str(refused.value)
    assert "/tmp" not in str(refused.value)


def test_a_remote_base_is_refused_before_anything_is_run() -> None:
    remote = {**OVERLAY, "base/kustomization.yaml": "resources:\n- https://github.com/acme/base?ref=main\n"}
    with pytest.raises(
        Permanent, match=r"base/kustomization\.yaml:2: https://github.com/acme/base\?ref=main .*fetched"
    ):
        rendered(remote, KUSTOMIZED)


def test_a_file_outside_of_the_folder_is_refused_by_the_tool_s_own_restrictor_too() -> None:
    files = {"live/kustomization.yaml": b"patches: [{path: ../p.yaml}]\n", "p.yaml": b"{}\n"}
    with pytest.raises(Permanent, match="is not in or below"):
        CommandRenderer().kustomize(files, "live")


def test_the_tools_get_no_credential_of_this_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spy = tmp_path / "kubectl"
    spy.write_text("#!/bin/sh\nenv | sed 's/^/# /'\n")
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("GITHUB_TOKEN", "s3cret-canary")
    monkeypatch.setenv("KUBECONFIG", "/etc/kube.conf")
    seen = CommandRenderer().kustomize({"live/kustomization.yaml": b""}, "live")
    assert "PATH=" in seen
    assert "s3cret-canary" not in seen
    assert "/etc/kube.conf" not in seen


@pytest.mark.parametrize(("files", "app", "tool"), [(OVERLAY, KUSTOMIZED, "kubectl"), (CHART, CHARTED, "helm")])
def test_a_missing_tool_is_named_and_is_no_fault_of_the_release(
    files: Mapping[str, str], app: App, tool: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Transient, match=f"{tool} is not installed here"):
        rendered(files, app)
    assert (commands.missing(tool) or "").startswith(f"{tool} is not installed here")


@pytest.mark.parametrize("tool", ["kubectl", "helm"])
def test_a_tool_s_version_is_told(tool: str) -> None:
    assert commands.missing(tool) is None
    assert "v" in commands.version(tool)


CATALOG = """\
environments: [{name: live, cluster: live, namespace: web, gate: commit}]
apps:
  - {name: site, source: acme/site, image: registry.example.com/site, manifests: "{environment}/{app}"}
  - name: shop
    source: acme/shop
    image: registry.example.com/shop
    manifests: "values/{environment}/site.yaml"
    helm: {chart: charts/site}
"""


def test_doctor_asks_for_the_tools_that_the_catalog_needs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config, head = committed({**OVERLAY, **CHART})
    catalog = parse_catalog(CATALOG)
    assert [(found.part, found.state) for found in tools(config, head, catalog)] == [
        ("kubectl", State.OK),
        ("helm", State.OK),
    ]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [found.text.partition(",")[0] for found in tools(config, head, catalog)] == [
        "kubectl is not installed here",
        "helm is not installed here",
    ]
    plain, head = committed({"live/site/site.yaml": WORKLOAD})
    only_plain = replace(catalog, apps=catalog.apps[:1])
    assert list(tools(plain, head, only_plain)) == []
