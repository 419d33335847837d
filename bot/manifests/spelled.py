"""How what is added to a YAML document is spelled, in block and in flow style. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from bot.manifests.values import resolve

_PLAIN = re.compile(r"[A-Za-z0-9_/](?:[A-Za-z0-9_./@:-]*[A-Za-z0-9_./-])?")
_DIGITS = re.compile(r"[-+_.:]*[0-9][-+0-9_.:]*")
"""Numbers, dates and times: with two dots it is a version, which every reader takes for a text."""

_VERSION_DOTS = 2


def block_entries(values: Mapping[str, Any], indent: int) -> list[str]:
    """The lines of a mapping in block style; texts, mappings and lists of mappings are its values."""
    lines: list[str] = []
    for key, value in values.items():
        match value:
            case dict():
                lines += [f"{' ' * indent}{key}:", *block_entries(value, indent + 2)]
            case list():
                lines += [f"{' ' * indent}{key}:", *(line for item in value for line in block_item(item, indent))]
            case _:
                lines.append(f"{' ' * indent}{key}: {spell(value, in_flow=False)}")
    return lines


def block_item(item: Mapping[str, Any], indent: int) -> list[str]:
    """The lines of one mapping in a list in block style."""
    lines = block_entries(item, indent + 2)
    return [f"{' ' * indent}- {lines[0].lstrip()}", *lines[1:]]


def flow_entries(values: Mapping[str, Any]) -> str:
    """A mapping in flow style, without its braces."""
    return ", ".join(f"{key}: {flow(value)}" for key, value in values.items())


def flow(value: Any) -> str:
    """A value in flow style."""
    match value:
        case dict():
            return f"{{{flow_entries(value)}}}"
        case list():
            return f"[{', '.join(map(flow, value))}]"
        case _:
            return spell(value, in_flow=True)


def spell(value: str, *, in_flow: bool) -> str:
    """A text as YAML: plain where every reader takes it for a text."""
    is_typed = not isinstance(resolve(value), str) or (_DIGITS.fullmatch(value) and value.count(".") < _VERSION_DOTS)
    plain = _PLAIN.fullmatch(value) and not is_typed
    return value if plain and not (in_flow and ":" in value) else f'"{value}"'
