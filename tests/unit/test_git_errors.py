"""What git and servers really say, and what a person is told."""

import pytest

from bot.adapters.git.errors import GitFailure, explain, may_have_been_sent, mirror_is_broken, said
from bot.errors import Permanent, SlipwayError, Transient

URL = "http://127.0.0.1:8000/org/config.git/"
NO_USER = f"fatal: could not read Username for '{URL}': terminal prompts disabled\n"
DENIED = (
    "remote: Permission to org/config.git denied to slipway[bot].\n"
    f"fatal: unable to access '{URL}': The requested URL returned error: 403\n"
)
HUNG_UP = (
    "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502\n"
    "send-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly\n"
)


def failure(stderr: str, status: int = 128, *, timed_out: bool = False) -> GitFailure:
    return GitFailure("fetch", status, stderr, timed_out=timed_out)


@pytest.mark.parametrize(
    ("stderr", "kind", "words"),
    [
        (NO_USER, Permanent, "GITHUB_TOKEN"),
        (f"fatal: Authentication failed for '{URL}'\n", Permanent, "GITHUB_APP_ID"),
        (f"remote: Repository not found.\nfatal: repository '{URL}' not found\n", Permanent, "GITHUB_URL"),
        (DENIED, Permanent, "denied to slipway"),
        (
            f"fatal: unable to access '{URL}': server certificate verification failed. CAfile: none CRLfile: none\n",
            Permanent,
            "certificate",
        ),
        ("fatal: transport 'ext' not allowed\n", Permanent, "GITHUB_URL"),
        (f"fatal: unable to access '{URL}': Could not resolve host: github.invalid\n", Transient, "resolve host"),
        (
            f"fatal: unable to access '{URL}': Failed to connect to 127.0.0.1 port 1: Connection refused\n",
            Transient,
            "refused",
        ),
        (f"fatal: unable to access '{URL}': The requested URL returned error: 503\n", Transient, "503"),
        (f"fatal: unable to access '{URL}': The requested URL returned error: 429\n", Transient, "429"),
        (f"fatal: unable to access '{URL}': Operation too slow. Less than 1 bytes/sec\n", Transient, "too slow"),
        ("fatal: unable to write loose object file: No space left on device\n", Transient, "Make room"),
        ("fatal: sha1 file 'x' write error. Out of diskspace\n", Transient, "Make room"),
        ("", Transient, "exit status 128"),
    ],
)
def test_a_failure_is_explained(stderr: str, kind: type[SlipwayError], words: str) -> None:
    error = explain(failure(stderr), "fetching", "org/config")

    assert type(error) is kind
    assert words in str(error)
    assert "org/config" in str(error)
    assert "\n" not in str(error)


def test_a_command_that_took_too_long_is_transient_whatever_it_had_said() -> None:
    assert "did not finish" in str(explain(failure(NO_USER, -9, timed_out=True), "fetching", "org/config"))


def test_long_answers_are_cut() -> None:
    assert len(said(failure("remote: no\n" * 1000))) <= 600


@pytest.mark.parametrize(
    "stderr",
    [
        "error: object file objects/1a/2b is empty\nfatal: loose object 1a2b is corrupt\n",
        "fatal: not a git repository: '/var/mirror.git'\n",
        "fatal: bad object refs/heads/main\n",
        "error: cannot lock ref 'refs/heads/main': Unable to create '/m/refs/heads/main.lock': File exists.\n",
        "fatal: Not a valid commit: 01234\n",
        "fatal: bad config line 1 in file /m/config\n",
    ],
)
def test_a_broken_mirror_is_recognised(stderr: str) -> None:
    assert mirror_is_broken(failure(stderr))


@pytest.mark.parametrize(
    "stderr",
    [
        NO_USER,
        HUNG_UP,
        "remote: error: object file objects/1a/2b is empty\nremote: fatal: loose object 1a2b is corrupt\n",
        "fatal: unable to read tree: No space left on device\n",
        f"fatal: unable to access '{URL}': Failed to connect\n",
    ],
)
def test_the_mirror_is_not_blamed_for_what_others_broke(stderr: str) -> None:
    assert not mirror_is_broken(failure(stderr))


def test_a_push_may_have_been_sent_once_the_greeting_was_over() -> None:
    assert may_have_been_sent(failure(HUNG_UP))
    assert may_have_been_sent(failure("", -9, timed_out=True))
    assert not may_have_been_sent(failure(f"fatal: unable to access '{URL}': The requested URL returned error: 502\n"))
    assert not may_have_been_sent(failure(NO_USER))
