"""Set, add and take out keys of a YAML document by splicing its text: what kustomizations and values files need.

Block and flow style are kept. No edit is trusted: the result is read again, and must hold the data that was meant.
"""

import copy
import re
from collections.abc import Mapping as Values
from dataclasses import dataclass
from typing import Any

from bot.manifests.documents import (
    Document,
    ManifestError,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Tree,
    compose,
    split_documents,
)
from bot.manifests.spelled import block_entries, block_item, flow_entries, spell
from bot.manifests.splice import spelling
from bot.manifests.values import read_value
from bot.manifests.workloads import is_merge_key

Step = str | int
"""A key of a mapping, or a place in a list."""

_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")
_REMEDY = "write it in plain block style, without anchors, aliases and <<"


@dataclass(frozen=True, slots=True)
class Section:
    """The one document of a file: its text, its tree, and what it says."""

    text: str
    tree: Tree
    root: Mapping
    data: dict[str, Any]

    @property
    def document(self) -> Document:
        """For errors."""
        return self.tree.document

    def node(self, *path: Step) -> Node | None:
        """What stands at a path; None where nothing does. Merge keys are not looked into."""
        node: Node | None = self.root
        for step in path:
            node = _child(node, step)
        return node

    def line(self, *path: Step) -> int:
        """The line of what stands at a path, or of the last step towards it that is there."""
        node: Node = self.root
        for step in path:
            node = _child(node, step) or node
        return self.document.line_of(node.start)

    def error(self, path: tuple[Step, ...], reason: str, remedy: str = _REMEDY) -> ManifestError:
        """A refusal that names the line."""
        return ManifestError(self.document.path, self.line(*path), reason, remedy)


def read_section(text: str, path: str) -> Section:
    """Read a file that is one mapping.

    Raises:
        ManifestError: it is not YAML, or something else than one mapping.
    """
    trees = [tree for document in split_documents(text, path) if (tree := compose(document)).root is not None]
    if len(trees) != 1 or not isinstance(trees[0].root, Mapping):
        raise ManifestError(path, 1, "this must be one YAML document that is a mapping", "correct it")
    data = read_value(trees[0])
    if not isinstance(data, dict):
        raise ManifestError(path, 1, "this must be a mapping", "correct it")
    return Section(text, trees[0], trees[0].root, data)


def set_key(section: Section, path: tuple[Step, ...], value: str, *, after: tuple[str, ...] = ()) -> Section:
    """Set a text at a key; where it is missing, add it behind the last of the keys ``after`` (or of all).

    Mappings on the way to it that are missing are added too.

    Raises:
        ManifestError: that cannot be done without changing anything else.
    """
    *way, key = path
    depth = len(way)
    while (parent := section.node(*way[:depth])) is None:
        depth -= 1
    if depth < len(way):
        added: Any = value
        for step in reversed(path[depth + 1 :]):
            added = {step: added}
        return _added(section, path[:depth], str(path[depth]), added, ())
    found = _child(parent, key)
    if found is None:
        return _added(section, tuple(way), str(key), value, after)
    return _replaced(section, path, found, value)


def add_item(section: Section, path: tuple[Step, ...], item: Values[str, str]) -> Section:
    """Append a mapping to the list at a key, which is added too where it is missing.

    Raises:
        ManifestError: that cannot be done without changing anything else.
    """
    found = section.node(*path)
    if found is None:
        return _added(section, path[:-1], str(path[-1]), [dict(item)], ())
    expected = copy.deepcopy(section.data)
    _put(expected, path, [*(_get(expected, path) or []), dict(item)])
    if isinstance(found, Scalar) and _is_null(found):
        return _null_filled(section, path, found, [dict(item)], expected)
    if not isinstance(found, Sequence):
        raise section.error(path, f"{_name(path)} is no list", "correct it")
    flow = f"{{{flow_entries(item)}}}"
    if _is_flow(section.text, found):
        if not found.items:
            opening = section.text.index("[", found.start) + 1
            return _spliced(section, path, opening, opening, flow, expected)
        end = _content_end(section.text, found.items[-1])
        return _spliced(section, path, end, end, f", {flow}", expected)
    indent = _column(section, _dash(section.text, found.items[-1]))
    return _inserted(section, path, found.items[-1], block_item(item, indent), expected)


def remove_key(section: Section, path: tuple[Step, ...]) -> Section:
    """Take a key with a text out; nothing where it is not there.

    Raises:
        ManifestError: that cannot be done without changing anything else.
    """
    parent = section.node(*path[:-1])
    place = _place(parent, path[-1])
    if not isinstance(parent, Mapping) or place is None:
        return section
    key, value = parent.entries[place]
    expected = copy.deepcopy(section.data)
    del _get(expected, path[:-1])[path[-1]]
    text = section.text
    if _is_flow(text, parent):
        start, end = key.start, _content_end(text, value)
        if place:
            start = _content_end(text, parent.entries[place - 1][1])
        elif len(parent.entries) > 1:
            end = parent.entries[1][0].start
        return _spliced(section, path, start, end, "", expected)
    start, end = _line_start(section, key.start), _line_end(text, _content_end(text, value))
    if text[start : key.start].strip():
        raise section.error(path, f"{_name(path)} must go, and another thing stands on its line", "move it down a line")
    if end < len(text):
        end += len(_line_break(text, end))
    else:  # the last line of a file that ends without a line break
        start = len(text[:start].rstrip("\n").rstrip("\r"))
    return _spliced(section, path, start, end, "", expected)


def _replaced(section: Section, path: tuple[Step, ...], found: Node, value: str) -> Section:
    expected = copy.deepcopy(section.data)
    _put(expected, path, value)
    if expected == section.data:
        return section
    if _is_null(found):
        spelled = spell(value, in_flow=True)
        if _is_empty(found):
            colon = section.text.index(":", _key_end(section, path)) + 1
            return _spliced(section, path, colon, colon, f" {spelled}", expected)
        return _spliced(section, path, found.start, found.end, spelled, expected)
    if not isinstance(found, Scalar) or found.style in ("|", ">"):
        raise section.error(path, f"{_name(path)} is not a text on one line", "write it on the line of its key")
    start, end = spelling(section.text, found)
    spelled = value if found.style else spell(value, in_flow=False)
    return _spliced(section, path, start, end, spelled, expected)


def _added(section: Section, way: tuple[Step, ...], key: str, value: Any, after: tuple[str, ...]) -> Section:
    path = (*way, key)
    parent = section.node(*way)
    expected = copy.deepcopy(section.data)
    if isinstance(parent, Scalar) and _is_null(parent):
        _put(expected, way, {key: value})
        return _null_filled(section, way, parent, {key: value}, expected)
    if not isinstance(parent, Mapping):
        raise section.error(path, f"{_name(way)} is no mapping, so {key} cannot be set in it", "correct it")
    _put(expected, path, value)
    text = section.text
    if not parent.entries:
        opening = text.index("{", parent.start) + 1
        return _spliced(section, path, opening, opening, flow_entries({key: value}), expected)
    names = [name.value if isinstance(name, Scalar) else "" for name, _ in parent.entries]
    place = max((names.index(name) for name in after if name in names), default=len(names) - 1)
    if _is_flow(text, parent):
        end = _content_end(text, parent.entries[place][1])
        return _spliced(section, path, end, end, f", {flow_entries({key: value})}", expected)
    lines = block_entries({key: value}, _column(section, parent.entries[0][0].start))
    return _inserted(section, path, parent.entries[place][1], lines, expected, key_node=parent.entries[place][0])


def _null_filled(
    section: Section, path: tuple[Step, ...], null: Scalar, value: Any, expected: dict[str, Any]
) -> Section:
    """Give a key without a value one: on lines of their own below it, or in flow style where a null is spelled out."""
    parent = section.node(*path[:-1])
    place = _place(parent, path[-1])
    if not isinstance(parent, Mapping) or place is None:
        raise section.error(path, f"{_name(path)} cannot be filled in")
    if null.value or _is_flow(section.text, parent):
        flow = f"[{{{flow_entries(value[0])}}}]" if isinstance(value, list) else f"{{{flow_entries(value)}}}"
        if null.value:
            return _spliced(section, path, null.start, null.end, flow, expected)
        colon = section.text.index(":", parent.entries[place][0].end) + 1
        return _spliced(section, path, colon, colon, f" {flow}", expected)
    key = parent.entries[place][0]
    indent = _column(section, key.start)
    lines = block_item(value[0], indent) if isinstance(value, list) else block_entries(value, indent + 2)
    return _inserted(section, path, key, lines, expected)


def _inserted(
    section: Section,
    path: tuple[Step, ...],
    behind: Node,
    lines: list[str],
    expected: dict[str, Any],
    *,
    key_node: Node | None = None,
) -> Section:
    """Put lines behind the line on which a value ends (of a value that is empty: behind its key)."""
    text = section.text
    end = key_node.end if key_node is not None and _is_empty(behind) else _content_end(text, behind)
    break_ = "\r\n" if "\r\n" in text else "\n"
    if text[end - 1] == "\n":  # of a block scalar
        return _spliced(section, path, end, end, "".join(f"{line}{break_}" for line in lines), expected)
    at = _line_end(text, end)
    return _spliced(section, path, at, at, "".join(f"{break_}{line}" for line in lines), expected)


def _spliced(
    section: Section, path: tuple[Step, ...], start: int, end: int, replacement: str, expected: dict[str, Any]
) -> Section:
    """The edited file, read again: it must say what was meant and nothing else."""
    edited = section.text[:start] + replacement + section.text[end:]
    try:
        after = read_section(edited, section.document.path)
    except ManifestError as error:
        reason = f"setting {_name(path)} here would leave no YAML ({error.reason})"
        raise section.error(path, reason) from error
    if after.data != expected:
        raise section.error(path, f"setting {_name(path)} here would change more than that")
    return after


# ---------------------------------------------------------------- where things stand


def _child(node: Node | None, step: Step) -> Node | None:
    if isinstance(node, Sequence) and isinstance(step, int):
        return node.items[step] if step < len(node.items) else None
    place = _place(node, step)
    return node.entries[place][1] if isinstance(node, Mapping) and place is not None else None


def _place(node: Node | None, key: Step) -> int | None:
    for place, (name, _) in enumerate(node.entries if isinstance(node, Mapping) else ()):
        if isinstance(name, Scalar) and name.value == key and not is_merge_key(name):
            return place
    return None


def _key_end(section: Section, path: tuple[Step, ...]) -> int:
    parent = section.node(*path[:-1])
    place = _place(parent, path[-1])
    return parent.entries[place][0].end if isinstance(parent, Mapping) and place is not None else 0


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_plain and node.value in ("", "~", "null", "Null", "NULL")


def _is_flow(text: str, node: Node) -> bool:
    properties = _PROPERTIES.match(text, node.start)
    at = properties.end() if properties else node.start
    return text[at : at + 1] in ("{", "[")


def _content_end(text: str, node: Node) -> int:
    """Where the last character of a value stands; the line breaks of a block scalar are its own."""
    if not _is_flow(text, node):
        match node:
            case Mapping() if node.entries:
                key, value = node.entries[-1]
                return key.end if _is_empty(value) else _content_end(text, value)
            case Sequence() if node.items:
                return _content_end(text, node.items[-1])
    return node.end


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.start == node.end


def _dash(text: str, item: Node) -> int:
    """The offset of the ``-`` that introduces an item of a block list; of an alias, it may be anywhere."""
    return max(0, text.rfind("-", 0, item.start))


def _line_start(section: Section, offset: int) -> int:
    return max(section.document.start, section.text.rfind("\n", 0, offset) + 1)


def _column(section: Section, offset: int) -> int:
    return offset - _line_start(section, offset)


def _line_end(text: str, offset: int) -> int:
    """The offset of the line break behind, or of the end of the file."""
    end = text.find("\n", offset)
    if end < 0:
        return len(text)
    return end - 1 if end > offset and text[end - 1] == "\r" else end


def _line_break(text: str, offset: int) -> str:
    return "\r\n" if text.startswith("\r\n", offset) else "\n"


# ---------------------------------------------------------------- what is expected


def _get(data: Any, path: tuple[Step, ...]) -> Any:
    for step in path:
        data = data[step]
    return data


def _put(data: Any, path: tuple[Step, ...], value: Any) -> None:
    _get(data, path[:-1])[path[-1]] = value


def _name(path: tuple[Step, ...]) -> str:
    return ".".join(str(step) for step in path) or "the file"
