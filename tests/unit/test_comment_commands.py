"""What a comment asks for, and what it only talks about."""

import pytest

from bot.comment_commands import Command, Here, Misunderstood, Request, Verb, commands, understand

SOURCE = Here(("shop",), ("staging", "production"))
SEVERAL = Here(("docs", "tutorials"), ("staging", "production"))
THREE = Here(("shop",), ("staging", "qa", "production"))
PROMOTION = Here(("shop",), ("staging", "production"), "production")


def asked(line: str, here: Here) -> Request | Misunderstood:
    (command,) = commands(line)
    return understand(command, here)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("/deploy", [Command("deploy")]),
        ("Looks good.\r\n\r\n  /Promote production \r\nThanks!", [Command("promote", "production")]),
        ("/hold production Christmas: no releases", [Command("hold", "production Christmas: no releases")]),
        ("/status\n/help", [Command("status"), Command("help")]),
        ("/promot", [Command("promot")]),
        ("please /deploy", []),
        ("> /deploy", []),
        ("    /deploy", []),
        ("```\n/deploy\n```", []),
        ("```\n/deploy\n```\n/status", [Command("status")]),
        ("~~~~\n~~~\n/deploy\n~~~~", []),
        ("```\n/deploy", []),
        ("<!-- /deploy\n/deploy -->", []),
        ("`/deploy`", []),
        ("/lgtm\n/assign @dora\n/retest\n/cc", []),
        ("/usr/bin/env\n//deploy\n/\n/deploy!", []),
        ("/help\n" * 9, [Command("help")] * 5),
    ],
)
def test_a_command_stands_on_a_line_of_its_own(body: str, found: list[Command]) -> None:
    assert list(commands(body)) == found


@pytest.mark.parametrize(
    ("line", "here", "request_"),
    [
        ("/deploy", SEVERAL, Request(Verb.DEPLOY, ("docs", "tutorials"))),
        ("/deploy tutorials", SEVERAL, Request(Verb.DEPLOY, ("tutorials",))),
        ("/promote", SOURCE, Request(Verb.PROMOTE, ("shop",), "production")),
        ("/promote", PROMOTION, Request(Verb.PROMOTE, ("shop",), "production")),
        ("/promote qa 3f2c1ab", THREE, Request(Verb.PROMOTE, ("shop",), "qa", "3f2c1ab")),
        ("/promote production docs", SEVERAL, Request(Verb.PROMOTE, ("docs",), "production")),
        ("/rollback production", SOURCE, Request(Verb.ROLLBACK, ("shop",), "production")),
        ("/rollback", PROMOTION, Request(Verb.ROLLBACK, ("shop",), "production")),
        (
            "/rollback Production 3f2c1ab odd numbers",
            SOURCE,
            Request(Verb.ROLLBACK, ("shop",), "production", "3f2c1ab", "odd numbers"),
        ),
        ("/rollback staging odd numbers", SOURCE, Request(Verb.ROLLBACK, ("shop",), "staging", None, "odd numbers")),
        ("/retry", SOURCE, Request(Verb.RETRY, ("shop",))),
        ("/retry release/shop/abc/1", SOURCE, Request(Verb.RETRY, ("shop",), text="release/shop/abc/1")),
        ("/hold docs staging a b", SEVERAL, Request(Verb.HOLD, ("docs",), "staging", text="a b")),
        ("/hold Christmas", PROMOTION, Request(Verb.HOLD, ("shop",), "production", text="Christmas")),
        ("/resume staging", SOURCE, Request(Verb.RESUME, ("shop",), "staging")),
        ("/status", SEVERAL, Request(Verb.STATUS, ("docs", "tutorials"))),
        ("/help", SOURCE, Request(Verb.HELP, ("shop",))),
    ],
)
def test_app_and_environment_are_taken_from_the_words_or_from_the_place(
    line: str, here: Here, request_: Request
) -> None:
    assert asked(line, here) == request_


@pytest.mark.parametrize(
    ("line", "here", "why"),
    [
        ("/promot production", SOURCE, "There is no command `/promot`; did you mean `promote`?"),
        ("/promote", THREE, "Where? Write `staging`, `qa` or `production` behind `/promote`."),
        ("/promote prodction", THREE, "Where? Write `staging`, `qa` or `production` behind `/promote`; did you mean"),
        ("/promote production main", SOURCE, "`main` is neither an environment nor a commit"),
        ("/rollback", SOURCE, "Where? Write `staging` or `production` behind `/rollback`."),
        ("/hold production x", SEVERAL, "Which app? Write one of `docs` or `tutorials` behind `/hold`."),
        ("/retry", SEVERAL, "Which app? Write one of `docs` or `tutorials` behind `/retry`."),
        ("/hold production", SOURCE, "Say why, as in `/hold production The till is being counted`."),
    ],
)
def test_what_is_not_understood_says_what_to_write(line: str, here: Here, why: str) -> None:
    found = asked(line, here)
    assert isinstance(found, Misunderstood)
    assert found.why.startswith(why)
