"""Where an image's repository is, told from its name alone, as Docker does it."""

import pytest

from bot.adapters.registry.http import Place, is_loopback, place


@pytest.mark.parametrize(
    ("repository", "host", "name"),
    [
        ("registry.example.com/site", "registry.example.com", "site"),
        ("registry.example.com:5000/a/b/site", "registry.example.com:5000", "a/b/site"),
        ("localhost/site", "localhost", "site"),
        ("registry:5000/site", "registry:5000", "site"),
        ("[::1]:5000/site", "[::1]:5000", "site"),
        ("nginx", "docker.io", "library/nginx"),
        ("ada/site", "docker.io", "ada/site"),
        ("docker.io/nginx", "docker.io", "library/nginx"),
        ("index.docker.io/ada/site", "docker.io", "ada/site"),
    ],
)
def test_repository_is_taken_apart_as_docker_does(repository: str, host: str, name: str) -> None:
    assert place(repository) == Place(host, name)


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/site"),
        ("registry.example.com:5000", "https://registry.example.com:5000/v2/site"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2/site"),
        ("[::1]:5000", "http://[::1]:5000/v2/site"),
    ],
)
def test_only_this_machine_is_asked_without_encryption(host: str, base: str) -> None:
    assert Place(host, "site").base == base


@pytest.mark.parametrize(
    ("host", "here"),
    [("127.8.8.8", True), ("localhost:80", True), ("localhost.example.com", False), ("127.0.0.1.example.com", False)],
)
def test_name_that_merely_looks_like_this_machine_is_elsewhere(host: str, here: bool) -> None:
    assert is_loopback(host) is here
