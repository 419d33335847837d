"""What a person's pull request to the config repo would do, as its comment and its statuses say it. Pure."""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.facts import Difference, StatusState
from bot.messages import short

EFFECT_MARKER = "<!-- slipway: effect -->"
"""The hidden line by which the one comment on the effect is found again."""

CATALOG_MARKER = "<!-- slipway: slipway.yaml -->"
"""The same of the comment on a catalog; where it is merged as it is, that is said in this comment, too."""

LONGEST_COMMENT = 60_000
"""Characters; GitHub takes 65,536."""

LONGEST_DIFF = 12_000
LONGEST_TEXT = 20_000
"""Characters of one object's diff, and of an object that is still compared line by line: that is slow in long ones."""


@dataclass(frozen=True, slots=True)
class PlaceEffect:
    """What a pull request would do to one app in one environment.

    Attributes:
        app: empty: the environment's shared files.
        leaving: the objects that it takes out of the manifests.
        pruned: whether these would be deleted.
        problem: why nothing could be tried.
        unknown: whether that may pass (the cluster is away), rather than being the pull request's own mistake.
    """

    app: str
    environment: str
    differences: tuple[Difference, ...] = ()
    leaving: tuple[str, ...] = ()
    pruned: bool = False
    problem: str = ""
    unknown: bool = False

    @property
    def title(self) -> str:
        """How people call the place."""
        return f"{self.app} in {self.environment}" if self.app else f"Shared files of {self.environment}"

    @property
    def problems(self) -> int:
        """How much is wrong here."""
        return sum(1 for one in self.differences if one.problem) + bool(self.problem and not self.unknown)

    @property
    def changes(self) -> int:
        """How many objects would be other ones, or deleted."""
        return sum(one.changes for one in self.differences) + (len(self.leaving) if self.pruned else 0)


def effect_status(places: Sequence[PlaceEffect]) -> tuple[StatusState, str]:
    """The commit status ``slipway/effect``."""
    if wrong := [place for place in places if place.problems]:
        others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        return StatusState.FAILURE, f"{wrong[0].title}{others} could not be applied: see the comment"
    if unknown := [place for place in places if place.unknown]:
        return StatusState.ERROR, f"{unknown[0].title}: the cluster could not be asked"
    changes = sum(place.changes for place in places)
    if not changes:
        return StatusState.SUCCESS, "Nothing would change on the clusters"
    where = places[0].title if len(places) == 1 else f"{len(places)} places"
    return StatusState.SUCCESS, f"{_count(changes)} would change: {where}"


def effect_comment(places: Sequence[PlaceEffect], *, base: str, head: str, left_out: Sequence[str] = ()) -> str:
    """The one comment on the effect.

    Args:
        places: what would happen, where.
        base: the config branch's commit that it was compared with.
        head: the pull request's commit.
        left_out: places that were too many to try.
    """
    begin = f"What `{short(head)}` would change on the clusters, merged with `{short(base)}`. Nothing has been applied."
    parts = [f"{EFFECT_MARKER}\n\n{begin}"]
    budget = LONGEST_COMMENT - len(parts[0])
    for place in places:
        text = _section(place, budget)
        if len(text) > budget:
            text = f"### {place.title}\n\n{_count(place.changes)} would change; there is no room here to show them."
        budget -= len(text) + 2
        if budget < 0:
            parts.append("… and more places, for which there is no room here.")
            break
        parts.append(text)
    if not places:
        parts.append("It touches no app's files and no shared files: nothing.")
    if left_out:
        named = ", ".join(left_out[:20]) + (", …" if len(left_out) > len(left_out[:20]) else "")
        parts.append(f"Not tried, since there are too many places: {named}.")
    return "\n\n".join(parts) + "\n"


def conflict_comment(base: str) -> str:
    """The comment where the pull request cannot be merged as it is."""
    return (
        f"{EFFECT_MARKER}\n\nWhat this would change cannot be told: it conflicts with the config branch at "
        f"`{short(base)}`. Resolve the conflicts and push; it is then looked at again.\n"
    )


def catalog_comment(problems: str) -> str:
    """The comment on a pull request whose catalog cannot be used; without problems, on one that has been mended."""
    if not problems:
        return f"{CATALOG_MARKER}\n\nThe catalog of this pull request can be used now.\n"
    return (
        f"{CATALOG_MARKER}\n\n**The catalog of this pull request cannot be used.** Merged as it is, it would not come "
        f"into force: the one before it would stay.\n\n{_fenced(problems, 'text')}\n"
    )


def _section(place: PlaceEffect, budget: int) -> str:
    lines = [f"### {place.title}", ""]
    if place.problem:
        sign = "❔ The cluster could not be asked:" if place.unknown else "❌"
        lines += [f"{sign} {_plain(place.problem)}", ""]
    lines += [line for one in place.differences for line in _problem_lines(one)]
    lines += [f"- ⚠️ {_named(one)}: {_plain(text)}" for one in place.differences for text in one.warnings]
    lines += [_summary(one) for one in place.differences if one.changes]
    lines += [_leaving(name, pruned=place.pruned) for name in place.leaving]
    same = [_named(one) for one in place.differences if not one.changes and not one.problem]
    if same:
        lines.append(f"- unchanged: {', '.join(same)}")
    text = "\n".join(lines).rstrip()
    return text + _diffs(place.differences, budget - len(text))


def _problem_lines(one: Difference) -> Iterable[str]:
    if one.problem:
        who = f"{_named(one)}: " if one.name else ""
        yield f"- ❌ {who}{_plain(one.problem)}"


def _summary(one: Difference) -> str:
    verb = "would be created" if one.before is None else "would change"
    return f"- {_named(one)} {verb}" + (f" ({one.note})" if one.note else "")


def _leaving(name: str, *, pruned: bool) -> str:
    if pruned:
        return f"- 🗑️ {name} would be deleted: it leaves the manifests"
    return f"- {name} leaves the manifests and stays on the cluster (`prune` is off)"


def _diffs(differences: Iterable[Difference], budget: int) -> str:
    """The diffs, folded, as far as there is room."""
    text = ""
    for one in differences:
        if not one.changes:
            continue
        shown = object_diff(one)
        folded = f"\n\n<details><summary>{one.kind} {one.name}</summary>\n\n{_fenced(shown, 'diff')}\n\n</details>"
        if not shown or len(text) + len(folded) > budget:
            folded = f"\n\n{_named(one)}: its diff is too long to be shown."
        text += folded
    return text


def object_diff(one: Difference) -> str:
    """What would change in an object, as a unified diff without its heading; empty where that is too long."""
    before, after = one.before or "", one.after or ""
    if len(before) + len(after) > LONGEST_TEXT:
        return ""
    lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm=""))[2:]
    text = "\n".join(line for line in lines if one.before is not None or not line.startswith("@@"))
    return text if len(text) <= LONGEST_DIFF else ""


def _named(one: Difference) -> str:
    return f"{one.kind} `{one.name}`"


def _count(objects: int) -> str:
    return f"{objects} object{'' if objects == 1 else 's'}"


def _plain(text: str) -> str:
    """Words of a cluster or an error inside Markdown: no HTML of theirs."""
    return " ".join(text.split()).replace("<", "&lt;")


def _fenced(text: str, language: str) -> str:
    """A code block that nothing in the text can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"
