"""The files that run and watch Slipway agree with what it does."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from ruamel.yaml import YAML

from bot.budget import Budget
from bot.images import ImageReference
from bot.manifests import bump, find_images, parse_documents, unresolved_placeholders
from bot.queue_tally import Moving, StepTime, Tally
from webhooks.jobs_metrics import JobsCollector
from webhooks.parts import Metrics

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def documented() -> set[str]:
    return set(re.findall(r"^\| `(slipway_\w+)` \|", OPERATIONS, re.MULTILINE))


def printed() -> str:
    """What ``/metrics`` prints where there is something of everything."""
    metrics = Metrics()
    metrics.count("push", "accepted")
    tally = Tally(
        moving=(Moving("sync", "queued", 1, 3.0),),
        ended={("release", "failed"): 1},
        steps=(StepTime("apply", 2, 1.5),),
        reconciled_at=1000.0,
        rollouts={("staging", "healthy"): 1},
        drifted={"staging": 1},
        budgets=(Budget("token", 5000, 4000, 2000, 1000.0),),
    )
    metrics.registry.register(JobsCollector(lambda: tally))
    return generate_latest(metrics.registry).decode()


def test_every_metric_that_is_documented_is_one_that_is_told() -> None:
    told = set(re.findall(r"^# TYPE (slipway_\w+)", printed(), re.MULTILINE))
    assert {name for name in told if not name.endswith("_created")} == documented()


def test_alerts_watch_metrics_that_exist_and_say_what_to_do() -> None:
    groups = YAML(typ="safe").load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    for rule in rules:
        assert set(re.findall(r"slipway_\w+", rule["expr"])) <= documented(), rule["alert"]
        labels = re.findall(r"(\w+)=~?\"", rule["expr"]) + re.findall(r"by \((\w+)\)", rule["expr"])
        labels += re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))
        assert [label for label in labels if f'{label}="' not in printed()] == [], rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert rule["labels"]["severity"] in {"critical", "warning"}


MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_containers_have_no_more_rights_than_they_need(path: Path) -> None:
    for document in parse_documents(path.read_text(encoding="utf-8"), path.name):
        template = document.get("spec", {}).get("template")
        if template is None:
            continue
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            if container["name"] == "engine":  # it builds images, and cannot do that without
                continue
            security = {**pod["securityContext"], **container["securityContext"]}
            assert security["allowPrivilegeEscalation"] is False
            assert security["runAsNonRoot"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container.get("resources", {}).get("limits", {}) or container["name"] == "migrate"


def test_slipway_can_deploy_itself() -> None:
    path = ROOT / "deploy" / "kubernetes" / "slipway.yaml"
    text = path.read_text(encoding="utf-8")
    waiting = list(unresolved_placeholders(find_images(text, path.name)))
    assert len(waiting) == 3, "migrate, web and worker"
    image = ImageReference.parse(f"registry.example.com/slipway:3f2c1ab@sha256:{'a1' * 32}")
    bumped = bump(text, path.name, image)
    assert len(bumped.changes) == 3
    assert not list(unresolved_placeholders(find_images(bumped.text, path.name)))


def test_the_image_runs_the_procfiles_web_as_somebody_without_rights() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001$", dockerfile, re.MULTILINE)
    procfile = (ROOT / "Procfile").read_text(encoding="utf-8")
    assert "gunicorn --config python:webhooks.gunicorn_conf" in procfile
    assert '"gunicorn", "--config", "python:webhooks.gunicorn_conf"' in dockerfile


def test_the_image_has_what_git_signs_with() -> None:
    installed = re.search(r"apt-get install [^&]*", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
    assert installed is not None
    assert {"git", "gnupg", "openssh-client"} <= set(installed[0].split())
