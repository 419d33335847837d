"""Which changed files concern an app."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.catalog.path_filters import selects


@pytest.mark.parametrize(
    ("pattern", "path", "chosen"),
    [
        ("README.md", "README.md", True),
        ("README.md", "docs/README.md", True),
        ("README.md", "README.mdx", False),
        ("/README.md", "docs/README.md", False),
        ("*.md", "a/b/c.md", True),
        ("*.md", "a.md/b.txt", True),
        ("docs", "docs/a/b.txt", True),
        ("docs", "site/docs/a.txt", True),
        ("docs", "docs2/a.txt", False),
        ("docs/", "docs/a.txt", True),
        ("/docs/", "site/docs/a.txt", False),
        ("docs/*", "docs/a.txt", True),
        ("docs/*", "docs/a/b.txt", True),
        ("docs/*.txt", "docs/a/b.txt", False),
        ("docs/**", "docs/a/b.txt", True),
        ("docs/**", "docs", False),
        ("docs/**", "site/docs/a", False),
        ("**/docs", "site/docs/a", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/yb", False),
        ("**", "any/thing", True),
        ("?.txt", "a.txt", True),
        ("?.txt", "ab.txt", False),
        ("a?b", "a/b", False),
        ("pages/[slug].js", "pages/[slug].js", True),
        ("pages/[slug].js", "pages/s.js", False),
        ("a.b", "axb", False),
        ("new\nline", "new\nline", True),
    ],
)
def test_patterns_mean_what_gitignore_says(pattern: str, path: str, chosen: bool) -> None:
    assert selects([pattern], path) is chosen


@pytest.mark.parametrize(
    ("patterns", "path", "chosen"),
    [
        ([], "anything", True),
        (["web/**", "!*.md"], "web/a.html", True),
        (["web/**", "!*.md"], "web/a.md", False),
        (["web/**", "!*.md", "web/legal.md"], "web/legal.md", True),
        (["web/**", "!*.md"], "api/a.py", False),
        (["!docs/"], "web/a", True),
        (["!docs/"], "docs/a", False),
    ],
)
def test_the_last_pattern_that_matches_decides(patterns: list[str], path: str, chosen: bool) -> None:
    assert selects(patterns, path) is chosen


@given(st.lists(st.text(alphabet="ab*?/![].\\", min_size=1), max_size=4), st.text(alphabet="ab/.[]", max_size=8))
def test_any_pattern_can_be_asked_about_any_path(patterns: list[str], path: str) -> None:
    chosen = selects(patterns, path)
    assert selects([*patterns, "!**"], f"x{path}") is False
    assert selects([*patterns, "**"], f"x{path}") is True
    assert selects(patterns, path) is chosen
