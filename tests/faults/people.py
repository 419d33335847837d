"""People ask in comments and on the dashboard, close and merge promotions; the worker dies at every write of that."""

from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

from bot.comment_commands import Verb
from bot.jobs import action_job
from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge, unfinished
from tests.faults.mortal import how_often, mortal
from tests.faults.plan import Plan
from tests.faults.stage import Stage
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, AppWorld, until

T = TypeVar("T")

LONGEST_SECONDS = 900.0
ENVIRONMENT = "production"


def kill_at_requests(plan: Plan) -> None:
    """Killed while it carries out what people ask for: ``command``, ``action``, ``promote``, ``take_back``, ..."""
    plan.say(f"the worker is killed {how_often(plan)} of what people ask for")
    with plan.stage() as stage:
        for name in ("web", "a"):
            stage.process(name).start()
        journey = Journey(stage.world.add_app("asked"), rounds=1)
        plan.tally.stuck += travel(stage.world, [journey])
        sha = journey.app.merge("Second")
        number = int(journey.app.await_promotion(sha)["number"])
        with mortal(plan, stage, "reactions|comments|push refs/heads|pulls$"):
            _hold_and_resume(stage, journey.app, number)
            anew = _decline_and_ask_again(journey.app, number, sha)
            _merge_too_soon(journey.app, anew, sha)
            _ask_to_go_back(stage, journey.app, journey.live[0])
        journey.rounds, journey.merged = 2, 2
        plan.tally.stuck += travel(stage.world, [journey])
        promotions = {f"{journey.app.name}: {sha[:7]} to {ENVIRONMENT}": 3}  # declined, merged too soon, approved
        judge(stage, plan.tally, arrived([journey]), proposed=promotions)
        plan.tally.releases += len(journey.live) + 1


def _hold_and_resume(stage: Stage, app: AppWorld, number: int) -> None:
    """In comments, and once more by the dashboard's buttons."""
    _ask(app, CONFIG, number, "/hold The till is being counted")
    _ask(app, CONFIG, number, "/resume")
    for verb, text in ((Verb.HOLD, "The till is being counted again"), (Verb.RESUME, "")):
        _press(stage, app, verb, text)


def _ask(app: AppWorld, repo: str, number: int, text: str) -> None:
    """Abel writes a comment, and waits for the answer."""
    world = app.world
    comment = world.forge.comment(repo, number, APPROVER, text)
    marker = f"<!-- slipway-answer: {comment} -->"
    _until(f"the answer to {text}", lambda: marker in _words(app, repo, number))


def _press(stage: Stage, app: AppWorld, verb: Verb, text: str) -> None:
    """Abel presses a button: the web process stores this job."""
    job = action_job(APPROVER, verb, app.name, ENVIRONMENT, {"commit": "", "text": text}, f"form-{verb}")
    with closing(stage.queue()) as queue:
        queue.enqueue(job)
    _until(f"the end of {job.id}", lambda: not unfinished(stage))


def _decline_and_ask_again(app: AppWorld, number: int, sha: str) -> int:
    """Abel closes the promotion, and asks for it after all; the new one's number."""
    app.world.forge.close_pull_request(CONFIG, number, APPROVER)
    _until("the word that it was declined", lambda: "**Declined.**" in _words(app, CONFIG, number))
    _ask(app, app.source, 2, f"/promote {ENVIRONMENT}")
    return _open_promotion(app, sha, besides=number)


def _merge_too_soon(app: AppWorld, number: int, sha: str) -> None:
    """Dora, who may not approve, merges it: it is taken back, proposed anew, and approved by Abel."""
    app.world.forge.merge_pull_request(CONFIG, number, DEVELOPER, "squash")
    anew = _open_promotion(app, sha, besides=number)
    _until("the word that it was taken back", lambda: "was reverted" in _words(app, CONFIG, number))
    app.approve(anew)
    _until("the approved one to run", lambda: sha[:7] in (app.running(ENVIRONMENT) or ""))


def _ask_to_go_back(stage: Stage, app: AppWorld, sha: str) -> None:
    _ask(app, app.source, 2, f"/rollback {ENVIRONMENT} It is slow")
    _until("the first one to run again", lambda: sha[:7] in (app.running(ENVIRONMENT) or ""))
    _until("the end of all work", lambda: not unfinished(stage))


def _open_promotion(app: AppWorld, sha: str, *, besides: int) -> int:
    def look() -> int | None:
        found = [pull for pull in app.promotions() if f"{app.name}@{sha}/" in pull["body"]]
        return next((int(pull["number"]) for pull in found if pull["number"] != besides), None)

    return _until(f"a promotion of {app.name} beside #{besides}", look)


def _words(app: AppWorld, repo: str, number: int) -> str:
    found = app.world.api(f"/repos/{repo}/issues/{number}/comments?per_page=100")
    return "\n".join(comment["body"] for comment in found)


def _until(what: str, look: Callable[[], T | bool | None]) -> T:
    return until(what, look, LONGEST_SECONDS, pause=0.2)
