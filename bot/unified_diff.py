r"""A unified diff of two texts that differ only inside lines, as ``git apply`` and ``patch`` read it.

``difflib`` would guess which lines belong together, and guesses badly and slowly in long files of like lines. Here
line N of one text is line N of the other, and a line ends with ``\n`` alone: a carriage return is part of it.
"""

import os
from collections.abc import Iterator

CONTEXT = 3
NO_NEWLINE = "\\ No newline at end of file\n"


def unified_diff(path: str, before: str, after: str) -> str:
    """The diff, empty where the texts are equal.

    Raises:
        ValueError: the texts have not the same number of lines.
    """
    old, new = _lines(before), _lines(after)
    changed = [number for number, (a, b) in enumerate(zip(old, new, strict=True)) if a != b]
    if not changed:
        return ""
    label = os.path.normpath(path).lstrip("/")
    label += "\t" if " " in label else ""
    hunks = (_hunk(old, new, first, last) for first, last in _groups(changed))
    return "".join((f"--- a/{label}\n+++ b/{label}\n", *hunks))


def _lines(text: str) -> list[str]:
    lines = [line + "\n" for line in text.split("\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _groups(changed: list[int]) -> Iterator[tuple[int, int]]:
    """First and last line of each group of changes whose contexts touch."""
    first = last = changed[0]
    for number in changed[1:]:
        if number - last > 2 * CONTEXT + 1:
            yield first, last
            first = number
        last = number
    yield first, last


def _hunk(old: list[str], new: list[str], first: int, last: int) -> str:
    start, end = max(first - CONTEXT, 0), min(last + CONTEXT + 1, len(old))
    body: list[str] = []
    number = start
    while number < end:
        run = number
        while run < end and old[run] != new[run]:
            run += 1
        if run == number:
            body.append(_line(" ", old[number]))
            number += 1
        else:
            body += [_line("-", line) for line in old[number:run]]
            body += [_line("+", line) for line in new[number:run]]
            number = run
    span = f"{start + 1},{end - start}"
    return f"@@ -{span} +{span} @@\n" + "".join(body)


def _line(sign: str, line: str) -> str:
    return sign + line if line.endswith("\n") else f"{sign}{line}\n{NO_NEWLINE}"
