"""What workflows and steps may ask of the outside world.

Every method either returns, or raises one of ``bot.errors``: ``Transient`` (nothing was done), ``Permanent``
(somebody must act) or ``UnknownOutcome`` (a write was sent, no answer came). Nothing foreign leaks out.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bot.budget import Budget
from bot.facts import (
    Applied,
    BuildRequest,
    Change,
    Commit,
    Comparison,
    ConfigCommit,
    Deploying,
    DeploymentState,
    Diagnosis,
    Difference,
    FailedDelivery,
    Job,
    JobRecord,
    Logged,
    PullRequest,
    RemoteImage,
    Repository,
    Review,
    Rollout,
    StatusState,
    Target,
)
from bot.progress import Output, Progress
from bot.releases import Person

T = TypeVar("T")

# ---------------------------------------------------------------- GitHub


class Forge(Protocol):
    """GitHub's REST API. ``repo`` is always ``owner/name``."""

    def identity(self) -> Person | None:
        """Who the bot is, or None where the API will not say."""
        ...

    def budgets(self) -> tuple[Budget, ...]:
        """What is left of the requests of this hour, as the last answers told. Asks nothing."""
        ...

    def account(self, login: str) -> Person | None:
        """An account by its login; None where there is none, or the API will not say."""
        ...

    def repository(self, repo: str) -> Repository:
        """The repository's facts."""
        ...

    def default_branch(self, repo: str) -> str:
        """The repository's default branch, as of the last minute."""
        ...

    def commit(self, repo: str, sha: str) -> Commit:
        """One commit."""
        ...

    def pull_requests_of(self, repo: str, sha: str) -> tuple[PullRequest, ...]:
        """The pull requests that a commit belongs to, merged ones too."""
        ...

    def compare(self, repo: str, base: str, head: str) -> Comparison | None:
        """How head stands to base; None where GitHub no longer knows one of them."""
        ...

    def pull_request(self, repo: str, number: int) -> PullRequest:
        """One pull request, whole."""
        ...

    def opened_by(self, repo: str, number: int) -> Person | None:
        """Who opened a pull request; None where that account is gone."""
        ...

    def find_pull_request(self, repo: str, head_branch: str, *, state: str = "open") -> PullRequest | None:
        """The newest pull request from that branch of the repo itself; ``state``: open, closed or all."""
        ...

    def open_pull_requests(self, repo: str) -> tuple[PullRequest, ...]:
        """All open pull requests, oldest first."""
        ...

    def open_pull_request(self, repo: str, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open one. Never repeated blindly: look with ``find_pull_request`` first, and after UnknownOutcome."""
        ...

    def edit_pull_request(self, repo: str, number: int, *, title: str, body: str) -> None:
        """Set title and body."""
        ...

    def close_pull_request(self, repo: str, number: int) -> None:
        """Close one without merging it; nothing where it is closed."""
        ...

    def closed_pull_requests(self, repo: str) -> tuple[PullRequest, ...]:
        """The hundred pull requests that were closed and touched last."""
        ...

    def reviews(self, repo: str, number: int) -> tuple[Review, ...]:
        """All submitted reviews, oldest first."""
        ...

    def merge_pull_request(self, repo: str, number: int, *, head: str, title: str, message: str) -> str:
        """Squash exactly ``head`` onto the base and return the new commit.

        Raises:
            Refused: it may not be merged (405): a conflict, or a rule of the branch.
            Permanent: the head moved (409).
            UnknownOutcome: no answer; read the pull request to learn.
        """
        ...

    def comment(self, repo: str, number: int, *, marker: str, body: str, only_update: bool = False) -> None:
        """Have exactly one comment that holds ``marker`` (an HTML comment), with this body.

        ``only_update``: none where there is none yet.
        """
        ...

    def react(self, repo: str, number: int, comment_id: int) -> None:
        """Thumbs up on a comment on a pull request, once. Unavailable: one log line."""
        ...

    def set_status(
        self,
        repo: str,
        sha: str,
        *,
        context: str,
        state: StatusState,
        description: str,
        url: str | None,
        is_news: bool = False,
    ) -> None:
        """A commit status. ``description`` is cut at GitHub's 140 characters. Unavailable: one log line.

        ``is_news``: nobody can have said this before, unless this step has run before.
        """
        ...

    def begin_deployment(self, deploying: Deploying, *, is_news: bool = False) -> int | None:
        """The id of the one deployment that is about this; None where GitHub keeps none for us: one log line.

        ``is_news``: nobody can have begun it before, unless this step has run before.
        """
        ...

    def find_deployments(self, repo: str, sha: str, environment: str) -> tuple[int, ...]:
        """The deployments of a commit to an environment, newest first; none where GitHub will not say."""
        ...

    def end_deployment(
        self,
        repo: str,
        deployment: int,
        *,
        state: DeploymentState,
        description: str,
        url: str | None,
        log_url: str | None,
        is_news: bool = False,
    ) -> None:
        """Say how a deployment ended; nothing where that was said last. ``description`` is cut at 140 characters.

        A success makes the environment's earlier ones inactive, as far as GitHub does so. ``is_news`` as above.
        """
        ...

    def label(self, repo: str, number: int, labels: Sequence[str]) -> None:
        """Add labels to a pull request. Unavailable: one log line."""
        ...

    def can_write(self, repo: str, login: str) -> bool:
        """Whether that person may push to the repo. Fails closed: cannot be asked means False."""
        ...

    def team_members(self, team: str) -> frozenset[str]:
        """The logins of ``org/team``. Fails closed: cannot be asked means nobody."""
        ...


class Deliveries(Protocol):
    """The log of webhooks that GitHub tried to deliver."""

    def failed(self, repos: Sequence[str], since: datetime) -> tuple[FailedDelivery, ...]:
        """Deliveries since then of which no attempt was taken; nothing of a log that GitHub does not show."""
        ...

    def redeliver(self, delivery: FailedDelivery) -> None:
        """Have it sent again, with the same GUID."""
        ...


# ---------------------------------------------------------------- Git


class SourceRepos(Protocol):
    """The apps' source repositories over git. They are read, never run, never written."""

    def branch_head(self, repo: str, branch: str) -> str | None:
        """The commit a branch points to now (``git ls-remote``: no API budget), None where it is gone."""
        ...

    def checkout(self, repo: str, sha: str) -> AbstractContextManager[Path]:
        """The tree of exactly that commit (shallow, by SHA) in a folder that is gone afterwards, without ``.git``."""
        ...


class ConfigHistory(Protocol):
    """The config repo for those who only read its history: a plain clone will do."""

    @property
    def branch(self) -> str:
        """The config branch."""
        ...

    def fetch(self) -> str:
        """Bring the mirror up to date (branches, notes) and return the config branch's head."""
        ...

    def read(self, commit: str, path: str) -> bytes | None:
        """A file's bytes at a commit; None where there is none."""
        ...

    def files(self, commit: str, path: str) -> tuple[str, ...]:
        """The file itself, or every file below the folder, sorted; empty where there is nothing."""
        ...

    def last_change(self, commit: str, paths: Sequence[str]) -> ConfigCommit | None:
        """The newest commit on the first-parent line that changed any of the paths (a merge counts itself)."""
        ...

    def log(self, commit: str) -> tuple[Logged, ...]:
        """The first-parent line that leads to ``commit``, newest first, with paths, notes and what merges brought."""
        ...


class ConfigRepo(ConfigHistory, Protocol):
    """The config repo through a bare mirror. Reads come from the mirror as of the last ``fetch``."""

    def read_ahead(self, commit: str, paths: Sequence[str]) -> None:
        """Say which files, and whose newest changes, are asked for next: that is then quick. Changes nothing else."""
        ...

    def commit(self, sha: str) -> ConfigCommit | None:
        """One commit of the mirror."""
        ...

    def changed_paths(self, commit: str) -> tuple[str, ...]:
        """The paths that differ between a commit and its first parent; those of a merge count as its own."""
        ...

    def find(self, commit: str, trailer: str, value: str) -> ConfigCommit | None:
        """The newest commit reachable from ``commit`` that carries exactly this trailer."""
        ...

    def find_all(self, commit: str, trailer: str, prefix: str) -> tuple[ConfigCommit, ...]:
        """Every commit reachable from ``commit`` with a value of this trailer that begins so, newest first.

        It walks the whole log: for a person's question, not for a look every few minutes.
        """
        ...

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is the commit itself, or reachable from it."""
        ...

    def branch_tips(self, prefix: str) -> Mapping[str, str]:
        """The branches whose name begins so, and the commits they point to, as of the last fetch."""
        ...

    def branch_tip(self, branch: str) -> str | None:
        """The commit another branch points to, as of the last fetch."""
        ...

    def make(self, change: Change) -> ConfigCommit | None:
        """Commit a change onto the config branch and push it by compare-and-swap.

        Loses no race: on a rejected push it fetches and applies the edit to the new head. Concurrent calls share
        one push, one commit each. Returns the commit (the one found, where it was there already), or None where
        the edit changes nothing.
        """
        ...

    def propose(self, branch: str, change: Change) -> ConfigCommit | None:
        """Set a branch of the bot's own to one commit on top of the config branch's head, and push it.

        The branch is moved only if its tip is the bot's own (else Permanent). Left as it is where its tip already
        carries the change's id, sits on a base whose files in question are the same, and would be the same text.
        None where the edit changes nothing.
        """
        ...

    def delete_branch(self, branch: str) -> None:
        """Delete a branch of the bot's own; nothing where it is gone."""
        ...

    def fetch_pull_request(self, number: int) -> None:
        """Bring a pull request's head into the mirror, from a fork too."""
        ...

    def merged_tree(self, base: str, head: str) -> str | None:
        """The tree that merging head into base would give, for ``read`` and ``files``; None where they conflict."""
        ...

    def differing_paths(self, before: str, after: str) -> tuple[str, ...]:
        """The files that differ between two commits or trees, sorted; a renamed one counts twice."""
        ...

    def notes(self, commit: str) -> tuple[str, ...]:
        """The lines of ``refs/notes/slipway`` on a commit, as of the last fetch."""
        ...

    def add_note(self, commit: str, line: str) -> None:
        """Append a line to the commit's note (compare-and-swap); nothing where that very line is there."""
        ...


# ---------------------------------------------------------------- images


class Registry(Protocol):
    """A registry's HTTP API. ``repository`` includes the host, as in an image reference."""

    def find(self, repository: str, reference: str) -> RemoteImage | None:
        """The image under a tag or digest, None where there is none. An index answers with its first image's labels."""
        ...

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Point a tag at a digest: the manifest's bytes and media type as they are, nothing pulled."""
        ...


class ImageBuilder(Protocol):
    """The engine that builds and pushes. Lines of its output go to ``log``."""

    def build(self, request: BuildRequest, log: Callable[[str], None]) -> None:
        """Build ``request.image`` locally. Permanent with the last lines of output where the build fails."""
        ...

    def push(self, image: str, log: Callable[[str], None]) -> None:
        """Push a built image."""
        ...

    def remove(self, image: str) -> None:
        """Remove the local image, keep the build cache; nothing where it is gone."""
        ...


# ---------------------------------------------------------------- clusters


class Clusters(Protocol):
    """Kubernetes API servers by kubeconfig context. Unreachable: ``Transient``."""

    def contexts(self) -> tuple[str, ...] | None:
        """The contexts that there are; None where one set of credentials serves them all, whatever their name."""
        ...

    def apply(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Applied, ...]:
        """Server-side apply, in dependency order, after a dry run of all of them.

        Raises:
            Permanent: the cluster refuses an object (it is named, with the reason); nothing was applied where the
                dry run could tell.
        """
        ...

    def compare(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
        """What ``apply`` would change, object by object, by a server-side dry run. Nothing is written.

        What the cluster refuses is a ``Difference`` with a ``problem``, not an error.
        """
        ...

    def prune(self, target: Target, objects: Sequence[Mapping[str, Any]], *, dry_run: bool) -> tuple[str, ...]:
        """Delete those of the objects that are there and that Slipway applied; their kinds and names.

        What holds data (PersistentVolumeClaims) and what is cluster-wide stays. ``dry_run``: only tell.

        Raises:
            Permanent: one may not be deleted.
        """
        ...

    def rollout(self, target: Target, applied: Sequence[Applied], *, wait: float) -> Rollout:
        """Look at the applied workloads; wait up to ``wait`` seconds for the state to end."""
        ...

    def diagnose(self, target: Target, applied: Sequence[Applied]) -> Diagnosis:
        """Waiting reasons, events and last log lines of the workloads' pods that are not ready."""
        ...


class Renderer(Protocol):
    """Makes plain manifests of kustomizations and charts; ``files`` is all that there is to them. Fetches nothing."""

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        """What ``kubectl kustomize`` makes of a folder, as YAML.

        Raises:
            Transient: kubectl is not here, or does not end.
            Permanent: it refuses, in its words.
        """
        ...

    def helm(
        self, files: Mapping[str, bytes], chart: str, values: Sequence[str], *, release: str, namespace: str
    ) -> str:
        """What ``helm template`` makes of a chart's folder, as YAML, hooks left out. Errors as above, of helm."""
        ...


# ---------------------------------------------------------------- chat


class Chat(Protocol):
    """Chat rooms and mailboxes, by address."""

    def send(self, address: str, title: str, text: str) -> None:
        """Send one message. ``address`` is an apprise address, or ``$NAME`` for one that a variable holds.

        Raises:
            Permanent: it is no address, or the variable is not set.
            Transient: it was not taken, or nobody can say whether it was. Never repeated by itself.
        """
        ...


# ---------------------------------------------------------------- time, work


class Clock(Protocol):
    """The only source of time in workflows and steps."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class Queue(Protocol):
    """The durable queue."""

    def enqueue(self, job: Job) -> bool:
        """Store a job; False where its id is known already. On disk when this returns."""
        ...

    def job(self, id: str) -> JobRecord | None:  # noqa: A002 - the design's word for it
        """One job."""
        ...

    def jobs(self, prefix: str, *, limit: int = 100) -> tuple[JobRecord, ...]:
        """The jobs whose id starts with prefix, newest first."""
        ...

    def known(self, ids: Sequence[str]) -> Mapping[str, JobRecord]:
        """Those of the jobs that are known, by id: one question for many."""
        ...


class Journal(Protocol):
    """What jobs have done so far, for those who look on. The work itself never reads it."""

    def note(self, job: str, output: Output) -> None:
        """Put down what a step of a job says, in place of what was put down before.

        Raises:
            Transient: it cannot be stored now.
        """
        ...

    def read(self, jobs: Sequence[str]) -> Mapping[str, Progress]:
        """How far each of these jobs is."""
        ...

    def pulse(self, jobs: Sequence[str]) -> str:
        """Another word whenever ``read`` would tell something else of these jobs."""
        ...


class Run(Protocol):
    """One durable run of a workflow: every step's result is stored, so a replay does not repeat it."""

    @property
    def id(self) -> str:
        """The job's id."""
        ...

    def step(self, name: str, function: Callable[[], T], *, attempts: int = 5) -> T:
        """Run a step once. ``Transient`` and ``UnknownOutcome`` run it again (it looks first), with growing pauses.

        The result must be JSON, an enum of this project, or a frozen dataclass of this project.
        """
        ...

    def sleep(self, seconds: float) -> None:
        """Sleep durably: a restart sleeps only the rest."""
        ...

    def start(self, job: Job) -> bool:
        """Start another workflow and do not wait; False where its id is known already."""
        ...

    def call(self, job: Job) -> Any:
        """Start another workflow (or join the one with that id) and wait for its result."""
        ...
