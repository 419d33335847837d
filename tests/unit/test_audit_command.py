"""The trail of a history in which everything happened once, as the command tells it."""

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from bot.adapters.config_repo.clone import FETCH_NOTES, ConfigClone
from bot.audit import OutcomeNote
from bot.audit_command import read_audit, show
from bot.cli import cli
from bot.facts import ConfigCommit
from bot.releases import Merge, Outcome, Person, Release
from bot.trail import Approval, Entry, HoldChange, Kind
from bot.trail_facts import COLUMNS, Audit, audit_csv, audit_facts, entry_facts
from tests.audit_repo import NEW, AuditRepo, begin, everything
from tests.config_fake import CATALOG, MANIFEST
from tests.dashboard_stage import git_stage
from tests.git_stage import CONFIG, TOKEN

TEXTS = Path(__file__).parent / "texts"
ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> AuditRepo:
    return everything(tmp_path_factory.mktemp("story") / "origin")


@pytest.fixture(scope="module")
def clone(story: AuditRepo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return story.clone(tmp_path_factory.mktemp("clone") / "config")


def run(*arguments: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """The command as an auditor runs it: no variable is set that is not named here."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "bot", "audit", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def read(clone: Path, **asked: Any) -> Audit:
    values = {"app": None, "environment": None, "since": None, "now": NOW, **asked}
    with ConfigClone(clone) as config:
        return read_audit(config, **values)


def printed(found: Audit) -> str:
    paper = io.StringIO()
    show(found, Console(width=120, file=paper))
    return "\n".join(line.rstrip() for line in paper.getvalue().splitlines()) + "\n"


def matches(name: str, text: str) -> bool:
    path = TEXTS / name
    if os.environ.get("SLIPWAY_WRITE_TEXTS"):
        path.write_text(text)
    return path.read_text() == text


def test_the_whole_story_as_people_read_it(clone: Path) -> None:
    assert matches("audit.txt", printed(read(clone)))


def test_one_app_in_one_environment_since_a_day(clone: Path) -> None:
    asked = read(clone, app="blog", environment="production", since=datetime(2026, 11, 21, tzinfo=UTC))
    assert matches("audit-of-one-place.txt", printed(asked))


def test_what_the_trail_could_not_tell_without_notes_is_not_claimed(story: AuditRepo, tmp_path: Path) -> None:
    found = read(story.clone(tmp_path / "config", notes=False), app="blog", environment="production")
    assert {entry.ended for entry in found.shown} == {None}
    edit = next(entry for entry in found.shown if entry.title == "More pods")
    assert edit.approval is Approval.NOT_RECORDED
    assert found.overall.deployments == 0


def test_a_change_of_a_base_is_a_change_wherever_it_is_built_upon(tmp_path: Path) -> None:
    repo = begin(tmp_path / "origin")
    catalog = CATALOG.replace("image: registry.example.com/blog", "image: r/blog, manifests: '{environment}/blog'")
    base = MANIFEST.format(app="blog", image="r/blog:1")
    overlays = {
        f"{environment}/blog/kustomization.yaml": "resources: [../../base/blog]\n"
        for environment in ("staging", "production")
    }
    files = {"base/blog/kustomization.yaml": "resources: [web.yaml]\n", "base/blog/web.yaml": base}
    repo.commit("20 09:00", {"slipway.yaml": catalog, **overlays, **files}, "Build upon a base")
    repo.commit("20 10:00", {"base/blog/web.yaml": f"{base}# more\n"}, "More pods")
    found = read(repo.folder, app="blog").shown
    assert {(one.environment, one.kind) for one in found if one.title == "More pods"} == {
        ("staging", Kind.EDIT),
        ("production", Kind.EDIT),
    }
    broken = {"production/blog/kustomization.yaml": "resources: {\n"}
    repo.commit("20 11:00", broken, "Break it")
    newest, *_ = read(repo.folder, app="blog").shown
    assert (newest.title, newest.environment) == ("Break it", "production")


# ---------------------------------------------------------------- as a command


def test_inside_a_clone_nothing_else_is_needed(clone: Path) -> None:
    for folder in (clone, clone / "staging"):
        told = run(cwd=folder)
        assert (told.returncode, told.stderr) == (0, "")
        assert "went round the gate" in told.stdout
        assert "DORA's four figures" in told.stdout


def test_a_clone_elsewhere_is_named(clone: Path, tmp_path: Path) -> None:
    told = run("--repo", str(clone), "--json", cwd=tmp_path)
    assert told.returncode == 0
    facts = json.loads(told.stdout)
    assert facts["branch"] == "main"
    assert (facts["since"], facts["hints"]) == (None, [])
    assert facts["dora"]["environment"] == "production"
    assert facts["dora"]["overall"]["failures"] == 2
    assert [entry["kind"] for entry in facts["entries"][:3]] == ["catalog", "release", "release"]


def test_a_clone_without_notes_is_told_of_the_line_that_fetches_them(story: AuditRepo, tmp_path: Path) -> None:
    folder = story.clone(tmp_path / "config", notes=False)
    told = run("--json", cwd=folder)
    assert told.returncode == 0
    assert FETCH_NOTES in told.stderr
    assert FETCH_NOTES in json.loads(told.stdout)["hints"][0]
    subprocess.run(FETCH_NOTES.split(), cwd=folder, check=True, capture_output=True)
    assert run(cwd=folder).stderr == ""


def test_outside_of_a_clone_the_worker_s_variables_say_where_it_is(tmp_path: Path) -> None:
    with git_stage(tmp_path) as git:
        story = everything(tmp_path / "origin")
        story.git("push", "--quiet", str(git.bare()), "main", "refs/notes/slipway")
        variables = {"CONFIG_REPO": CONFIG, "GITHUB_URL": git.server.url, "GITHUB_TOKEN": TOKEN}
        told = run("--json", cwd=tmp_path, SLIPWAY_STATE=str(tmp_path / "state"), **variables)
    assert told.returncode == 0, told.stderr
    facts = json.loads(told.stdout)
    assert facts["entries"] == audit_facts(read(story.folder))["entries"]
    assert TOKEN not in told.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--app", "blogg"], 2, "has no app 'blogg'; did you mean `blog`?"),
        (["--app", "zzz"], 2, "there are `blog` and `shop`"),
        (["--env", "prod"], 2, "did you mean `production`?"),
        (["--since", "yesterday"], 1, "Write a day (2026-11-01)"),
        (["--since", "2999-01-01"], 1, "lies in the future"),
        (["--json", "--csv"], 2, "exclude each other"),
        (["--repo", "/nowhere"], 1, "is not in a Git repository"),
    ],
)
def test_what_cannot_be_told_is_refused_in_a_sentence(
    clone: Path, arguments: list[str], status: int, words: str
) -> None:
    told = run(*arguments, cwd=clone)
    assert (told.returncode, told.stdout) == (status, "")
    assert words in " ".join(told.stderr.split())
    assert "Traceback" not in told.stderr


def test_without_a_clone_and_without_variables_both_ways_are_told(tmp_path: Path) -> None:
    told = run(cwd=tmp_path)
    assert told.returncode == 1
    assert "name one with --repo" in told.stderr
    assert "CONFIG_REPO: is missing" in told.stderr


def test_a_clone_of_something_else_is_told_apart(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "-m", "x"], cwd=tmp_path, check=True)
    assert "name one with --repo" in run(cwd=tmp_path).stderr
    assert "There is no slipway.yaml" in run("--repo", ".", cwd=tmp_path).stderr


def test_the_command_is_in_the_help() -> None:
    assert "audit" in cli.list_commands(None)  # type: ignore[arg-type]


def test_a_catalog_with_a_mistake_is_hinted_at_and_the_last_good_one_serves(tmp_path: Path) -> None:
    repo = begin(tmp_path / "origin")
    repo.commit("20 09:00", {"slipway.yaml": "apps: {"}, "Break the catalog")
    told = run("--json", cwd=repo.folder)
    assert told.returncode == 0
    facts = json.loads(told.stdout)
    assert "this is not YAML" in "".join(facts["hints"])
    assert "The last good catalog" in told.stderr
    assert "blog" in {entry["app"] for entry in facts["entries"]}


# ---------------------------------------------------------------- JSON and CSV


def test_json_and_csv_tell_the_same_of_the_story(clone: Path) -> None:
    asked = ["--app", "blog", "--since", "2026-11-20T10:30:00Z"]
    facts = json.loads(run(*asked, "--json", cwd=clone).stdout)
    rows = list(csv.DictReader(io.StringIO(run(*asked, "--csv", cwd=clone).stdout)))
    assert rows
    assert rows == [{name: cell(value) for name, value in entry.items()} for entry in facts["entries"]]


def cell(value: Any) -> str:
    """How a fact of the JSON stands in the CSV; text that a spreadsheet would run has an apostrophe before it."""
    if isinstance(value, list):
        value = " ".join(value)
    text = "" if value is None else str(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in {"=", "+", "-", "@", "\t"} else text


WORDS = st.sampled_from(["", "Sort", "=1+1", "-x", "@abel", '"', ",", "a\nb", "'", "+", "\t", "\U0001f600 é", " x "])
SHAS = st.integers(0, 16**40 - 1).map(lambda number: f"{number:040x}")
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 11, 24)).map(lambda at: f"{at:%Y-%m-%dT%H:%M:%SZ}")  # noqa: DTZ001 - the zone is written behind
NOTES = st.builds(
    OutcomeNote, WORDS, WORDS, WORDS, st.sampled_from(Outcome), TIMES, st.floats(0, 1e6), st.tuples(WORDS), WORDS
)
MERGES = st.builds(Merge, WORDS, SHAS, WORDS, st.none() | st.builds(Person, WORDS), st.none() | TIMES)
ENTRIES = st.builds(
    Entry,
    st.builds(ConfigCommit, SHAS, st.just(()), WORDS, WORDS, WORDS, TIMES, WORDS, st.just(())),
    st.sampled_from(Kind),
    st.none() | WORDS,
    st.none() | WORDS,
    WORDS,
    WORDS,
    release=st.none() | st.builds(Release, WORDS, WORDS, MERGES),
    image=st.none() | WORDS,
    approval=st.sampled_from(Approval),
    approved_by=st.lists(WORDS, max_size=2).map(tuple),
    notes=st.lists(NOTES, max_size=2).map(tuple),
    reason=WORDS,
    reverts=st.lists(SHAS, max_size=2).map(tuple),
    reverted_by=st.none() | SHAS,
    hold=st.none() | st.sampled_from(HoldChange),
    requested_by=st.none() | WORDS,
    skipped=st.lists(WORDS, max_size=2).map(tuple),
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ENTRIES, max_size=2))
def test_json_and_csv_agree_whatever_people_wrote(entries: list[Entry]) -> None:
    found = Audit("main", "f" * 40, ("staging", "production"), tuple(entries), NOW)
    facts = json.loads(json.dumps(audit_facts(found)))
    header, *rows = csv.reader(io.StringIO(audit_csv(found), newline=""))
    assert tuple(header) == COLUMNS
    assert rows == [[cell(entry[name]) for name in COLUMNS] for entry in facts["entries"]]
    assert [tuple(entry_facts(entry)) for entry in entries] == [COLUMNS] * len(entries)


def test_the_figures_of_every_place_are_in_the_json(clone: Path) -> None:
    dora = audit_facts(read(clone))["dora"]
    places = {(place["app"], place["environment"]): place for place in dora["places"]}
    assert list(places) == [(app, place) for app in ("blog", "shop") for place in ("staging", "production")]
    assert dora["overall"] == {
        "days": 4.17,
        "deployments": 4,
        "deployments_per_week": 6.72,
        "lead_seconds": 49560.0,
        "failures": 2,
        "change_failure_rate": 0.5,
        "restore_seconds": 960.0,
        "restored": 2,
    }
    assert places["blog", "staging"]["lead_seconds"] == 990.0
    assert places["shop", "staging"]["deployments"] == 0


def test_one_line_of_the_story_in_full(clone: Path) -> None:
    entries = audit_facts(read(clone))["entries"]
    failed = next(entry for entry in entries if entry["outcome"] == "failed")
    rolled_back = next(entry for entry in entries if entry["kind"] == "rollback")
    assert failed["release"] == NEW.id
    assert (failed["source_pull_request"], failed["merged_by"], failed["approved_by"]) == (0x56, "dora", ["abel"])
    assert failed["outcome_reason"] == rolled_back["reason"] == "The pods did not become ready: CrashLoopBackOff."
    assert failed["reverted_by"] == rolled_back["config_commit"]
    assert rolled_back["reverts"] == [failed["config_commit"]]
    assert rolled_back["hold"] == "set"
