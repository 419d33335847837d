"""Answers that come byte by byte: each request ends in time, and others are asked."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
import urllib3
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.adapters.docker.logins import DockerLogins
from bot.adapters.github.credentials import AppCredentials, TokenCredentials
from bot.adapters.github.forge import GitHubForge
from bot.adapters.hurry import HurriedAdapter, hurry, within
from bot.adapters.registry.http import RegistryHttp, place
from bot.errors import Transient, UnknownOutcome
from tests.dribble import dribbling
from tests.scenarios.world import PATIENCE

SECONDS = 1.5

PRIVATE_KEY = (
    rsa.generate_private_key(public_exponent=65537, key_size=2048)
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    .decode()
)

ANSWERS = {
    "headers": b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 5000,
    "a body": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000,
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 1000,
    "a body of no told length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 5000,
}


@contextmanager
def in_time() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_dribbles_is_cut_off(what: str) -> None:
    with dribbling(ANSWERS[what]) as url, requests.Session() as session:
        session.mount("http://", HurriedAdapter(SECONDS))
        with in_time(), pytest.raises(requests.ReadTimeout):
            session.get(url, timeout=5)


@pytest.mark.parametrize("what", ["headers", "a body", "chunks"])
def test_a_pool_of_the_cluster_s_client_is_cut_off(what: str) -> None:
    with dribbling(ANSWERS[what]) as url, urllib3.PoolManager(retries=False) as manager:
        hurry(manager)
        with in_time(), pytest.raises(TimeoutError), within(SECONDS):
            _ = manager.request("GET", url, timeout=5, preload_content=False).data


def test_github_is_asked_no_longer_than_a_minute_and_a_write_is_unknown() -> None:
    with dribbling(ANSWERS["a body"]) as url:
        forge = GitHubForge(url, TokenCredentials("t"), timeout=1)
        with in_time(), pytest.raises(Transient):
            forge.identity()
        with in_time(), pytest.raises(UnknownOutcome):
            forge.react("a/b", 1, 2)


def test_a_github_app_s_token_is_waited_for_no_longer() -> None:
    with dribbling(ANSWERS["a body"]) as url:
        app = AppCredentials(1, PRIVATE_KEY, url, timeout=1)
        with in_time(), pytest.raises(Transient):
            app.token("a/b")


def test_a_registry_that_dribbles_may_be_asked_again() -> None:
    with dribbling(ANSWERS["a body"]) as url:
        registry = RegistryHttp(DockerLogins(), 0.5)
        with in_time(), pytest.raises(Transient):
            registry.request(place(f"{url.removeprefix('http://')}/site"), "look", "GET", "/manifests/latest")


def test_what_is_quick_is_left_alone() -> None:
    with (
        dribbling(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok") as url,
        requests.Session() as session,
    ):
        session.mount("http://", HurriedAdapter(PATIENCE))
        assert session.get(url, timeout=5).text == "ok"
