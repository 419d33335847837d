"""What the documents say holds: links lead somewhere, commands exist, YAML parses, tables agree with the code."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from ruamel.yaml import YAML

from bot.adapters.kubernetes.errors import RULE_VERBS
from bot.adapters.kubernetes.probe import wanted_access
from bot.catalog import parse_catalog
from bot.cli import cli
from bot.doctor_github import APP_LIKES, APP_NEEDS, CONFIG_EVENTS, SOURCE_EVENTS
from bot.settings import AccessSettings, Settings, WebSettings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
INSTALL = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def name(page: object) -> str:
    return page.name if isinstance(page, Path) else str(page)


def blocks(language: str) -> list[tuple[str, str]]:
    return [
        (page.name, body)
        for page in PAGES
        for kind, body in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language
    ]


def anchors(page: Path) -> set[str]:
    """The headings as GitHub names them: lower case, punctuation gone, spaces to hyphens."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(BLOCK.sub("", page.read_text(encoding="utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {link}"


@pytest.mark.parametrize(("page", "text"), blocks("sh"))
def test_every_shell_snippet_is_one_that_a_shell_understands(page: str, text: str) -> None:
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{page}: {checked.stderr}"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every ``python3 -m bot …`` in shell snippets and in ticks; words in capitals stand for arguments."""
    for page in PAGES:
        text = re.sub(r"^```bash\n.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        for line in re.findall(r"python3? -m bot\b([^`\n]*)", text):
            words = shlex.split(line.split("|")[0].split(">")[0].replace("…", ""), comments=True)
            if words and not words[0].isupper():
                yield page.name, words


@pytest.mark.parametrize(("page", "words"), list(commands()))
def test_every_command_in_the_documents_is_one_of_ours_with_options_it_takes(page: str, words: list[str]) -> None:
    group = click.Context(cli)
    command = cli.get_command(group, words[0])
    assert command is not None, f"{page}: python -m bot {words[0]}"
    known = {flag for parameter in command.params for flag in getattr(parameter, "opts", ())}
    for word in words[1:]:
        if word.startswith("-") and word != "-":
            assert word.strip("[]").partition("=")[0] in known, f"{page}: {words[0]} {word}"


@pytest.mark.parametrize(("page", "text"), blocks("yaml"))
def test_every_yaml_snippet_parses_and_every_catalog_is_a_good_one(page: str, text: str) -> None:
    documents = list(YAML(typ="safe").load_all(text))
    assert documents, page
    if isinstance(documents[0], dict) and {"environments", "apps"} <= documents[0].keys():
        assert parse_catalog(text).environments


def test_the_permissions_in_the_guide_are_those_that_doctor_asks_for() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (read|write) \|", INSTALL, re.MULTILINE))
    assert rows == {**APP_NEEDS, **APP_LIKES}


def test_the_events_in_the_guide_are_those_that_doctor_asks_for() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (yes)? ?\| (yes)? ?\|", INSTALL, re.MULTILINE)
    assert {event for event, config, _ in rows if config} == set(CONFIG_EVENTS)
    assert {event for event, _, source in rows if source} == set(SOURCE_EVENTS)


def test_the_role_in_the_guide_grants_what_a_sync_does() -> None:
    granted = {
        (group, resource): set(rule["verbs"])
        for rule in role()["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    for group, resource in applied_in_the_example():
        assert granted[group, resource] == {*RULE_VERBS, "delete"}, resource
    for access in wanted_access((), "staging"):
        assert granted[access.group, access.resource] >= set(access.verbs), access


def role() -> Any:
    documents = (each for _, text in blocks("yaml") for each in YAML(typ="safe").load_all(text))
    return next(each for each in documents if each.get("kind") == "Role")


def applied_in_the_example() -> set[tuple[str, str]]:
    """API group and plural of every namespaced kind in the example config repo."""
    found = set()
    for path in (ROOT / "config-repo-example").rglob("*.yaml"):
        for document in YAML(typ="safe").load_all(path):
            if "apiVersion" in document and document["kind"] != "Namespace":
                group, slash, _ = document["apiVersion"].partition("/")
                kind = document["kind"].lower()
                found.add((group if slash else "", f"{kind}es" if kind.endswith("s") else f"{kind}s"))
    return found


def test_the_readme_lists_every_variable() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8")
    fields = {**Settings.model_fields, **WebSettings.model_fields, **AccessSettings.model_fields}
    variables = {field.alias for field in fields.values() if field.alias}
    internal = {"SLIPWAY_BUILDER"}
    assert {variable for variable in variables - internal if f"`{variable}`" not in table} == set()


def test_every_command_has_a_line_on_the_page_of_commands() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    told = {words.split()[0]: words for words in re.findall(r"^\| `([a-z][^`]*)` \|", page, re.MULTILINE)}
    group = click.Context(cli)
    assert sorted(told) == cli.list_commands(group)
    for name_, words in told.items():
        command = cli.get_command(group, name_)
        assert command is not None
        known = {flag for parameter in command.params for flag in getattr(parameter, "opts", ())}
        assert set(re.findall(r"--[a-z]+", words)) <= known, words


def test_a_shell_completes_commands_as_the_page_says(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    ask = 'COMP_WORDS=(slipway roll); COMP_CWORD=1; _slipway_completion slipway; echo "${COMPREPLY[@]}"'
    path = f"{tmp_path}/.local/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path)}
    run = ["bash", "-c", script + ask]
    done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["rollback"], done.stderr
