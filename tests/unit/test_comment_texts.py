"""What the bot answers in comments."""

from bot.messages import comments
from bot.messages.comments import Standing
from tests.unit.test_messages import SHA, matches


def test_an_answer_to_several_commands() -> None:
    rows = [
        Standing("staging", SHA, "healthy", None),
        Standing("qa", None, "", ""),
        Standing("production", SHA, "not applied yet", " by @dora: The <till> | is being counted"),
    ]
    parts = [
        comments.asked("Bringing shop 3f2c1ab to production", f"promote/shop/production/{SHA}/2"),
        comments.under_way(f"release/shop/{SHA}/1"),
        comments.standings("shop", rows),
        comments.not_allowed("otto", "hold", "production", ("abel", "acme/web-team"), "acme/config"),
        comments.not_allowed("otto", "deploy", None, (), "acme/shop"),
        comments.could_not("promot", "There is no command `/promot`; did you mean `promote`?"),
        comments.could_not("retry", comments.nothing_to_retry("shop")),
        comments.could_not("retry", comments.not_of("release/blog/abc/1", "shop")),
    ]
    assert matches("answer.md", comments.answer(17, "dora", parts))


def test_the_help() -> None:
    assert matches("help.md", comments.answer(17, "dora", [comments.HELP]))
