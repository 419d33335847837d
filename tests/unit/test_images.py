"""Image references, by the rules of the distribution project's own test table, and by what manifests hold."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Permanent
from bot.images import ImageReference, ImageReferenceError, ManifestImage

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "domain", "path", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", None, None),
        ("nginx:1.25", "docker.io", "library/nginx", "1.25", None),
        ("team/site", "docker.io", "team/site", None, None),
        ("docker.io/nginx", "docker.io", "library/nginx", None, None),
        ("index.docker.io/team/site:2", "docker.io", "team/site", "2", None),
        ("localhost/site", "localhost", "site", None, None),
        ("localhost:5000", "docker.io", "library/localhost", "5000", None),
        ("localhost:5000/site:v1", "localhost:5000", "site", "v1", None),
        ("registry.example.com/snapcraft.io:3f2c1ab", "registry.example.com", "snapcraft.io", "3f2c1ab", None),
        ("registry.example.com:443/a/b/c", "registry.example.com:443", "a/b/c", None, None),
        ("Registry.Example.com/site", "Registry.Example.com", "site", None, None),
        ("REGISTRY/site", "REGISTRY", "site", None, None),
        ("[2001:db8::1]:5000/site:v1", "[2001:db8::1]:5000", "site", "v1", None),
        (f"site@{DIGEST}", "docker.io", "library/site", None, DIGEST),
        (f"localhost:5000/site:v1@{DIGEST}", "localhost:5000", "site", "v1", DIGEST),
        ("xn--n3h.com/a__b/c-d---e.f", "xn--n3h.com", "a__b/c-d---e.f", None, None),
        ("a.b/x:_under.Score-9", "a.b", "x", "_under.Score-9", None),
    ],
)
def test_a_reference_is_taken_apart_as_docker_does(
    text: str, domain: str, path: str, tag: str | None, digest: str | None
) -> None:
    reference = ImageReference.parse(text)
    assert (reference.domain, reference.path, reference.tag, reference.digest) == (domain, path, tag, digest)
    assert str(reference) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "empty"),
        (":tag", "no repository"),
        (f"@{DIGEST}", "no repository"),
        ("nginx:", "is not a tag"),
        ("nginx:bad tag", "is not a tag"),
        ("nginx:.dot", "is not a tag"),
        ("nginx:" + "t" * 129, "is not a tag"),
        ("nginx:${TAG}", "is not a tag"),
        ("nginx:é", "is not a tag"),
        ("nginx:1\n", "is not a tag"),
        ("Nginx", "lower case"),
        ("registry.example.com/Site", "lower case"),
        ("registry.example.com/", "not a repository path"),
        ("a//b", "not a repository path"),
        ("a/b/", "not a repository path"),
        ("a..b", "not a repository path"),
        ("a___b", "not a repository path"),
        ("-a", "not a repository path"),
        ("https://registry.example.com/site", "not a registry's host and port"),
        ("-bad.example.com/site", "not a registry's host and port"),
        ("host:port/site", "not a registry's host and port"),
        ("0123456789abcdef" * 4, "image id"),
        ("x/" + "a" * 254, "longer than 255"),
        ("nginx@", "not a digest"),
        ("nginx@sha256", "64 lower-case hex"),
        ("nginx@sha256:abc", "64 lower-case hex"),
        ("nginx@sha256:" + "A" * 64, "64 lower-case hex"),
        ("nginx@sha256:" + "g" * 64, "64 lower-case hex"),
        ("nginx@md5:" + "a" * 32, "not a digest"),
        (f"nginx@{DIGEST}@{DIGEST}", "64 lower-case hex"),
    ],
)
def test_what_docker_refuses_is_refused_with_the_reason(text: str, problem: str) -> None:
    with pytest.raises(ImageReferenceError, match=problem):
        ImageReference.parse(text)


def test_the_error_is_permanent_and_a_value_error() -> None:
    assert issubclass(ImageReferenceError, Permanent)
    assert issubclass(ImageReferenceError, ValueError)


def test_spellings_of_one_docker_hub_repository_are_equal_once_normalised() -> None:
    spellings = [
        "nginx:1",
        "docker.io/nginx:1",
        "library/nginx:1",
        "docker.io/library/nginx:1",
        "index.docker.io/nginx:1",
    ]
    assert {str(ImageReference.parse(text).normalised()) for text in spellings} == {"docker.io/library/nginx:1"}


def test_another_tag_drops_the_digest_of_the_old_one() -> None:
    reference = ImageReference.parse(f"registry.example.com/site:old@{DIGEST}")
    assert str(reference.with_tag("latest")) == "registry.example.com/site:latest"
    with pytest.raises(ImageReferenceError, match="not a tag"):
        reference.with_tag("no/tag")


@pytest.mark.parametrize(
    ("text", "repository", "rest", "placeholder"),
    [
        ("nginx", "nginx", "", False),
        ("nginx:1.25", "nginx", ":1.25", False),
        ("localhost:5000/site", "localhost:5000/site", "", False),
        ("a.b/site:${TAG_TO_DEPLOY}", "a.b/site", ":${TAG_TO_DEPLOY}", True),
        ("a.b/site:${TAG:-latest}", "a.b/site", ":${TAG:-latest}", True),
        ("a.b/site:$TAG", "a.b/site", ":$TAG", True),
        ("a.b/site:$(TAG)", "a.b/site", ":$(TAG)", True),
        ("a.b/site:v1-$TAG", "a.b/site", ":v1-$TAG", True),
        ("a.b:80/site:{{ tag }}", "a.b:80/site", ":{{ tag }}", True),
        ("a.b/site@{{ .Values.digest }}", "a.b/site", "@{{ .Values.digest }}", True),
        (f"a.b/site:1@{DIGEST}", "a.b/site", f":1@{DIGEST}", False),
        ("a.b/site:", "a.b/site", ":", False),
    ],
)
def test_a_manifests_image_is_split_behind_its_repository(
    text: str, repository: str, rest: str, placeholder: bool
) -> None:
    image = ManifestImage.parse(text)
    assert (image.repository, image.rest, image.has_placeholder) == (repository, rest, placeholder)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("${REGISTRY}/site:1", "stands in the repository"),
        ("a.b/site$SUFFIX", "stands in the repository"),
        ("{{ .Values.image }}", "stands in the repository"),
        ("a.b/Site:1", "lower case"),
        ("a.b/site:1 2", "white space"),
        ("", "no repository"),
    ],
)
def test_a_manifests_image_without_a_known_repository_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ImageReferenceError, match=problem):
        ManifestImage.parse(text)


PATHS = st.from_regex(r"[a-z0-9]{1,8}(/[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,2}){0,2}", fullmatch=True)
DOMAINS = st.sampled_from(["", "localhost/", "localhost:5000/", "registry.example.com/", "docker.io/", "[::1]:80/"])
TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(domain=DOMAINS, path=PATHS, tag=TAGS, digest=st.sampled_from([None, DIGEST]))
@settings(deadline=None, max_examples=100)
def test_every_reference_survives_being_written_and_read(
    domain: str, path: str, tag: str | None, digest: str | None
) -> None:
    reference = ImageReference(domain + path, tag, digest)
    assert ImageReference.parse(str(reference)) == reference
    assert reference.normalised().normalised() == reference.normalised()
    split = ManifestImage.parse(str(reference))
    assert (split.repository, split.rest) == (reference.repository, reference.suffix)
    assert split.normalised_repository == reference.normalised().repository


@given(st.text(max_size=40))
@settings(deadline=None, max_examples=200)
def test_no_text_breaks_the_parsers(text: str) -> None:
    for parse in (ImageReference.parse, ManifestImage.parse):
        with contextlib.suppress(ImageReferenceError):
            parse(text)
