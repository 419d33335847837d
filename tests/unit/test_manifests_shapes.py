"""Bumps of hand-written manifests, one for each way in which YAML can surprise: ``manifests/*.yaml``."""

from pathlib import Path

import pytest

from bot.images import ImageReference
from bot.manifests import bump, find_images, parse_documents, unresolved_placeholders

FOLDER = Path(__file__).parent / "manifests"
DIGEST = "sha256:" + "ab" * 32
SITE = ("site:old", "site:new")

# File: what to set, and for each line that must change what becomes of its first such text.
EXPECTED: dict[str, tuple[str, dict[int, tuple[str, str]]]] = {
    "styles.yaml": (
        "registry.example.com/site:new",
        dict.fromkeys((10, 12, 14, 16, 18, 21, 25, 31, 33, 36, 38, 41, 43, 46), SITE)
        | {
            48: ("site", "site:new"),
            50: ("site:", "site:new"),
            52: (f"site:old@sha256:{'0' * 64}", "site:new"),
            61: ("${TAG_TO_DEPLOY}", "new"),
        },
    ),
    "tabs.yaml": ("registry.example.com/site:new", dict.fromkeys((8, 10, 12, 16), SITE)),
    "kinds.yaml": (
        "docker.io/library/site:new",
        dict.fromkeys((4, 9, 14, 19, 24, 34, 39, 47, 53), SITE) | {29: ("", "")},
    ),
    "stream.yaml": ("site:new", dict.fromkeys((7, 16, 23, 35), SITE)),
    "templates.yaml": (
        "registry.example.com/site:new",
        {21: ("site:{{ tag }}", "site:new"), 25: ("${TAG_TO_DEPLOY}", "new")},
    ),
    "anchors.yaml": ("registry.example.com/site:new", {10: SITE}),
    "windows.yaml": ("registry.example.com/site:new", dict.fromkeys((7, 10, 12), SITE)),
    "duplicates.yaml": ("registry.example.com/site:new", {11: SITE}),
}


def read(name: str) -> str:
    return (FOLDER / name).read_bytes().decode()


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bump_changes_the_image_and_no_other_byte(name: str) -> None:
    image, expected = EXPECTED[name]
    text = read(name)
    lines = text.split("\n")
    for number, (old, new) in expected.items():
        assert old in lines[number - 1]
        lines[number - 1] = lines[number - 1].replace(old, new, -1 if number == 29 else 1)
    if name == "kinds.yaml":
        lines[28] = lines[28].replace(*SITE)
    bumped = bump(text, name, ImageReference.parse(image))
    assert bumped.text == "\n".join(lines)
    assert {change.line for change in bumped.changes} == set(expected)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_bump_to_a_digest_and_back_restores_the_file(name: str) -> None:
    tagged = ImageReference.parse(EXPECTED[name][0])
    before = bump(read(name), name, tagged).text
    pinned = bump(before, name, ImageReference.parse(f"{tagged}@{DIGEST}"))
    assert pinned.text.count(f":new@{DIGEST}") == len(pinned.changes) > 0
    assert bump(pinned.text, name, tagged).text == before


@pytest.mark.parametrize("name", EXPECTED)
def test_a_second_bump_to_the_same_image_finds_it_and_changes_nothing(name: str) -> None:
    image = ImageReference.parse(EXPECTED[name][0])
    once = bump(read(name), name, image)
    twice = bump(once.text, name, image)
    assert (twice.text, twice.changes) == (once.text, ())
    assert len(twice.found) == len(once.found)


def test_every_container_of_every_kind_is_found_and_nothing_else() -> None:
    found = find_images(read("kinds.yaml"), "kinds.yaml")
    assert [(image.workload, image.container, image.init, image.document) for image in found] == [
        ("StatefulSet/set", "c", False, 0),
        ("DaemonSet/daemon", "c", False, 1),
        ("ReplicaSet/replicas", "c", False, 2),
        ("ReplicationController/ancient", "c", False, 3),
        ("CronJob/cron", "c", False, 4),
        ("Job/", "i", True, 5),
        ("Job/", "c", False, 5),
        ("Pod/pod", "c", False, 6),
        ("PodTemplate/template", "c", False, 7),
        ("Deployment/listed", "c", False, 8),
        ("Deployment/nested", "c", False, 8),
    ]


@pytest.mark.parametrize("name", ["styles.yaml", "windows.yaml", "stream.yaml", "tabs.yaml", "anchors.yaml"])
def test_the_offsets_of_a_found_image_hold_its_spelling(name: str) -> None:
    text = read(name)
    for found in find_images(text, name):
        spelled = text[found.start : found.end]
        if found.container in ("escaped-repository", "continued"):
            assert spelled.endswith("site:old")
        else:
            assert spelled == found.text
        assert found.line == text.count("\n", 0, found.start) + 1


def test_a_found_image_knows_its_workload_namespace_and_parts() -> None:
    first = find_images(read("styles.yaml"), "styles.yaml")[0]
    assert (first.path, first.kind, first.name, first.namespace) == ("styles.yaml", "Deployment", "site", "web")
    assert first.image is not None
    assert (first.image.repository, first.image.rest) == ("registry.example.com/site", ":old")


def test_documents_are_counted_as_yaml_counts_them() -> None:
    found = find_images(read("stream.yaml"), "stream.yaml")
    assert [(image.document, image.name) for image in found] == [
        (0, "first"),
        (1, "second"),
        (5, "on-the-marker"),
        (6, "text"),
    ]


def test_placeholder_tags_are_told_from_placeholder_repositories() -> None:
    found = find_images(read("templates.yaml"), "templates.yaml")
    assert [image.container for image in unresolved_placeholders(found)] == ["site", "helper"]
    assert [image.container for image in found if image.image is None] == ["chart"]


def test_one_anchor_used_by_many_containers_is_one_change() -> None:
    bumped = bump(read("anchors.yaml"), "anchors.yaml", ImageReference.parse("registry.example.com/site:new"))
    (change,) = bumped.changes
    assert [user.container for user in change.used_by] == ["migrate", "web", "worker"]


def test_a_document_that_does_not_mention_the_image_need_not_be_yaml() -> None:
    text = "{{ if }}: [\n---\n" + read("duplicates.yaml")
    bumped = bump(text, "x.yaml", ImageReference.parse("registry.example.com/site:new"))
    assert bumped.text == text.replace("site:old", "site:new")


def test_deployment_narrows_by_workload_name() -> None:
    bumped = bump(read("kinds.yaml"), "kinds.yaml", ImageReference.parse("site:new"), deployment="daemon")
    assert [found.workload for found in bumped.found] == ["DaemonSet/daemon"]
    assert [change.line for change in bumped.changes] == [9]


def test_an_image_elsewhere_is_no_match() -> None:
    bumped = bump(read("kinds.yaml"), "kinds.yaml", ImageReference.parse("registry.example.com/site:new"))
    assert (bumped.text, bumped.changes, bumped.found) == (read("kinds.yaml"), (), ())


def test_the_bumped_manifests_are_what_the_cluster_is_given() -> None:
    text = bump(read("windows.yaml"), "windows.yaml", ImageReference.parse("registry.example.com/site:new")).text
    (pod,) = parse_documents(text, "windows.yaml")
    assert [container["image"] for container in pod["spec"]["containers"]] == ["registry.example.com/site:new"] * 3


def test_a_two_megabyte_file_is_bumped_without_parsing_all_of_it() -> None:
    other = read("kinds.yaml")
    text = "---\n".join([other] * 700 + [read("duplicates.yaml")] + [other] * 700)
    assert len(text) > 2_000_000
    bumped = bump(text, "big.yaml", ImageReference.parse("registry.example.com/site:new"))
    assert bumped.text == text.replace("registry.example.com/site:old", "registry.example.com/site:new")
    assert len(bumped.changes) == 1
