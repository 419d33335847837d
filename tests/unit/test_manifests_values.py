"""Manifests as the cluster is given them: plain data with the types that kubectl would give it.

The expected values were taken from sigs.k8s.io/yaml 1.6 (``YAMLToJSON``), which kubectl reads with.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.manifests import ManifestError, parse_documents

FOLDER = Path(__file__).parent / "manifests"
HEAD = "apiVersion: v1\nkind: Thing\n"


def value_of(spelled: str) -> Any:
    (document,) = parse_documents(f"{HEAD}v: {spelled}\n", "x.yaml")
    return document["v"]


@pytest.mark.parametrize(
    ("spelled", "value"),
    [
        *((text, True) for text in ("y", "Y", "yes", "YES", "true", "True", "on", "On", "!!bool yes")),
        *((text, False) for text in ("n", "N", "no", "No", "false", "FALSE", "off", "Off")),
        *((text, None) for text in ("", "~", "null", "Null", "!!null ~")),
        *((text, text) for text in ("yEs", "nUll", "=", "<<", "1:30", "1:30:00", "2018-12-01", "2018-12-01T10:00:00Z")),
        *(
            (text, text)
            for text in ("0o8", "0x", "0b2", "1.2.3", "1e", ".", "--", "+", "_1", "1e400", "Infinity", "NaN")
        ),
        ("0", 0),
        ("0755", 0o755),
        ("-017", -15),
        ("0o17", 15),
        ("0x1F", 31),
        ("-0b11", -3),
        ("08", 8),
        ("1_000", 1000),
        ("+5", 5),
        ("9223372036854775807", 2**63 - 1),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
        ("1.5", 1.5),
        (".5_0", 0.5),
        ("1e3", 1000),
        ("3.0", 3),
        ("1e-2", 0.01),
        ("!!float 5", 5),
        ("!!str 5", "5"),
        ("! 5", "5"),
        ("'5'", "5"),
        ('"yes"', "yes"),
        ("|\n  5\n", "5\n"),
        (">-\n  a\n  b\n", "a b"),
        ('"\\u00e9\\t"', "é\t"),
        ("a\n  b", "a b"),
        ("{a: [1, b: c]}", {"a": [1, {"b": "c"}]}),
        ("{1: a, yes: b, 0x10: c, 'd': e}", {"1": "a", "true": "b", "16": "c", "d": "e"}),
        ("[&a {x: 1}, *a]", [{"x": 1}, {"x": 1}]),
        ("{<<: {x: 1, z: 2}, z: 3}", {"x": 1, "z": 3}),
        ("{<<: [{x: 1}, {x: 2, z: 3}]}", {"x": 1, "z": 3}),
        ("{'<<': {x: 1}}", {"<<": {"x": 1}}),
    ],
)
def test_values_have_the_types_that_kubectl_gives_them(spelled: str, value: object) -> None:
    read = value_of(spelled)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("spelled", "reason"),
    [
        ("{a: 1, a: 2}", "the key 'a' is here twice"),
        ("{1: a, '1': b}", "the key '1' is here twice"),
        ("{a: 1, <<: {a: 2}}", "readers of YAML differ in whether << here replaces a"),
        ("{<<: 5}", "<< needs a mapping, or a list of mappings"),
        ("{[a]: b}", "a key must be a text"),
        ("{~: b}", "a key must be a text"),
        ("{1.5: b}", "a key must be a text"),
        (".inf", "the number .inf cannot be sent to Kubernetes"),
        ("!!binary aGk=", "Kubernetes has no use for the tag tag:yaml.org,2002:binary"),
        ("!secret x", "Kubernetes has no use for the tag !secret"),
        ("!secret [x]", "Kubernetes has no use for the tag !secret"),
        ("!secret {x: y}", "Kubernetes has no use for the tag !secret"),
        ("!!int x", "'x' is not of the type !!int"),
        ("!!int yes", "'yes' is not of the type !!int"),
    ],
)
def test_what_would_mislead_its_reader_is_refused_by_line(spelled: str, reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        value_of(spelled)
    assert (caught.value.line, caught.value.reason) == (3, reason)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("---\n- a\n", 2, "a manifest is needed here, a mapping with apiVersion and kind"),
        ("just text\n", 1, "a manifest is needed here, a mapping with apiVersion and kind"),
        ("kind: Pod\n---\nkind: Pod\n", 1, "this object has no apiVersion"),
        ("apiVersion: v1\n", 1, "this object has no kind"),
        ("apiVersion: 1\nkind: Pod\n", 1, "this object has no apiVersion"),
        ("apiVersion: v1\nkind: List\nitems: [a]\n", 1, "an item of this List is no object"),
        ("apiVersion: v1\nkind: List\nitems: [{kind: Pod}]\n", 1, "this object has no apiVersion"),
        (f"{HEAD}\n---\n\n# x\na: [\n", 8, "this is not YAML: expected the node content, but found '<stream end>'"),
    ],
)
def test_what_is_no_kubernetes_object_is_refused_by_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(ManifestError) as caught:
        parse_documents(text, "x.yaml")
    assert (caught.value.line, caught.value.reason) == (line, reason)


def test_lists_are_flattened_and_empty_documents_dropped() -> None:
    text = (
        "---\n---\n# nothing\n---\n~\n---\n"
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n"
        "- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret}]}\n---\n"
        "apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: a}}]\n---\n"
        "apiVersion: x/v1\nkind: AllowList\nspec: {}\n---\n"
        "apiVersion: v1\nkind: List\nitems: []\n...\n"
    )
    assert parse_documents(text, "x.yaml") == [
        {"apiVersion": "v1", "kind": "Pod"},
        {"apiVersion": "v1", "kind": "Secret"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}},
        {"apiVersion": "x/v1", "kind": "AllowList", "spec": {}},
    ]


def test_an_aliased_value_is_a_copy_that_can_be_changed_alone() -> None:
    (document,) = parse_documents(HEAD + "a: &a {x: [1]}\nb: *a\n", "x.yaml")
    document["a"]["x"].append(2)
    assert document["b"] == {"x": [1]}


def test_an_alias_bomb_is_refused() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    with pytest.raises(ManifestError, match="over 1,000,000 values"):
        parse_documents(f"{HEAD}a0: &a0 x\n{levels}", "x.yaml")


def test_a_bomb_of_merge_keys_is_refused() -> None:
    levels = "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))
    with pytest.raises(ManifestError, match="over 1,000,000 values"):
        parse_documents(f"{HEAD}a0: &a0 {{x: y}}\n{levels}", "x.yaml")


@pytest.mark.parametrize("name", ["styles.yaml", "tabs.yaml", "anchors.yaml", "windows.yaml"])
def test_the_data_is_plain_and_fit_for_json(name: str) -> None:
    documents = parse_documents((FOLDER / name).read_bytes().decode(), name)
    assert documents
    assert json.loads(json.dumps(documents, allow_nan=False)) == documents


def test_tabs_are_read_as_kubectl_reads_them() -> None:
    (pod,) = parse_documents((FOLDER / "tabs.yaml").read_text(), "tabs.yaml")
    talk = pod["spec"]["containers"][2]
    assert talk == {
        "name": "talk",
        "image": "registry.example.com/site:old",
        "args": ["a", "b", "c\td"],
        "command": ["sh", "-c", "a\tb"],
    }
    assert pod["spec"]["containers"][3]["workingDir"] == "/a\tb"
