import io
import json
import logging
import sys

import pytest
import structlog

from bot import logs
from bot.logs import HIDDEN, Redactor

TOKEN = "gh" + "p_" + "0123456789abcdefABCD"


@pytest.mark.parametrize(
    "text",
    [
        f"cloning with {TOKEN} now",
        f"https://x-access-token:{TOKEN}@github.com/a/b.git",
        f"Authorization: Bearer {TOKEN}",
        f"authorization: basic {TOKEN}",
        f"DB_PASSWORD={TOKEN}",
        f'api_key: "{TOKEN}"',
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    hidden = Redactor()(text)
    assert TOKEN not in hidden
    assert HIDDEN in hidden


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    assert Redactor(["correct horse"])("the correct horse battery") == f"the {HIDDEN} battery"


def test_plain_text_stays() -> None:
    text = "Step 3/4 : COPY site /site, 10240 bytes, sha256:0123abcd"
    assert Redactor(["", "abc"])(text) == text


def test_logs_are_json_lines_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.configure(Redactor(["correct horse"]), terminal=False)
        structlog.get_logger().warning("something", reason="correct horse", number=3)
        logging.getLogger("elsewhere").warning("a library says %s", "correct horse")
        try:
            int("correct horse")
        except ValueError:
            structlog.get_logger().exception("defect")
    finally:
        logging.getLogger().handlers[:], level = before
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
    first, second, third = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["reason"], first["number"], first["level"]) == ("something", HIDDEN, 3, "warning")
    assert second["event"] == f"a library says {HIDDEN}"
    assert HIDDEN in third["exception"]
    assert "correct horse" not in stream.getvalue()


def test_a_secret_of_many_lines_is_hidden_in_lines() -> None:
    key = ("-----BEGIN RSA PRIVATE KEY-----", "MIIEowIBAAKCAQEA", "x/y+z=", "-----END RSA PRIVATE KEY-----")
    redact = logs.Redactor(["hunter2"])
    assert logs.hide_in_lines(redact, ("before", *key, "it is hunter2")) == ("before", HIDDEN, f"it is {HIDDEN}")
    assert logs.hide_in_lines(redact, ("before", *key[:3])) == ("before", HIDDEN), "also where its end is missing"
    assert logs.hide_in_lines(redact, ()) == ()
