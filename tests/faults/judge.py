"""Judges a stage from outside, when all is quiet: what is lost, stuck, doubled, or went backwards."""

import json
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.facts import JobRecord, JobState
from tests.faults import history
from tests.faults.history import History
from tests.faults.secrets_search import search
from tests.faults.stage import Stage
from tests.faults.tally import Tally
from tests.scenarios.world import BOT, CONFIG, AppWorld

REVISION = "org.opencontainers.image.revision"
QUIET_SECONDS = 2.0
PATIENCE = 90.0
"""Seconds in which nothing is done, until work that waits counts as stuck."""

Pages = Callable[[str], list[dict[str, Any]]]
"""Everything that GitHub lists under a path, asked for once."""

Expected = Sequence[tuple[AppWorld, str]]
"""Apps, and the release that each must run in the end, everywhere."""


def judge(
    stage: Stage,
    tally: Tally,
    expected: Expected,
    *,
    forced: frozenset[str] = frozenset(),
    bots: int = 1,
    proposed: Mapping[str, int] = MappingProxyType({}),
    straight: Collection[str] = (),
    told: bool = True,
) -> None:
    """Wait for quiet, and count.

    Args:
        stage: with workers that run.
        tally: where what is wrong is noted.
        expected: what must be live in the end.
        forced: apps whose tracked branch was force-pushed, which may lead anywhere.
        bots: two of them look at the same moment and both build, or both say the same; what they must not double is
            what changes anything: bumps, pull requests.
        proposed: how many promotions of a title there must be in all, where people asked for more than one.
        straight: source commits whose releases went one way, so that no status is said again after another one.
        told: GitHub took every word: what is live has a status and a deployment that say so.
    """
    tally.stuck += _await_quiet(stage)
    log, pages = history.read(stage.world), cache(partial(_pages, stage))
    for app, sha in expected:
        tally.lost += [*_lost(stage, log, app, sha), *(_untold(stage, pages, app, sha) if told else ())]
    tally.lost += _lost_deliveries(stage)
    tally.doubled += [*_doubled_bumps(log), *_doubled_pulls(pages, proposed)]
    if bots == 1:
        tally.doubled += [*_doubled_outcomes(log), *_doubled_builds(stage.folder)]
        tally.doubled += [line for repo in stage.world.hooks for line in _doubled_words(pages, repo, straight)]
    tally.backwards += [line for line in _backwards(stage, log) if line.split(" ")[0] not in forced]
    tally.secrets_found += _secrets(stage, pages)


# ---------------------------------------------------------------- stuck


def unfinished(stage: Stage) -> list[JobRecord]:
    """The jobs that wait or run. Reconciles come and go."""
    return [
        job for job in stage.jobs() if job.state in {JobState.QUEUED, JobState.RUNNING} and job.workflow != "reconcile"
    ]


def _await_quiet(stage: Stage) -> list[str]:
    """Wait until nothing was to be done for a while; where nothing moves before patience ends, it is stuck."""
    moved_at, before = time.monotonic(), frozenset[str]()
    while True:
        left = unfinished(stage)
        now = frozenset(job.id for job in left)
        if now != before:
            moved_at, before = time.monotonic(), now
        if not left and time.monotonic() - moved_at > QUIET_SECONDS:
            return []
        if time.monotonic() - moved_at > PATIENCE:
            return [f"{job.id} is {job.state.value} on {job.worker}" for job in left]
        time.sleep(0.5)


# ---------------------------------------------------------------- lost


def _lost(stage: Stage, log: History, app: AppWorld, sha: str) -> Iterator[str]:
    name, short = app.name, sha[:7]
    for environment in stage.world.clusters:
        if not log.live(name, environment, sha):
            yield f"{name} {short} is not live in {environment}"
        if f":{short}@" not in (running := app.running(environment) or "nothing"):
            yield f"{name}: the cluster {environment} runs {running}, not {short}"
    runs = (app.running("production") or "").partition("@")[2]
    if stage.world.digest(app.image, "latest") != runs:
        yield f"{name}: latest is not what production runs ({runs})"


def _untold(stage: Stage, pages: Pages, app: AppWorld, sha: str) -> Iterator[str]:
    """What is live is said to be, on its commit and by its deployment."""
    said = app.statuses(sha)
    for environment in stage.world.clusters:
        about = f"{app.name} {sha[:7]} in {environment}"
        if (status := said.get(f"slipway/{environment}")) != "success":
            yield f"{about}: the status says {status}"
        path = f"/repos/{app.source}/deployments"
        states = [
            state["state"]
            for deployment in pages(f"{path}?sha={sha}&environment={environment}")
            for state in pages(f"{path}/{deployment['id']}/statuses?")[:1]
        ]
        if "success" not in states:
            yield f"{about}: its deployments say {' '.join(states) or 'nothing'}"


def _lost_deliveries(stage: Stage) -> Iterator[str]:
    """What was acknowledged must be in the queue, whatever died right after."""
    stored = {job.id for job in stage.jobs("delivery/")}
    for repo in stage.world.hooks:
        for delivery in stage.world.forge.deliveries(repo, stage.world.hooks[repo]):
            if delivery.status_code == 202 and f"delivery/{delivery.guid}" not in stored:
                yield f"delivery {delivery.guid} ({delivery.event} of {repo}) was acknowledged and is not stored"


# ---------------------------------------------------------------- doubled


def _doubled(what: str, counted: Counter[Any]) -> Iterator[str]:
    for key, count in counted.items():
        if count > 1:
            yield f"{count} times {what} {key}"


def _doubled_bumps(log: History) -> Iterator[str]:
    stayed = [bump for bump in log.bumps if bump.commit not in log.withdrawn]
    ids = [(bump.app, bump.environment, bump.sha[:7], bump.rollback) for bump in stayed]
    yield from _doubled("the bump", Counter(ids))
    yield from _doubled("the commit", Counter(log.other_ids))


def _doubled_outcomes(log: History) -> Iterator[str]:
    for bump in log.bumps:
        notes = Counter((note.outcome.value, note.reason) for note in bump.outcomes)
        yield from _doubled(f"on {bump.commit} ({bump.app} in {bump.environment}) the outcome", notes)


def _doubled_pulls(pages: Pages, proposed: Mapping[str, int]) -> Iterator[str]:
    pulls = pages(f"/repos/{CONFIG}/pulls?state=all")
    own = [pull for pull in pulls if pull["user"]["login"] == BOT]
    yield from _doubled("an open pull request from", Counter(p["head"]["ref"] for p in own if p["state"] == "open"))
    for title, count in Counter(pull["title"] for pull in own).items():
        if count != proposed.get(title, 1):
            yield f"{count} times a pull request titled {title}"


def _doubled_words(pages: Pages, repo: str, straight: Collection[str]) -> Iterator[str]:
    """Comments with the same hidden line on one pull request, statuses and deployments that say what was said."""
    for pull in pages(f"/repos/{repo}/pulls?state=all"):
        comments = pages(f"/repos/{repo}/issues/{pull['number']}/comments?")
        ours = [comment["body"] for comment in comments if comment["user"]["login"] == BOT]
        yield from _doubled(f"on {repo}#{pull['number']} the comment", Counter(_about(body) for body in ours))
        for sha in {pull["head"]["sha"], pull["merge_commit_sha"]} - {None}:
            yield from _doubled_statuses(pages, repo, sha, straight=sha in straight)
    deployments = pages(f"/repos/{repo}/deployments?")
    about = Counter(f"{one['payload']['slipway_id']} by {one['payload']['config_commit'][:7]}" for one in deployments)
    yield from _doubled("a deployment of", about)


def _about(comment: str) -> str:
    """The hidden line by which the bot finds its comment again."""
    return comment.partition("\n")[0]


def _doubled_statuses(pages: Pages, repo: str, sha: str, *, straight: bool) -> Iterator[str]:
    """Two in a row that say the same, of one context; where all goes ``straight``, any two."""
    said: dict[str, list[tuple[str, str, str]]] = {}
    for status in reversed(pages(f"/repos/{repo}/commits/{sha}/statuses?")):
        before = said.setdefault(status["context"], [])
        words = (status["state"], status["description"], status["target_url"])
        if words in (before if straight else before[-1:]):
            yield f"twice the status {status['context']} {': '.join(words[:2])} on {repo}@{sha[:7]}"
        before.append(words)


def _doubled_builds(folder: Path) -> Iterator[str]:
    """Images that were pushed, tagged or not, told apart by their build's time; their label names the commit."""
    for repository in sorted((folder / "registry" / "repositories").iterdir()):
        pushed: list[str] = []
        for link in (repository / "_manifests").iterdir():
            manifest = json.loads((folder / "registry" / "blobs" / link.name).read_bytes())
            config = json.loads((folder / "registry" / "blobs" / manifest["config"]["digest"]).read_bytes())
            pushed.append(config["config"]["Labels"][REVISION][:7])
        yield from _doubled(f"an image of {repository.name} built from", Counter(pushed))


def _pages(stage: Stage, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    page: list[dict[str, Any]] = []
    while len(page) in {0, 100}:
        page = stage.world.api(f"{path}&per_page=100&page={len(found) // 100 + 1}")
        found += page
        if not page:
            break
    return found


# ---------------------------------------------------------------- backwards


def _backwards(stage: Stage, log: History) -> Iterator[str]:
    sources = {app["name"]: stage.folder / "github" / f"{app['source']}.git" for app in stage.world.apps}
    for name, source in sources.items():
        for environment in stage.world.clusters:
            bumps = log.of(name, environment)
            for before, after in pairwise(bumps):
                if not after.rollback and not history.descends(source, before.sha, after.sha):
                    yield f"{name} went from {before.sha[:7]} back to {after.sha[:7]} in {environment}"


# ---------------------------------------------------------------- secrets


def _secrets(stage: Stage, pages: Pages) -> list[str]:
    found = [*search(stage.folder, stage.database_url, stage.canaries), *sorted(stage.argv.seen)]
    said = json.dumps([list(_said(pages, repo)) for repo in stage.world.hooks])
    return found + [f"{name} is in what GitHub shows" for name, secret in stage.canaries.items() if secret in said]


def _said(pages: Pages, repo: str) -> Iterator[Any]:
    """Everything that people can read in a repository beside its files."""
    for pull in pages(f"/repos/{repo}/pulls?state=all"):
        yield pull
        yield pages(f"/repos/{repo}/issues/{pull['number']}/comments?")
        for sha in {pull["head"]["sha"], pull["merge_commit_sha"]} - {None}:
            yield pages(f"/repos/{repo}/commits/{sha}/statuses?")
