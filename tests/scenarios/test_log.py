"""The log of both processes: one release's id finds its whole way, from the webhook to ``latest``."""

import json
from typing import Any

from tests.scenarios.world import APPROVER, CONFIG, Bot, World, until

Line = dict[str, Any]


def lines(bot: Bot) -> list[Line]:
    """The log's lines; gunicorn's own are none of ours."""
    return [json.loads(line) for line in bot.log().splitlines() if line.startswith("{")]


def test_one_id_finds_every_stage_of_a_release(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    app, other = world.add_app("traced"), world.add_app("beside")
    sha = app.merge("Follow me")
    app.approve(app.await_promotion(sha)["number"])
    app.await_live("production", sha)
    until("latest", lambda: world.digest(app.image, "latest"))
    second = other.merge("Another one")
    world.forge.merge_pull_request(CONFIG, other.await_promotion(second)["number"], APPROVER, "squash")
    other.await_live("production", second)
    release = f"traced@{sha}"

    def ours() -> list[Line]:
        return [line for line in lines(bot) if line.get("release") == release]

    until(
        "the last job's end",
        lambda: any(line["event"] == "job ended" and "latest is" in line.get("detail", "") for line in ours()),
    )
    found = ours()
    steps = [line["step"] for line in found if line["event"] == "step done"]
    for step in ("build and push", "bring it into staging", "apply", "watch the rollout", "record the outcome"):
        assert step in steps, step
    assert "merge the approved head" in steps
    assert "tag latest" in steps
    assert [line["environment"] for line in found if line.get("step") == "apply"] == ["staging", "production"]
    began = [line["job"].partition("/")[0] for line in found if line["event"] == "job begins"]
    assert {"release", "build"} <= set(began)
    assert [line for line in found if "beside" in json.dumps(line)] == []
    merged = [line for line in lines(bot) if line.get("release") == f"beside@{second}"]
    assert {"release", "build", "sync"} <= {line["job"].partition("/")[0] for line in merged}
    third = other.merge("Nothing else is under way")  # the merges before may have been found by a look
    other.await_live("staging", third)
    (asked,) = [line for line in lines(bot) if line.get("next") == f"release/beside/{third}/1" and line.get("delivery")]
    assert asked["release"] == f"beside@{third}"
    stored = [line for line in lines(bot) if line["event"] == "delivery stored"]
    assert asked["delivery"] in [line["delivery"] for line in stored], "the delivery's line leads to the release"
    ids = {line["job"] for line in found if line["job"].startswith("sync/")}
    assert len(ids) == 2
