"""What a person's pull request to the config repo would do: looked at, tried by dry runs, told before the merge.

The catalog in force is the config branch's. Clusters are asked only for people who may push to the config repo, and
only about heads in it: a stranger's pull request shall not make the bot ask anything with its own rights.
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from bot.catalog import App, Catalog, Environment, parse_catalog
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import Difference, PullRequest, StatusState, Target
from bot.messages import effect as messages
from bot.messages import one_line
from bot.messages.effect import PlaceEffect
from bot.services import Services
from bot.steps.check_catalog import CONTEXT as CATALOG_CONTEXT
from bot.steps.objects import bases_of, objects_of
from bot.steps.prune import leaving
from bot.steps.state import CATALOG, SHARED, app_of, changing_paths, decode, read_catalog

LOG = structlog.get_logger()

CONTEXT = "slipway/effect"
"""The commit status that tells whether the clusters would take it."""

MOST_PLACES = 40
"""Places that are tried for one pull request; further ones are named."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A pull request as it is now.

    Attributes:
        base: the config branch's head.
        wanted: false where it is closed, has another head by now, or is the bot's own.
        catalog: whether it changes the catalog.
        trusted: whether clusters are asked about it.
        conflicts: it cannot be merged as it is.
        places: (app, environment) of the files it changes.
    """

    number: int
    head: str
    base: str
    wanted: bool
    catalog: bool = False
    trusted: bool = False
    conflicts: bool = False
    places: tuple[tuple[str, str], ...] = ()


def subject_of(services: Services, number: int, head: str) -> Subject:
    """Read the pull request, and see what it changes."""
    pull_request = services.forge.pull_request(services.config_name, number)
    base = services.config.fetch()
    if not _wanted(services, pull_request, head):
        return Subject(number, head, base, wanted=False)
    trusted = _trusted(services, pull_request)
    tree = _tree(services, number, base, head)
    if tree is None:
        return Subject(number, head, base, wanted=True, trusted=trusted, conflicts=True)
    changed = services.config.differing_paths(base, tree)
    places = tuple(_places(services, read_catalog(services.config, base), tree, changed)) if trusted else ()
    return Subject(number, head, base, wanted=True, catalog=CATALOG in changed, trusted=trusted, places=places)


def _wanted(services: Services, pull_request: PullRequest, head: str) -> bool:
    bot = services.forge.identity()
    own = bot is not None and pull_request.author is not None and pull_request.author.login == bot.login
    here = pull_request.base_branch == services.config.branch
    return here and not own and pull_request.state == "open" and pull_request.head_sha == head


def _trusted(services: Services, pull_request: PullRequest) -> bool:
    if pull_request.head_repo != services.config_name or pull_request.author is None:
        return False
    return services.forge.can_write(services.config_name, pull_request.author.login)


def _tree(services: Services, number: int, base: str, head: str) -> str | None:
    """The config repo as it would be after the merge; None where there are conflicts.

    Raises:
        Transient: git does not show the head yet.
    """
    config = services.config
    if config.commit(head) is None:
        config.fetch_pull_request(number)
    if config.commit(head) is None:
        raise Transient(f"The head {head} of pull request #{number} cannot be fetched yet.")
    return config.merged_tree(base, head)


def _places(services: Services, catalog: Catalog, tree: str, changed: Iterable[str]) -> Iterable[tuple[str, str]]:
    paths = tuple(changed)
    staying = _names(_catalog_after(services, tree, catalog)) if CATALOG in paths else _names(catalog)
    for environment in catalog.environments:
        if touches(environment.shared, paths):
            yield SHARED, environment.name
        for app in catalog.apps:
            if app.name not in staying or touches(_paths_of(services, tree, app, environment), paths):
                yield app.name, environment.name


def _paths_of(services: Services, tree: str, app: App, environment: Environment) -> tuple[str, ...]:
    """What the app would be made of; where that cannot be read, the paths that the catalog names."""
    try:
        return changing_paths(services.config, tree, app, environment)
    except Permanent:
        return app.manifest_paths(environment)


def touches(places: Iterable[str], changed: Iterable[str]) -> bool:
    """Whether one of the changed files is one of these files, or below one of these folders."""
    roots = tuple("" if (clean := posixpath.normpath(place)) == "." else clean for place in places)
    return any(not root or f"{path}/".startswith(f"{root}/") for path in changed for root in roots)


# ---------------------------------------------------------------- the catalog


def check_catalog(services: Services, subject: Subject) -> str:
    """What is wrong with the pull request's catalog, told on it; empty where nothing is."""
    tree = _tree(services, subject.number, subject.base, subject.head)
    problems = _catalog_problems(services, tree) if tree is not None else ""
    body = messages.catalog_comment(services.redact(problems))
    services.forge.comment(
        services.config_name, subject.number, marker=messages.CATALOG_MARKER, body=body, only_update=not problems
    )
    state, text = (StatusState.FAILURE, problems) if problems else (StatusState.SUCCESS, "The catalog can be used")
    _set_status(services, subject, CATALOG_CONTEXT, state, text)
    return problems


def _catalog_problems(services: Services, tree: str) -> str:
    data = services.config.read(tree, CATALOG)
    if data is None:
        return f"{CATALOG} would be gone: without it there are no apps. Keep it."
    try:
        parse_catalog(decode(data, CATALOG), CATALOG)
    except Permanent as error:
        return str(error)
    return ""


# ---------------------------------------------------------------- the clusters


def try_place(services: Services, subject: Subject, app_name: str, environment_name: str) -> PlaceEffect:
    """What the pull request would change in one place.

    Raises:
        Transient: the cluster cannot be asked.
    """
    tree = _tree(services, subject.number, subject.base, subject.head)
    if tree is None:
        raise Permanent("The config branch has moved, and the pull request now conflicts with it.")
    catalog = read_catalog(services.config, subject.base)
    after = _catalog_after(services, tree, catalog)
    environment = catalog.environment(environment_name)
    target = Target(environment.cluster, environment.namespace)
    try:
        app = app_of(catalog, app_name, environment)
        stays = app_name == SHARED or app_name in _names(after)
        objects = objects_of(services, tree, app, environment) if stays else []
        bases = bases_of(services, tree, app, environment, objects)
        found = services.clusters.compare(target, [*objects, *bases])
    except Permanent as error:
        return PlaceEffect(app_name, environment_name, problem=services.redact(str(error)))
    others = {(base["kind"], base["metadata"]["name"]) for base in bases}
    own = tuple(_redacted(services, one) for one in found if (one.kind, one.name) not in others)
    former = objects_of(services, subject.base, app, environment)
    gone = services.clusters.prune(target, leaving(services, after, tree, environment, former), dry_run=True)
    return PlaceEffect(app_name, environment_name, own, leaving=gone, pruned=environment.prune)


def _catalog_after(services: Services, tree: str, now: Catalog) -> Catalog:
    """The catalog that would be in force after the merge. It only tells which apps are taken out."""
    return now if _catalog_problems(services, tree) else read_catalog(services.config, tree)


def _names(catalog: Catalog) -> frozenset[str]:
    return frozenset(app.name for app in catalog.apps)


def _redacted(services: Services, one: Difference) -> Difference:
    """Without what looks like a secret: a manifest may hold one where it should not. A Secret has none any more."""
    hide = services.redact
    rest = replace(one, problem=hide(one.problem), warnings=tuple(map(hide, one.warnings)))
    if one.kind == "Secret" or one.after is None:
        return rest
    before, after = None if one.before is None else hide(one.before), hide(one.after)
    if one.changes and before == after:
        after += "# what changes is redacted\n"
    return replace(rest, before=before, after=after)


def not_asked(app: str, environment: str, error: SlipwayError) -> PlaceEffect:
    """A place whose cluster is away."""
    return PlaceEffect(app, environment, problem=str(error), unknown=True)


# ---------------------------------------------------------------- telling


def tell_effect(services: Services, subject: Subject, places: tuple[PlaceEffect, ...]) -> None:
    """The one comment on the effect, and its status."""
    left_out = tuple(PlaceEffect(*place).title for place in subject.places[MOST_PLACES:])
    body = messages.effect_comment(places, base=subject.base, head=subject.head, left_out=left_out)
    _comment(services, subject, body, only_update=not places)
    state, text = messages.effect_status(places)
    _set_status(services, subject, CONTEXT, state, text)


def tell_conflicts(services: Services, subject: Subject) -> None:
    """It cannot be told before the conflicts are resolved; a comment that was right is not left to mislead."""
    _comment(services, subject, messages.conflict_comment(subject.base), only_update=True)
    if subject.trusted:
        _set_status(services, subject, CONTEXT, StatusState.ERROR, "It conflicts with the config branch")


def _comment(services: Services, subject: Subject, body: str, *, only_update: bool) -> None:
    services.forge.comment(
        services.config_name, subject.number, marker=messages.EFFECT_MARKER, body=body, only_update=only_update
    )


def _set_status(services: Services, subject: Subject, context: str, state: StatusState, text: str) -> None:
    services.forge.set_status(
        services.config_name,
        subject.head,
        context=context,
        state=state,
        description=one_line(services.redact(text)),
        url=f"{services.github_url}/{services.config_name}/pull/{subject.number}",
    )
