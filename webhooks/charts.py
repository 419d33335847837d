"""Small bar charts as numbers for an SVG, made on the server. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 240, 48
"""Of the drawing, in its own units; the page scales it."""

GAP = 2
LEAST = 2
"""What is there at all is seen, however little it is."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, its upper left corner and size, and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    told: str


def bars(values: Sequence[float | None], told: Sequence[str]) -> tuple[Bar, ...]:
    """A bar for each value, the highest as high as the drawing; nothing where there is no value, or it is 0."""
    step = WIDTH / max(1, len(values))
    highest = max((value for value in values if value), default=1.0)
    return tuple(
        _bar(number * step, step - GAP, max(LEAST, HEIGHT * value / highest), words)
        for number, (value, words) in enumerate(zip(values, told, strict=True))
        if value
    )


def _bar(x: float, width: float, height: float, told: str) -> Bar:
    return Bar(round(x, 1), round(HEIGHT - height, 1), round(width, 1), round(height, 1), told)
