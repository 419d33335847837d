import io
import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bot.cli import cli
from bot.facts import JobState
from bot.jobs import Ended, release_job, sync_job
from bot.overview import overview
from bot.releases import Outcome
from bot.status_command import page
from tests.config_fake import CATALOG, MANIFEST, FakeConfig, FakeQueue, release
from tests.dashboard_stage import NEW, DashboardStage, dashboard, git_stage
from tests.git_stage import CONFIG, TOKEN

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

EXPECTED = """\
config branch at 0000000
┏━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┓
┃ app  ┃ staging                                     ┃ production                                  ┃
┡━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┩
│ blog │ 5656565 ✓ healthy after 12 s  1 h ago       │ 3f3f3f3 ✗ failed  1 h ago                   │
│      │ Add a search box                            │ Open the blog                               │
│      │                                             │ no room                                     │
│      │                                             │ Drift is not looked for until it is         │
│      │                                             │ healthy.                                    │
│      │                                             │ held: Wait for the logo                     │
│      │                                             │ 5656565 waits for approval                  │
├──────┼─────────────────────────────────────────────┼─────────────────────────────────────────────┤
│ shop │ · waits for first release  1 h ago          │ · waits for first release  1 h ago          │
│      │ Release of shop aaaaaaa failed: Dockerfile  │ Rollout of shop on production: running      │
│      │ line 3: no.                                 │                                             │
│      │ Release of shop bbbbbbb: queued             │                                             │
└──────┴─────────────────────────────────────────────┴─────────────────────────────────────────────┘

Waiting for approval
  blog 5656565 to production, 1 h ago: Add a search box (branch slipway/production/blog)

What the workers do now
  Rollout of shop on production: running, 59 min ago
  Release of shop bbbbbbb: queued, 1 h ago
"""


def test_the_page_shows_places_approvals_and_work() -> None:
    config, queue = FakeConfig(), FakeQueue()
    image = "registry.example.com/shop:${TAG_TO_DEPLOY}"
    shop = {f"{at}/shop.yaml": MANIFEST.format(app="shop", image=image) for at in ("staging", "production")}
    hold = {".slipway/holds/production/blog.yaml": "reason: Wait for the logo"}
    config.edit({"slipway.yaml": CATALOG, **shop, **hold})
    old, new = release("blog", 0x3F, "Open the blog"), release("blog", 0x56)
    config.end(config.bump(old, "production"), "blog", "production", Outcome.FAILED, "no room")
    config.end(config.bump(new, "staging"), "blog", "staging", Outcome.HEALTHY)
    config.promote(new)
    queue.add(release_job("shop", "b" * 40), JobState.QUEUED)
    queue.add(sync_job("shop", "production", "c" * 40), JobState.RUNNING)
    queue.add(release_job("shop", "a" * 40), JobState.DONE, Ended("failed", "Dockerfile line 3: no"))
    paper = io.StringIO()
    Console(width=100, file=paper).print(page(overview(config, queue, str), NOW))
    shown = "\n".join(line.rstrip() for line in paper.getvalue().splitlines())
    assert shown + "\n" == EXPECTED


def test_shared_files_have_a_line_where_an_environment_has_some() -> None:
    config, paper = FakeConfig(), io.StringIO()
    config.edit({"slipway.yaml": CATALOG.replace("gate: commit,", "gate: commit, shared: [ingress],", 1)})
    config.end(config.edit({"ingress/all.yaml": "kind: Ingress\n"}), "", "staging", Outcome.HEALTHY)
    Console(width=120, file=paper).print(page(overview(config, FakeQueue(), str), NOW))
    (line,) = [line for line in paper.getvalue().splitlines() if "shared files" in line]
    assert "✓ healthy" in line
    assert line.count("none") == 1


# ---------------------------------------------------------------- as a command


@dataclass(frozen=True, slots=True)
class Status:
    """The command, and what it looks at."""

    stage: DashboardStage
    variables: dict[str, str]

    def run(self, *arguments: str) -> Result:
        return CliRunner(env={**self.variables, "COLUMNS": "160"}).invoke(cli, ["status", *arguments])

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "bot", "status", *arguments]
        environment = {**os.environ, **self.variables}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )


@pytest.fixture
def status(tmp_path: Path) -> Iterator[Status]:
    with git_stage(tmp_path) as git, dashboard(git) as stage:
        variables = {
            "CONFIG_REPO": CONFIG,
            "GITHUB_URL": git.server.url,
            "GITHUB_TOKEN": TOKEN,
            "DATABASE_URL": f"sqlite:///{stage.database}",
            "SLIPWAY_STATE": str(tmp_path / "state"),
        }
        yield Status(stage, variables)


def test_status_shows_every_app(status: Status) -> None:
    shown = status.run()
    assert shown.exit_code == 0
    for words in ("blog", "shop", "docs", "tutorials", "5656565 waits for approval", "held: Wait for the new logo"):
        assert words in shown.output
    assert TOKEN not in shown.output


def test_status_shows_only_the_apps_that_are_asked_for(status: Status) -> None:
    shown = status.run("shop", "--json")
    assert shown.exit_code == 0
    facts = json.loads(shown.output)
    assert [app["name"] for app in facts["apps"]] == ["shop"]
    assert facts["apps"][0]["environments"]["staging"]["state"] == "failed"
    assert facts["head"] == status.stage.git.tip()


def test_status_knows_what_was_meant(status: Status) -> None:
    shown = status.run("shopp")
    assert shown.exit_code == 2
    assert "did you mean `shop`?" in shown.output


def test_status_watches_and_prints_a_line_at_each_change_until_it_is_interrupted(status: Status) -> None:
    with status.start("--watch", "--json", "docs") as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        assert first["apps"][0]["environments"]["staging"]["release"] is None
        status.stage.bump(release("docs", 0x77), "staging", Outcome.HEALTHY)
        states = (json.loads(line)["apps"][0]["environments"]["staging"]["state"] for line in process.stdout)
        assert next(state for state in states if state == "healthy")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_status_watches_on_a_terminal_and_says_when_what_it_shows_is_old(status: Status) -> None:
    terminal, other_end = pty.openpty()
    command = [sys.executable, "-m", "bot", "status", "--watch", "docs"]
    environment = {**os.environ, **status.variables, "TERM": "xterm", "COLUMNS": "120", "LINES": "60"}
    with subprocess.Popen(command, env=environment, stdout=other_end, stderr=other_end) as process:
        os.close(other_end)
        await_words(terminal, "Release of docs c0c0c0c failed")
        status.stage.bump(release("docs", 0x77), "staging", Outcome.HEALTHY)
        await_words(terminal, "7777777")
        status.stage.git.server.status = 503
        await_words(terminal, "What you see may be old")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    os.close(terminal)


def await_words(terminal: int, words: str) -> None:
    """Read what a terminal is shown until the words are among it; the end of it is an OSError."""
    shown = ""
    while words not in shown:
        shown += os.read(terminal, 65536).decode(errors="replace")


def test_two_people_may_watch_at_once(status: Status) -> None:
    with status.start("--watch", "--json") as process:
        assert process.stdout is not None
        assert NEW.id in process.stdout.readline()
        assert status.run().exit_code == 0
        process.terminate()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"CONFIG_REPO": ""}, "CONFIG_REPO: is missing"),
        ({"GITHUB_URL": "http://127.0.0.1:9"}, "org/config"),
        ({"CONFIG_BRANCH": "nowhere"}, "has no branch nowhere"),
        ({"GITHUB_TOKEN": "", "GITHUB_APP_ID": "7", "GITHUB_APP_PRIVATE_KEY": "nonsense"}, "private key"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all.db"}, "database"),
    ],
)
def test_what_is_wrong_is_told_in_one_paragraph(status: Status, wrong: dict[str, str], told: str) -> None:
    status.variables.update(wrong)
    with status.start() as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert told in errors
    assert errors.startswith("Error: ")
    assert "Traceback" not in errors
    assert TOKEN not in errors


def test_a_warning_never_gets_into_the_facts(status: Status) -> None:
    status.stage.git.commit({"slipway.yaml": "apps: {"})
    with status.start("--json") as process:
        output, errors = process.communicate(timeout=60)
    assert "this is not YAML" in json.loads(output)["catalog_error"]
    assert "the last good catalog stays in force" in errors


def test_without_a_catalog_there_is_nothing_to_show(status: Status) -> None:
    status.stage.git.commit({"slipway.yaml": None})
    with status.start() as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "There is no slipway.yaml" in errors
