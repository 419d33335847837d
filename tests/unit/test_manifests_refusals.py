"""What cannot be changed safely is refused by file and line, with the reason and what to write instead."""

from pathlib import Path

import pytest

from bot.errors import Permanent
from bot.images import ImageReference, ImageReferenceError
from bot.manifests import ManifestError, bump, find_images

FOLDER = Path(__file__).parent / "manifests"
NEW = ImageReference.parse("registry.example.com/site:new")
POD = "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n"


def refusal(text: str, deployment: str | None = None) -> ManifestError:
    with pytest.raises(ManifestError) as caught:
        bump(text, "staging/site.yaml", NEW, deployment=deployment)
    return caught.value


def test_a_refusal_is_one_sentence_with_file_line_reason_and_remedy() -> None:
    error = refusal((FOLDER / "helm-template.yaml").read_text())
    assert isinstance(error, Permanent)
    assert (error.path, error.line) == ("staging/site.yaml", 10)
    assert str(error) == f"staging/site.yaml:10: {error.reason}; {error.remedy}"
    assert "{{- if .Values.replicas }}" in error.reason
    assert "values" in error.remedy
    assert "\n" not in str(error)


def test_a_template_in_the_image_line_that_breaks_the_yaml_is_named() -> None:
    error = refusal(POD + "  - {name: c, image: registry.example.com/site:${TAG}}\n")
    assert error.line == 5
    assert "${TAG}" in error.reason


def test_yaml_errors_name_their_own_line_even_where_harmless_templates_stand_before() -> None:
    error = refusal(POD + "  - image: registry.example.com/site:${TAG}\n    name: a: b\n")
    assert error.line == 6
    assert error.reason == "this is not YAML: mapping values are not allowed here"


def test_lines_are_counted_in_the_file_not_in_the_document() -> None:
    text = f"\ufeff# head\nkind: Service\n...\n\n---\n{POD}  - image: registry.example.com/site:old\n   name: wrong\n"
    assert refusal(text).line == 11


def test_a_control_character_is_named() -> None:
    error = refusal(POD + "  - image: registry.example.com/site:old\n    name: a\x07b\n")
    assert (error.line, error.reason) == (6, "the character U+0007 is not allowed in YAML")


def test_an_anchor_that_something_else_uses_is_refused_by_name() -> None:
    error = refusal((FOLDER / "shared-anchor.yaml").read_text())
    assert error.line == 9
    assert "&image" in error.reason


def test_an_anchor_shared_with_a_workload_out_of_scope_is_refused_by_name() -> None:
    text = (FOLDER / "shared-anchor.yaml").read_text()
    with pytest.raises(ManifestError, match="Deployment/api-canary, which is not to change"):
        bump(text, "x.yaml", ImageReference.parse("registry.example.com/api:new"), deployment="api")
    both = bump(text, "x.yaml", ImageReference.parse("registry.example.com/api:new"))
    assert both.text == text.replace("api:old", "api:new")
    assert [found.name for found in both.found] == ["api", "api-canary"]


@pytest.mark.parametrize(
    "text",
    [
        "x-image: &i registry.example.com/site:old\n" + POD + "  - image: *i\n",
        "x-base: &b {image: registry.example.com/site:old}\n" + POD + "  - <<: *b\n    name: c\n",
        POD + "  - image: &i registry.example.com/site:old\n    args: [*i]\n",
        POD + "  - image: &i registry.example.com/site:old\n  nodeSelector: {*i : x}\n",
        POD + "  - &c\n    image: registry.example.com/site:old\n  volumes: [*c]\n",
    ],
)
def test_whatever_else_uses_an_anchor_stands_in_the_way(text: str) -> None:
    assert "is used here for something else too" in refusal(text).reason


def test_an_unrelated_anchor_stands_in_nobodys_way() -> None:
    text = POD + "  - image: registry.example.com/site:old\n    args: &a [x]\n    command: *a\n"
    assert bump(text, "x.yaml", NEW).text == text.replace("old", "new")


def test_a_reused_anchor_name_means_its_latest_value() -> None:
    text = (
        POD + "  - image: &i registry.example.com/other:1\n  - image: &i registry.example.com/site:old\n  - image: *i\n"
    )
    bumped = bump(text, "x.yaml", NEW)
    assert bumped.text == text.replace("old", "new")
    assert len(bumped.found) == 2


@pytest.mark.parametrize(
    ("container", "line"),
    [
        ("  - image: x:1\n    image: registry.example.com/site:old\n", 6),
        (
            "  - {name: a, <<: {image: x:1}, <<: {image: registry.example.com/site:old}}\n",
            5,
        ),
        ("  - image: registry.example.com/site:old\n    <<: {image: registry.example.com/site:old}\n", 6),
        ("  - <<: {image: registry.example.com/site:old, image: registry.example.com/site:old}\n", 5),
    ],
)
def test_an_image_set_twice_in_one_container_is_refused(container: str, line: int) -> None:
    error = refusal(POD + container)
    assert (error.line, error.reason) == (line, "'image' is set twice in one mapping")


def test_containers_set_twice_are_refused() -> None:
    error = refusal(POD + "  - {name: a}\n  containers:\n  - image: registry.example.com/site:old\n")
    assert (error.line, error.reason) == (6, "'containers' is set twice in one mapping")


def test_an_image_that_overrides_a_merged_one_is_changed_where_it_counts() -> None:
    text = POD + "  - &b {name: b, image: x:1}\n  - <<: *b\n    image: registry.example.com/site:old\n"
    assert bump(text, "x.yaml", NEW).text == text.replace("old", "new")


@pytest.mark.parametrize(
    "spelled", ['"registry.example.com/site\\x3aold"', '"registry.example.com/site:o\\\n      ld"']
)
def test_a_tag_spelled_with_escapes_is_refused(spelled: str) -> None:
    error = refusal(POD + f"  - image: {spelled}\n")
    assert "escapes or line breaks" in error.reason
    assert error.remedy == "write the image plainly"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            POD + "  - image: *nowhere\n  - image: registry.example.com/site:old\n",
            "*nowhere has no anchor &nowhere before it",
        ),
        ("a: &a [*a, image, registry.example.com/site]\n", "*a refers to a value that it is part of"),
        (
            "image: registry.example.com/site\nx: " + "[" * 300 + "]" * 300,
            "values are nested more than 200 levels deep",
        ),
        ("image: registry.example.com/site\rx: 1\r---\ra: 1\r", "a second document begins here"),
    ],
)
def test_trees_that_no_manifest_needs_are_refused(text: str, reason: str) -> None:
    assert refusal(text).reason == reason


def test_aliases_cannot_nest_deeper_than_brackets_may() -> None:
    levels = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 300))
    assert "nested more than" in refusal(f"image: registry.example.com/site\na0: &a0 x\n{levels}").reason


def test_a_deeply_shared_document_is_read_in_no_time() -> None:
    levels = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 100))
    text = f"a0: &a0 x\n{levels}{POD}  - image: registry.example.com/site:old\n"
    assert bump(text, "x.yaml", NEW).text == text.replace("old", "new")


def test_find_images_refuses_what_it_cannot_read() -> None:
    with pytest.raises(ManifestError, match=r"x\.yaml:10: the template"):
        find_images((FOLDER / "helm-template.yaml").read_text(), "x.yaml")


def test_an_image_without_tag_and_digest_is_nothing_to_set() -> None:
    with pytest.raises(ImageReferenceError, match="nothing to set"):
        bump(POD, "x.yaml", ImageReference.parse("registry.example.com/site"))
