"""What was measured, as a table for people and as figures for programs."""

from rich.box import SIMPLE
from rich.table import Table

from tests.bench.measure import Case, Results

CROWD = 32
MEBIBYTE = 2**20


def figures(results: Results) -> dict[str, float | int | None]:
    """The figures that Slipway is held to; None where the plan left out what they need.

    Over several sizes, ``lone_ratio`` and ``floor_ratio_32`` are the worst.
    """
    sizes = sorted({case.manifests for case in results.took})
    lone = {size: _p50(results, size, "slipway") / _p50(results, size, "floor") for size in sizes}
    crowds = [ratio for size in sizes if (ratio := _crowd(results, size, Case(size, "floor", CROWD))) is not None]
    rss = results.rss_growth
    return {
        "lone_ratio": round(max(lone.values()), 2),
        "script_ratio_1000": _crowd(results, 1_000, Case(1_000, "script", 1)),
        "script_ratio_10000": _crowd(results, 10_000, Case(10_000, "script", 1)),
        "floor_ratio_32": min(crowds, default=None),
        "growth_ratio": round(lone[sizes[-1]] / lone[sizes[0]], 2),
        "lost_updates": results.account.lost,
        "stray_lines": results.account.stray,
        "rss_growth_mb": None if rss is None else round(rss / MEBIBYTE, 1),
    }


def table(results: Results) -> Table:
    """One line for each case, its speed also by the floor's with as many bumps and nobody in the way.

    ``requests`` are HTTP requests for a wave of bumps; with a competitor they cannot be told from theirs.
    """
    made = Table("manifests", "at once", "who", "p50 ms", "min", "max", "bumps/s", "by floor's", "requests", box=SIMPLE)
    for column in made.columns:
        column.no_wrap = True
        column.justify = "left" if column.header == "who" else "right"
    for case, took in sorted(results.took.items(), key=lambda item: (item[0].manifests, item[0].callers)):
        floor = Case(case.manifests, "floor", case.callers)
        who = f"{case.contender} + competitor" if case.competitor else case.contender
        made.add_row(
            f"{case.manifests:,}",
            str(case.callers),
            who,
            *(f"{1000 * seconds:.0f}" for seconds in (took.p50, min(took.seconds), max(took.seconds))),
            f"{results.rate(case):.1f}",
            f"{results.rate(case) / results.rate(floor):.2f}",
            "" if case.competitor else f"{took.requests / len(took.seconds):.1f}",
        )
    return made


def _p50(results: Results, size: int, contender: str) -> float:
    return results.took[Case(size, contender, 1)].p50


def _crowd(results: Results, size: int, other: Case) -> float | None:
    """Slipway's speed with many callers by that of another case; None where either was not measured."""
    ours = Case(size, "slipway", CROWD)
    if ours not in results.took or other not in results.took:
        return None
    return round(results.rate(ours) / results.rate(other), 2)
