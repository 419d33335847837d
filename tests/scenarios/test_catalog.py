"""A catalog with a mistake stops nothing and is told to whoever made it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.scenarios.world import CONFIG, DEVELOPER, World, until


@dataclass(frozen=True)
class Told:
    """What the author of a catalog reads: the commit's status, and the comment on the pull request."""

    state: str
    status: str
    comment: str


@contextmanager
def merged(world: World, catalog: str, title: str) -> Iterator[Told]:
    """Merge a pull request with that catalog, wait until the author is told, and put it right in the end."""
    forge, branch = world.forge, f"catalog-{secrets.token_hex(4)}"
    forge.commit(CONFIG, branch, {"slipway.yaml": catalog}, title, DEVELOPER)
    number = forge.open_pull_request(CONFIG, branch, "master", title, author=DEVELOPER)
    commit = forge.merge_pull_request(CONFIG, number, DEVELOPER, "squash")
    try:
        path = f"/repos/{CONFIG}/commits/{commit}/status"
        (status,) = until("a status", lambda: world.api(path)["statuses"])
        assert status["context"] == "slipway/catalog"
        (comment,) = until("a comment", lambda: world.api(f"/repos/{CONFIG}/issues/{number}/comments"))
        yield Told(status["state"], status["description"], comment["body"])
    finally:
        forge.commit(CONFIG, "master", {"slipway.yaml": world.catalog()}, f"Undo: {title}", DEVELOPER)


def test_a_bad_catalog_is_told_on_its_commit_and_the_last_good_one_stays_in_force(shared: World) -> None:
    app = shared.add_app("steady")
    first = app.merge("First")
    app.await_live("staging", first)
    bad = shared.catalog().replace("gate: commit", "gate: comit")
    with merged(shared, bad, "Rename a gate") as told:
        assert told.state == "failure"
        assert "did you mean `commit`" in told.status
        assert "environments[staging].gate" in told.comment
        assert "The last good one stays in force." in told.comment
        second = app.merge("Second")
        assert app.await_live("staging", second).outcome == "healthy"


MISTAKES = {
    "freeze: [Fri]": "environments[staging].freeze[0]: `Fri` is no freeze; write it like `Fri 16:00 - Mon 08:00",
    "url: 'https://{ap}'": "environments[staging].url: `{ap}` means nothing here; did you mean `{app}`?",
    "rollbak: auto": "environments[staging].rollbak: is not a key; did you mean `rollback`?",
}
"""Lines added to the environment staging, and what is answered."""

MORE_APPS = """\
- {{name: lasting, source: acme/other, image: {host}/other}}
- {{name: twin, source: acme/lasting, branch: master, image: {host}/lasting, manifests: '{{environment}}'}}
"""


def test_every_mistake_of_a_catalog_is_told_at_once_and_changes_nothing(shared: World) -> None:
    app = shared.add_app("lasting")
    app.await_live("staging", app.merge("First"))
    before = shared.git("rev-parse", "master:staging"), app.running("staging")
    added = "".join(f"  {line}\n" for line in MISTAKES)
    good = shared.catalog()
    bad = good.replace("  gate: commit\n", f"  gate: commit\n{added}", 1) + MORE_APPS.format(host=shared.registry_host)
    with merged(shared, bad, "Make every mistake") as told:
        line = bad[: bad.index("freeze:")].count("\n") + 1
        assert f"slipway.yaml:{line}: {next(iter(MISTAKES.values()))}" in told.comment
        assert [text for text in MISTAKES.values() if text not in told.comment] == []
        assert "apps[lasting].name: `lasting` is taken, by the one on line" in told.comment
        assert "`lasting` and `twin` share the image" in told.comment
        assert "give each its own manifests, or make them one app" in told.comment
        assert told.comment.count("slipway.yaml:") == len(MISTAKES) + 2
        assert told.status.startswith("The catalog has 5 problems: slipway.yaml:")
        assert (shared.git("rev-parse", "master:staging"), app.running("staging")) == before


def test_a_catalog_that_names_what_is_not_there_is_told_and_in_force(shared: World) -> None:
    app = shared.add_app("wanting")
    shared.apps[-1]["manifests"] = "{environment}/wantin.yaml"
    bad = shared.catalog().replace("cluster: staging", "cluster: stagign")
    shared.apps[-1].pop("manifests")
    with merged(shared, bad, "Name what is not there") as told:
        assert told.state == "failure"
        assert (
            "environments[staging].cluster: `stagign` is no context of the worker's kubeconfig; did you" in told.comment
        )
        assert (
            "apps[wanting].manifests: there is no `staging/wantin.yaml` on the config branch, so no release can enter "
            "staging; did you mean `staging/wanting.yaml`?" in told.comment
        )
        assert "so no release can enter production; did you mean `production/wanting.yaml`?" in told.comment
        assert "The catalog is in force all the same" in told.comment
        sha = app.merge("A change")
        until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
        (comment,) = until("the comment", lambda: [text for text in app.comments() if "failed" in text])
        assert (
            "There are no manifests of wanting for staging: staging/wantin.yaml is not on the config branch" in comment
        )
        assert app.bumps("staging") == []


def test_a_context_that_is_not_in_the_kubeconfig_is_told_at_the_sync(shared: World) -> None:
    app = shared.add_app("contextless")
    bad = shared.catalog().replace("cluster: staging", "cluster: stagign")
    with merged(shared, bad, "Misspell a context"):
        sha = app.merge("A change")
        outcome = app.await_live("staging", sha)
        assert outcome.outcome == "failed"
        assert "has no context `stagign`; did you mean `staging`?" in outcome.reason
        assert app.running("staging") is None
        until("a red status", lambda: app.statuses(sha).get("slipway/staging") == "failure")
