"""``/audit``: who changed what, who approved it and how it ended, with filters; DORA's four figures above it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, jsonify, make_response, render_template, request
from werkzeug.exceptions import BadRequest

from bot.errors import Permanent
from webhooks.charts import HEIGHT, WIDTH, Bar, bars
from webhooks.sight import Sight, Snapshot

if TYPE_CHECKING:  # see webhooks.sight
    from bot.trail_facts import Audit

PAGE = 100
"""Entries on a page."""

SPANS = 12
"""Bars of a chart."""

USUAL = "30d"
CHOICES = (("7d", "7 days"), ("30d", "30 days"), ("12w", "12 weeks"), ("52w", "a year"), ("all", "ever"))

LEAST_PERIOD = timedelta(hours=1)
"""A chart over less would show nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The form's fields, as they were filled in."""

    app: str
    environment: str
    since: str
    page: int


@dataclass(frozen=True, slots=True)
class Chart:
    """One of the four figures: its name, its value in words, what is behind it, and its course."""

    name: str
    value: str
    about: str
    course: tuple[Bar, ...]


def asked() -> Asked:
    """What the address asks for."""
    page = request.args.get("page", "1")
    return Asked(
        app=request.args.get("app", "").strip(),
        environment=request.args.get("environment", "").strip(),
        since=request.args.get("since", USUAL).strip() or USUAL,
        page=max(1, int(page)) if page.isdecimal() and len(page) < 6 else 1,  # noqa: PLR2004 - digits of a page
    )


def add_page(routes: Blueprint, sight: Sight) -> None:
    """The page, among those of the dashboard."""

    @routes.get("/audit")
    def audit() -> str | Response:
        """The trail."""
        wanted = asked()
        try:
            seen, found = looked_up(sight, wanted)
        except Permanent as error:  # there is no catalog
            return _empty(sight.snapshot(), wanted, str(error))
        except BadRequest as error:
            return make_response(_empty(sight.snapshot(), wanted, error.description or ""), error.code)
        if found is None:
            return _empty(seen, wanted)
        return _page(seen, found, wanted)

    @routes.get("/audit.csv")
    def csv() -> Response:
        """The entries that the form asks for, as a file."""
        from bot.trail_facts import audit_csv  # noqa: PLC0415 - see webhooks.sight

        found = looked_up(sight, asked())[1]
        response = Response(audit_csv(found) if found else "", content_type="text/csv; charset=utf-8")
        response.headers["Content-Disposition"] = "attachment; filename=slipway-audit.csv"
        return response


def add_api(routes: Blueprint, sight: Sight) -> None:
    """The same as JSON, named as ``python -m bot audit --json`` names it."""

    @routes.get("/audit")
    def audit() -> Response:
        """The trail."""
        from bot.trail_facts import audit_facts  # noqa: PLC0415 - see webhooks.sight

        found = looked_up(sight, asked())[1]
        facts: dict[str, Any] = audit_facts(found) if found else {"entries": [], "dora": None}
        return jsonify(facts)


def looked_up(sight: Sight, wanted: Asked) -> "tuple[Snapshot, Audit | None]":
    """What was asked for; None before the first look that worked out.

    Raises:
        BadRequest: the time is none.
        Permanent: there is no catalog.
        SlipwayError: the mirror cannot be read.
    """
    from bot.since import parse_since  # noqa: PLC0415 - see webhooks.sight
    from bot.trail_facts import Audit  # noqa: PLC0415 - see webhooks.sight

    now = datetime.now(UTC)
    try:
        since = None if wanted.since == "all" else parse_since(wanted.since, now, "since")
    except Permanent as error:
        raise BadRequest(str(error)) from None
    seen, trail = sight.trail()
    if trail is None:
        return seen, None
    return seen, Audit(
        branch=seen.links.config_branch if seen.links else "",
        head=trail.head,
        environments=tuple(one.name for one in trail.catalog.environments),
        entries=trail.entries,
        now=now,
        app=wanted.app or None,
        environment=wanted.environment or None,
        since=since,
    )


def _empty(seen: Snapshot, wanted: Asked, problem: str = "") -> str:
    return render_template("audit.html", seen=seen, found=None, asked=wanted, problem=problem)


def _page(seen: Snapshot, found: "Audit", wanted: Asked) -> str:
    from bot.messages.audit import details, heading, people  # noqa: PLC0415 - see webhooks.sight

    shown = found.shown
    first = (wanted.page - 1) * PAGE
    return render_template(
        "audit.html",
        seen=seen,
        found=found,
        asked=wanted,
        problem="",
        charts=_charts(found),
        entries=[
            (entry, _what(heading(entry)), list(details(entry))[:-1], people(entry))
            for entry in shown[first : first + PAGE]
        ],
        count=len(shown),
        last_page=max(1, -(-len(shown) // PAGE)),
        apps=sorted({entry.app for entry in found.entries if entry.app}),
        choices=CHOICES,
        chart_width=WIDTH,
        chart_height=HEIGHT,
    )


def _what(heading: str) -> str:
    """A heading without its time, which stands beside it."""
    return heading.partition("  ")[2]


def _charts(found: "Audit") -> tuple[Chart, ...]:
    """The four figures, overall and over time."""
    from bot.messages.audit import figures_row  # noqa: PLC0415 - see webhooks.sight

    begun = min(found.since or _oldest(found), found.now - LEAST_PERIOD)
    course = found.course(begun, SPANS)
    days = [f"{begun + (found.now - begun) / SPANS * number:%d %b %Y}" for number in range(SPANS)]
    rows = [figures_row(one) for one in course]
    words = figures_row(found.overall)
    often, _, count = words[0].partition(" (")

    def drawn(column: int, values: "Sequence[float | None]") -> tuple[Bar, ...]:
        told = (f"from {day}: {row[column]}" for day, row in zip(days, rows, strict=True))
        return bars(values, tuple(told))

    return (
        Chart("Deployments", often, count.rstrip(")"), drawn(0, [one.deployments for one in course])),
        Chart("Lead time", words[1], "from merge to healthy, median", drawn(1, [one.lead_seconds for one in course])),
        Chart("Change failure rate", words[2], "failed or undone", drawn(2, [one.failure_rate for one in course])),
        Chart("Time to restore", words[3], "until healthy, median", drawn(3, [one.restore_seconds for one in course])),
    )


def _oldest(found: "Audit") -> datetime:
    from bot.dora import moment  # noqa: PLC0415 - see webhooks.sight

    return moment(found.entries[-1].at) if found.entries else found.now
