"""Small pieces of sentences that several messages share."""

import difflib
from collections.abc import Iterable

LONGEST_QUOTE = 80
"""Characters of somebody's text that a message repeats; the rest is cut."""


def quoted(value: object) -> str:
    """A value the way a message names it: text in backquotes, on one line and not for ever."""
    match value:
        case bool():
            return f"`{str(value).lower()}`"
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"`{_printable(str(value))}`"


def closest(word: object, options: Iterable[str]) -> str | None:
    """The option that was probably meant: the only one that begins with the word, or one spelled much like it."""
    by_lower_case = {option.lower(): option for option in options}
    wanted = str(word)[:LONGEST_QUOTE].lower()
    longer = [option for option in by_lower_case if wanted and option.startswith(wanted)]
    close = longer if len(longer) == 1 else difflib.get_close_matches(wanted, by_lower_case, n=1)
    return by_lower_case[close[0]] if close else None


def did_you_mean(word: object, options: Iterable[str]) -> str:
    """``; did you mean `x`?`` where an option is close to the word, or nothing."""
    option = closest(word, options)
    return f"; did you mean `{option}`?" if option else ""


def listed(words: Iterable[str], *, last: str = "and") -> str:
    """`a`, `b` and `c`."""
    *front, end = [quoted(word) for word in words]
    return f"{', '.join(front)} {last} {end}" if front else end


def _printable(text: str) -> str:
    if len(text) > LONGEST_QUOTE:
        text = text[:LONGEST_QUOTE] + "…"
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
