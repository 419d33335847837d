"""Holds: the files by which an app's environment is kept as it is, ``.slipway/holds/{environment}/{app}.yaml``.

A person writes one with the command ``hold``, with ``/hold`` or by hand, a rollback writes one for the release that
it took back. Without ``release`` it keeps everything out; with it, only that release. Pure.
"""

import json
from dataclasses import dataclass
from typing import Any

from bot.catalog.document import Document
from bot.errors import Permanent
from bot.releases import FULL_SHA
from bot.wording import did_you_mean, listed, quoted

KEYS = ("reason", "by", "at", "release")


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold.

    Attributes:
        reason: why, as people are told it; one line.
        by: the login of who wrote it, without ``@``; the bot's own after an automatic rollback.
        at: when (RFC 3339).
        release: the id of the one release that is kept out, ``APP@<40 hex>``; None keeps everything out.
    """

    reason: str = ""
    by: str = ""
    at: str = ""
    release: str | None = None


def keeps_out(hold: Hold, release_id: str) -> bool:
    """Whether a release may not enter while this hold is there."""
    return hold.release is None or hold.release == release_id


def render_hold(hold: Hold) -> str:
    """The file's text. Values are in double quotes, as JSON has them, since YAML reads those as they stand."""
    lines = [_line("reason", hold.reason), _line("by", hold.by), _line("at", hold.at)]
    return "".join(lines if hold.release is None else [*lines, _line("release", hold.release)])


def parse_hold(text: str, path: str) -> Hold:
    """What a hold file says. It may be written by hand, so every key may be missing, and an empty file is a hold.

    Raises:
        Permanent: it cannot be read, or not for sure; the paragraph names the line and what to write.
    """
    document = Document(text, path)
    problems = [str(problem) for problem in document.problems.values()] or _problems(document)
    if problems:
        what_to_do = "Nothing enters there before the file is corrected, or deleted to lift the hold."
        raise Permanent(f"The hold cannot be read. {what_to_do}\n" + "\n".join(problems))
    values: dict[str, Any] = document.value or {}
    words = {key: _one_line(str(values.get(key, ""))) for key in KEYS}
    return Hold(words["reason"], words["by"].removeprefix("@"), words["at"], words["release"] or None)


def _problems(document: Document) -> list[str]:
    value = document.value
    if value is None:
        return []
    if not isinstance(value, dict):
        return [str(document.problem((), f"must be a mapping of {listed(KEYS)}"))]
    found = [
        document.problem((key,), f"is not a key{did_you_mean(key, KEYS) or f'; the keys here are {listed(KEYS)}'}")
        for key in value
        if key not in KEYS
    ]
    nested = [key for key in KEYS if isinstance(value.get(key), dict | list)]
    found += [document.problem((key,), f"must be text, not {quoted(value[key])}") for key in nested]
    release = value.get("release", "")
    if "release" not in nested and release != "" and not _is_release_id(str(release)):
        wanted = "must be a release, like `shop@` and the 40 digits of its commit"
        found.append(document.problem(("release",), f"{wanted}, not {quoted(release)}"))
    return [str(problem) for problem in found]


def _is_release_id(text: str) -> bool:
    app, _, sha = text.strip().rpartition("@")
    return bool(app) and FULL_SHA.fullmatch(sha) is not None


def _line(key: str, value: str) -> str:
    return f"{key}: {json.dumps(_one_line(value), ensure_ascii=False)}\n"


def _one_line(text: str) -> str:
    """YAML refuses what cannot be printed, and a reason goes into commit messages, where lines mean something."""
    return " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())
