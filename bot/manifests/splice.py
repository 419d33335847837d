"""Change one scalar in a manifest's text: where exactly it is spelled, who else uses it, and whether it worked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from bot.images import ManifestImage
from bot.manifests.documents import ManifestError, Mapping, Node, Scalar, Sequence, Tree, compose
from bot.manifests.workloads import Edge, ImageSite

_PROPERTIES = re.compile(r"(?:[&!]\S*+\s++(?:#.*+\s++)*+)*+")
_BLOCK_HEADER = re.compile(r"[|>].*\n?")
_NOT_BLANK = re.compile(r"\S(?:.*\S)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace the characters from ``start`` to ``end``, and with them ``scalar``'s image ``old`` by ``new``."""

    scalar: Scalar
    start: int
    end: int
    replacement: str
    old: str
    new: str


def spelling(text: str, scalar: Scalar) -> tuple[int, int]:
    """Where in the file a scalar's text begins and ends: without properties, quotes, block header and margins."""
    start, end = scalar.start, scalar.end
    for skipped in (_PROPERTIES, _BLOCK_HEADER):
        if prefix := skipped.match(text, start, end):
            start = prefix.end()
    if scalar.style in ("'", '"'):
        start, end = start + 1, end - 1
    content = _NOT_BLANK.search(text, start, end)
    return content.span() if content else (end, end)


def plan_splice(text: str, tree: Tree, scalar: Scalar, suffix: str) -> Splice:
    """Replace what follows the repository by ``suffix``.

    Raises:
        ManifestError: the tag is not spelled out, so it cannot be replaced alone.
    """
    start, end = spelling(text, scalar)
    old = scalar.value.strip()
    image = ManifestImage.parse(old)
    if not text[start:end].endswith(image.rest):
        raise tree.document.error(
            start, f"the tag of image {old!r} is spelled with escapes or line breaks", "write the image plainly"
        )
    return Splice(scalar, end - len(image.rest), end, suffix, old, image.repository + suffix)


def apply_splices(text: str, tree: Tree, splices: list[Splice]) -> str:
    """The document's new text, read again to be sure that nothing else has changed.

    Raises:
        ManifestError: something else would change.
    """
    document = tree.document
    pieces: list[str] = []
    done = document.start
    for splice in sorted(splices, key=lambda splice: splice.start):
        pieces += (text[done : splice.start], splice.replacement)
        done = splice.end
    pieces.append(text[done : document.start + len(document.text)])
    edited = "".join(pieces)
    if splices:
        _verify(tree, edited, splices)
    return edited


def _verify(tree: Tree, edited: str, splices: list[Splice]) -> None:
    remedy = "write the image in double quotes, on the line of its key"
    try:
        after = compose(replace(tree.document, text=edited))
    except ManifestError as error:
        reason = f"with {splices[0].new!r} this would no longer be YAML ({error.reason})"
        raise tree.document.error(splices[0].start, reason, remedy) from error
    expected = {id(splice.scalar): splice.scalar.value.replace(splice.old, splice.new) for splice in splices}
    if not _same(tree.root, after.root, expected, {}):
        raise tree.document.error(splices[0].start, f"setting {splices[0].new!r} would change more than that", remedy)


def _same(before: Node | None, after: Node | None, expected: dict[int, str], known: dict[int, int]) -> bool:
    """Whether two trees hold the same data, shared nodes shared alike, but for the scalars in ``expected``."""
    if id(before) in known:
        return known[id(before)] == id(after)
    known[id(before)] = id(after)
    if type(before) is not type(after) or _looks(before) != _looks(after):
        return False
    if isinstance(before, Scalar) and isinstance(after, Scalar):
        return after.value == expected.get(id(before), before.value)
    pairs = zip(_children(before), _children(after), strict=False)
    return all(_same(old, new, expected, known) for (_, old), (_, new) in pairs)


def _looks(node: Node | None) -> tuple[object, ...]:
    match node:
        case Scalar():
            return node.tag, node.anchor, node.style
        case Sequence():
            return node.tag, node.anchor, len(node.items)
        case Mapping():
            return node.tag, node.anchor, len(node.entries)
    return ()


def _children(node: Node | None) -> Iterator[tuple[Edge, Node]]:
    """A node's values with their places in it; a key's place is the complement of its value's."""
    match node:
        case Sequence():
            yield from (((id(node), position), item) for position, item in enumerate(node.items))
        case Mapping():
            for position, (key, value) in enumerate(node.entries):
                yield (id(node), ~position), key
                yield (id(node), position), value


def refuse_other_uses(tree: Tree, users: list[ImageSite], sites: tuple[ImageSite, ...]) -> None:
    """Make sure that the scalar ``users`` share is used by nothing else, whatever aliases lead to it.

    Raises:
        ManifestError: something else uses it, or it is not certain that ``users`` do.
    """
    for user in users:
        if user.ambiguity:
            raise user.ambiguity
    if not tree.has_aliases:
        return
    scalar = users[0].scalar
    remedy = "write the image out there in place of the alias"
    for site in sites:
        if site.scalar is scalar and site not in users:
            reason = (
                f"the image {scalar.value!r} is shared by an alias with {site.kind}/{site.name}, which is not to change"
            )
            raise tree.document.error(scalar.start, reason, remedy)
    wanted = {edge for user in users for edge in user.trail}
    overridden = {edge for site in sites for edge in site.merges}
    inside = {id(scalar), *(parent for parent, _ in wanted)}
    for edge, node, offset in _uses(tree.root, scalar, {}):
        if edge not in wanted and edge not in overridden and id(node) in inside:
            name = f"&{node.anchor}" if node.anchor else "an anchor"
            reason = f"the image {scalar.value!r} stands in {name}, which is used here for something else too"
            raise tree.document.error(offset, reason, remedy)


def _uses(node: Node | None, target: Node, seen: dict[int, bool]) -> Iterator[tuple[Edge, Node, int]]:
    """Every place on a way from ``node`` to ``target``, what stands there, and an offset to show to a person."""
    for edge, child in _children(node):
        if id(child) not in seen:
            below = list(_uses(child, target, seen))
            seen[id(child)] = child is target or bool(below)
            yield from below
        if seen[id(child)]:
            offset = node.entries[edge[1]][0].start if isinstance(node, Mapping) and edge[1] >= 0 else child.start
            yield edge, child, offset
