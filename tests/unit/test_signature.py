"""GitHub's signature. The example is that of GitHub's own documentation ("Testing the webhook payload validation")."""

import pytest

from webhooks.signature import is_genuine, sign

SECRET = b"It's a Secret to Everybody"
BODY = b"Hello, World!"
GITHUBS = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def test_githubs_example_is_genuine() -> None:
    assert sign(SECRET, BODY) == GITHUBS
    assert is_genuine(SECRET, BODY, GITHUBS)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        GITHUBS.removeprefix("sha256="),
        GITHUBS.replace("sha256", "sha1"),
        GITHUBS.upper(),
        GITHUBS[:-1],
        GITHUBS + "0",
        GITHUBS + "\n",
        "sha256=" + "é" * 64,
        "sha256=" + "0" * 64,
    ],
)
def test_any_other_header_is_not(header: str | None) -> None:
    assert not is_genuine(SECRET, BODY, header)


def test_another_body_or_secret_is_not() -> None:
    assert not is_genuine(SECRET, BODY + b"\n", GITHUBS)
    assert not is_genuine(SECRET + b"\n", BODY, GITHUBS)


def test_no_secret_lets_nothing_in() -> None:
    assert not is_genuine(b"", BODY, sign(b"", BODY))
