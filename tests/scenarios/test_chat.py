"""What a chat room hears of a release's way: each thing once."""

from tests.scenarios.world import World, until
from tests.scripted_http import Answer, ScriptedServer


def test_a_room_hears_once_of_staging_the_approval_that_is_awaited_and_production(shared: World) -> None:
    with ScriptedServer() as room:
        room.script(*(Answer(200) for _ in range(9)))
        app = shared.add_app("talks", notify=[f"json://{room.host}/"])
        sha = app.merge("Add a search box")
        app.approve(app.await_promotion(sha)["number"])
        app.await_live("production", sha)
        until("latest", lambda: shared.digest(app.image, "latest") == shared.digest(app.image, sha[:7]))
        until("three messages", lambda: len(room.received) >= 3)
        titles = sorted(message.json()["title"] for message in room.received)
    assert titles == [
        "talks is live on production",
        "talks is live on staging",
        "talks waits for approval to enter production",
    ]
