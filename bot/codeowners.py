r"""CODEOWNERS, read as GitHub reads it: whose approval a change of a file needs. Pure.

GitHub asks for a code owner's review only where a branch rule says so, and Slipway merges past the branch's rules; so
it evaluates the file itself. The rules, from
https://docs.github.com/en/repositories/managing-your-repositorys-settings-and-features/customizing-your-repository/about-code-owners:
the first file found of ``.github/``, the root and ``docs/`` is used; the last pattern that matches decides; patterns
are those of ``.gitignore`` without ``!``, ``[ ]`` and ``\#``, and ``docs/*`` does not reach into folders; a pattern
without owners takes files back; an invalid line is skipped.
"""

import re
from dataclasses import dataclass

LOCATIONS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where the file may be; the first one found is used."""

LARGEST = 3 * 1024 * 1024
"""Bytes; GitHub does not load a larger one."""

_OWNER = re.compile(r"@([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)?)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_WORDS = re.compile(r"(?:\\.|[^\s\\])+")
_PIECES = re.compile(r"(\*+|\?|\\.)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. ``owners`` are logins and ``org/team``, without ``@``; none where the line takes files back."""

    line: int
    pattern: str
    owners: tuple[str, ...]

    def matches(self, path: str) -> bool:
        """Whether the line is about a file."""
        return _expression(self.pattern).fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class CodeOwners:
    """A whole file. ``remarks`` tell by line what cannot be used, for those who look after it."""

    rules: tuple[Rule, ...] = ()
    remarks: tuple[str, ...] = ()

    def of(self, path: str) -> tuple[str, ...]:
        """Who owns a file; one approval from any of them is enough. Empty: nobody does."""
        return next((rule.owners for rule in reversed(self.rules) if rule.matches(path)), ())


def parse_codeowners(text: str) -> CodeOwners:
    """The file's lines that can be used, and remarks on the others."""
    rules: list[Rule] = []
    remarks: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = _words(line)
        if not words:
            continue
        pattern, *names = words
        if problem := _problem(pattern, names):
            remarks.append(f"line {number}: {problem}; the line is skipped")
            continue
        addresses = [name for name in names if not name.startswith("@")]
        owners = tuple(name.removeprefix("@") for name in names if name.startswith("@"))
        if addresses:
            remarks.append(f"line {number}: {', '.join(addresses)} is an e-mail address, which only GitHub can match")
        if owners or not names:
            rules.append(Rule(number, pattern, owners))
    return CodeOwners(tuple(rules), tuple(remarks))


def _words(line: str) -> list[str]:
    r"""The pattern and the owners; a blank in a path is written ``\ ``, and ``#`` begins a comment."""
    words: list[str] = []
    for word in _WORDS.findall(line):
        if word.startswith("#"):
            break
        words.append(word)
    return words


def _problem(pattern: str, names: list[str]) -> str | None:
    if pattern.startswith(("!", "\\#")):
        return f"`{pattern}` cannot be used as a pattern here"
    strange = [name for name in names if not _OWNER.fullmatch(name) and not _EMAIL.fullmatch(name)]
    return f"`{strange[0]}` is no owner; write @login or @organization/team" if strange else None


def _expression(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression over whole paths: a folder stands for all below it."""
    body = pattern.rstrip("/")
    names = [name for name in body.split("/") if name]
    start = "" if "/" in body else "(?:.*/)?"
    only_files = len(names) > 1 and names[-1] == "*"
    below = "" if only_files else "/.*" if pattern.endswith("/") else "(?:/.*)?"
    return re.compile(start + _whole(names) + below, re.DOTALL)


def _whole(names: list[str]) -> str:
    pieces: list[str] = []
    for position, name in enumerate(names, start=1):
        is_last = position == len(names)
        if name == "**":
            pieces.append(".+" if is_last else "(?:.*/)?")
        else:
            pieces.append(_one_name(name) + ("" if is_last else "/"))
    return "".join(pieces)


def _one_name(name: str) -> str:
    return "".join(_piece(piece) for piece in _PIECES.split(name))


def _piece(piece: str) -> str:
    if piece.startswith("*"):
        return "[^/]*"
    return "[^/]" if piece == "?" else re.escape(piece.removeprefix("\\") or piece)
