"""The last look before a bump counts: a splice that would do anything but set the image is refused."""

import pytest

from bot.images import ImageReference
from bot.manifests import bump
from bot.manifests.documents import ManifestError, Tree, compose, split_documents
from bot.manifests.splice import Splice, apply_splices, plan_splice, spelling
from bot.manifests.workloads import image_sites

TEXT = """# x
---
kind: Pod
spec:
  containers:
    - image: &i site:old
    - image: site:older
    - image: *i
"""


def read(text: str) -> tuple[Tree, Splice]:
    """A document, and the splice that sets its first image to ``site:new``."""
    (document,) = split_documents(text, "x.yaml")
    tree = compose(document)
    return tree, plan_splice(text, tree, next(image_sites(tree)).scalar, ":new")


def spoilt(replacement: str, *, wider: int = 0) -> str:
    """Why a splice that puts something else there, or takes more away, is refused."""
    tree, good = read(TEXT)
    bad = Splice(good.scalar, good.start, good.end + wider, replacement, good.old, good.new)
    with pytest.raises(ManifestError) as caught:
        apply_splices(TEXT, tree, [bad])
    assert caught.value.line == 6
    return caught.value.reason


def test_the_planned_splice_passes() -> None:
    tree, splice = read(TEXT)
    assert apply_splices(TEXT, tree, [splice]) == TEXT.replace("site:old\n", "site:new\n")


@pytest.mark.parametrize(
    ("replacement", "wider"),
    [
        (":newer", 0),  # another value
        (":new\n      name: x", 0),  # another key
        (":new\n    - x", 0),  # another item
        (":new\n    - image: site:older\n    - image: site:older", len("\n    - image: site:older")),  # one item more
        (":new\n    - image: 'site:older'", len("\n    - image: site:older")),  # another style
        (":new\n    - image: !!str site:older", len("\n    - image: site:older")),  # another tag
        (":new\n    - image: site:oldest", len("\n    - image: site:older")),  # another container's image
        (":new\n    - [site:older]", len("\n    - image: site:older")),  # another type
        (
            ":new\n    - image: site:older\n    - image: site:new",
            len("\n    - image: site:older\n    - image: *i"),
        ),  # no alias
    ],
)
def test_a_splice_that_would_change_more_is_refused(replacement: str, wider: int) -> None:
    assert spoilt(replacement, wider=wider) == "setting 'site:new' would change more than that"


def test_a_splice_that_would_break_the_yaml_is_refused() -> None:
    assert (
        spoilt(": new: x")
        == "with 'site:new' this would no longer be YAML (this is not YAML: mapping values are not allowed here)"
    )


@pytest.mark.parametrize(
    "spelled",
    [
        "site:old",
        "'site:old'",
        '"site:old"',
        '" site:old "',
        "&a site:old",
        "!!str &a|b site:old",
        "&a # site:old\n      !!str\n      'site:old'",
        "|\n      site:old",
        "&x|y |- # site:old\n\n      site:old\n\n",
        ">1-\n     \n     site:old",
    ],
)
def test_a_scalar_is_found_behind_its_properties_quotes_and_header(spelled: str) -> None:
    text = f"kind: Pod\nspec:\n  containers:\n  - image: {spelled}\n    name: x\n"
    tree, splice = read(text)
    start, end = spelling(text, splice.scalar)
    assert text[start:end] == "site:old"
    assert text[:start] + "site:new" + text[end:] == apply_splices(text, tree, [splice])


def test_an_image_without_a_tag_gets_one_in_flow_style_too() -> None:
    text = "{kind: Pod, spec: {containers: [{name: a, image: site}, {image: 'site'}]}}"
    bumped = bump(text, "x.yaml", ImageReference.parse("site:new"))
    assert bumped.text == "{kind: Pod, spec: {containers: [{name: a, image: site:new}, {image: 'site:new'}]}}"


def test_the_first_of_several_merged_mappings_that_has_an_image_gives_it() -> None:
    text = (
        "kind: Pod\nspec:\n  containers:\n"
        "  - &a {name: a}\n  - &b {image: site:old}\n  - &c {image: other:1}\n  - {<<: [*a, *b, *c]}\n"
    )
    bumped = bump(text, "x.yaml", ImageReference.parse("site:new"))
    assert bumped.text == text.replace("site:old", "site:new")
    assert [found.container for found in bumped.found] == ["", "a"]
    assert bump(text, "x.yaml", ImageReference.parse("other:2")).text == text.replace("other:1", "other:2")


def test_a_merged_image_that_is_overridden_is_no_use_of_it() -> None:
    text = (
        "kind: Pod\nspec:\n  initContainers:\n  - &web {name: web, image: site:old}\n"
        "  containers:\n  - <<: *web\n    image: other:1\n"
    )
    assert bump(text, "x.yaml", ImageReference.parse("site:new")).text == text.replace("site:old", "site:new")


def test_a_merge_of_mappings_without_an_image_gives_none() -> None:
    text = "kind: Pod\nspec:\n  containers:\n  - &a {name: site}\n  - {<<: [*a]}\n  - {<<: 5, [k]: v}\nimage: x\n"
    assert bump(text, "x.yaml", ImageReference.parse("site:new")).found == ()
