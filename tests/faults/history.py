"""What the config repo itself tells: one reading of its whole log with the outcomes in its notes."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.audit import OutcomeNote, parse_notes
from bot.trailers import parse_trailers
from tests.scenarios.world import World

_END = "\x1e"
_BUMP = re.compile(r"(?P<app>[^@/]+)@(?P<sha>[0-9a-f]{40})/(?P<environment>[^/]+)(?P<rollback>/rollback/.+)?")
_WITHDRAWAL = "/unapproved/"


@dataclass(frozen=True, slots=True)
class Bump:
    """A commit of the bot's that set an image: what it brought where, and how its syncs ended.

    ``rollback`` is the end of its id where it went back.
    """

    commit: str
    app: str
    environment: str
    sha: str
    rollback: str | None
    outcomes: tuple[OutcomeNote, ...]

    @property
    def healthy(self) -> bool:
        """Whether its pods became ready."""
        return any(note.outcome == "healthy" for note in self.outcomes)


@dataclass(frozen=True, slots=True)
class History:
    """The config branch, oldest commit first.

    Attributes:
        merges: commits with two parents.
        subjects: by commit.
        other_ids: what the bot's other commits say they are: holds, their ends, reverts of unapproved merges.
        withdrawn: merges that were taken back since nobody had approved them; what they brought may come once more.
    """

    bumps: tuple[Bump, ...]
    merges: tuple[str, ...]
    subjects: Mapping[str, str]
    other_ids: tuple[str, ...]
    withdrawn: frozenset[str]

    def of(self, app: str, environment: str) -> list[Bump]:
        """The bumps of an app in an environment."""
        return [bump for bump in self.bumps if (bump.app, bump.environment) == (app, environment)]

    def live(self, app: str, environment: str, sha: str) -> bool:
        """Whether that release was brought there and became healthy."""
        return any(bump.sha == sha and bump.healthy for bump in self.of(app, environment))


def read(world: World) -> History:
    """Read it all."""
    log = world.git("log", "--reverse", "--notes=slipway", f"--format=%H%n%P%n%B%x00%N{_END}", "master")
    bumps: list[Bump] = []
    merges: list[str] = []
    subjects: dict[str, str] = {}
    other_ids: list[str] = []
    withdrawn: set[str] = set()
    for entry in filter(str.strip, log.split(_END)):
        text, _, notes = entry.strip("\n").partition("\0")
        commit, parents, message = text.split("\n", 2)
        subjects[commit] = message.split("\n", 1)[0]
        merges += [commit] if " " in parents else []
        trailers = parse_trailers(message)
        id_ = dict(trailers).get("Slipway-Id", "")
        bump = _BUMP.fullmatch(id_)
        if bump is None and id_:
            other_ids.append(id_)
            withdrawn |= {sha for name, sha in trailers if name == "Reverts" and _WITHDRAWAL in id_}
        if bump is not None:
            app, environment = bump["app"], bump["environment"]
            own = [
                note for note in parse_notes(notes.splitlines()) if (note.app, note.environment) == (app, environment)
            ]
            bumps.append(Bump(commit, app, environment, bump["sha"], bump["rollback"], tuple(own)))
    return History(tuple(bumps), tuple(merges), subjects, tuple(other_ids), frozenset(withdrawn))


def descends(git_dir: Path, older: str, newer: str) -> bool:
    """Whether a commit of a source repo descends from another, or is it."""
    command = ["git", "--git-dir", str(git_dir), "merge-base", "--is-ancestor", older, newer]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
