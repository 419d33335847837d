"""The bot is off while people work, and no webhook, nor GitHub's log of them, tells it of that afterwards."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.jobs import Ended
from bot.sandbox.forge.faults import WebhookFaults
from tests.faults.judge import judge
from tests.faults.plan import Plan
from tests.faults.stage import Stage
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, AppWorld, World, until

RECONCILE_SECONDS = 15.0
INTERVALS = 2
PATIENCE = 300.0
PROPOSED = ("approved", "pressed", "closed", "deleted", "removed", "pushed", "merged")
"""The apps. Each is live on staging, and has a promotion open, when the bot goes off."""

NOTHING = "nothing to do"


@dataclass(slots=True)
class Work:
    """What there is, by the app's name: the app, its release, and the number of that one's promotion."""

    apps: Mapping[str, AppWorld]
    releases: Mapping[str, str]
    numbers: Mapping[str, int]


def make_up(plan: Plan) -> None:
    """Off while each kind of thing happens; then all is right within two intervals, by looking alone."""
    plan.say(f"the bot is off while people work on {len(PROPOSED)} apps, and no webhook ever tells it of that")
    with plan.stage(reconcile_seconds=RECONCILE_SECONDS) as stage:
        for name in ("web", "a"):
            stage.process(name).start()
        work = _prepare(stage)
        for process in stage.processes.values():
            process.terminate()
        known = _looks(stage)
        faults = stage.world.forge.faults.webhooks = WebhookFaults(drop=1.0)
        wanted = _work_on(stage.world, work)
        for process in stage.processes.values():
            process.start()
        for what, look in wanted.items():
            until(what, look, PATIENCE, pause=0.2)
        _judge_looks(plan, [found for job, found in _looks(stage).items() if job not in known])
        judge(stage, plan.tally, [(work.apps[name], work.releases[name]) for name in ("approved", "pressed")])
        plan.tally.webhooks_dropped += faults.dropped
        plan.tally.releases += len(work.releases) + 1


def _prepare(stage: Stage) -> Work:
    """Every app has a release on staging that waits for approval."""
    apps = {name: stage.world.add_app(name) for name in PROPOSED}
    releases = {name: app.merge("First") for name, app in apps.items()}
    return Work(apps, releases, {name: _await_promotion(apps[name], sha) for name, sha in releases.items()})


def _await_promotion(app: AppWorld, sha: str) -> int:
    """The number of a release's promotion, once it is told on the source side as well."""
    number = until(f"a promotion of {app.name}", lambda: _proposed(app, sha), PATIENCE)
    until(f"the word that {app.name} waits", lambda: _says(app, sha, "production", "pending"), PATIENCE)
    return number


def _work_on(world: World, work: Work) -> Mapping[str, Callable[[], bool]]:
    """What people do meanwhile, and what has to come of it, by a sentence each."""
    forge, apps, numbers = world.forge, work.apps, work.numbers
    overtaken, merged = apps["merged"].merge("Second"), apps["merged"].merge("Third")
    apps["approved"].approve(numbers["approved"])
    forge.merge_pull_request(CONFIG, numbers["pressed"], APPROVER, "squash")
    for name in ("closed", "deleted"):
        forge.close_pull_request(CONFIG, numbers[name], APPROVER)
    forge.delete_branch(CONFIG, "slipway/production/deleted", APPROVER)
    more = (world.git("show", "master:staging/pushed.yaml") + "\n").replace("replicas: 2", "replicas: 3")
    pushed = forge.commit(CONFIG, "master", {"staging/pushed.yaml": more}, "More pods", DEVELOPER)
    world.apps[:] = [one for one in world.apps if one["name"] != "removed"]
    gone: dict[str, str | None] = dict.fromkeys(f"{environment}/removed.yaml" for environment in world.clusters)
    forge.commit(CONFIG, "master", {**gone, "slipway.yaml": world.catalog()}, "Remove an app", DEVELOPER)
    forge.commit(CONFIG, "idea", {"production/pushed.yaml": more}, "More pods there", DEVELOPER)
    idea = forge.open_pull_request(CONFIG, "idea", "master", "More pods there", author=DEVELOPER)
    return {
        "the newest of two merges proposed": lambda: _proposed(apps["merged"], merged) is not None,
        "only that one": lambda: not apps["merged"].bumps("staging", overtaken),
        "the approved release live": lambda: _live(apps["approved"], work.releases["approved"]),
        "the merged promotion live": lambda: _live(apps["pressed"], work.releases["pressed"]),
        "the closed promotion told": lambda: _declined(apps["closed"], work),
        "the closed promotion without a branch told": lambda: _declined(apps["deleted"], work),
        "the pushed change live": lambda: _healthy(apps["pushed"], pushed),
        "the removed app's promotion closed": lambda: not apps["removed"].promotions(),
        "the effect of a proposal told": lambda: "would change" in _words(world, CONFIG, idea),
    }


def _judge_looks(plan: Plan, looks: list[str]) -> None:
    """Count the looks, from the one at start, until nothing was found any more."""
    needed = max((number for number, found in enumerate(looks) if found != NOTHING), default=0)
    plan.say(f"  all was made up for by the look at start and {needed} more, every {RECONCILE_SECONDS:.0f} s")
    if needed > INTERVALS:
        plan.tally.stuck.append(f"look {needed} after the start still found {looks[needed]}")


def _looks(stage: Stage) -> dict[str, str]:
    """What each reconcile that has ended found, by its id, oldest first."""
    jobs = sorted(stage.jobs("reconcile/"), key=lambda job: job.created_at)
    return {job.id: job.result.detail for job in jobs if isinstance(job.result, Ended)}


# ---------------------------------------------------------------- looking


def _proposed(app: AppWorld, sha: str) -> int | None:
    """The number of the open promotion of a release."""
    wanted = f"{app.name}@{sha}/production"
    return next((int(pull["number"]) for pull in app.promotions() if wanted in pull["body"]), None)


def _live(app: AppWorld, sha: str) -> bool:
    return any(_healthy(app, bump, "production") for bump in app.bumps("production", sha)) and (
        f":{sha[:7]}@" in (app.running("production") or "")
    )


def _healthy(app: AppWorld, commit: str, environment: str = "staging") -> bool:
    note = app.outcome(commit, environment)
    return note is not None and note.outcome == "healthy"


def _declined(app: AppWorld, work: Work) -> bool:
    """On the promotion, and on the source side, which would wait for ever."""
    words = _words(app.world, CONFIG, work.numbers[app.name])
    return "**Declined.**" in words and _says(app, work.releases[app.name], "production", "failure")


def _says(app: AppWorld, sha: str, environment: str, state: str) -> bool:
    return app.statuses(sha).get(f"slipway/{environment}") == state


def _words(world: World, repo: str, number: int) -> str:
    return "\n".join(comment["body"] for comment in world.api(f"/repos/{repo}/issues/{number}/comments"))
