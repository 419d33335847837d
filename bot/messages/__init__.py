"""Every sentence a person reads in Git and on GitHub: commits, pull requests, comments, statuses. Pure.

Text that came from a person (titles, subjects, reasons) goes through ``one_line`` before it enters a commit
message, so that nobody can write a trailer by naming a pull request cleverly, and through ``inline`` before it
enters Markdown.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from bot.approval import Approved, Blocked, Verdict, Waiting
from bot.facts import Commit, Diagnosis
from bot.releases import SHORT_SHA, Release, bump_id

LONGEST_LINE = 200
"""Characters of a person's title that are repeated."""

LONGEST_LIST = 50
"""Commits listed in a pull request; GitHub shows the rest through the comparison link."""


_REFERENCE = re.compile(r"(?<![\w/#&])#([0-9]+)\b")
"""What GitHub makes a link of
(https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls).
"""


def one_line(text: str) -> str:
    """A person's text as one printable line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 1] + "…"


def inline(text: str) -> str:
    """A person's text inside a line of Markdown: no HTML of theirs."""
    return one_line(text).replace("<", "&lt;")


def qualified(text: str, repo: str) -> str:
    """A person's text with ``#12`` spelled ``owner/repo#12``: here it would lead to another repo's number 12."""
    return _REFERENCE.sub(rf"{repo}#\1", one_line(text))


def short(sha: str) -> str:
    """A commit as people name it: seven hex digits."""
    return sha[:SHORT_SHA]


# ---------------------------------------------------------------- commits


def subject(app: str, sha: str, environment: str) -> str:
    """The subject of a bump and the title of a promotion: ``snapcraft-io: 3f2c1ab to staging``."""
    return f"{app}: {short(sha)} to {environment}"


_OURS = frozenset(
    {
        *("Slipway-Id", "App", "Environment", "Image", "Previous-Image", "Source", "Source-PR", "Source-Merged-At"),
        *("Merged-by", "Approved-by", "Reverts", "Reason", "Requested-by"),
    }
)
"""The trailers that mean something to Slipway."""


def description(release: Release) -> str:
    """What a release changes, in a line: its pull request's title and number."""
    merge = release.merge
    title = qualified(merge.title or merge.subject, merge.source)
    reference = f"{merge.source}#{merge.pull_request}" if merge.pull_request else ""
    return f"{title} ({reference})" if reference and reference not in title else title


def trailers(
    release: Release,
    environment: str,
    *,
    previous_image: str | None,
    approved_by: Sequence[str] = (),
    further: Sequence[tuple[str, str]] = (),
) -> list[tuple[str, str]]:
    """The trailers of a bump or a promotion, in the design's order; ``further`` tells of a person's request."""
    merge = release.merge
    pairs = [
        ("Slipway-Id", bump_id(release.id, environment)),
        ("App", release.app),
        ("Environment", environment),
        ("Image", release.image),
        ("Previous-Image", previous_image),
        ("Source", f"{merge.source}@{merge.sha}"),
        ("Source-PR", f"{merge.source}#{merge.pull_request}" if merge.pull_request else None),
        ("Source-Merged-At", merge.merged_at),
        ("Merged-by", f"@{merge.merged_by.login}" if merge.merged_by else None),
        *(("Approved-by", f"@{login}") for login in approved_by),
        *further,
    ]
    return [(key, one_line(value)) for key, value in pairs if value]


def commit_body(
    release: Release,
    environment: str,
    *,
    previous_image: str | None,
    approved_by: Sequence[str] = (),
    further: Sequence[tuple[str, str]] = (),
) -> str:
    """What stands below the subject of a bump or a promotion."""
    pairs = trailers(release, environment, previous_image=previous_image, approved_by=approved_by, further=further)
    return f"{_no_trailer(description(release))}\n\n" + "".join(f"{key}: {value}\n" for key, value in pairs)


def _no_trailer(text: str) -> str:
    """A title such as ``Image: elsewhere/other:1`` would be read as one of the trailers below it: it is quoted."""
    return f'"{text}"' if text.partition(":")[0] in _OURS else text


def commit_message(
    release: Release, environment: str, *, previous_image: str | None, further: Sequence[tuple[str, str]] = ()
) -> str:
    """The whole message of a bump."""
    body = commit_body(release, environment, previous_image=previous_image, further=further)
    return f"{subject(release.app, release.sha, environment)}\n\n{body}"


# ---------------------------------------------------------------- promotions


@dataclass(frozen=True, slots=True)
class Promotion:
    """What a promotion's page tells.

    Attributes:
        previous_image: what the environment runs now.
        commits: from the deployed release to this one, oldest first; ``total`` counts those not listed too.
        deployed_sha: the source commit that the environment runs now, where it is known.
        came_through: (environment, seconds it took to become healthy, URL) of the environment before.
        who: a sentence that says who may approve.
        notes: (what, Markdown of our own making) of further rows, such as the environments that it skips.
    """

    release: Release
    environment: str
    previous_image: str | None
    commits: tuple[Commit, ...]
    total: int
    deployed_sha: str | None
    came_through: tuple[str, float, str | None] | None
    who: str
    url: str | None
    source_url: str
    notes: tuple[tuple[str, str], ...] = ()


def promotion_marker(release: Release, environment: str) -> str:
    """The hidden line that tells which release a promotion's page is about."""
    return f"<!-- slipway-id: {bump_id(release.id, environment)} -->"


_HOW_TO_APPROVE = (
    "Review this pull request and choose **Approve**. {who} The approval counts for exactly the commit you see: when a "
    "newer release takes its place here, it must be approved anew. Slipway then merges, applies and waits for the "
    "pods. There is no need to press Merge; a Merge by someone who may approve counts as that person's approval."
)
_HOW_TO_ROLL_BACK = (
    "If the rollout fails, Slipway goes back by itself, unless the catalog says `rollback: manual`. To go back for any "
    "other reason, run `python -m bot rollback {app} {environment}`; or press **Revert** on this page (or `git revert` "
    "the merged commit) and merge that: Slipway applies whatever the config branch says."
)


def promotion_body(promotion: Promotion) -> str:
    """The pull request that asks for a release to go live."""
    release = promotion.release
    where = f"[{promotion.environment}]({promotion.url})" if promotion.url else promotion.environment
    parts = [
        promotion_marker(release, promotion.environment),
        f"Puts **{inline(description(release))}** live on {where}.",
        _facts(promotion),
        "### What changes",
        _commit_list(promotion),
        f"### How to approve\n\n{_HOW_TO_APPROVE.format(who=promotion.who)}",
        f"### How to roll back\n\n{_HOW_TO_ROLL_BACK.format(app=release.app, environment=promotion.environment)}",
    ]
    return "\n\n".join(parts) + "\n"


def _facts(promotion: Promotion) -> str:
    rows = [("Image", f"`{promotion.release.image}`")]
    if promotion.previous_image:
        rows.append(("Replaces", f"`{promotion.previous_image}`"))
    if promotion.came_through:
        environment, seconds, url = promotion.came_through
        name = f"[{environment}]({url})" if url else environment
        rows.append(("Proven on", f"{name}: healthy after {duration(seconds)}"))
    return "| | |\n| --- | --- |\n" + "\n".join(f"| {name} | {value} |" for name, value in (*rows, *promotion.notes))


def _commit_list(promotion: Promotion) -> str:
    if not promotion.commits:
        return f"`{short(promotion.release.sha)}` {inline(description(promotion.release))}"
    listed = promotion.commits[-LONGEST_LIST:]
    lines = [f"- {_commit_line(promotion, commit)}" for commit in reversed(listed)]
    if promotion.total > len(listed):
        lines.append(f"- … and {promotion.total - len(listed)} earlier ones")
    if promotion.deployed_sha:
        lines.append(
            f"\n[Compare]({promotion.source_url}/compare/{promotion.deployed_sha}...{promotion.release.sha}) "
            f"what {promotion.environment} runs with this release."
        )
    return "\n".join(lines)


def _commit_line(promotion: Promotion, commit: Commit) -> str:
    merge = promotion.release.merge
    author = f"@{commit.author.login}" if commit.author else inline(commit.author_name)
    text = description(promotion.release) if commit.sha == merge.sha else qualified(commit.subject, merge.source)
    return f"[`{short(commit.sha)}`]({promotion.source_url}/commit/{commit.sha}) {inline(text)} by {author}"


def code_owner_must(owners: Sequence[str]) -> str:
    """The clause about the code owners of a file, of whom one has to approve."""
    return f"a code owner ({' or '.join(f'@{name}' for name in owners)}) must approve"


def who_may_approve(approvers: Sequence[str], needed: int, owners: Sequence[Sequence[str]] = ()) -> str:
    """The sentences about people on a promotion's page; ``owners`` are the code owners of what it changes."""
    count = "One approval is" if needed == 1 else f"{needed} approvals are"
    names = ", ".join(f"@{name}" for name in approvers)
    from_whom = names or "people who may push to this repo"
    of_them = "".join(f" By CODEOWNERS, {code_owner_must(group)}." for group in owners)
    return f"{count} needed, from {from_whom}.{of_them}"


def approval_status(verdict: Verdict) -> str:
    """The text of the ``slipway/approval`` status."""
    match verdict:
        case Approved(by):
            return f"Approved by {', '.join(by)}"
        case Blocked(by):
            return f"{', '.join(by)} asked for changes"
        case Waiting(by, needed, stale, ignored, owners):
            note = "".join(f"; {code_owner_must(group)}" for group in owners)
            note += f"; {', '.join(stale)} approved an older commit" if stale else ""
            note += f"; {', '.join(ignored)} may not approve here" if ignored else ""
            return f"{len(by)} of {needed} approvals{note}"


# ---------------------------------------------------------------- progress and failures


class RowState(Enum):
    """What a row of the comment says of an environment; the values are what people see."""

    HEALTHY = "✅ live"
    FAILED = "❌ failed"
    ROLLED_BACK = "↩️ rolled back"
    UNKNOWN = "❔ unknown"
    ROLLING_OUT = "🚀 rolling out"
    AWAITING_APPROVAL = "✋ waiting for approval"
    DECLINED = "🚫 declined"
    BUILDING = "🔨 building"
    HELD = "⏸️ held"
    FROZEN = "❄️ frozen"
    LATER = "· later"


@dataclass(frozen=True, slots=True)
class Row:
    """One environment in the comment on a source pull request. ``detail`` is Markdown of our own making."""

    environment: str
    state: RowState
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, where, and what it means for the people served.

    Attributes:
        what: the action that failed, as in "Building the image".
        reason: the paragraph of the error.
        serving: what runs meanwhile.
        evidence: redacted log lines, quoted only where they may be.
    """

    what: str
    reason: str
    serving: str = ""
    evidence: tuple[str, ...] = ()
    reference: str = ""


def comment_marker(app: str) -> str:
    """The hidden line by which the one comment of an app on a pull request is found again."""
    return f"<!-- slipway: {app} -->"


def progress_comment(
    app: str,
    sha: str,
    rows: Sequence[Row],
    *,
    image: str | None = None,
    failure: Failure | None = None,
    story: str | None = None,
) -> str:
    """The one comment on a source pull request, updated in place. ``story`` tells more than a failure does."""
    parts = [
        comment_marker(app),
        f"**{app}** `{short(sha)}`" + (f" as `{image}`" if image else ""),
        "| environment | state | |\n| --- | --- | --- |\n"
        + "\n".join(f"| {row.environment} | {row.state.value} | {row.detail} |" for row in rows),
    ]
    if failure is not None:
        parts.append(failure_text(failure))
    if story is not None:
        parts.append(story)
    return "\n\n".join(parts) + "\n"


def failure_text(failure: Failure) -> str:
    """One clear paragraph, a list where the reason has several lines, then the evidence."""
    reason, *several = failure.reason.splitlines() or [""]
    beginning = f"**{failure.what} failed.** {reason if several else _sentence(reason)}"
    end = " ".join(filter(None, (failure.serving, f"({failure.reference})" if failure.reference else "")))
    if several:
        problems = "\n".join(f"- {line.removeprefix('- ')}" for line in several)
        parts = [beginning, problems, end]
    else:
        parts = [f"{beginning} {end}".rstrip()]
    if failure.evidence:
        fence = "```"
        quoted = "\n".join(line.replace(fence, "'''") for line in failure.evidence)
        parts.append(f"{fence}text\n{quoted}\n{fence}")
    return "\n\n".join(filter(None, parts))


def _sentence(text: str) -> str:
    """With a full stop where what follows would run into it."""
    return text if not text or text[-1] in ".!?…:" else f"{text}."


def failure_comment(app: str, failure: Failure) -> str:
    """The one comment on a promotion that failed."""
    return f"{comment_marker(app)}\n\n{failure_text(failure)}\n"


def rollout_reason(detail: str, diagnosis: Diagnosis) -> str:
    """Why the pods did not come up, in a sentence or two."""
    causes = "; ".join(dict.fromkeys(one_line(reason) for reason in diagnosis.reasons))
    return f"The pods did not become ready: {one_line(detail).rstrip('.')}." + (f" Pods: {causes}." if causes else "")


def duration(seconds: float) -> str:
    """A span as people say it: ``34 s``, ``4 min 10 s``, ``2 h 5 min``."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
