"""A config repo and a queue in memory, for tests of what only looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot import messages
from bot.audit import OutcomeNote
from bot.facts import Change, ConfigCommit, Job, JobRecord, JobState, Logged
from bot.progress import Output, Progress
from bot.releases import Merge, Outcome, Person, Release, promotion_branch
from bot.trailers import parse_trailers

CATALOG = """\
environments:
  - {name: staging, cluster: staging, namespace: staging, gate: commit, url: "https://staging.{app}.example.com"}
  - {name: production, cluster: production, namespace: production, gate: pull-request}
apps:
  - {name: blog, source: acme/blog, image: registry.example.com/blog}
  - {name: shop, source: acme/shop, image: registry.example.com/shop}
"""

MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {app}
spec:
  template:
    spec:
      containers:
        - name: web
          image: {image}
"""


def release(app: str, number: int, title: str = "Add a search box") -> Release:
    """The release of an app that a pull request of this number brought."""
    sha = f"{number:02x}" * 20
    image = f"registry.example.com/{app}:{sha[:7]}@sha256:{f'{number:02x}' * 32}"
    merged_by = Person("dora", 17, "Dora")
    return Release(app, image, Merge(f"acme/{app}", sha, title, merged_by, "2026-11-20T10:00:00Z", number, title))


@dataclass
class FakeConfig:
    """``ports.ConfigRepo`` of one line of commits; every commit holds all files. ``reads`` counts looks at files."""

    branch: str = "main"
    line: list[ConfigCommit] = field(default_factory=list)
    trees: list[Mapping[str, str]] = field(default_factory=list)
    branches: dict[str, ConfigCommit] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)

    # ------------------------------------------------------------ setting the scene

    def edit(self, files: Mapping[str, str | None], message: str = "Edit by hand") -> str:
        """A commit on the config branch; None deletes."""
        merged = {**(self.trees[-1] if self.trees else {}), **files}
        self.trees.append({path: text for path, text in merged.items() if text is not None})
        self.line.append(self._commit(message))
        return self.line[-1].sha

    def bump(self, wanted: Release, environment: str, approved_by: Sequence[str] = ()) -> str:
        """The bump, or the merged promotion, of a release."""
        path = f"{environment}/{wanted.app}.yaml"
        subject = messages.subject(wanted.app, wanted.sha, environment)
        body = messages.commit_body(wanted, environment, previous_image=None, approved_by=approved_by)
        return self.edit({path: MANIFEST.format(app=wanted.app, image=wanted.image)}, f"{subject}\n\n{body}")

    def propose(self, branch: str, change: Change | Release) -> ConfigCommit | None:
        """A promotion's branch with its one commit."""
        assert isinstance(change, Release)
        environment = branch.split("/")[1]
        self.branches[branch] = self._commit(messages.commit_message(change, environment, previous_image=None))
        return self.branches[branch]

    def promote(self, wanted: Release, environment: str = "production") -> str:
        """A promotion that waits; its branch's name."""
        branch = promotion_branch(environment, wanted.app)
        self.propose(branch, wanted)
        return branch

    def end(self, commit: str, app: str, environment: str, outcome: Outcome, reason: str = "") -> OutcomeNote:
        """How the sync of a commit ended."""
        note = OutcomeNote(app, environment, "image", outcome, "2026-11-20T10:05:00Z", 12.0, reason=reason)
        self.add_note(commit, note.line())
        return note

    def _commit(self, message: str) -> ConfigCommit:
        number = len(self.line) + len(self.branches) + 1
        parents = (self.line[-1].sha,) if self.line else ()
        at = f"2026-11-20T10:{number:02}:00Z"
        return ConfigCommit(
            f"{number:040x}", parents, "Dora", "d@acme.example", "Slipway", at, message, parse_trailers(message)
        )

    # ------------------------------------------------------------ ports.ConfigRepo

    def fetch(self) -> str:
        return self.line[-1].sha

    def read(self, commit: str, path: str) -> bytes | None:
        self.reads.append(path)
        text = self.trees[self._at(commit)].get(path)
        return text.encode() if text is not None else None

    def files(self, commit: str, path: str) -> tuple[str, ...]:
        return tuple(sorted(name for name in self.trees[self._at(commit)] if f"{name}/".startswith(f"{path}/")))

    def read_ahead(self, commit: str, paths: Sequence[str]) -> None:
        """Nothing is quicker here."""

    def last_change(self, commit: str, paths: Sequence[str]) -> ConfigCommit | None:
        self.reads.append("log")
        for at in range(self._at(commit), -1, -1):
            before = self.trees[at - 1] if at else {}
            changed = {path for path in {*before, *self.trees[at]} if before.get(path) != self.trees[at].get(path)}
            if any(f"{name}/".startswith(f"{path}/") for name in changed for path in paths):
                return self.line[at]
        return None

    def commit(self, sha: str) -> ConfigCommit | None:
        return next((one for one in (*self.line, *self.branches.values()) if one.sha == sha), None)

    def changed_paths(self, commit: str) -> tuple[str, ...]:
        raise NotImplementedError

    def find(self, commit: str, trailer: str, value: str) -> ConfigCommit | None:
        reachable = self.line[: self._at(commit) + 1]
        return next((one for one in reversed(reachable) if (trailer, value) in one.trailers), None)

    def log(self, commit: str) -> tuple[Logged, ...]:
        raise NotImplementedError

    def find_all(self, commit: str, trailer: str, prefix: str) -> tuple[ConfigCommit, ...]:
        reachable = reversed(self.line[: self._at(commit) + 1])
        return tuple(one for one in reachable if any(value.startswith(prefix) for value in one.all_trailers(trailer)))

    def contains(self, commit: str, ancestor: str) -> bool:
        return ancestor in [one.sha for one in self.line[: self._at(commit) + 1]]

    def branch_tips(self, prefix: str) -> Mapping[str, str]:
        return {name: tip.sha for name, tip in self.branches.items() if name.startswith(prefix)}

    def branch_tip(self, branch: str) -> str | None:
        return self.branches[branch].sha if branch in self.branches else None

    def notes(self, commit: str) -> tuple[str, ...]:
        self.reads.append("notes")
        return tuple(self.lines.get(commit, ()))

    def add_note(self, commit: str, line: str) -> None:
        self.lines.setdefault(commit, []).append(line)

    def make(self, change: Change) -> ConfigCommit | None:
        raise NotImplementedError

    def delete_branch(self, branch: str) -> None:
        raise NotImplementedError

    def fetch_pull_request(self, number: int) -> None:
        raise NotImplementedError

    def merged_tree(self, base: str, head: str) -> str | None:
        raise NotImplementedError

    def differing_paths(self, before: str, after: str) -> tuple[str, ...]:
        raise NotImplementedError

    def _at(self, commit: str) -> int:
        return next(at for at, one in enumerate(self.line) if one.sha == commit)


@dataclass
class FakeQueue:
    """``ports.Queue`` over records that a test writes down."""

    records: list[JobRecord] = field(default_factory=list)

    def add(self, job: Job, state: JobState, result: object = None) -> JobRecord:
        """A job in some state; later ones are newer."""
        at = f"2026-11-20T11:{len(self.records):02}:00.000Z"
        self.records.append(JobRecord(job.id, job.workflow, state, result, at, at, None))
        return self.records[-1]

    def enqueue(self, job: Job) -> bool:
        raise NotImplementedError

    def job(self, id: str) -> JobRecord | None:  # noqa: A002 - the port's word
        return next((record for record in self.records if record.id == id), None)

    def jobs(self, prefix: str, *, limit: int = 100) -> tuple[JobRecord, ...]:
        found = [record for record in reversed(self.records) if record.id.startswith(prefix)]
        return tuple(found[:limit])

    def known(self, ids: Sequence[str]) -> Mapping[str, JobRecord]:
        return {record.id: record for record in self.records if record.id in set(ids)}


@dataclass
class FakeJournal:
    """``ports.Journal`` that remembers everything that was put down, in order."""

    noted: list[tuple[str, Output]] = field(default_factory=list)

    def note(self, job: str, output: Output) -> None:
        self.noted.append((job, output))

    def read(self, jobs: Sequence[str]) -> Mapping[str, Progress]:
        raise NotImplementedError

    def pulse(self, jobs: Sequence[str]) -> str:
        raise NotImplementedError
