"""Kustomizations: one entry changes, every other byte stays, and what runs is read as kustomize would render it."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.images import ImageReference
from bot.manifests import ManifestError
from bot.manifests.kustomize import images_of, roots, set_image

REPOSITORY = "registry.example.com/site"
DIGEST = f"sha256:{'0a' * 32}"
NEW = ImageReference.parse(f"{REPOSITORY}:3f2c1ab@{DIGEST}")
OLD = ImageReference.parse(f"{REPOSITORY}:v1")
WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: site}}
spec:
  template:
    spec:
      containers:
        - name: web
          image: {}
"""
BASE = {"base/kustomization.yaml": "resources: [site.yaml]\n", "base/site.yaml": WORKLOAD.format(f"{REPOSITORY}:v1")}


def bumped(kustomization: str, image: ImageReference = NEW, **more: str) -> str:
    files = {**BASE, "live/kustomization.yaml": kustomization, **more}
    changed = set_image(files.get, "live", image)
    assert changed is not None
    assert changed[0] == "live/kustomization.yaml"
    return changed[1]


def running(kustomization: str, files: Mapping[str, str] = BASE) -> tuple[str, ...]:
    return images_of({**files, "live/kustomization.yaml": kustomization}.get, "live", REPOSITORY)


ENTRIES = [
    f"resources: [../base]\nimages:\n- name: {REPOSITORY}\n  newTag: OLD # by the bot\n\n# end\n",
    f"resources: [../base]\nimages:\n   - newTag: OLD\n     name: '{REPOSITORY}'\n   - name: other\n     newTag: x",
    f'resources: [../base]\nimages: [{{name: other}}, {{name: {REPOSITORY}, newTag: "OLD"}}, ] # flow\nnamePrefix: a\n',
    f'{{"resources": ["../base"], "images": [{{"newTag": "OLD", "name": "{REPOSITORY}"}}]}}\n',
    f"\ufeff# head\r\nresources:\r\n- ../base\r\nimages:\r\n-   name: {REPOSITORY}\r\n    newTag: 'OLD'\r\n",
    f"images:\n-\n  name: {REPOSITORY}\n  newTag: OLD\nresources: [../base]\n",
]


@pytest.mark.parametrize("template", ENTRIES)
def test_a_bump_adds_the_digest_and_a_bump_back_restores_every_byte(template: str) -> None:
    before = template.replace("OLD", "v1")
    after = bumped(before)
    assert running(after) == (str(NEW),)
    assert bumped(after, OLD) == before
    again = bumped(after, ImageReference.parse(f"{REPOSITORY}:abcdef0@{DIGEST.replace('0a', 'ff')}"))
    assert again == after.replace("3f2c1ab", "abcdef0").replace("0a" * 32, "ff" * 32)


def test_a_bump_changes_the_tag_and_digest_lines_alone() -> None:
    before = (
        f"resources:\n- ../base\nimages:\n# ours\n- name: {REPOSITORY}\n  newTag: v1 # the bot's\n  digest: {DIGEST}\n"
    )
    after = bumped(before)
    changed = [(old, new) for old, new in zip(before.splitlines(), after.splitlines(), strict=True) if old != new]
    assert changed == [("  newTag: v1 # the bot's", "  newTag: 3f2c1ab # the bot's")]


BLOCK = "- name: <N>\n  newTag: <T>\n  digest: <D>"
FLOW = '{name: <N>, newTag: <T>, digest: "<D>"}'
OTHER = "resources: [../base]\nimages:\n  - name: other\n    newTag: x # c\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("resources: [../base]\n", f"resources: [../base]\nimages:\n{BLOCK}\n"),
        ("resources: [../base]", f"resources: [../base]\nimages:\n{BLOCK}"),
        ("resources:\n  - ../base\n\n# end\n", f"resources:\n  - ../base\nimages:\n{BLOCK}\n\n# end\n"),
        ("resources: [../base]\nimages: []\n", f"resources: [../base]\nimages: [{FLOW}]\n"),
        ("{resources: [../base]}\n", f"{{resources: [../base], images: [{FLOW}]}}\n"),
        (
            "resources: [../base]\nimages: # none yet\nnamePrefix: a-\n",
            f"resources: [../base]\nimages: # none yet\n{BLOCK}\nnamePrefix: a-\n",
        ),
        (
            f"{OTHER}\nnamePrefix: a-\n",
            OTHER + "".join(f"  {line}\n" for line in BLOCK.split("\n")) + "\nnamePrefix: a-\n",
        ),
        (
            "resources: [../base]\r\npatches:\r\n- patch: |-\r\n    a: b\r\n",
            f"resources: [../base]\npatches:\n- patch: |-\n    a: b\nimages:\n{BLOCK}\n".replace("\n", "\r\n"),
        ),
    ],
)
def test_a_missing_entry_is_added_and_nothing_else_is_touched(before: str, after: str) -> None:
    wanted = after.replace("<N>", REPOSITORY).replace("<T>", "3f2c1ab").replace("<D>", DIGEST)
    assert bumped(before) == wanted
    assert running(wanted) == (str(NEW),)


def test_a_tag_that_yaml_would_take_for_a_number_is_quoted() -> None:
    image = ImageReference.parse(f"{REPOSITORY}:1234567@{DIGEST}")
    after = bumped(ENTRIES[0].replace("OLD", "v1"), image)
    assert '  newTag: "1234567" # by the bot\n' in after
    assert running(after) == (str(image),)


def test_an_entry_that_renames_is_the_app_s_by_its_new_name() -> None:
    base = {**BASE, "base/site.yaml": WORKLOAD.format("site")}
    before = f"resources: [../base]\nimages:\n- name: site\n  newName: {REPOSITORY}\n"
    assert running(before, base) == (REPOSITORY,)
    changed = set_image({**base, "live/kustomization.yaml": before}.get, "live", NEW)
    assert changed is not None
    assert changed[1] == f"{before}  newTag: 3f2c1ab\n  digest: {DIGEST}\n"
    assert running(changed[1], base) == (str(NEW),)


def test_the_base_s_own_entry_stays_and_the_overlay_s_wins() -> None:
    base = {
        **BASE,
        "base/kustomization.yaml": f"resources: [site.yaml]\nimages:\n- name: {REPOSITORY}\n  newTag: inner\n",
    }
    assert running("resources: [../base]\n", base) == (f"{REPOSITORY}:inner",)
    changed = set_image({**base, "live/kustomization.yaml": "resources: [../base]\n"}.get, "live", NEW)
    assert changed is not None
    assert running(changed[1], base) == (str(NEW),)


def test_a_patch_says_which_image_its_container_runs() -> None:
    patch = WORKLOAD.format(f"{REPOSITORY}:patched")
    files = {**BASE, "live/patch.yaml": patch}
    assert running("resources: [../base]\npatches: [{path: patch.yaml}]\n", files) == (f"{REPOSITORY}:patched",)


def test_an_entry_speaks_for_kinds_whose_containers_cannot_be_seen() -> None:
    files = {"base/kustomization.yaml": "resources: [r.yaml]\n", "base/r.yaml": "apiVersion: a/v1\nkind: Rollout\n"}
    entry = f"resources: [../base]\nimages:\n- name: {REPOSITORY}\n  newTag: v1\n"
    assert running(entry, files) == (f"{REPOSITORY}:v1",)
    assert running("resources: [../base]\n", files) == ()
    assert set_image({**files, "live/kustomization.yaml": "resources: [../base]\n"}.get, "live", NEW) is None


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("resources:\n- https://github.com/a/b//base?ref=v1\n", 2, "nothing is fetched"),
        ("resources:\n- github.com/a/b\n", 2, "nothing is fetched"),
        ("resources: [../base]\nbases:\n- git@github.com:a/b.git\n", 3, "nothing is fetched"),
        ("resources: [../base]\npatches:\n- path: http://x.example/p.yaml\n", 3, "http://x.example/p.yaml"),
        ("resources: [../base]\nconfigMapGenerator:\n- files: [a=https://x.example/p]\n", 3, "a=https://x.example/p"),
        ("resources:\n- ../../elsewhere\n", 2, "leads out of the config repo"),
        ("resources:\n- ../base/site.yaml\n", 2, "outside of the kustomization's folder"),
        ("helmCharts:\n- name: x\n", 2, "helm of the app in slipway.yaml"),
    ],
)
def test_what_is_not_in_the_config_repo_is_refused_by_name(text: str, line: int, words: str) -> None:
    with pytest.raises(ManifestError) as refused:
        roots({**BASE, "live/kustomization.yaml": text}.get, "live")
    assert str(refused.value).startswith(f"live/kustomization.yaml:{line}: ")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        f"x: &i\n- name: {REPOSITORY}\n  newTag: v1\nresources: [../base]\nimages: *i\n",
        f"resources: [../base]\nimages:\n- {{name: {REPOSITORY}, newTag: &t v1}}\n- {{name: other, newTag: *t}}\n",
        f"resources: [../base]\nimages:\n- name: {REPOSITORY}\n  newTag: |-\n    v1\n",
        f"resources: [../base]\nimages:\n- name: {REPOSITORY}\n  newTag: v1\n  tagSuffix: -x\n",
        f"resources: [../base]\nimages: {{name: {REPOSITORY}}}\n",
    ],
)
def test_what_cannot_be_edited_safely_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ManifestError, match=r"^live/kustomization\.yaml:[2-5]: .+; .+"):
        bumped(text)


def test_a_base_whose_tag_kustomize_does_not_match_is_refused() -> None:
    placeholder = {"base/site.yaml": WORKLOAD.format(f"{REPOSITORY}:${{TAG_TO_DEPLOY}}")}
    with pytest.raises(ManifestError, match=r"kustomize does not match it; write a plain tag"):
        bumped("resources: [../base]\n", NEW, **placeholder)


def test_a_kustomization_that_refers_back_to_itself_is_refused() -> None:
    files = {"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}
    with pytest.raises(ManifestError, match="refer back to itself"):
        images_of(files.get, "a", REPOSITORY)


def test_the_folders_it_is_made_of_are_found_through_all_levels() -> None:
    files = {
        "live/kustomization.yml": "resources: [../base, more]\ncomponents: [../parts/a]\n",
        "live/more/Kustomization": "resources: []\n",
        "parts/a/kustomization.yaml": "kind: Component\n",
        **BASE,
    }
    assert roots(files.get, "live") == ("live", "base", "live/more", "parts/a")


TAGS = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_.-]{0,10}", fullmatch=True).filter(
    lambda tag: tag.lower() not in {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)
OTHERS = st.lists(
    st.sampled_from(["namePrefix: a-", "# images: none", "", "commonLabels: {a: 'b: c'}", "labels:\n- pairs: {x: y}"]),
    max_size=3,
).map(lambda lines: [line for place, line in enumerate(lines) if not line or line not in lines[:place]])


@st.composite
def kustomizations(draw: st.DrawFn) -> str:
    """A kustomization whose entry's tag is still to be filled in."""
    indent, gap = " " * draw(st.integers(0, 4)), " " * draw(st.integers(1, 3))
    inner = indent + " " + gap
    quote = draw(st.sampled_from(["", "'", '"']))
    comment = draw(st.sampled_from(["", " # c", "\t# \U0001f600"]))
    keys = draw(st.permutations([f"name: {REPOSITORY}{comment}", f"newTag: {quote}TAG{quote}{comment}"]))
    entry = draw(
        st.sampled_from(
            [
                f"{indent}-{gap}{keys[0]}\n{inner}{keys[1]}\n",
                f"{indent}- {{name: {REPOSITORY}, newTag: {quote}TAG{quote}}}{comment}\n",
                f"{indent}- # first\n{inner}{keys[0]}\n{inner}# between\n{inner}{keys[1]}\n",
            ]
        )
    )
    before, after = draw(st.sampled_from(["", f"{indent}- name: o\n{indent}  newTag: x\n"])), draw(st.booleans())
    images = f"images:{comment}\n{before}{entry}" + (f"{indent}- {{name: p}}\n" if after else "")
    parts = draw(st.permutations(["resources: [../base]\n", images, "".join(f"{line}\n" for line in draw(OTHERS))]))
    return "".join(parts).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))


@given(kustomizations(), TAGS, TAGS)
@settings(deadline=None, max_examples=150)
def test_whatever_surrounds_the_entry_a_bump_is_undone_byte_for_byte(template: str, old: str, new: str) -> None:
    before = template.replace("TAG", old)
    with_digest = ImageReference(REPOSITORY, new, DIGEST)
    after = bumped(before, with_digest)
    assert running(after) == (str(with_digest),)
    assert bumped(after, ImageReference(REPOSITORY, old)) == before
    assert bumped(before, ImageReference(REPOSITORY, new)) == template.replace("TAG", new)
