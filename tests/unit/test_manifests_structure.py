"""Whatever a kustomization or a values file looks like, an edit does exactly what was meant, or is refused."""

from collections.abc import Callable

from hypothesis import event, given, settings
from hypothesis import strategies as st

from bot.manifests import ManifestError
from bot.manifests.structure import Section, add_item, read_section, remove_key, set_key

BITS = st.text(st.sampled_from("-:? \t\n\r'\"|>&*!#{}[],~aé1"), max_size=4) | st.sampled_from(
    [
        *("images:\n", "- name: a\n", "  newTag: b\n", "- {name: a}\n", "images: [{name: a, newTag: b}]\n"),
        *("images: []\n", "image:\n", "  tag: v1\n", "image: {tag: v1}\n", "image: {}\n", "x: &a {tag: b}\n"),
        *("- *a\n", "image: *a\n", "images: *a\n", "&a ", "<<: *a\n", "t: |\n  x\n\n", "t: >+\n  x\n\n\n"),
        *("# c\n", "---\n", "...\n", "\ufeff", "  ", "- ", "-\n", "\r\n"),
    ]
)
TEXTS = st.lists(BITS, max_size=9).map("".join)


def edit_exactly(text: str, edit: Callable[[Section], Section], meant: Callable[[Section, Section], bool]) -> None:
    try:
        before = read_section(text, "x.yaml")
        after = edit(before)
    except ManifestError as error:
        event(f"refused: {error.reason[:12]}")
        return
    event("edited" if after.text != text else "unchanged")
    assert read_section(after.text, "x.yaml").data == after.data
    assert meant(before, after)


@given(TEXTS)
@settings(deadline=None, max_examples=250)
def test_a_key_is_set_and_the_rest_stays(text: str) -> None:
    def meant(before: Section, after: Section) -> bool:
        rest = {key: value for key, value in before.data.items() if key != "image"}
        siblings = {key: value for key, value in (before.data.get("image") or {}).items() if key != "tag"}
        return after.data == {**rest, "image": {**siblings, "tag": "new"}}

    edit_exactly(text, lambda section: set_key(section, ("image", "tag"), "new"), meant)


@given(TEXTS)
@settings(deadline=None, max_examples=250)
def test_an_item_is_added_behind_the_others_and_the_rest_stays(text: str) -> None:
    item = {"name": "n", "newTag": "t", "digest": "sha256:0"}

    def meant(before: Section, after: Section) -> bool:
        return after.data == {**before.data, "images": [*(before.data.get("images") or []), item]}

    edit_exactly(text, lambda section: add_item(section, ("images",), item), meant)


@given(TEXTS)
@settings(deadline=None, max_examples=250)
def test_a_key_is_taken_out_and_the_rest_stays(text: str) -> None:
    def meant(before: Section, after: Section) -> bool:
        image = before.data.get("image")
        if not isinstance(image, dict) or "tag" not in image:
            return after.data == before.data
        rest = {key: value for key, value in image.items() if key != "tag"}
        return after.data in ({**before.data, "image": rest}, before.data)

    edit_exactly(text, lambda section: remove_key(section, ("image", "tag")), meant)
