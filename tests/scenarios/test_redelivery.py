"""A command in a comment is nowhere but in its webhook: what GitHub could not deliver is asked for again."""

from tests.scenarios.world import BOT, DEVELOPER, Bot, World, until, web, worker


def test_a_command_that_came_while_nobody_listened_is_carried_out_once(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    app = world.add_app("unheard")
    world.forge.set_permission(app.source, BOT, "admin")
    bot.start()
    app.await_live("staging", app.merge("A change"))
    bot.stop()
    world.forge.comment(app.source, 1, DEVELOPER, "/status")
    assert world.forge.wait_for_deliveries()
    before = world.forge.deliveries(app.source, world.hooks[app.source])
    (missed,) = [one for one in before if one.event == "issue_comment" and one.payload["comment"]["body"] == "/status"]
    assert missed.status_code == 502
    bot.start(web(), worker())

    def answers() -> list[str]:
        return [text for text in app.comments() if "slipway-answer" in text]

    until("the answer", answers)
    again = [one for one in world.forge.deliveries(app.source, world.hooks[app.source]) if one.guid == missed.guid]
    assert [one.status_code for one in again] == [502, 202]
    assert len(answers()) == 1
