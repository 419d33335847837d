"""A YAML file as plain values that know their lines, so that an error can name the line and the field.

Only what a catalog needs: text, whole numbers, true and false, lists, mappings, anchors and ``<<``. Everything that
is surely a mistake is a problem with a line: a key given twice, a key without a value, a tag, a second document.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from bot.wording import quoted

Location = tuple[str | int, ...]
"""The way to a value: keys and list positions, from the root."""

_TAG = "tag:yaml.org,2002:"
_TRUE = ("true", "yes", "on")
"""All but the first only count under a ``%YAML 1.1`` directive."""

_HINTS = {"'@'": "put a text that begins with @ in quotes", "'\\t'": "indent with spaces, not with tabs"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. ``line`` counts from 1; ``field`` is empty where the file as a whole is meant."""

    path: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}: "
        return f"{where}{self.field}: {self.message}" if self.field else where + self.message


class Document:
    """One YAML document. ``value`` is None where it cannot be read or is empty.

    A broken part is left out of ``value``.
    """

    def __init__(self, text: str, path: str) -> None:
        self.path = path
        self.value: Any = None
        self._refused: dict[Location, tuple[int, str]] = {}
        self._root: Node | None = None
        self._entries: dict[int, dict[str, tuple[Node, Node]]] = {}
        self._values: dict[int, Any] = {}
        self._open: set[int] = set()
        try:
            self._root = _compose(text)
            if self._root is not None:
                self.value = self._read(self._root, ())
        except RecursionError:
            self._refuse((), 1, "this is nested far too deeply for a catalog")
        except _NotYaml as error:
            self._refuse((), error.line, str(error))

    @property
    def problems(self) -> dict[Location, Problem]:
        """What was found on reading, by location."""
        return {
            location: Problem(self.path, line, self.field(location), message)
            for location, (line, message) in self._refused.items()
        }

    def line(self, location: Location) -> int:
        """The line of a key, a list entry, or the nearest thing around them that there is."""
        node = self._root
        line = 1 if node is None else _line(node)
        for step in location:
            if isinstance(node, MappingNode) and step in (entries := self._entries[id(node)]):
                key, node = entries[str(step)]
                line = _line(key)
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = _line(node)
            else:
                break
        return line

    def field(self, location: Location) -> str:
        """A location in words: ``apps[shop].image``; list entries go by their name where they have one."""
        words = ""
        value = self.value
        for step in location:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
                words += f".{quoted(step).strip('`')}"
            elif isinstance(value, list) and step < len(value):
                value = value[step]
                name = value.get("name") if isinstance(value, dict) else None
                words += f"[{quoted(name).strip('`') if isinstance(name, str) else step}]"
        return words.removeprefix(".")

    def problem(self, location: Location, message: str) -> Problem:
        """A problem at a location."""
        return Problem(self.path, self.line(location), self.field(location), message)

    def _refuse(self, location: Location, line: int, message: str) -> None:
        self._refused.setdefault(location, (line, message))

    def _read(self, node: Node, location: Location) -> Any:
        """The plain value of a node. One that aliases share is read once, however often it is used."""
        if id(node) in self._values:
            return self._values[id(node)]
        if id(node) in self._open:
            self._refuse(location, _line(node), "this contains itself, by way of an alias")
            return None
        with self._reading(node):
            value = self._fresh(node, location)
        self._values[id(node)] = value
        return value

    @contextlib.contextmanager
    def _reading(self, node: Node) -> Iterator[None]:
        self._open.add(id(node))
        try:
            yield
        finally:
            self._open.discard(id(node))

    def _fresh(self, node: Node, location: Location) -> Any:
        tag = str(node.tag)
        if not tag.startswith(_TAG):
            self._refuse(location, _line(node), f"the tag {quoted(tag)} means nothing in a catalog")
        match node:
            case MappingNode():
                return self._mapping(node, location)
            case SequenceNode():
                return [self._read(entry, (*location, index)) for index, entry in enumerate(node.value)]
            case _:
                return _scalar(node)

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        entries = self._resolve(node, location)
        values = {key: self._read(value, (*location, key)) for key, (_, value) in entries.items()}
        for key in [key for key, value in values.items() if value is None]:
            self._refuse((*location, key), _line(entries[key][0]), "has no value: give it one or delete the line")
            del values[key]
        return values

    def _resolve(self, node: MappingNode, location: Location) -> dict[str, tuple[Node, Node]]:
        """The entries of a mapping by key, with those that ``<<`` brings in; its own come first."""
        entries = self._entries.setdefault(id(node), {})
        merged: list[Node] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self._refuse(location, _line(key), "a key must be text")
            elif key.tag == f"{_TAG}merge":
                merged += value.value if isinstance(value, SequenceNode) else [value]
            elif key.value in entries:
                first = _line(entries[key.value][0])
                self._refuse((*location, key.value), _line(key), f"is given twice (first on line {first})")
            else:
                entries[key.value] = (key, value)
        self._merge(entries, merged, location)
        return entries

    def _merge(self, entries: dict[str, tuple[Node, Node]], nodes: Iterable[Node], location: Location) -> None:
        for node in nodes:
            if isinstance(node, MappingNode) and isinstance(self._read(node, location), dict):
                for key, entry in self._entries[id(node)].items():
                    entries.setdefault(key, entry)
            else:
                self._refuse(location, _line(node), "`<<` takes a mapping, or a list of mappings")


class _NotYaml(Exception):
    """The text cannot be read as YAML."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def _compose(text: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    yaml.composer.warn_double_anchors = False
    try:
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        reason = str(error.problem)
        hint = next((f" ({hint})" for sign, hint in _HINTS.items() if sign in reason), "")
        raise _NotYaml(line, f"this is not YAML: {reason}{hint}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _NotYaml(line, "this is not YAML: there is a character that no text holds") from None
    except YAMLError as error:
        raise _NotYaml(1, f"this is not YAML: {error}") from None
    except (ValueError, OverflowError):  # what ruamel.yaml lets through for an escape like "\UFFFFFFFF"
        raise _NotYaml(1, "this is not YAML: an escape in double quotes stands for no character") from None
    return root


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar(node: Node) -> str | int | float | bool | None:
    """The value by the tag that YAML 1.2's core schema gives; dates and the like stay text."""
    text = str(node.value)
    match str(node.tag).removeprefix(_TAG):
        case "null":
            return None
        case "bool":
            return text.lower() in _TRUE
        case "int":
            return _number(text, int)
        case "float":
            return _number(text, float)
    return text


def _number(text: str, kind: type[int] | type[float]) -> str | int | float:
    """A number, or the text itself where only YAML takes it for one (``0o17``, ``.inf``, a far too long one)."""
    try:
        return kind(text)
    except ValueError:
        return text
