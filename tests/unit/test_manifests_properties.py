"""Generated manifests: whatever surrounds an image, a bump changes the image alone, and a second one undoes it."""

from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from bot.images import ImageReference
from bot.manifests import ManifestError, bump, find_images, parse_documents

REPOSITORY = "registry.example.com/site"
OTHERS = [f"{REPOSITORY}s:1", "other.example.com/site:1", "site:1", f"{REPOSITORY}/job:1", "${REGISTRY}/site:1"]
MARK = "\x00"  # stands for the image in a generated text, until it is filled in

TAGS = st.from_regex(r":[a-z0-9_][a-zA-Z0-9_.-]{0,12}", fullmatch=True)
DIGESTS = st.sampled_from([f"@sha256:{digit * 64}" for digit in "09af"])
SUFFIXES = TAGS | DIGESTS | st.builds(str.__add__, TAGS, DIGESTS)
NAMES = st.sampled_from(["web", "site", "'yes'", '"\\u00e9"', "caf\u00e9", "\U0001f600", "a#b"])
COMMENTS = st.sampled_from(["", " ", "\t", " # note", f"  # was {REPOSITORY}:older", "\t# tab", " # \U0001f600"])
STYLES = st.sampled_from(
    [
        " {0}{1}\n",
        "   {0}{1}\n",
        "\t{0}{1}\n",
        " '{0}'{1}\n",
        ' "{0}"{1}\n',
        " !!str {0}{1}\n",
        " &{2} {0}{1}\n",
        ' &{2} "{0}"{1}\n',
        " |-{1}\n{3}  {0}\n",
        " >-{1}\n\n{3}   {0}\n\n",
        " |{1}\n{3}  {0}\n",
        "{1}\n{3}  {0}{1}\n",
        "{1}\n{3}  # between\n{3}  '{0}'\n",
    ]
)
EXTRAS = st.sampled_from(
    [
        "",
        "{0}args: [a, 'b', \"c\"]\n",
        "{0}command: [sh, -c, 'echo {1}']\n",
        "{0}args:\n{0}- |\n{0}  image: {1}\n\n{0}  --- {1}\n",
        "\n\n{0}# image: {1}\n",
        "{0}env: [{{name: IMAGE, value: '{1}'}}]\n",
        "{0}tty: yes\n{0}tty: no\n",
    ]
)
KINDS = st.sampled_from(["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"])
FILLERS = st.sampled_from(
    [
        "",
        "# nothing\n",
        "kind: ConfigMap\napiVersion: v1\nmetadata: {{name: c}}\ndata:\n  run: |\n    image: {0}\n    ...\n",
        "kind: Service\napiVersion: v1\nmetadata:\n  name: s\nspec: {{ports: [{{port: 80}}]}}\n",
        '{{"kind": "Pod", "apiVersion": "v1", "spec": {{"containers": [{{"image": "other:1"}}]}}}}\n',
    ]
)
PATHS = {"Pod": ["spec"], "CronJob": ["spec", "jobTemplate", "spec", "template", "spec"]}


@st.composite
def containers(draw: st.DrawFn, indent: str, anchor: str) -> str:
    """One item of a list of containers; its image is the mark, or another image."""
    inner = indent + "  "
    image = draw(st.sampled_from([MARK, MARK, *OTHERS]))
    keys = [
        f"name: {draw(NAMES)}\n",
        "image:" + draw(STYLES).format(image, draw(COMMENTS), anchor, inner),
    ]
    extra = draw(EXTRAS).format(inner, f"{REPOSITORY}:old")
    first, second = draw(st.permutations(keys))
    return f"{indent}- {first}{inner}{second}{extra}"


@st.composite
def workloads(draw: st.DrawFn) -> str:
    kind = draw(KINDS)
    step = draw(st.sampled_from([1, 2, 4]))
    text = f"kind: {kind}\napiVersion: any/v1{draw(COMMENTS)}\nmetadata: {{name: site}}\n"
    indent = ""
    for key in PATHS.get(kind, ["spec", "template", "spec"]):
        text += f"{indent}{key}:{draw(COMMENTS)}\n"
        indent += " " * step
    for name in draw(st.sampled_from([["containers"], ["initContainers", "containers"]])):
        items = [draw(containers(indent, f"{name[0]}{number}")) for number in range(draw(st.integers(1, 3)))]
        text += f"{indent}{name}:{draw(COMMENTS)}\n" + "".join(items)
    return text


@st.composite
def files(draw: st.DrawFn) -> str:
    """A stream of documents, with the mark in place of the app's image."""
    text = draw(st.sampled_from(["", "---\n", "# head\n", "%YAML 1.1\n---\n"]))
    parts = draw(
        st.lists(workloads() | FILLERS.map(lambda text: text.format(f"{REPOSITORY}:old")), min_size=1, max_size=4)
    )
    for number, part in enumerate(parts):
        text += draw(st.sampled_from(["---\n", "--- # next\n", "...\n---\n", "---\n---\n"])) if number else ""
        text += part
    text += draw(st.sampled_from(["", "---\n", "...\n", "\n\n# end\n"]))
    text = text.replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return draw(st.sampled_from(["", "\ufeff"])) + (text if draw(st.booleans()) else text.rstrip("\r\n"))


def images_hidden(data: Any) -> Any:
    """The same data without the app's image."""
    match data:
        case dict():
            return {
                key: ""
                if key == "image" and str(value).strip().startswith((f"{REPOSITORY}:", f"{REPOSITORY}@"))
                else images_hidden(value)
                for key, value in data.items()
            }
        case list():
            return [images_hidden(item) for item in data]
        case _:
            return data


@given(files(), SUFFIXES, SUFFIXES)
@settings(deadline=None, max_examples=150)
def test_a_bump_changes_exactly_the_image_and_a_bump_back_restores_the_file(template: str, old: str, new: str) -> None:
    assume(old != new)
    before, after = (template.replace(MARK, REPOSITORY + suffix) for suffix in (old, new))
    bumped = bump(before, "x.yaml", ImageReference.parse(REPOSITORY + new))
    assert bumped.text == after
    assert len(bumped.changes) == template.count(MARK)
    assert bump(after, "x.yaml", ImageReference.parse(REPOSITORY + old)).text == before


@given(files(), SUFFIXES)
@settings(deadline=None, max_examples=60)
def test_the_bumped_file_holds_the_same_data_but_for_the_image(template: str, new: str) -> None:
    assume("tty: no" not in template)  # a key set twice is never applied
    before = template.replace(MARK, f"{REPOSITORY}:old")
    after = bump(before, "x.yaml", ImageReference.parse(REPOSITORY + new)).text
    assert images_hidden(parse_documents(after, "x.yaml")) == images_hidden(parse_documents(before, "x.yaml"))


@given(files())
@settings(deadline=None, max_examples=60)
def test_every_found_image_stands_where_it_is_said_to_stand(template: str) -> None:
    text = template.replace(MARK, f"{REPOSITORY}:old")
    found = find_images(text, "x.yaml")
    assert sum(image.text == f"{REPOSITORY}:old" for image in found) == template.count(MARK)
    for image in found:
        assert text[image.start : image.end] == image.text
        assert text.count("\n", 0, image.start) + 1 == image.line


YAML_BITS = st.text(st.sampled_from("-:? \t\n\r'\"|>&*!%#{}[],.~<abeimg1é\ufeff\x85\u2028")) | st.sampled_from(
    ["image: ", "kind: Pod\n", "spec:\n  containers:\n  - ", f"{REPOSITORY}:old", "---\n", "<<: *a", "&a ", "{{ x }}"]
)


@given(st.lists(YAML_BITS, max_size=12).map("".join))
@settings(deadline=None, max_examples=300)
def test_any_text_at_all_is_bumped_exactly_or_refused(text: str) -> None:
    image = ImageReference.parse(f"{REPOSITORY}:new")
    try:
        bumped = bump(text, "x.yaml", image)
    except ManifestError as error:
        event(f"refused: {error.reason[:20]}")
        return
    event(f"{len(bumped.changes)} changes")
    assert len(bumped.text) - len(text) == sum(len(change.new) - len(change.old) for change in bumped.changes)
    assert bump(bumped.text, "x.yaml", image).text == bumped.text
    assert {found.text for found in bump(bumped.text, "x.yaml", image).found} <= {f"{REPOSITORY}:new"}
