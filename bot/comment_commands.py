"""Commands in comments: ``/promote production`` on a line of its own. Pure: a comment's text in, commands out.

What stands in a quote, in a code block or in the middle of a line is talk about a command, not one. Other bots have
slash commands too: one that is none of ours is only answered where it is close to one of ours.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.wording import closest, did_you_mean, listed, quoted

MOST = 5
"""Commands of one comment that are carried out."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_LINE = re.compile(r" {0,3}/([A-Za-z]+)(?:[ \t]+(\S.*?))?[ \t]*")
_CODE = re.compile(r"[0-9a-f]{4,40}")
"""A commit, as people shorten it."""


class Verb(StrEnum):
    """The commands."""

    DEPLOY = "deploy"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETRY = "retry"
    HOLD = "hold"
    RESUME = "resume"
    STATUS = "status"
    HELP = "help"


NEEDS_ENVIRONMENT = frozenset({Verb.PROMOTE, Verb.ROLLBACK, Verb.HOLD, Verb.RESUME})


@dataclass(frozen=True, slots=True)
class Command:
    """A line that speaks to the bot: its first word without the slash, in lower case, and what follows."""

    word: str
    rest: str = ""

    @property
    def verb(self) -> Verb | None:
        """Which command it is; None where it is none of ours."""
        return Verb(self.word) if self.word in set(Verb) else None


@dataclass(frozen=True, slots=True)
class Here:
    """What a comment's place tells: the apps it may be about, the environment of a promotion, all environments."""

    apps: tuple[str, ...]
    environments: tuple[str, ...]
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A command, understood.

    Attributes:
        apps: one app; several only for ``/deploy``, ``/status`` and ``/help``.
        environment: where, for those that need it.
        commit: the release to promote, or what to go back to; None for what the command means by itself.
        text: the reason of a hold or a rollback, or the job to retry.
    """

    verb: Verb
    apps: tuple[str, ...]
    environment: str | None = None
    commit: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Misunderstood:
    """A command that cannot be carried out as it is written, and what to write instead."""

    word: str
    why: str


def commands(body: str) -> tuple[Command, ...]:
    """The commands of a comment, in order; those of other bots are left out."""
    found = (Command(match[1].lower(), match[2] or "") for line in _spoken(body) if (match := _LINE.fullmatch(line)))
    ours = (command for command in found if command.verb is not None or closest(command.word, Verb) is not None)
    return tuple(ours)[:MOST]


def _spoken(body: str) -> Iterator[str]:
    """The lines outside of quotes, code blocks and HTML comments."""
    text = re.sub(r"<!--.*?(-->|\Z)", "", body.replace("\r\n", "\n"), flags=re.DOTALL)
    fence = ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if fence:
            fence = "" if mark and mark[1].startswith(fence) and not line.strip(" `~") else fence
        elif mark:
            fence = mark[1]
        else:
            yield line


def understand(command: Command, here: Here) -> Request | Misunderstood:
    """What a command means where it was written: words that name an app or an environment may stand in any order."""
    verb = command.verb
    if verb is None:
        return Misunderstood(command.word, f"There is no command `/{command.word}`{did_you_mean(command.word, Verb)}")
    words = command.rest.split()
    app = _take(words, here.apps)
    environment = _take(words, here.environments)
    app = app or _take(words, here.apps)
    apps = (app,) if app else here.apps
    if len(apps) > 1 and (verb in NEEDS_ENVIRONMENT or verb is Verb.RETRY):
        return Misunderstood(verb, f"Which app? Write one of {listed(apps, last='or')} behind `/{verb}`.")
    if verb in NEEDS_ENVIRONMENT:
        environment = environment or here.environment or _only_target(verb, here)
        if environment is None:
            return Misunderstood(verb, _where(verb, words, here))
    return _with_words(Request(verb, apps, environment), words)


def _take(words: list[str], names: Sequence[str]) -> str | None:
    """The first word, taken away, where it is one of the names."""
    name = next((name for name in names if words and words[0].casefold() == name.casefold()), None)
    if name is not None:
        del words[0]
    return name


def _only_target(verb: Verb, here: Here) -> str | None:
    """Of two environments a release is promoted to the second."""
    return here.environments[-1] if verb is Verb.PROMOTE and len(here.environments) <= 2 else None  # noqa: PLR2004 - two


def _where(verb: Verb, words: Sequence[str], here: Here) -> str:
    meant = did_you_mean(words[0], here.environments) if words else ""
    return f"Where? Write {listed(here.environments, last='or')} behind `/{verb}`{meant or '.'}"


def _with_words(request: Request, words: list[str]) -> Request | Misunderstood:
    verb, text = request.verb, " ".join(words)
    if verb is Verb.HOLD and not text:
        return Misunderstood(verb, f"Say why, as in `/hold {request.environment} The till is being counted`.")
    if verb is Verb.ROLLBACK:
        commit = words.pop(0) if words and _CODE.fullmatch(words[0]) else None
        return Request(verb, request.apps, request.environment, commit, " ".join(words))
    if verb is Verb.PROMOTE:
        if len(words) > 1 or (words and not _CODE.fullmatch(words[0].rpartition("@")[2])):
            return Misunderstood(
                verb, f"{quoted(text)} is neither an environment nor a commit: write `/promote ENV SHA`."
            )
        return Request(verb, request.apps, request.environment, words[0] if words else None)
    if verb in {Verb.HOLD, Verb.RETRY}:
        return Request(verb, request.apps, request.environment, text=text)
    return request
