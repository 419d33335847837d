"""Lists that are read again and again, by conditional requests: GitHub does not count those that bring nothing new.

Source: https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from github import Github

from bot.adapters.github.answers import Json, next_page

T = TypeVar("T")

REMEMBERED = 512
"""Pages that are remembered, the newest: at most 100 items each, as facts and not as JSON."""

PAGE = 100
"""Items of a list on one page."""

MOST_PAGES = 1000
"""Pages of one list that are read; beyond, the links lead in a circle."""


@dataclass(frozen=True, slots=True)
class _Page(Generic[T]):
    etag: str
    following: str | None
    items: tuple[T, ...]


class Lists(Generic[T]):
    """Reads lists of one kind of thing, and remembers their pages. To be used by one thread at a time.

    Args:
        facts: makes facts of a page's items.
    """

    def __init__(self, facts: Callable[[str, list[Json]], tuple[T, ...]]) -> None:
        self._facts = facts
        self._pages: dict[str, _Page[T]] = {}

    def read(self, hub: Github, repo: str, path: str, *, pages: int = MOST_PAGES) -> tuple[T, ...]:
        """The facts of every item on so many pages of a repository's list; ``path`` holds the whole query."""
        return tuple(item for page in islice(self._walk(hub, repo, path), pages) for item in page.items)

    def _walk(self, hub: Github, repo: str, path: str) -> Iterator[_Page[T]]:
        following: str | None = path
        while following is not None:
            page = self._page(hub, repo, following)
            yield page
            following = page.following

    def _page(self, hub: Github, repo: str, path: str) -> _Page[T]:
        known = self._pages.pop(path, None)
        condition = {"If-None-Match": known.etag} if known else None
        headers, listed = hub.requester.requestJsonAndCheck("GET", path, headers=condition)
        if known is not None and listed is None:  # 304
            self._pages[path] = known
            return known
        items, following = _items(listed), next_page(headers)
        page = _Page(headers.get("etag") or "", following, self._facts(repo, items))
        if page.etag and (following is not None or len(items) < PAGE):  # a full last page may get a next one unseen
            while len(self._pages) >= REMEMBERED:
                del self._pages[next(iter(self._pages))]
            self._pages[path] = page
        return page


def _items(listed: Any) -> list[Json]:
    if not isinstance(listed, list):
        raise TypeError("not a list")
    return listed
