"""The JSON Schema for editors, and the reference that explains the same keys to people."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from bot.catalog import CatalogError, parse_catalog, schema

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
SECTIONS = {"RawEnvironment": "Environments", "RawApp": "Apps", "RawHelm": "Helm"}


def objects() -> dict[str, dict[str, Any]]:
    whole = schema()
    return {"RawCatalog": whole} | {
        name: definition for name, definition in whole["$defs"].items() if "properties" in definition
    }


def table(section: str) -> dict[str, tuple[str, str]]:
    """The keys of the first table below a heading, each with its default and its example."""
    below = re.split(rf"^##+ {section}$", REFERENCE, flags=re.MULTILINE)[1]
    rows = re.search(r"^\| key \|.*?\n\n", below, re.MULTILINE | re.DOTALL)
    assert rows
    cells = [re.split(r"(?<!\\) \| ", row.strip("| ")) for row in rows[0].strip().splitlines()[2:]]
    return {key.strip("`"): (default, example.strip("`")) for key, default, _, example in cells}


def test_the_schema_is_a_valid_schema_of_its_draft() -> None:
    assert schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_key_and_every_object_has_a_description() -> None:
    for name, definition in objects().items():
        assert definition["description"], name
        assert definition["additionalProperties"] is False
        for key, value in definition["properties"].items():
            assert len(value["description"]) > 20, f"{name}.{key}"


def test_every_example_in_the_schema_is_taken() -> None:
    for name in ("RawEnvironment", "RawApp"):
        for key, value in objects()[name]["properties"].items():
            for example in value["examples"]:
                environment = {"name": "e", "cluster": "c", "namespace": "n", "gate": "pull-request"}
                app = {"name": "a", "source": "o/r", "image": "i"}
                (environment if name == "RawEnvironment" else app)[key] = example
                parse_catalog(json.dumps({"environments": [environment], "apps": [app]}))


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_every_snippet_of_the_reference_is_a_catalog_to_slipway_and_to_an_editor(snippet: str) -> None:
    assert parse_catalog(snippet).environments
    jsonschema.validate(YAML(typ="safe").load(snippet), schema(), jsonschema.Draft202012Validator)


def test_the_snippets_are_found() -> None:
    assert len(SNIPPETS) == REFERENCE.count("```yaml\n") >= 6


@pytest.mark.parametrize("definition", SECTIONS)
def test_the_reference_has_every_key_with_its_default(definition: str) -> None:
    described = table(SECTIONS[definition])
    model = objects()[definition]
    assert set(described) == set(model["properties"])
    for key, (default, _) in described.items():
        value = model["properties"][key]
        if key in model["required"]:
            assert default == "required"
        elif "default" in value and key not in ("manifests", "paths"):
            assert YAML(typ="safe").load(default.strip("`")) == value["default"], key
        else:
            assert default != "required", key


def test_every_example_of_the_reference_is_taken() -> None:
    for part, other in (("Environments", "environments"), ("Apps", "apps")):
        for key, (_, example) in table(part).items():
            environment = {"name": "e", "cluster": "c", "namespace": "n", "gate": "pull-request"}
            app = {"name": "a", "source": "o/r", "image": "i"}
            (environment if other == "environments" else app)[key] = YAML(typ="safe").load(example)
            parse_catalog(json.dumps({"environments": [environment], "apps": [app]}))


def test_the_mistakes_of_the_reference_get_the_answer_that_it_shows() -> None:
    broken = re.search(r"^```yaml broken\n(.*?)^```\n\n```text\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
    assert broken
    with pytest.raises(CatalogError) as caught:
        parse_catalog(broken[1])
    assert str(caught.value) == broken[2].rstrip("\n")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(YAML(typ="safe").load(broken[1]), schema(), jsonschema.Draft202012Validator)
