"""Back to what was healthy: by itself after a failed rollout, and what it leaves alone."""

import json
import signal
from wsgiref.types import WSGIApplication, WSGIEnvironment

import requests

from bot.audit import OutcomeNote
from bot.releases import Outcome
from tests.scenarios.test_operator import command
from tests.scenarios.world import APPROVER, CONFIG, DEVELOPER, AppWorld, Bot, World, until

NOT_YET = OutcomeNote("", "", "", Outcome.UNKNOWN, "", 0)


def next_sha_fails(world: World, app: AppWorld, environment: str, *good: str) -> None:
    """From now on whatever is not one of these releases crashes there."""
    but = "".join(f"(?!{sha[:7]})" for sha in good)
    world.clusters[environment].fail_image(f"{app.image}:{but}", reason="CrashLoopBackOff", log="no such table: basket")


def rollbacks(app: AppWorld, environment: str, to: str) -> list[str]:
    """The config commits that went back to a release."""
    wanted = f"^Slipway-Id: {app.name}@{to}/{environment}/rollback/[0-9a-f]*$"
    return app.world.git("log", "--format=%H", f"--grep={wanted}", "master").split()


def await_rollback(app: AppWorld, environment: str, to: str) -> str:
    return until(f"{app.name} to go back on {environment}", lambda: rollbacks(app, environment, to))[0]


def live_on_both(app: AppWorld, title: str) -> str:
    sha = app.merge(title)
    app.approve(app.await_promotion(sha)["number"])
    app.await_live("production", sha)
    digest = app.world.digest(app.image, sha[:7])
    until("latest", lambda: app.world.digest(app.image, "latest") == digest)
    return sha


def test_a_failing_rollout_in_staging_goes_back_by_itself(shared: World) -> None:
    app = shared.add_app("back-staging", private=True)
    good = app.merge("A good version")
    app.await_live("staging", good)
    before = shared.git("show", "master:staging/back-staging.yaml")
    next_sha_fails(shared, app, "staging", good)
    bad = app.merge("A bad version")
    bump = app.await_bump("staging", bad)
    back = await_rollback(app, "staging", good)
    assert app.outcome(bump, "staging").outcome == "failed"  # type: ignore[union-attr]
    assert app.await_outcome(back, "staging").outcome == "healthy"
    assert shared.git("show", f"{back}:staging/back-staging.yaml") == before
    changed = shared.git("show", "--format=", "--name-only", back).split()
    assert changed == [".slipway/holds/staging/back-staging.yaml", "staging/back-staging.yaml"]
    message = shared.git("log", "-1", "--format=%B", back)
    assert f"\nReverts: {bump}\n" in message
    assert f"\nSource: {app.source}@{good}\n" in message
    assert "CrashLoopBackOff" in message
    assert f'release: "{app.name}@{bad}"' in shared.git("show", f"{back}:.slipway/holds/staging/back-staging.yaml")
    until("a red status", lambda: app.statuses(bad).get("slipway/staging") == "failure")
    (comment,) = until("the end", lambda: [text for text in app.comments(2) if "runs again" in text])
    for words in ("CrashLoopBackOff", "no such table", "↩️ rolled back", "resume back-staging staging", good[:7]):
        assert words in comment
    assert len(rollbacks(app, "staging", good)) == 1
    assert app.statuses(good)["slipway/staging"] == "success"


def test_a_failing_rollout_in_production_goes_back_without_an_approval(shared: World) -> None:
    app = shared.add_app("back-live")
    good = live_on_both(app, "A good version")
    next_sha_fails(shared, app, "production", good)
    bad = app.merge("A bad version")
    promotion = app.await_promotion(bad)["number"]
    app.approve(promotion)
    back = await_rollback(app, "production", good)
    outcome = app.await_outcome(back, "production")
    assert (outcome.outcome, outcome.reason) == ("healthy", "")
    assert shared.digest(app.image, "latest") == shared.digest(app.image, good[:7])
    until("the source's people to be told", lambda: "runs again" in "".join(app.comments(2)))
    path = f"/repos/{CONFIG}/issues/{promotion}/comments"
    (told,) = until("the approver to be told", lambda: [one["body"] for one in shared.api(path)])
    assert "Slipway took production back from" in told
    assert "no such table" not in told + "".join(app.comments(2))
    assert app.promotions() == []
    assert app.running("production") == f"{app.image}:{good[:7]}@{shared.digest(app.image, good[:7])}"


def test_what_a_rollback_took_back_stays_out_and_the_next_merge_goes_through(shared: World) -> None:
    app = shared.add_app("back-next")
    good = live_on_both(app, "A good version")
    next_sha_fails(shared, app, "production", good)
    bad = app.merge("A bad version")
    app.approve(app.await_promotion(bad)["number"])
    app.await_outcome(await_rollback(app, "production", good), "production")
    edited = shared.git("show", "master:staging/back-next.yaml").replace("replicas: 2", "replicas: 1") + "\n"
    more = shared.forge.commit(CONFIG, "master", {"staging/back-next.yaml": edited}, "Fewer pods", DEVELOPER)
    assert app.await_outcome(more, "staging").outcome == "healthy"
    shared.clusters["production"].heal()
    mended = app.merge("The correction")
    app.approve(app.await_promotion(mended)["number"])
    assert app.await_live("production", mended).outcome == "healthy"
    assert len(app.bumps("production", bad)) == 1
    assert len(app.promotions("all")) == 3
    digest = shared.digest(app.image, mended[:7])
    until("latest", lambda: shared.digest(app.image, "latest") == digest)


def test_what_is_taken_back_in_staging_goes_no_further(shared: World) -> None:
    app = shared.add_app("back-early")
    good = live_on_both(app, "A good version")
    wrong = app.merge("Healthy, and wrong")
    number = app.await_promotion(wrong)["number"]
    asked = command(
        shared, "rollback", app.name, "staging", "--reason", "Baskets\nare empty", "--as", DEVELOPER, "--json"
    )
    assert asked.returncode == 0, asked.stderr
    facts = json.loads(asked.stdout)
    assert (facts["from"], facts["to"]) == (f"{app.name}@{wrong}", f"{app.name}@{good}")
    back = await_rollback(app, "staging", good)
    assert facts["job"] == f"rollback/{app.name}/staging/{app.bumps('staging', wrong)[0]}/{_bump(app, good)}/1"
    assert app.await_outcome(back, "staging").outcome == "healthy"
    assert shared.git("log", "-1", "--format=%an", back) == DEVELOPER
    assert "\nReason: Baskets are empty\nRequested-by: @dora" in shared.git("log", "-1", "--format=%B", back)
    until("the promotion to be closed", lambda: app.promotions() == [])
    path = f"/repos/{CONFIG}/issues/{number}/comments"
    assert any("was taken back in staging" in one["body"] for one in shared.api(path))
    until("the source's people to be told", lambda: "runs again" in "".join(app.comments(2)))
    assert "**@dora took staging back from" in "".join(app.comments(2))
    again = command(shared, "rollback", app.name, "staging", "--to", good[:9])
    assert again.returncode == 1
    assert f"runs {good[:7]} already" in again.stderr
    newer = app.merge("The correction")
    assert app.await_promotion(newer)["number"] != number
    assert app.bumps("production") == app.bumps("production", good)


def _bump(app: AppWorld, sha: str) -> str:
    return app.bumps("staging", sha)[0]


def test_a_revert_by_github_s_button_sticks(shared: World) -> None:
    app = shared.add_app("back-button")
    good = live_on_both(app, "A good version")
    wrong = app.merge("Healthy, and wrong")
    number = app.await_promotion(wrong)["number"]
    app.approve(number)
    app.await_live("production", wrong)
    revert = shared.forge.revert_pull_request(CONFIG, number, APPROVER)
    merged = shared.forge.merge_pull_request(CONFIG, revert, APPROVER, "squash")
    assert app.await_outcome(merged, "production").outcome == "healthy"
    assert f":{good[:7]}@" in (app.running("production") or "")
    digest = shared.digest(app.image, good[:7])
    until("latest", lambda: shared.digest(app.image, "latest") == digest)
    assert command(shared, "sync", app.name, "staging").returncode == 0
    newer = app.merge("The correction")
    app.approve(app.await_promotion(newer)["number"])
    app.await_live("production", newer)
    assert len(app.bumps("production", wrong)) == 1


def test_lifting_the_hold_lets_the_release_in_again(shared: World) -> None:
    app = shared.add_app("back-lifted")
    good = app.merge("A good version")
    app.await_live("staging", good)
    next_sha_fails(shared, app, "staging", good)
    bad = app.merge("Not its own fault")
    app.await_outcome(await_rollback(app, "staging", good), "staging")
    until("it to be told", lambda: "runs again" in "".join(app.comments(2)))
    shared.clusters["staging"].heal()
    assert command(shared, "resume", app.name, "staging").returncode == 0
    until("both bumps", lambda: len(app.bumps("staging", bad)) == 2)
    assert app.await_outcome(app.bumps("staging", bad)[0], "staging").outcome == "healthy"
    assert app.await_promotion(bad)["title"] == f"back-lifted: {bad[:7]} to production"


def test_manual_says_how_and_a_person_goes_back(shared: World) -> None:
    app = shared.add_app("back-manual", private=True)
    good = live_on_both(app, "A good version")
    shared.gate["rollback"] = "manual"
    shared.change_app("back-manual")
    try:
        next_sha_fails(shared, app, "production", good)
        bad = app.merge("A bad version")
        promotion = app.await_promotion(bad)["number"]
        app.approve(promotion)
        assert app.await_live("production", bad).outcome == "failed"
        hint = f"python -m bot rollback {app.name} production"
        (comment,) = until("the hint", lambda: [text for text in app.comments(2) if hint in text])
        assert "`rollback: manual`" in comment
        assert rollbacks(app, "production", good) == []
        asked = command(shared, "rollback", app.name, "production")
        assert asked.returncode == 0, asked.stderr
        back = await_rollback(app, "production", good)
        outcome = app.await_outcome(back, "production")
        assert (outcome.outcome, outcome.reason) == ("healthy", "")
    finally:
        del shared.gate["rollback"]
        shared.change_app("back-manual")


def test_a_hand_edit_that_fails_is_reported_and_left(shared: World) -> None:
    app = shared.add_app("back-edit")
    sha = app.merge("A good version")
    app.await_live("staging", sha)
    text = shared.git("show", "master:staging/back-edit.yaml")
    broken = text.replace("image: ", "command: [/no]\n          image: ") + "\n"
    next_sha_fails(shared, app, "staging")
    commit = shared.forge.commit(CONFIG, "master", {"staging/back-edit.yaml": broken}, "Another command", DEVELOPER)
    assert app.await_outcome(commit, "staging").outcome == "failed"
    path = f"/repos/{CONFIG}/commits/{commit}/status"

    def said() -> bool:
        statuses = shared.api(path)["statuses"]
        return any("what a person changed is not taken back" in status["description"] for status in statuses)

    until("the commit to say so", said)
    assert shared.git("log", "-1", "--format=%H", "--", "staging/back-edit.yaml") == commit


def test_an_image_that_is_gone_is_told_and_nothing_is_done(shared: World) -> None:
    app = shared.add_app("back-gone")
    good = app.merge("A good version")
    app.await_live("staging", good)
    digest = shared.digest(app.image, good[:7])
    host, _, name = app.image.partition("/")
    requests.delete(f"http://{host}/v2/{name}/manifests/{digest}", timeout=10).raise_for_status()
    next_sha_fails(shared, app, "staging", good)
    bad = app.merge("A bad version")
    assert app.await_live("staging", bad).outcome == "failed"
    until("why not", lambda: "is not in the registry any more" in "".join(app.comments(2)))
    asked = command(shared, "rollback", app.name, "staging")
    assert asked.returncode == 1
    assert "is not in the registry any more" in asked.stderr
    assert rollbacks(app, "staging", good) == []


def test_a_rollback_that_fails_stops_and_shouts(shared: World) -> None:
    app = shared.add_app("back-back")
    first = app.merge("First")
    app.await_live("staging", first)
    good = app.merge("A good version")
    app.await_live("staging", good)
    path = "staging/back-back.yaml"
    all_at_once = shared.git("show", f"master:{path}").replace(
        "replicas: 2", "replicas: 2\n  strategy: {type: Recreate}"
    )
    edit = shared.forge.commit(CONFIG, "master", {path: all_at_once + "\n"}, "All pods at once", DEVELOPER)
    app.await_outcome(edit, "staging")
    next_sha_fails(shared, app, "staging")
    app.merge("A bad version")
    back = await_rollback(app, "staging", good)
    assert app.await_outcome(back, "staging").outcome == "failed"
    (comment,) = until("the alarm", lambda: [text for text in app.comments(3) if "🚨" in text])
    assert f"python -m bot sync {app.name} staging" in comment
    until("the alarm to last", lambda: shared.git("log", "-1", "--format=%H", "--", f"staging/{app.name}.yaml") == back)
    assert rollbacks(app, "staging", first) == []
    statuses = shared.api(f"/repos/{CONFIG}/commits/{back}/status")["statuses"]
    assert any("somebody has to look now" in status["description"] for status in statuses)


def test_an_unreachable_cluster_is_never_a_reason(shared: World) -> None:
    app = shared.add_app("back-away")
    good = app.merge("A good version")
    app.await_live("staging", good)
    shared.clusters["staging"].stop()
    try:
        bad = app.merge("Another version")
        assert app.await_live("staging", bad).outcome == "unknown"
    finally:
        shared.clusters["staging"].start()
    bump = app.bumps("staging", bad)[0]
    until("it to be made up for", lambda: (app.outcome(bump, "staging") or NOT_YET).outcome == "healthy")
    assert rollbacks(app, "staging", good) == []


def test_what_cannot_be_gone_back_to_is_refused_by_name(shared: World) -> None:
    app = shared.add_app("back-refused")
    shared.add_app("back-empty")
    good = app.merge("A good version")
    app.await_live("staging", good)
    for arguments, words in (
        ((app.name, "staging"), "Nothing that back-refused in staging ran before is recorded as healthy"),
        ((app.name, "staging", "--to", "0123abc"), "never ran 0123abc"),
        ((app.name, "staging", "--to", good[:10]), f"runs {good[:7]} already"),
        (("back-empty", "staging"), "runs nothing that Slipway knows as one release"),
        (("back-refuse", "staging"), "did you mean `back-refused`"),
    ):
        answer = command(shared, "rollback", *arguments)
        assert (answer.returncode, answer.stdout) == (1, "")
        assert words in answer.stderr
        assert "Traceback" not in answer.stderr


def test_a_worker_killed_after_the_rollback_commit_doubles_nothing(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("back-killed")
    good = app.merge("A good version")
    app.await_live("staging", good)
    next_sha_fails(world, app, "staging", good)
    bad = app.merge("A bad version")
    back = await_rollback(app, "staging", good)
    bot.stop(signal.SIGKILL)
    assert app.outcome(back, "staging") is None
    bot.start()
    assert app.await_outcome(back, "staging").outcome == "healthy"
    until("the source's people to be told", lambda: "runs again" in "".join(app.comments(2)))
    assert rollbacks(app, "staging", good) == [back]
    assert [len(app.bumps("staging", bad)), len(app.comments(2))] == [1, 1]


def test_who_pushes_meanwhile_wins(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app = world.add_app("back-raced")
    good = app.merge("A good version")
    app.await_promotion(good)
    mended = world.git("show", "master:staging/back-raced.yaml").replace("replicas: 2", "replicas: 1") + "\n"
    next_sha_fails(world, app, "staging", good)
    bump = app.await_bump("staging", app.merge("A bad version"))
    pushed: list[str] = []

    def person_first(application: WSGIApplication, _environ: WSGIEnvironment) -> WSGIApplication:
        """The first push after the bump is the outcome's note; the second one is the rollback."""
        if app.outcome(bump, "staging") is not None and not pushed:
            files: dict[str, str | None] = {"staging/back-raced.yaml": mended}
            pushed.append(world.forge.commit(CONFIG, "master", files, "Go back by hand", DEVELOPER))
        return application

    world.forge.faults.add("POST", f"/{CONFIG}.git/git-receive-pack$", person_first, 100)
    (commit,) = until("somebody to push just before the rollback", lambda: pushed)
    assert app.await_outcome(commit, "staging").outcome == "healthy"
    assert rollbacks(app, "staging", good) == []
    assert world.git("show", "master:staging/back-raced.yaml") + "\n" == mended
