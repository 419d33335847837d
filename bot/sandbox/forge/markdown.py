"""Just enough Markdown for the stand-in's pages: what bots and people write on pull requests. Never raw HTML.

Paragraphs, headings, lists, quotes, tables, fenced and inline code, bold, links, ``#1`` and ``owner/name#1``.
"""

import html
import re
from collections.abc import Callable, Iterator, Sequence

from markupsafe import Markup, escape

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[([^\[\]\n]+)\]\((https?://[^\s()]+)\)")
_BARE = re.compile(r"\bhttps?://[^\s<>()\x00]+[^\s<>()\x00.,;:!?]")
_REFERENCE = re.compile(r"(?<![\w/&])([\w.-]+/[\w.-]+)?#(\d+)\b")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_STASHED = re.compile("\0(\\d+)\0")
_BLOCK_START = re.compile(r"```|#{1,6} |[-*] |\d+\. |> |\|")


def render(text: str, link_to: Callable[[str, str], str]) -> Markup:
    """HTML of a Markdown text; ``link_to(repository or "", number)`` is where ``owner/name#1`` leads."""
    lines = _COMMENT.sub("", text.replace("\0", "")).replace("\r\n", "\n").split("\n")
    return Markup("\n").join(_blocks(lines, link_to))


def _blocks(lines: Sequence[str], link_to: Callable[[str, str], str]) -> Iterator[Markup]:
    def inline(piece: str) -> Markup:
        return _inline(piece, link_to)

    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        if line.startswith("```"):
            while end < len(lines) and not lines[end].startswith("```"):
                end += 1
            yield Markup("<pre><code>{}</code></pre>").format("\n".join(lines[at + 1 : end]))
            end += 1
        elif match := re.match(r"(#{1,6}) (.*)", line):
            level = min(len(match[1]) + 1, 6)
            yield Markup("<h{0}>{1}</h{0}>").format(level, inline(match[2]))
        elif line.startswith("|") and re.match(r"\|[\s:|-]+\|?\s*$", lines[end] if end < len(lines) else ""):
            end = _run(lines, at, lambda row: row.startswith("|"))
            yield _table([line, *lines[at + 2 : end]], inline)
        elif re.match(r"[-*] |\d+\. ", line):
            end = _run(lines, at, lambda row: bool(re.match(r"[-*] |\d+\. |  +\S", row)))
            items = (inline(re.sub(r"^\s*([-*]|\d+\.) ", "", item)) for item in lines[at:end])
            tag = "ul" if line[0] in "-*" else "ol"
            yield Markup("<{0}>{1}</{0}>").format(
                tag, Markup().join(Markup("<li>{}</li>").format(item) for item in items)
            )
        elif line.startswith("> "):
            end = _run(lines, at, lambda row: row.startswith(">"))
            inner = [row[1:].removeprefix(" ") for row in lines[at:end]]
            yield Markup("<blockquote>{}</blockquote>").format(Markup().join(_blocks(inner, link_to)))
        elif line.strip():
            end = _run(lines, at, lambda row: bool(row.strip()) and not _BLOCK_START.match(row))
            yield Markup("<p>{}</p>").format(inline("\n".join(lines[at:end])))
        at = end


def _run(lines: Sequence[str], start: int, belongs: Callable[[str], bool]) -> int:
    """Where the block that starts at ``start`` ends."""
    end = start + 1
    while end < len(lines) and belongs(lines[end]):
        end += 1
    return end


def _table(rows: Sequence[str], inline: Callable[[str], Markup]) -> Markup:
    head, *rest = [_cells(row) for row in rows]
    shown = [_row("th", head, inline)] if any(head) else []
    shown += [_row("td", row, inline) for row in rest]
    return Markup("<table>{}</table>").format(Markup().join(shown))


def _row(tag: str, cells: Sequence[str], inline: Callable[[str], Markup]) -> Markup:
    filled = (Markup("<{0}>{1}</{0}>").format(tag, inline(cell)) for cell in cells)
    return Markup("<tr>{}</tr>").format(Markup().join(filled))


def _cells(row: str) -> list[str]:
    inner = row.strip().removeprefix("|").removesuffix("|")
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def _inline(text: str, link_to: Callable[[str, str], str]) -> Markup:
    """Finished pieces are set aside while the rest is escaped, so nothing is ever rendered twice."""
    stash: list[Markup] = []

    def keep(piece: Markup) -> str:
        stash.append(piece)
        return f"\0{len(stash) - 1}\0"

    def link(address: str, label: Markup) -> str:
        return keep(Markup('<a href="{}">{}</a>').format(address, label))

    def dressed(piece: str) -> Markup:
        shown = str(escape(html.unescape(piece)))
        shown = _BOLD.sub(r"<strong>\1</strong>", shown).replace("  \n", "<br>\n")
        while _STASHED.search(shown):
            shown = _STASHED.sub(lambda match: str(stash[int(match[1])]), shown)
        return Markup(shown)  # noqa: S704 - every piece of it was escaped above

    text = _CODE.sub(lambda match: keep(Markup("<code>{}</code>").format(match[1])), text)
    text = _LINK.sub(lambda match: link(match[2], dressed(match[1])), text)
    text = _BARE.sub(lambda match: link(match[0], escape(match[0])), text)
    text = _REFERENCE.sub(lambda match: link(link_to(match[1] or "", match[2]), escape(match[0])), text)
    return dressed(text)
