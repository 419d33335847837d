"""Several apps from one source repo: a merge releases those that it concerns."""

from tests.scenarios.world import DEVELOPER, AppWorld, Bot, World, until

SOURCE = "acme/learn"


def folder(app: str, text: str) -> dict[str, str | None]:
    """What an app is built from, in a folder of its own."""
    return {f"{app}/Dockerfile": "FROM scratch\nCOPY index.html /index.html\n", f"{app}/index.html": text}


def add(world: World, name: str) -> AppWorld:
    return world.add_app(name, source=SOURCE, context=name, paths=[f"{name}/**", "theme/**", "!*.md"])


def begin(world: World) -> tuple[AppWorld, AppWorld, str]:
    """Both apps live on staging at the same commit."""
    docs, tutorials = add(world, "docs"), add(world, "tutorials")
    first = docs.merge("Begin", folder("docs", "1") | folder("tutorials", "1"))
    docs.await_live("staging", first)
    tutorials.await_live("staging", first)
    return docs, tutorials, first


def test_a_merge_releases_only_the_apps_whose_files_it_changes(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    bot.start()
    docs, tutorials, first = begin(world)
    only_docs = docs.merge("Docs", folder("docs", "2"))
    docs.await_live("staging", only_docs)
    neither = docs.merge("Neither", {"README.md": "Read", "docs/NOTES.md": "Note"})
    both = docs.merge("Both", {"theme/site.css": "a {}"})
    docs.await_live("staging", both)
    tutorials.await_live("staging", both)
    assert [len(docs.bumps("staging", sha)) for sha in (first, only_docs, neither, both)] == [1, 1, 0, 1]
    assert [len(tutorials.bumps("staging", sha)) for sha in (first, only_docs, neither, both)] == [1, 0, 0, 1]


def test_a_merge_without_webhook_is_found_behind_one_that_does_not_concern_the_app(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    bot.start()
    docs, tutorials, first = begin(world)
    bot.stop()
    world.forge.faults.webhooks.drop = 1.0
    missed = docs.merge("Docs", folder("docs", "2"))
    later = docs.merge("Tutorials", folder("tutorials", "2"))
    bot.start()
    docs.await_live("staging", missed)
    tutorials.await_live("staging", later)
    until("the comment", lambda: any("live" in text for text in docs.comments(2)))
    assert docs.bumps("staging", later) == []
    assert tutorials.bumps("staging", missed) == []
    assert len(docs.bumps("staging")) == len(tutorials.bumps("staging")) == 2
    assert docs.bumps("staging", first)


def test_a_change_of_more_files_than_github_lists_counts_as_one_that_concerns_the_app(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    bot.start()
    docs, tutorials, _ = begin(world)
    many: dict[str, str | None] = {f"a/{number}.txt": "x" for number in range(300)}
    large = docs.merge("Many", {**many, "docs/index.html": "3"})
    docs.await_live("staging", large)
    tutorials.await_live("staging", large)
    assert world.forge.head(SOURCE, "master") == large
    assert DEVELOPER in world.git("log", "-1", "--format=%an", docs.bumps("staging", large)[0])
