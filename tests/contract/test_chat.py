"""Chat through apprise, to a real HTTP server; and a message that was interrupted is not sent a second time."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from bot.adapters.chat import AppriseChat
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import Job
from bot.jobs import notify_job
from bot.services import Services
from bot.workflows.notify import notify
from tests.config_fake import FakeConfig
from tests.scripted_http import Answer, ScriptedServer

T = TypeVar("T")
SECRET = "t0k3n-t0k3n"

CATALOG = """\
environments:
  - {name: staging, cluster: s, namespace: s, gate: commit, notify: ["$TEAM"]}
apps:
  - {name: shop, source: acme/shop, image: registry.example.com/shop, notify: ["$TEAM", "$OTHERS"]}
"""


def address(server: ScriptedServer) -> str:
    return f"json://{server.host}/{SECRET}"


def test_a_message_arrives_with_title_and_text() -> None:
    with ScriptedServer() as server:
        server.script(Answer(200))
        AppriseChat({}).send(address(server), "shop is live on staging", "3f2c1ab: Add <b>search</b>")
        sent = server.received[0].json()
    assert (sent["title"], sent["message"]) == ("shop is live on staging", "3f2c1ab: Add <b>search</b>")


def test_an_address_with_a_token_comes_out_of_a_variable() -> None:
    with ScriptedServer() as server:
        server.script(Answer(200))
        AppriseChat({"TEAM": address(server)}).send("$TEAM", "title", "text")
        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("target", "status", "kind", "words"),
    [
        ("$TEAM", 500, Transient, r"\$TEAM did not take the message"),
        ("$NOBODY", 200, Permanent, r"\$NOBODY in `notify` of slipway.yaml names a variable that is not set"),
        (f"nonsense://{SECRET}", 200, Permanent, "nonsense://… is no address that apprise knows"),
    ],
)
def test_what_cannot_be_sent_is_explained_without_its_token(
    target: str, status: int, kind: type[SlipwayError], words: str
) -> None:
    with ScriptedServer() as server:
        server.script(Answer(status))
        with pytest.raises(kind, match=words) as refused:
            AppriseChat({"TEAM": address(server)}).send(target, "title", "text")
    assert SECRET not in str(refused.value)


class Replayed:
    """A run whose first steps are remembered, as after a crash."""

    id = "notify/shop/staging/live/c0ffee"

    def __init__(self, remembered: dict[str, Any]) -> None:
        self.results = remembered

    def step(self, name: str, function: Callable[[], T], *, attempts: int = 5) -> T:
        if name not in self.results:
            self.results[name] = function()
        found: T = self.results[name]
        return found

    def sleep(self, seconds: float) -> None:
        raise AssertionError

    def start(self, job: Job) -> bool:
        raise AssertionError

    def call(self, job: Job) -> Any:
        raise AssertionError


def services(server: ScriptedServer) -> Services:
    config, unused = FakeConfig(), Any
    config.edit({"slipway.yaml": CATALOG})
    values: dict[str, Any] = dict.fromkeys(Services.__dataclass_fields__, unused)
    chat = AppriseChat({"TEAM": address(server), "OTHERS": address(server)})
    return Services(**(values | {"config": config, "chat": chat, "redact": lambda text: text}))


def test_everybody_is_told_once_and_a_message_that_was_interrupted_is_not_sent_again() -> None:
    job = notify_job("shop", "staging", "live", "c0ffee", title="title", text="text")
    with ScriptedServer() as server:
        server.script(Answer(200), Answer(200))
        remembered: dict[str, Any] = {}
        assert notify(Replayed(remembered), services(server), job.input).detail == "told 2 of 2"
        assert len(server.received) == 2, "the app's address and the environment's are the same, and so told once"
        del remembered["tell"]
        assert notify(Replayed(remembered), services(server), job.input).outcome == "unknown"
        assert len(server.received) == 2


def test_one_address_that_fails_keeps_nobody_else_from_being_told() -> None:
    job = notify_job("shop", "staging", "live", "c0ffee", title="title", text="text")
    with ScriptedServer() as server:
        server.script(Answer(500), Answer(200))
        ended = notify(Replayed({}), services(server), job.input)
    assert (ended.outcome, ended.detail) == ("failed", "told 1 of 2")
