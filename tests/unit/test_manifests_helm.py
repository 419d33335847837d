"""Values files of charts: the keys of the image change, every other byte stays."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.images import ImageReference
from bot.manifests import ManifestError
from bot.manifests.helm import ImageKeys, image_of, set_image

REPOSITORY = "registry.example.com/site"
DIGEST = f"sha256:{'0a' * 32}"
NEW = ImageReference.parse(f"{REPOSITORY}:3f2c1ab@{DIGEST}")
OLD = ImageReference.parse(f"{REPOSITORY}:v1")
KEYS = ImageKeys()
ONE_KEY = ImageKeys(digest="image.tag")
DEFAULTS = ("charts/site/values.yaml", f"image:\n  repository: {REPOSITORY}\n  tag: ''\n  digest: ''\n")


def bumped(text: str, image: ImageReference = NEW, keys: ImageKeys = KEYS) -> str:
    return set_image([("live.yaml", text)], keys, image).get("live.yaml", text)


VALUES = [
    f"# ours\nimage:\n  repository: {REPOSITORY} # not the tag\n  tag: OLD  # by the bot\nreplicas: 2\n",
    f"image: {{repository: {REPOSITORY}, tag: OLD}} # flow\r\nreplicas: 2\r\n",
    f'image: {{"repository": "{REPOSITORY}", "tag": "OLD"}}',
    f"replicas: 2\nimage:\n    tag: 'OLD'\n    repository: \"{REPOSITORY}\"",
    f"default: &name {REPOSITORY}\nimage:\n  repository: *name\n  tag: OLD\n",
]


@pytest.mark.parametrize("template", VALUES)
def test_a_bump_adds_the_digest_and_a_bump_back_restores_every_byte(template: str) -> None:
    before = template.replace("OLD", "v1")
    after = bumped(before)
    assert image_of([("live.yaml", after)], KEYS, REPOSITORY) == str(NEW)
    assert bumped(after, OLD) == before


def test_a_bump_changes_tag_and_digest_and_no_other_line() -> None:
    before = f"image:\n  repository: {REPOSITORY}\n  tag: v1 # bot\n  digest: sha256:{'ff' * 32} # bot\nport: 80\n"
    assert bumped(before) == before.replace("v1", "3f2c1ab").replace("ff" * 32, "0a" * 32)


def test_keys_of_other_names_are_found_and_added_on_their_way() -> None:
    keys = ImageKeys("web.image.name", "web.image.tag", "web.image.digest")
    before = f"web:\n  replicas: 2\n  image:\n    name: {REPOSITORY}\nother: {{tag: v1}}\n"
    assert bumped(before, NEW, keys) == before.replace("other", f"    tag: 3f2c1ab\n    digest: {DIGEST}\nother")


def test_one_key_for_both_holds_tag_and_digest() -> None:
    before = f"image:\n  repository: {REPOSITORY}\n  tag: v1\n"
    after = bumped(before, NEW, ONE_KEY)
    assert after == before.replace("v1", f"3f2c1ab@{DIGEST}")
    assert image_of([("live.yaml", after)], ONE_KEY, REPOSITORY) == str(NEW)
    assert bumped(after, OLD, ONE_KEY) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("replicas: 2\n", f"replicas: 2\nimage:\n  tag: 3f2c1ab\n  digest: {DIGEST}\n"),
        ("replicas: 2", f"replicas: 2\nimage:\n  tag: 3f2c1ab\n  digest: {DIGEST}"),
        ("image:\nport: 80\n", f"image:\n  tag: 3f2c1ab\n  digest: {DIGEST}\nport: 80\n"),
        ("image: {} # own\n", f'image: {{tag: 3f2c1ab, digest: "{DIGEST}"}} # own\n'),
        ("image:\n  tag:\n", f"image:\n  tag: 3f2c1ab\n  digest: {DIGEST}\n"),
        ("image:\n  pullPolicy: Always\n", f"image:\n  pullPolicy: Always\n  tag: 3f2c1ab\n  digest: {DIGEST}\n"),
    ],
)
def test_keys_that_only_the_chart_has_are_added(before: str, after: str) -> None:
    assert set_image([("live.yaml", before)], KEYS, NEW, defaults=[DEFAULTS])["live.yaml"] == after


def test_the_last_file_that_has_the_tag_is_the_one_that_changes() -> None:
    common = ("common.yaml", f"image: {{repository: {REPOSITORY}, tag: old}}\n")
    own = ("own.yaml", "image:\n  tag: older\n")
    last = ("last.yaml", "replicas: 2\n")
    changed = set_image([common, own, last], KEYS, NEW)
    assert changed == {"own.yaml": f"image:\n  tag: 3f2c1ab\n  digest: {DIGEST}\n"}


def test_a_chart_of_another_image_is_left_alone() -> None:
    values = [("live.yaml", "image: {repository: registry.example.com/sites, tag: v1}\n")]
    assert set_image(values, KEYS, NEW) == {}
    assert image_of(values, KEYS, REPOSITORY) is None
    assert image_of([("live.yaml", "replicas: 2\n")], KEYS, REPOSITORY) is None


@pytest.mark.parametrize(
    "text",
    [
        f"x: &t v1\nimage: {{repository: {REPOSITORY}, tag: *t}}\n",
        f"image:\n  repository: {REPOSITORY}\n  tag: |\n    v1\n",
        f"image:\n  repository: {REPOSITORY}\n  tag: {{a: b}}\n",
        f"image:\n  repository: {REPOSITORY}\n  tag: v1\nlist: [\n",
    ],
)
def test_what_cannot_be_edited_safely_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ManifestError, match=r"^live\.yaml:\d+: .+; .+"):
        bumped(text)


def test_a_digest_that_only_the_chart_could_take_back_is_refused() -> None:
    defaults = [("charts/site/values.yaml", f"image: {{repository: {REPOSITORY}, digest: '{DIGEST}'}}\n")]
    with pytest.raises(ManifestError, match="the values would name"):
        set_image([("live.yaml", "image: {tag: v2}\n")], KEYS, OLD, defaults=defaults)


TAGS = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_.-]{0,10}", fullmatch=True).filter(
    lambda tag: tag.lower() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)
LINES = st.sampled_from(
    ["port: 80\n", "# image: none\n", "\n", "env: {a: 'b: c'}\n", "list:\n- a\n- b # c\n", "t: |\n  x\n"]
)


@st.composite
def values(draw: st.DrawFn) -> str:
    """A values file whose tag is still to be filled in."""
    indent, quote = " " * draw(st.integers(1, 4)), draw(st.sampled_from(["", "'", '"']))
    comment = draw(st.sampled_from(["", " # c", "\t# \U0001f600"]))
    keys = draw(st.permutations([f"repository: {REPOSITORY}", f"tag: {quote}TAG{quote}", "pullPolicy: Always"]))
    block = f"image:{comment}\n" + "".join(f"{indent}{key}{comment}\n" for key in keys)
    image = draw(st.sampled_from([block, f"image: {{{', '.join(keys)}}}{comment}\n"]))
    others = draw(st.lists(LINES, unique=True, max_size=3))
    parts = draw(st.permutations([image, *others]))
    text = "".join(parts).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return draw(st.sampled_from(["", "\ufeff"])) + text


@given(values(), TAGS, TAGS)
@settings(deadline=None, max_examples=150)
def test_whatever_surrounds_the_keys_a_bump_is_undone_byte_for_byte(template: str, old: str, new: str) -> None:
    before = template.replace("TAG", old)
    with_digest = ImageReference(REPOSITORY, new, DIGEST)
    after = bumped(before, with_digest)
    assert image_of([("live.yaml", after)], KEYS, REPOSITORY) == str(with_digest)
    assert bumped(after, ImageReference(REPOSITORY, old)) == before
    assert bumped(before, ImageReference(REPOSITORY, new)) == template.replace("TAG", new)
