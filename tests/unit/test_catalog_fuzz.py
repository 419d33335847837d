"""Whatever somebody commits as ``slipway.yaml``, the answer is a catalog or a ``CatalogError``."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.catalog import Catalog, CatalogError, Problem, parse_catalog, schema

KEYS = ["environments", "apps", *schema()["$defs"]["RawEnvironment"]["properties"], *schema()["$defs"]["RawApp"]["properties"]]  # fmt: skip # noqa: E501 - one list
PIECES = st.sampled_from(
    [
        *(f"\n{' ' * indent}{key}: " for key in KEYS for indent in (0, 2, 4)),
        *(
            "\n  - ",
            "\n- ",
            "[",
            "]",
            "{",
            "}",
            ", ",
            "&a ",
            "*a",
            "<<: *a",
            "!x ",
            "!!int ",
            "!!binary ",
            "|\n   ",
            ">",
        ),
        *("%YAML 1.1\n---\n", "%TAG ! tag:x,2000:%zz\n---\n", "---\n", "...\n", "# ", "\t", "\r\n", "\ufeff", "\x85"),
        *(
            "'",
            '"',
            '"\\x',
            '"\\Uffffffff"',
            "~",
            "1",
            "1.50",
            "0x1F",
            "1_0",
            "9" * 5000,
            "1e400",
            ".inf",
            "2001-99-99",
        ),
        *("true", "staging", "commit", "pull-request", "{app}", "Fri 16:00 - Mon 08:00 Europe/London", "a/b", "é", "@"),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["a/b", "shop", "commit"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner),
    max_leaves=8,
)


def read(text: str) -> None:
    catalog: Catalog | None = None
    problems: tuple[Problem, ...] = ()
    try:
        catalog = parse_catalog(text)
    except CatalogError as error:
        problems = error.problems
    assert bool(problems) is (catalog is None)
    breaks = sum(text.count(letter) for letter in "\n\r\x85\u2028\u2029")
    assert all(1 <= problem.line <= breaks + 1 for problem in problems)
    assert all(str(problem).isprintable() for problem in problems)


@given(st.text())
def test_any_text_is_a_catalog_or_a_catalog_error(text: str) -> None:
    read(text)


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_heap_of_yaml_is_a_catalog_or_a_catalog_error(text: str) -> None:
    read(text)


@given(VALUES)
def test_any_data_is_a_catalog_or_a_catalog_error(value: Any) -> None:
    read(json.dumps(value))


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_entry_with_known_keys_is_a_catalog_or_a_catalog_error(environment: Any, app: Any) -> None:
    good = {"name": "a", "cluster": "a", "namespace": "a", "gate": "commit", "source": "a/b", "image": "c"}
    environment, app = good | environment, good | app
    read(json.dumps({"environments": [environment, good], "apps": [app, good]}))
