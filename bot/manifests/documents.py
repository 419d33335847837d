"""YAML manifests as trees that remember where in the file each value stands.

ruamel.yaml reads; nothing here writes. Its parser gives events with character offsets, and a composer of our own
makes typed nodes of them, because that works alike over ruamel's pure parser and over libyaml where
``ruamel.yaml.clib`` is installed (seven times as fast), cannot exhaust the stack, and keeps aliases as what they are:
the same node object in two places.

A file is first cut into its documents, so that only those that matter are parsed. A line that begins with ``---``
or ``...`` and white space is a marker wherever it stands (YAML 1.2, ``c-forbidden``), so the cut needs no parser.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

try:
    from ruamel.yaml.cyaml import CParser  # type: ignore[attr-defined]  # its __all__ leaves it out
except ImportError:  # without ruamel.yaml.clib
    CParser = None

from bot.errors import Permanent

MAX_DEPTH = 200
_BOM = "\ufeff"
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_PROLOGUE_LINE = re.compile(r"%|(?:\.\.\.(?!\S))?\s*(?:#|\Z)")
_BLOCK_HEADER = re.compile(r"[|>][0-9+-]*([ \t]*)")
_TEMPLATE = re.compile(r"\{\{|\{%|<%|\$\{")
_BARE_TEMPLATE = re.compile(r"[ \t]*(?:- +)?(?:[^\s#'\"]+:[ \t]+)?(?:\{\{|\{%|<%)")


class ManifestError(Permanent):
    """A manifest that cannot be read or edited safely: where, why, and what to write instead.

    Args:
        path: the file, as the caller named it.
        line: 1-based.
        reason: what stands in the way, as a clause.
        remedy: what to do about it, as a clause.
    """

    def __init__(self, path: str, line: int, reason: str, remedy: str) -> None:
        super().__init__(f"{path}:{line}: {reason}; {remedy}")
        self.path = path
        self.line = line
        self.reason = reason
        self.remedy = remedy


@dataclass(slots=True, eq=False)
class Node:
    """One value.

    ``start`` and ``end`` are character offsets in the file, properties (``&a !!str``) included; a collection in
    block style ends where the next value begins. ``height`` counts the levels below, aliases followed.
    """

    tag: str | None
    anchor: str | None
    start: int
    end: int
    height: int = field(default=0, init=False)


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """A text. ``style`` is the character that introduces it (``'``, ``"``, ``|``, ``>``), ``""`` for plain."""

    value: str = ""
    style: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether its type is up to its looks (``5``, ``true``)."""
        return self.style == "" and self.tag is None


@dataclass(slots=True, eq=False)
class Sequence(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping(Node):
    """Keys and values in the file's order; a key may be there twice."""

    entries: list[tuple[Node, Node]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file, not parsed yet. ``index`` counts from 0, empty documents included."""

    path: str
    index: int
    start: int
    first_line: int
    text: str

    def line_of(self, offset: int) -> int:
        """The 1-based line of a character of the file."""
        return self.first_line + self.text.count("\n", 0, offset - self.start)

    def error(self, offset: int, reason: str, remedy: str) -> ManifestError:
        """A refusal that names the line of a character of the file."""
        return ManifestError(self.path, self.line_of(offset), reason, remedy)


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed document. ``root`` is None for an empty one."""

    document: Document
    root: Node | None
    has_aliases: bool


def split_documents(text: str, path: str) -> Iterator[Document]:
    """Cut a file into its documents, without parsing them."""
    skipped = len(_BOM) if text.startswith(_BOM) else 0
    stream = text[skipped:]
    index, line, start = 0, 1, 0
    for end in _document_ends(stream):
        body = stream[start:end]
        if not _is_prologue(body):
            yield Document(path, index, skipped + start, line, body)
            index += 1
        line += body.count("\n")
        start = end


def _document_ends(stream: str) -> Iterator[int]:
    """Offsets at which one document's text ends and the next one's begins; the last is the end of the stream."""
    start, has_begun = 0, False
    for marker in _MARKER.finditer(stream):
        if marker.group() == "...":
            start, has_begun = stream.find("\n", marker.start()) + 1 or len(stream), False
            yield start
        elif has_begun or not _is_prologue(stream[start : marker.start()]):
            start, has_begun = marker.start(), True
            yield start
        else:
            has_begun = True
    yield len(stream)


def _is_prologue(text: str) -> bool:
    """Only comments, blank lines, ``%`` directives and ``...``: nothing that makes a document of its own."""
    return all(_PROLOGUE_LINE.match(line) for line in text.split("\n"))


def compose(document: Document) -> Tree:
    """Parse one document.

    Raises:
        ManifestError: where it is not YAML, is nested deeper than any manifest, or refers to itself.
    """
    try:
        return _Composer(document, pure=False).tree()
    except (YAMLError, UnicodeEncodeError):
        # libyaml 0.1 knows less than ruamel's own parser (``{image: a:b}``), which also explains itself better.
        try:
            return _Composer(document, pure=True).tree()
        except YAMLError as error:
            raise _syntax_error(document, error) from None


class _TabTolerantScanner(Scanner):
    """ruamel's scanner, but tabs separate tokens as they do for libyaml, and so for kubectl.

    A tab is still refused where it would indent.
    """

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self.reader.peek() == "\t" and not self.allow_simple_key:
            self.reader.forward()
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> Any:
        length = 0
        while self.reader.peek(length) in " \t":
            length += 1
        blank: str = self.reader.prefix(length)
        if "\t" not in blank or self.reader.peek(length) in "#\0\r\n":
            return super().scan_plain_spaces(indent, start_mark)
        self.reader.forward(length)
        return [blank]

    def scan_block_scalar(self, style: str, rt: bool | None = False) -> Any:
        blanks = _BLOCK_HEADER.match(self.reader.buffer, self.reader.pointer)
        if blanks and "\t" in blanks[1]:
            start, end = blanks.span(1)
            buffer = self.reader.buffer
            self.reader.buffer = f"{buffer[:start]}{' ' * (end - start)}{buffer[end:]}"
        return super().scan_block_scalar(style, rt=rt)


def _fast_events(text: str) -> Iterator[Any]:
    """Libyaml's events, of its parser alone: ``YAML.parse`` builds a class for each text, at the price of a fourth."""
    parser = CParser(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _slow_events(text: str) -> Iterator[Any]:
    """Those of ruamel's own parser."""
    yaml = _PlainYaml(typ="safe", pure=True)
    yaml.Scanner = _TabTolerantScanner
    yield from yaml.parse(text)


class _PlainYaml(YAML):
    """ruamel as installed: without plug-ins, which it would look for on disk every time."""

    def official_plug_ins(self) -> list[str]:
        return []


class _Composer:
    """Makes a tree of ruamel's events."""

    def __init__(self, document: Document, *, pure: bool) -> None:
        self._document = document
        self._events = _slow_events(document.text) if pure or CParser is None else _fast_events(document.text)
        self._anchors: dict[str, Node] = {}
        self._unfinished: set[str] = set()
        self._has_aliases = False

    def tree(self) -> Tree:
        roots = [self._node(next(self._events), 0) for event in self._events if isinstance(event, DocumentStartEvent)]
        if len(roots) > 1:
            raise self._document.error(roots[1].start, "a second document begins here", "put it on a line of its own")
        return Tree(self._document, roots[0] if roots else None, self._has_aliases)

    def _node(self, event: Any, depth: int) -> Node:
        start = self._document.start + event.start_mark.index
        if isinstance(event, AliasEvent):
            return self._alias(event.anchor, start, depth)
        self._check_depth(start, depth)
        node = self._empty_node(event, start, self._document.start + event.end_mark.index)
        if event.anchor:
            self._anchors[event.anchor] = node
            self._unfinished.add(event.anchor)
        if not isinstance(node, Scalar):
            self._fill(node, depth + 1)
        self._unfinished.discard(event.anchor)
        return node

    @staticmethod
    def _empty_node(event: Any, start: int, end: int) -> Node:
        if isinstance(event, ScalarEvent):
            return Scalar(event.tag, event.anchor, start, end, event.value, event.style or "")
        kind = Sequence if isinstance(event, SequenceStartEvent) else Mapping
        return kind(event.tag, event.anchor, start, end)

    def _fill(self, node: Node, depth: int) -> None:
        """Read a collection's values, up to and with its end event."""
        if isinstance(node, Sequence):
            while not isinstance(event := next(self._events), SequenceEndEvent):
                item = self._node(event, depth)
                node.items.append(item)
                node.height = max(node.height, item.height + 1)
        elif isinstance(node, Mapping):
            while not isinstance(event := next(self._events), MappingEndEvent):
                key, value = self._node(event, depth), self._node(next(self._events), depth)
                node.entries.append((key, value))
                node.height = max(node.height, key.height + 1, value.height + 1)
        else:
            return
        node.end = self._document.start + event.end_mark.index

    def _alias(self, anchor: str, start: int, depth: int) -> Node:
        if anchor not in self._anchors:
            raise self._document.error(start, f"*{anchor} has no anchor &{anchor} before it", "write the value out")
        if anchor in self._unfinished:
            raise self._document.error(start, f"*{anchor} refers to a value that it is part of", "write the value out")
        node = self._anchors[anchor]
        self._check_depth(start, depth + node.height)
        self._has_aliases = True
        return node

    def _check_depth(self, start: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise self._document.error(start, f"values are nested more than {MAX_DEPTH} levels deep", "flatten them")


def _syntax_error(document: Document, error: YAMLError) -> ManifestError:
    """Say where a document stops being YAML, and whether a template is why."""
    if isinstance(error, ReaderError):
        offset = error.position
        reason = f"the character U+{error.character:04X} is not allowed in YAML"
        return document.error(document.start + offset, reason, "remove it, or write it as an escape in double quotes")
    mark = error.problem_mark or error.context_mark if isinstance(error, MarkedYAMLError) else None
    offset = mark.index if mark else 0
    template = _template_line(document, offset)
    if template is not None:
        line, code = template
        reason = f"the template {code!r} keeps this document from being YAML"
        remedy = "bump the file that it is rendered with (a chart's values), or write templates in quotes only"
        return ManifestError(document.path, line, reason, remedy)
    problem = (isinstance(error, MarkedYAMLError) and (error.problem or error.context)) or str(error)
    return document.error(
        document.start + offset, f"this is not YAML: {problem}", "correct it, as kubectl would refuse it too"
    )


def _template_line(document: Document, offset: int) -> tuple[int, str] | None:
    """The template that is to blame for a problem: on its line, or bare on a line before it."""
    last = document.text.count("\n", 0, offset)
    lines = document.text.split("\n", last + 1)[: last + 1]
    if _TEMPLATE.search(lines[last]):
        return document.first_line + last, lines[last].strip()
    for number in range(last - 1, -1, -1):
        if _BARE_TEMPLATE.match(lines[number]):
            return document.first_line + number, lines[number].strip()
    return None
