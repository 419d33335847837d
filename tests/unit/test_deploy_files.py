"""The files that run and watch Slipway agree with what it does."""

import re
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def documented() -> set[str]:
    return set(re.findall(r"^\| `(slipway_\w+)` \|", OPERATIONS, re.MULTILINE))


def test_every_metric_that_is_documented_is_one_that_is_told() -> None:
    code = "".join((ROOT / "webhooks" / name).read_text(encoding="utf-8") for name in ("parts.py", "jobs_metrics.py"))
    told = set(re.findall(r'"(slipway_\w+)"', code))
    assert {name.removesuffix("_total") for name in documented()} == told


def test_alerts_watch_metrics_that_exist_and_say_what_to_do() -> None:
    groups = YAML(typ="safe").load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    for rule in rules:
        assert set(re.findall(r"slipway_\w+", rule["expr"])) <= documented(), rule["alert"]
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
