"""Whatever GitHub, or somebody who knows the secret, may send: answered, and nothing is stuck or broken afterwards."""

import json
import random
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any
from uuid import uuid4

import requests

from bot.adapters.dbos.queue import DbosQueue
from bot.facts import JobRecord, JobState
from bot.jobs import Ended
from bot.releases import Outcome
from bot.wiring import QUEUES
from tests.github_payloads import Example, examples
from tests.scenarios.world import CONFIG, World, until
from webhooks.signature import HEADER, sign

USED = ("push", "pull_request", "pull_request_review", "issue_comment")
MUTATIONS = 150

NASTY: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**40, 1e308, 1.5, "", "a\0b", "\ud800", "x" * 100_000, "../../etc/passwd", "é" * 300),
    *([], {}, [[]] * 3, {"login": None}, "refs/heads/", "refs/heads/\ud83d", "0" * 40, "%s%n", "${x}", "a\nb: c"),
    *("/promote production", "/hold production \ud800\0", "/rollback " + "y" * 5000, "/deploy " + "f" * 40),
)


def nested(depth: int) -> Any:
    value: Any = "bottom"
    for _ in range(depth):
        value = {"inner": [value]}
    return value


def mutated(payload: Any, chance: random.Random) -> Any:
    """The payload with one value, anywhere in it, that is not what GitHub promises."""
    copy = json.loads(json.dumps(payload))
    inner = copy
    while isinstance(inner, dict) and inner:
        key = chance.choice(sorted(inner))
        if not isinstance(inner[key], dict) or chance.random() < 0.2:
            inner[key] = nested(300) if chance.random() < 0.05 else chance.choice(NASTY)
            return copy
        inner = inner[key]
    return copy


def of_repo(known: Example, repo: str) -> Example:
    """The same in a repository that Slipway serves."""
    payload = json.loads(json.dumps(known.payload))
    payload["repository"]["full_name"] = repo
    for key in ("ref", "comment"):
        if key == "ref" and str(payload.get("ref", "")).startswith("refs/heads/"):
            payload["ref"] = "refs/heads/master"
    return Example(known.event, payload)


def deliveries(source: str) -> Iterator[Example]:
    used = [known for known in examples() if known.event in USED]
    served = [of_repo(known, repo) for known in used for repo in (source, CONFIG)]
    chance = random.Random(20180607)
    yield from examples()
    yield from served
    for _ in range(MUTATIONS):
        known = chance.choice(served)
        yield Example(known.event, mutated(known.payload, chance))


def send(made: World, known: Example) -> int:
    body = json.dumps(known.payload).encode()
    headers = {
        "X-GitHub-Event": known.event,
        "X-GitHub-Delivery": str(uuid4()),
        "Content-Type": "application/json",
        HEADER: sign(made.variables["GITHUB_WEBHOOK_SECRET"].encode(), body),
    }
    return requests.post(made.webhook_url, data=body, headers=headers, timeout=60).status_code


def jobs(made: World) -> list[JobRecord]:
    with closing(DbosQueue(made.variables["DATABASE_URL"], QUEUES)) as queue:
        return [job for job in queue.jobs("", limit=10_000) if job.workflow not in {"reconcile", "drift"}]


def is_broken(job: JobRecord) -> bool:
    """By a mistake of Slipway's, and not by what it was told."""
    said = job.result.detail if isinstance(job.result, Ended) else str(job.result)
    return job.state is JobState.FAILED or re.search("defect|mistake in Slipway", said) is not None


def test_every_payload_that_github_shows_and_many_that_it_never_sends_break_nothing(shared: World) -> None:
    app = shared.add_app("sturdy")
    first = app.merge("One")
    app.await_live("staging", first)
    sent = list(deliveries(app.source))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda known: send(shared, known), sent))
    assert set(answers) == {200, 202, 400}
    assert answers[: len(examples())].count(400) == 0  # what GitHub really sends is understood
    until("quiet", lambda: not [job for job in jobs(shared) if job.state in {JobState.QUEUED, JobState.RUNNING}], 240)
    assert [(job.id, job.result) for job in jobs(shared) if is_broken(job)] == []
    log = (shared.folder / "bot.log").read_text()
    assert "Traceback" not in log
    assert app.await_live("staging", app.merge("Two")).outcome is Outcome.HEALTHY
