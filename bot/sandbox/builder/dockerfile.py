"""Reads the few Dockerfile instructions that need no engine: ``FROM scratch``, ``COPY``, ``LABEL`` and ``CMD``.

What is read means exactly what it means to Docker; everything else is refused, by line. Text in, values out.

Source: https://docs.docker.com/reference/dockerfile/
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from bot.errors import Permanent

KNOWN = "FROM scratch, COPY, LABEL and CMD"


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY``: sources (patterns, relative to the context) and the place in the image."""

    line: int
    sources: tuple[str, ...]
    target: str


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """What the image is made of. ``command`` is None without a ``CMD``."""

    copies: tuple[Copy, ...]
    labels: tuple[tuple[str, str], ...]
    command: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class _Instruction:
    line: int
    name: str
    rest: str


def parse_dockerfile(text: str) -> Dockerfile:
    """Read a Dockerfile.

    Raises:
        Permanent: an instruction, or a way to write one, that this reader does not know; with its line.
    """
    instructions = list(_instructions(text))
    _check_stages(instructions)
    copies: list[Copy] = []
    labels: list[tuple[str, str]] = []
    command: tuple[str, ...] | None = None
    for instruction in instructions[1:]:
        match instruction.name:
            case "COPY":
                copies.append(_copy(instruction))
            case "LABEL":
                labels.extend(_labels(instruction))
            case "CMD":
                command = _command(instruction)
            case other:
                refuse(instruction.line, f"{other} needs a Docker engine")
    return Dockerfile(tuple(copies), tuple(labels), command)


def refuse(line: int, why: str) -> NoReturn:
    """Raise the paragraph for a line that cannot be carried out."""
    raise Permanent(
        f"Dockerfile line {line}: {why}. No Docker engine is reachable, and the builder that stands in for it knows "
        f"only {KNOWN}. Start a Docker engine (DOCKER_HOST names it), or write the Dockerfile with these alone."
    )


def _check_stages(instructions: list[_Instruction]) -> None:
    if not instructions:
        refuse(1, "there is no instruction in it")
    first, *others = instructions
    if first.name != "FROM":
        refuse(first.line, f"{first.name} stands before FROM")
    if first.rest != "scratch":
        refuse(first.line, f"FROM {first.rest} is another base than scratch")
    for instruction in others:
        if instruction.name == "FROM":
            refuse(instruction.line, "a second FROM begins another stage")


def _instructions(text: str) -> Iterator[_Instruction]:
    """The logical lines: a backslash at the end goes on, comments and empty lines in between are skipped."""
    _check_directives(text)
    started, parts = 0, list[str]()
    for number, line in _lines(text):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        started = started or number
        continued = re.fullmatch(r"(.*)\\[ \t]*", line)
        parts.append(continued[1] if continued else line)
        if not continued:
            yield _instruction(started, "".join(parts))
            started, parts = 0, []
    if parts:
        yield _instruction(started, "".join(parts))


def _check_directives(text: str) -> None:
    """Refuse another escape character; the parser directives are the comments at the very top."""
    for number, line in _lines(text):
        directive = re.fullmatch(r"#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*", line)
        if not directive:
            return
        if directive[1].lower() == "escape" and directive[2] != "\\":
            refuse(number, "it sets another escape character")


def _instruction(line: int, text: str) -> _Instruction:
    name, *rest = text.strip().split(maxsplit=1)
    return _Instruction(line, name.upper(), "".join(rest))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers; Docker ends them at a newline alone."""
    return ((number, line.rstrip("\r")) for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1))


def _copy(instruction: _Instruction) -> Copy:
    line, rest = instruction.line, instruction.rest
    if rest.startswith("--"):
        refuse(line, f"COPY {rest.split()[0]} is an option")
    words = _json_strings(line, rest) if rest.startswith("[") else rest.split()
    if len(words) < 2:  # noqa: PLR2004 - one source and the target
        refuse(line, "COPY needs at least one source and a target")
    for word in words:
        if word.startswith("<<"):
            refuse(line, f"COPY {word} is a here-document")
        if strange := re.search(r"[$\"'\\]", word):
            refuse(line, f"COPY {word} holds {strange.group()}, a variable, quote or escape")
    *sources, target = words
    if target != "/" and not target.endswith("/") and len(sources) > 1:
        refuse(line, f"COPY of several sources needs a target that ends with /, not {target}")
    return Copy(line, tuple(sources), target)


def _labels(instruction: _Instruction) -> Iterator[tuple[str, str]]:
    line, rest = instruction.line, instruction.rest
    if "$" in rest:
        refuse(line, "LABEL holds $, a variable")
    try:
        words = shlex.split(rest)
    except ValueError as error:
        refuse(line, f"LABEL cannot be read: {error}")
    for word in words:
        key, equals, value = word.partition("=")
        if not (key and equals):
            refuse(line, f"LABEL {word} is not KEY=VALUE")
        yield key, value
    if not words:
        refuse(line, "LABEL without KEY=VALUE")


def _command(instruction: _Instruction) -> tuple[str, ...]:
    """The exec form as it is; any other text is for a shell, as Docker does it."""
    if instruction.rest.startswith("["):
        return _json_strings(instruction.line, instruction.rest)
    return ("/bin/sh", "-c", instruction.rest)


def _json_strings(line: int, text: str) -> tuple[str, ...]:
    try:
        values = json.loads(text)
    except ValueError:
        refuse(line, f"{text} begins like a JSON list and is none (double quotes are needed)")
    if not all(isinstance(value, str) for value in values):
        refuse(line, f"{text} is not a list of strings")
    return tuple(values)
