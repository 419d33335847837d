"""What source repos show as GitHub Deployments, the labels of promotions, and what a whole cycle costs GitHub."""

from dataclasses import dataclass
from typing import Any

from bot.sandbox.forge.faults import status
from tests.bench.cycle import is_quiet, whole_way
from tests.scenarios.test_operator import command
from tests.scenarios.test_rollback import await_rollback, live_on_both, next_sha_fails
from tests.scenarios.world import CONFIG, AppWorld, Bot, World, until


@dataclass(frozen=True, slots=True)
class Shown:
    """A deployment as GitHub tells it, and its states, newest first."""

    sha: str
    environment: str
    production: bool
    states: tuple[str, ...]
    url: str


def deployments(app: AppWorld, environment: str) -> list[Shown]:
    """Newest first."""
    path = f"/repos/{app.source}/deployments"
    return [_shown(app, one) for one in app.world.api(f"{path}?environment={environment}")]


def _shown(app: AppWorld, one: dict[str, Any]) -> Shown:
    said = app.world.api(f"/repos/{app.source}/deployments/{one['id']}/statuses")
    states = tuple(status["state"] for status in said)
    url = next((status["environment_url"] for status in said if status["environment_url"]), "")
    return Shown(one["sha"], one["environment"], one["production_environment"], states, url)


def await_states(app: AppWorld, environment: str, *states: tuple[str, str]) -> list[Shown]:
    """Wait until the environment's deployments, newest first, are of these commits in these states."""

    def there() -> list[Shown] | None:
        found = deployments(app, environment)
        return found if [(one.sha, one.states[0] if one.states else "") for one in found] == list(states) else None

    return until(f"{environment} to show {states}", there)


def test_a_release_is_a_deployment_in_each_environment_and_its_promotion_is_labelled(shared: World) -> None:
    shared.keys = {name: {"url": f"https://{name}.example.org/{{app}}"} for name in ("staging", "production")}
    app = shared.add_app("shown")
    sha = app.merge("Open the site")
    (staged,) = until("staging", lambda: await_states(app, "staging", (sha, "success")))
    assert (staged.production, staged.url) == (False, "https://staging.example.org/shown")
    promotion = app.await_promotion(sha)
    labels = until("labels", lambda: shared.api(f"/repos/{CONFIG}/issues/{promotion['number']}/labels"), pause=0.5)
    assert [label["name"] for label in labels] == ["slipway", "slipway:production"]
    assert deployments(app, "production") == []
    app.approve(promotion["number"])
    (live,) = await_states(app, "production", (sha, "success"))
    assert (live.production, live.url) == (True, "https://production.example.org/shown")
    assert app.statuses(sha) == {"slipway/staging": "success", "slipway/production": "success"}
    second = app.merge("Change it")
    await_states(app, "staging", (second, "success"), (sha, "inactive"))


def test_after_a_rollback_the_environment_shows_what_runs(shared: World) -> None:
    app = shared.add_app("shown-back")
    good = live_on_both(app, "A good version")
    next_sha_fails(shared, app, "staging", good)
    bad = app.merge("A bad version")
    await_rollback(app, "staging", good)
    await_states(app, "staging", (good, "success"), (bad, "failure"), (good, "inactive"))


def test_what_a_person_takes_back_is_no_longer_shown_as_running(shared: World) -> None:
    app = shared.add_app("shown-undone")
    first, second = live_on_both(app, "The first"), live_on_both(app, "The second")
    command(shared, "rollback", app.name, "production")
    await_states(app, "production", (first, "success"), (second, "inactive"), (first, "success"))


def test_two_apps_of_one_source_have_an_environment_each(shared: World) -> None:
    one, two = shared.add_app("twin-a"), shared.add_app("twin-b", source="acme/twin-a")
    sha = one.merge("Open both")
    for app in (one, two):
        await_states(app, f"staging/{app.name}", (sha, "success"))
    assert deployments(one, "staging") == []


def test_without_deployments_the_status_says_that_it_rolls_out(shared: World) -> None:
    app = shared.add_app("hidden")
    shared.forge.faults.add("POST", f"/repos/{app.source}/deployments$", status(403, body='{"message": "No"}'), times=9)
    sha = app.merge("Open the site")
    app.await_live("staging", sha)
    until("a green status", lambda: app.statuses(sha).get("slipway/staging") == "success")
    said = [one["description"] for one in shared.api(f"/repos/{app.source}/commits/{sha}/statuses")]
    assert "hidden is rolling out on staging" in said
    assert deployments(app, "staging") == []


def test_a_cycle_to_production_stays_within_its_budget(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    world.variables["RECONCILE_SECONDS"] = "3600"
    app = world.add_app("frugal")
    bot.start()
    until("the first look", lambda: [one for one in world.forge.requests_log if one.path.endswith("/pulls")])
    until("its end", lambda: is_quiet(world))
    cycle = whole_way(app, 1)
    assert cycle.calls <= 35, cycle.requests
    assert cycle.creates <= 15, cycle.requests
    assert len(app.comments()) == 1
