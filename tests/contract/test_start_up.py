"""What people read when a process does not start: real processes, one paragraph, an exit code, no traceback."""

import fcntl
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bot.adapters.dbos.database import migrate
from bot.adapters.dbos.worker_lock import acquire
from bot.sandbox.forge import Forge
from tests.engines import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
WEB = ["gunicorn", "--config", "python:webhooks.gunicorn_conf", "webhooks.app:create_app()"]
WORKER, UP, MIGRATE = ["bot", "worker"], ["bot", "up"], ["bot", "migrate"]
RETRY = ["bot", "retry", "release/shop/3f2c1ab/1"]
SECRET = "s3cret-0123456789"


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """Enough to start on, with a GitHub that nobody answers at."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    return {
        "CONFIG_REPO": "acme/config",
        "GITHUB_URL": nowhere,
        "GITHUB_API_URL": nowhere,
        "GITHUB_TOKEN": SECRET,
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "DATABASE_URL": f"sqlite:///{tmp_path}/slipway.db",
        "SLIPWAY_STATE": str(tmp_path / "state"),
        "PORT": str(free_port()),
    }


def refusal(command: list[str], variables: Mapping[str, str]) -> str:
    """What a process says that does not start. The whole group has ended when its pipe is at its end."""
    inherited = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG", "TMPDIR"}}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**inherited, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode not in (0, -9), done.stdout
    assert "Traceback" not in done.stdout
    assert SECRET not in done.stdout
    return done.stdout


def once(text: str, words: str) -> bool:
    """Whether it is said, and said once."""
    return text.count(words) == 1


# ---------------------------------------------------------------- variables

WRONG = {
    "CONFIG_REPO": "config",
    "GITHUB_URL": "github.com",
    "DATABASE_URL": "mysql://x",
    "RECONCILE_SECONDS": "soon",
    "ROLLOUT_TIMEOUT_SECONDS": "0",
    "WORKER_ID": "a b",
    "SLIPWAY_BUILDER": "kaniko",
    "GITHUB_APP_ID": "17",
    "GITHUB_APP_PRIVATE_KEY_FILE": "/nowhere/key.pem",
}
SAID = {
    "CONFIG_REPO: must be `owner/name`",
    "GITHUB_URL: must be a URL that starts with https://",
    "DATABASE_URL: must start with sqlite:///",
    "RECONCILE_SECONDS: must be a number of seconds",
    "ROLLOUT_TIMEOUT_SECONDS: must be more than 0",
    "WORKER_ID: may have up to 100 letters",
    "SLIPWAY_BUILDER: must be docker or sandbox",
    "GITHUB_APP_PRIVATE_KEY_FILE: /nowhere/key.pem cannot be read (No such file or directory)",
}


@pytest.mark.parametrize(
    "command", [WORKER, UP, RETRY, ["bot", "sync", "shop", "staging"], ["bot", "status"]], ids=lambda words: words[1]
)
def test_every_wrong_variable_is_named_at_once(command: list[str]) -> None:
    text = refusal(command, WRONG)
    assert [words for words in SAID if not once(text, f"\n  {words}")] == []
    assert once(text, "Error: The environment is not complete:")
    assert ("GITHUB_WEBHOOK_SECRET: is missing" in text) == (command == UP)


def test_the_web_process_names_what_it_lacks_at_once() -> None:
    text = refusal(WEB, {"DATABASE_URL": "mysql://x", "PORT": str(free_port())})
    assert once(text, "GITHUB_WEBHOOK_SECRET: is missing")
    assert once(text, "DATABASE_URL: must start with sqlite:///")


def test_a_worker_without_any_variable_is_told_what_it_needs() -> None:
    text = refusal(WORKER, {})
    assert text == (
        "Error: The environment is not complete:\n"
        "  identity: set GITHUB_TOKEN (a machine user's token), or GITHUB_APP_ID together with GITHUB_APP_PRIVATE_KEY "
        "or GITHUB_APP_PRIVATE_KEY_FILE\n"
        "  CONFIG_REPO: is missing\n"
        "The README tells what each is for, `python -m bot doctor` checks them, and `python -m bot demo` needs none.\n"
    )


# ---------------------------------------------------------------- the port


def port_in_use(command: list[str], variables: Mapping[str, str]) -> str:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        text = refusal(command, {**variables, "PORT": port})
    assert once(text, f"cannot listen on 0.0.0.0:{port}: another process uses it. Stop what listens there, or give")
    assert "Retrying" not in text
    return text


def test_a_port_in_use_is_one_sentence(variables: dict[str, str]) -> None:
    port_in_use(WEB, variables)


def test_a_port_in_use_leaves_no_worker_running(variables: dict[str, str], tmp_path: Path) -> None:
    with Forge(tmp_path / "github") as forge:
        token = forge.create_user("robot", type="Bot")
        forge.create_repo("acme/config", collaborators={"robot": "write"})
        github = {"GITHUB_URL": forge.url, "GITHUB_API_URL": forge.api_url, "GITHUB_TOKEN": token, "WORKER_ID": "one"}
        port_in_use(UP, {**variables, **github})
    acquire(variables["DATABASE_URL"], "one", patience=0).release()


def test_a_port_that_is_none_is_named(variables: dict[str, str]) -> None:
    assert "'http' is not a valid port number" in refusal(WEB, {**variables, "PORT": "http"})


# ---------------------------------------------------------------- the database


@contextmanager
def another_machine(database: Path) -> Iterator[None]:
    """A process of another machine that uses the database over a shared folder: its name, and its shared lock."""
    path = database.with_name(f"{database.name}.machine")
    with path.open("w+") as file:
        file.write("another-boot-id build-host-2")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
        yield


@pytest.mark.parametrize("command", [MIGRATE, WORKER, UP, RETRY, WEB], ids=lambda words: words[-1].partition(":")[0])
def test_sqlite_is_refused_to_a_second_machine(command: list[str], variables: dict[str, str], tmp_path: Path) -> None:
    migrate(variables["DATABASE_URL"])
    before = (tmp_path / "slipway.db").read_bytes()
    with another_machine(tmp_path / "slipway.db"):
        text = refusal(command, variables)
    assert once(
        text, f"{tmp_path}/slipway.db is in use by the machine build-host-2, and this is {socket.gethostname()}"
    )
    assert "one PostgreSQL in DATABASE_URL" in text
    assert (tmp_path / "slipway.db").read_bytes() == before


def test_a_database_may_move_to_another_machine_once_nobody_uses_it(variables: dict[str, str], tmp_path: Path) -> None:
    with another_machine(tmp_path / "slipway.db"):
        pass
    migrate(variables["DATABASE_URL"])
    assert (tmp_path / "slipway.db.machine").read_text().endswith(f" {socket.gethostname()}")


@pytest.mark.parametrize("command", [MIGRATE, WORKER, UP], ids=lambda words: words[1])
def test_a_database_of_a_newer_version_is_refused(
    command: list[str], variables: dict[str, str], tmp_path: Path
) -> None:
    migrate(variables["DATABASE_URL"])
    with closing(sqlite3.connect(tmp_path / "slipway.db")) as connection, connection:
        connection.execute("UPDATE dbos_migrations SET version = version + 1")
    text = refusal(command, variables)
    assert re.search(r"Error: The database is at version \d+ of its tables, and this version of Slipway knows", text)
    assert once(text, "a newer version has run on it. Run that version, or name another database in DATABASE_URL.")


@pytest.mark.parametrize("command", [MIGRATE, WORKER, UP, RETRY], ids=lambda words: words[1])
def test_a_database_out_of_reach_is_said(command: list[str], variables: dict[str, str]) -> None:
    url = f"postgresql://robot:{SECRET}@127.0.0.1:{free_port()}/slipway"
    text = refusal(command, {**variables, "DATABASE_URL": url})
    assert once(text, "Error: Slipway could not ")
    assert once(text, "refused")
    assert once(text, "See to the database that DATABASE_URL names")


def test_a_second_worker_of_one_name_is_refused(variables: dict[str, str]) -> None:
    migrate(variables["DATABASE_URL"])
    first = acquire(variables["DATABASE_URL"], "slot-1")
    text = refusal(WORKER, {**variables, "WORKER_ID": "slot-1"})
    first.check()
    first.release()
    assert text.startswith("Error: Another process runs as the worker slot-1 on this database. Stop it first, or give")


# ---------------------------------------------------------------- GitHub


def test_a_token_that_github_does_not_know_is_refused_by_its_variable(
    variables: dict[str, str], tmp_path: Path
) -> None:
    with Forge(tmp_path / "github") as forge:
        text = refusal(WORKER, {**variables, "GITHUB_URL": forge.url, "GITHUB_API_URL": forge.api_url})
    assert once(text, "Error: Could not read the bot's own account: GitHub refused the credentials (Bad credentials).")
    assert once(text, "Give the bot a valid GITHUB_TOKEN")


def test_a_key_that_is_none_is_refused_and_not_shown(variables: dict[str, str]) -> None:
    app = {"GITHUB_APP_ID": "17", "GITHUB_APP_PRIVATE_KEY": SECRET, "GITHUB_TOKEN": ""}
    text = refusal(WORKER, {**variables, **app})
    assert once(text, "Error: GITHUB_APP_PRIVATE_KEY is not the private key of a GitHub App.")


def test_a_github_out_of_reach_is_said(variables: dict[str, str]) -> None:
    assert once(refusal(WORKER, variables), "Error: Could not read the bot's own account: GitHub cannot be reached.")
