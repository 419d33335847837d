"""What a promotion's branch holds: whether it is Slipway's one change, and whether the config branch moved under it.

Reads the config repo's mirror alone. Changes nothing.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bot.audit import release_of
from bot.catalog import App, Catalog, Environment, Gate
from bot.errors import Permanent
from bot.facts import ConfigCommit
from bot.images import ImageReference
from bot.manifests.forms import edited
from bot.messages import promotions as texts
from bot.ports import ConfigRepo
from bot.releases import Release, parse_promotion_branch
from bot.steps.state import form_of, manifest_files, read_catalog, text_reader
from bot.withdrawals import brought_in


class Trouble(StrEnum):
    """What keeps a promotion from being what was proposed."""

    GONE = "gone"
    FOREIGN = "foreign"
    MOVED = "base"


@dataclass(frozen=True, slots=True)
class Troubled:
    """A promotion's branch that wants looking after; ``about`` is the commit that made it so."""

    branch: str
    trouble: Trouble
    about: str

    @property
    def occasion(self) -> str:
        """The occasion of the look at it: the same where a webhook asks for the same look."""
        return f"{'head' if self.trouble is Trouble.FOREIGN else self.trouble.value}-{self.about}"


def troubled(config: ConfigRepo, catalog: Catalog, head: str, *, heads_too: bool) -> tuple[Troubled, ...]:
    """The promotions' branches that want looking after, as far as the config repo tells.

    ``heads_too`` reads each branch's change as well, which costs milliseconds for each.
    """
    found = (
        _troubled(config, catalog, head, branch, tip, heads_too=heads_too)
        for branch, tip in config.branch_tips("slipway/").items()
        if parse_promotion_branch(branch) is not None
    )
    return tuple(one for one in found if one is not None)


def _troubled(
    config: ConfigRepo, catalog: Catalog, head: str, branch: str, tip: str, *, heads_too: bool
) -> Troubled | None:
    environment_name, app_name = parse_promotion_branch(branch) or ("", "")
    if why_gone(catalog, app_name, environment_name) is not None:
        return Troubled(branch, Trouble.GONE, tip)
    app, environment = catalog.app(app_name), catalog.environment(environment_name)
    commit = config.commit(tip)
    if commit is None or brought_in(config, head, commit.trailer("Slipway-Id") or "") is not None:
        return None
    if heads_too and own_proposal(config, head, app, environment, commit) is None:
        return Troubled(branch, Trouble.FOREIGN, tip)
    left = heads_too and left_paths(config, head, app, environment, commit)
    if left or moved_paths(config, head, app, environment, commit):
        change = config.last_change(head, app.manifest_paths(environment))
        return Troubled(branch, Trouble.MOVED, change.sha if change else head)
    return None


def pending(config: ConfigRepo, head: str) -> dict[str, str]:
    """The promotions' branches, and their tips, that the config branch does not hold yet."""
    tips = {branch: tip for branch, tip in config.branch_tips("slipway/").items() if parse_promotion_branch(branch)}
    commits = ((branch, config.commit(tip)) for branch, tip in tips.items())
    return {
        branch: commit.sha
        for branch, commit in commits
        if commit is not None and brought_in(config, head, commit.trailer("Slipway-Id") or "") is None
    }


def why_gone(catalog: Catalog, app: str, environment: str) -> str | None:
    """Why there is no place for a promotion any more, in a sentence; None where there is."""
    if app not in {known.name for known in catalog.apps}:
        return texts.no_app(app)
    gates = {known.name: known.gate for known in catalog.environments}
    if environment not in gates:
        return texts.no_environment(environment)
    return None if gates[environment] is Gate.PULL_REQUEST else texts.no_gate(environment)


def own_proposal(
    config: ConfigRepo, head: str, app: App, environment: Environment, tip: ConfigCommit
) -> Release | None:
    """The release that a promotion's head proposes; None where the head is not exactly that one change.

    Trailers and names can be copied (``git commit --amend`` keeps them), so the files are what is looked at: on top of
    a commit of the config branch, the image of the release in the app's manifests, and no other byte.
    """
    release = release_of(tip)
    if release is None or (release.app, tip.trailer("Environment")) != (app.name, environment.name):
        return None
    if len(tip.parents) != 1 or not config.contains(head, tip.parents[0]):
        return None
    return release if _only_the_image(config, app, environment, tip, release) else None


def _only_the_image(
    config: ConfigRepo, app: App, environment: Environment, tip: ConfigCommit, release: Release
) -> bool:
    """Whether it does, to the byte, what a bump does, in no file but the app's."""
    parent, image = tip.parents[0], ImageReference.parse(release.image)
    changed = config.changed_paths(tip.sha)
    for one, where in _then_too(config, parent, app, environment):
        try:
            expected = edited(form_of(config, parent, one, where), text_reader(config, parent), image)
        except Permanent:
            continue
        if all(path in expected and config.read(tip.sha, path) == expected[path].encode() for path in changed):
            return True
    return False


def _then_too(config: ConfigRepo, commit: str, app: App, environment: Environment) -> Iterator[tuple[App, Environment]]:
    """The app as the catalog has it now, and where that names other manifests by now, as it did at a commit."""
    yield app, environment
    with contextlib.suppress(Permanent):
        then = read_catalog(config, commit)
        yield then.app(app.name), then.environment(environment.name)


def left_paths(config: ConfigRepo, head: str, app: App, environment: Environment, tip: ConfigCommit) -> tuple[str, ...]:
    """What a promotion changes and is not among the app's manifests any more, deleted or left out by the catalog."""
    ours = manifest_files(config, head, app, environment)
    return tuple(path for path in config.changed_paths(tip.sha) if path not in ours)


def moved_paths(
    config: ConfigRepo, head: str, app: App, environment: Environment, tip: ConfigCommit
) -> tuple[str, ...]:
    """The app's manifests that the config branch has changed since the promotion was made."""
    if not tip.parents:
        return ()
    base = tip.parents[0]
    paths = manifest_files(config, base, app, environment)
    return tuple(path for path in paths if config.read(base, path) != config.read(head, path))
