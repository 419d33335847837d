"""What the bot answers to commands in comments. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.messages import one_line, short

HELP = """\
| command | does |
| --- | --- |
| `/deploy` | releases the newest merge once more; what is done already is found, not doubled |
| `/promote ENV [SHA]` | brings what the environment before runs healthily, or a certain release, through ENV's gate |
| `/rollback ENV [COMMIT] [REASON]` | back to the last healthy release, or to a certain one |
| `/retry [JOB]` | does once more what failed last, or a certain job |
| `/hold ENV REASON` | nothing new enters ENV, and no approval is carried out |
| `/resume ENV` | lifts the hold; what it kept out goes in |
| `/status` | what runs where |
| `/help` | this |

A command stands on a line of its own. On a promotion ENV may be left out. Where a repository has several apps, the
app's name comes first, as in `/hold shop production REASON`."""


def answer_marker(comment_id: int) -> str:
    """The hidden line by which the answer to a comment is found again."""
    return f"<!-- slipway-answer: {comment_id} -->"


def answer(comment_id: int, login: str, parts: Sequence[str]) -> str:
    """The answer to a comment: a part for each of its commands."""
    return "\n\n".join([answer_marker(comment_id), f"@{login}", *parts]) + "\n"


def not_allowed(login: str, verb: str, environment: str | None, who: Sequence[str], repo: str) -> str:
    """Somebody who may not."""
    people = ", ".join(f"`@{name}`" for name in who) if who else f"people who may push to `{repo}`"
    where = f" in {environment}" if environment else ""
    return f"`/{verb}`{where} is for {people}; @{login} is not among them, as far as GitHub tells. Nothing was done."


def asked(what: str, job: str) -> str:
    """Work that was asked for."""
    return f"{what} (`{job}`)."


def under_way(job: str) -> str:
    """Work that is running already."""
    return f"`{job}` is under way already."


def could_not(verb: str, why: str) -> str:
    """A command that was refused."""
    return f"`/{verb}` was not carried out. {why}"


@dataclass(frozen=True, slots=True)
class Standing:
    """One environment in the answer to ``/status``. ``outcome`` is a word, ``hold`` says who holds it and why."""

    environment: str
    sha: str | None
    outcome: str
    hold: str | None


def standings(app: str, rows: Sequence[Standing]) -> str:
    """What runs where."""
    lines = [
        f"| {row.environment} | {f'`{short(row.sha)}`' if row.sha else 'no release'} | {row.outcome} | "
        f"{_cell(f'held{row.hold}') if row.hold is not None else ''} |"
        for row in rows
    ]
    return f"**{app}**\n\n| environment | release | state | |\n| --- | --- | --- | --- |\n" + "\n".join(lines)


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|").replace("<", "&lt;")


def nothing_to_retry(app: str) -> str:
    """No failed job."""
    return f"Nothing of {app} has failed lately. To do something certain once more, name its job: `/retry JOB`."


def not_of(job: str, app: str) -> str:
    """A job of another app."""
    return f"`{job}` is no job of {app}."
