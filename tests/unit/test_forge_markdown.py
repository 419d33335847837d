"""The stand-in's Markdown: the subset that pull requests use, and nothing that could be a script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.forge.markdown import render


def link_to(name: str, number: str) -> str:
    return f"/{name or 'org/site'}/pull/{number}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n\nthree", "<p>one\ntwo</p>\n<p>three</p>"),
        ("# Title\n### Small", "<h2>Title</h2>\n<h4>Small</h4>"),
        ("**bold** and `co**de**`", "<p><strong>bold</strong> and <code>co**de**</code></p>"),
        ("[`3f2c1ab`](http://x/y) ok", '<p><a href="http://x/y"><code>3f2c1ab</code></a> ok</p>'),
        ("**[site](https://x)** up", '<p><strong><a href="https://x">site</a></strong> up</p>'),
        ("see http://x/y.", '<p>see <a href="http://x/y">http://x/y</a>.</p>'),
        ("fixes #7", '<p>fixes <a href="/org/site/pull/7">#7</a></p>'),
        ("(web/shop#12)", '<p>(<a href="/web/shop/pull/12">web/shop#12</a>)</p>'),
        ("- one\n- `two`\n\n1. three", "<ul><li>one</li><li><code>two</code></li></ul>\n<ol><li>three</li></ol>"),
        ("> said\n> twice", "<blockquote><p>said\ntwice</p></blockquote>"),
        ("```text\n**not bold**\n<b>\n```\nafter", "<pre><code>**not bold**\n&lt;b&gt;</code></pre>\n<p>after</p>"),
        (
            "| a | b |\n| --- | --- |\n| 1 \\| 2 | |",
            "<table><tr><th>a</th><th>b</th></tr><tr><td>1 | 2</td><td></td></tr></table>",
        ),
        ("| | |\n| --- | --- |\n| x | y |", "<table><tr><td>x</td><td>y</td></tr></table>"),
        ("<!-- slipway: site -->\nseen", "<p>seen</p>"),
        ("a &lt;b&gt; & <c>", "<p>a &lt;b&gt; &amp; &lt;c&gt;</p>"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>"),
        ("```\nnever closed", "<pre><code>never closed</code></pre>"),
        ("", ""),
    ],
)
def test_each_construct_becomes_its_html(text: str, expected: str) -> None:
    assert render(text, link_to) == expected


_PIECES = st.sampled_from(
    [
        "<b>",
        "**",
        "`",
        "```",
        "\n",
        "| a |",
        "| --- |",
        "- ",
        "> ",
        "[x](",
        'http://a"b',
        ")",
        "#1",
        "&lt;",
        "\0",
        "0",
        "'",
    ]
)


@given(st.lists(_PIECES, max_size=30).map("".join))
def test_no_text_brings_tags_or_attributes_of_its_own(text: str) -> None:
    shown = render(text, link_to)
    known = ("p", "h2", "ul", "ol", "li", "table", "tr", "th", "td", "pre", "code", "strong", "a", "blockquote", "br")
    tags = {piece.split(">")[0].strip("/").split(" ")[0] for piece in shown.split("<")[1:]}
    assert tags <= set(known)
    assert shown.count('"') == 2 * shown.count('<a href="')
