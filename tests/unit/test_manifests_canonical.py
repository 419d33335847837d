"""A real web team's config repo of 2018, where it is at hand beside the checkout: every service, one line a bump."""

from pathlib import Path

import pytest

from bot.images import ImageReference
from bot.manifests import bump, find_images, parse_documents, unresolved_placeholders

FOLDER = Path(__file__).parents[3] / "shared" / "canonical-2018"
SERVICES = sorted(FOLDER.glob("services/*.yaml"))
FILES = sorted(FOLDER.rglob("*.yaml"))
PINNED = ":3f2c1ab@sha256:" + "5e" * 32

pytestmark = pytest.mark.skipif(not FILES, reason="shared/canonical-2018 is not beside this checkout")


def read(path: Path) -> str:
    return path.read_bytes().decode()


def test_all_of_it_is_here() -> None:
    assert (len(SERVICES), len(FILES)) == (31, 88)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_a_service_is_bumped_by_its_image_lines_alone(path: Path) -> None:
    before = read(path)
    found = find_images(before, path.name)
    assert found
    assert unresolved_placeholders(found) == found
    repository = found[0].text.removesuffix(":${TAG_TO_DEPLOY}")
    bumped = bump(before, path.name, ImageReference.parse(repository + PINNED))
    assert bumped.text == before.replace(found[0].text + "\n", repository + PINNED + "\n")
    changed = [n for n, (a, b) in enumerate(zip(before.split("\n"), bumped.text.split("\n"), strict=True), 1) if a != b]
    assert changed == [image.line for image in found]
    assert unresolved_placeholders(find_images(bumped.text, path.name)) == ()
    bumped_again = bump(bumped.text, path.name, ImageReference.parse(f"{repository}:another"))
    assert bump(bumped_again.text, path.name, ImageReference.parse(repository + PINNED)).text == bumped.text
    assert bumped_again.text.replace(":another\n", ":${TAG_TO_DEPLOY}\n") == before


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_file_holds_objects_and_another_apps_bump_leaves_it_alone(path: Path) -> None:
    text = read(path)
    assert parse_documents(text, path.name)
    other = bump(text, path.name, ImageReference.parse("registry.example.com/other:1"))
    assert (other.text, other.found) == (text, ())
