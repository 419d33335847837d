"""What has left the manifests and is still on the cluster: found from Git, deleted where the catalog says ``prune``.

Git is the state: what Slipway once applied for an app is in the app's manifests at earlier commits. Of that, an object
is only deleted where the cluster says that Slipway applied it, and no other manifest names it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from bot.catalog import App, Catalog, Environment, parse_catalog
from bot.errors import Permanent
from bot.facts import Target
from bot.services import Services
from bot.steps.objects import objects_of
from bot.steps.state import (
    CATALOG,
    app_of,
    changing_paths,
    decode,
    form_of,
    look,
    manifest_texts,
    read_catalog,
    shared_app,
)

LOG = structlog.get_logger()

FURTHEST_BACK = 20
"""Changes of an app's manifests (bumps do not count), and of the catalog, that are gone back."""

Objects = Sequence[Mapping[str, Any]]
Identity = tuple[str, str, str, str]


def identity(one: Mapping[str, Any], namespace: str) -> Identity:
    """Group, kind, namespace and name: what makes two manifests speak of one object."""
    metadata = one.get("metadata")
    fields = metadata if isinstance(metadata, Mapping) else {}
    group = str(one["apiVersion"]).rpartition("/")[0]
    return group, str(one["kind"]), str(fields.get("namespace") or namespace), str(fields.get("name"))


def leaving(
    services: Services, catalog: Catalog, commit: str, environment: Environment, former: Objects
) -> list[Mapping[str, Any]]:
    """Those of the former objects of a place that no manifest on its cluster names at a commit (or tree).

    Raises:
        Permanent: some manifests cannot be read, so that it cannot be told.
    """
    left = {identity(one, environment.namespace): one for one in former}
    for other in catalog.environments:
        if other.cluster != environment.cluster:
            continue
        for app in (*catalog.apps, shared_app(other)):
            if not left:
                return []
            for one in _naming(services, commit, app, other, {name for *_, name in left}):
                left.pop(identity(one, other.namespace), None)
    return list(left.values())


def _naming(
    services: Services, commit: str, app: App, environment: Environment, names: Iterable[str]
) -> Iterable[Mapping[str, Any]]:
    """The objects of a place that may have one of these names. Reading YAML is slow, so the text is asked first."""
    form = form_of(services.config, commit, app, environment)
    if form.is_empty:
        return ()
    if form.chart is None and not form.kustomizations:
        text = "\n".join(manifest_texts(services.config, commit, app, environment).values())
        if not any(name in text for name in names):
            return ()
    return objects_of(services, commit, app, environment)


def former_objects(services: Services, commit: str, app: App, environment: Environment) -> list[Mapping[str, Any]]:
    """What the app's manifests named before a commit, newest first, without repeats."""
    found: dict[Identity, Mapping[str, Any]] = {}
    for before in _changes_before(services, commit, app, environment):
        try:
            then = objects_of(services, before, app, environment)
        except Permanent as error:
            LOG.warning("an earlier state cannot be read", app=app.name, commit=before, reason=str(error))
            continue
        for one in then:
            found.setdefault(identity(one, environment.namespace), one)
    return list(found.values())


def _changes_before(services: Services, commit: str, app: App, environment: Environment) -> Iterator[str]:
    """The earlier commits that changed the app's files, without bumps: these change no object's name."""
    config, seen = services.config, 0
    paths = changing_paths(config, commit, app, environment)
    at = config.commit(commit)
    while at is not None and at.parents and seen < FURTHEST_BACK:
        at = config.last_change(at.parents[0], paths)
        if at is not None and at.trailer("Image") is None:
            seen += 1
            yield at.sha


def prune_place(services: Services, app_name: str, environment_name: str, commit: str) -> tuple[str, ...]:
    """Delete what has left an app's manifests by a commit that is rolled out; what was deleted, in words.

    Nothing where the catalog does not say ``prune``, and nothing after a bump, which takes no object away.
    """
    place = look(services.config, app_name, environment_name)
    change = services.config.commit(commit)
    if not place.environment.prune or change is None or change.trailer("Image") is not None:
        return ()
    namespace = place.environment.namespace
    rolled_out = objects_of(services, commit, place.app, place.environment)
    kept = {identity(one, namespace) for one in rolled_out}  # a newer commit may drop them, and is not rolled out yet
    former = former_objects(services, commit, place.app, place.environment)
    gone = [one for one in former if identity(one, namespace) not in kept]
    return _delete(services, place.catalog, place.head, place.environment, gone)


def prune_removed(services: Services, app_name: str, environment_name: str, commit: str) -> tuple[str, ...]:
    """Delete what an app had in an environment that a commit took it out of: its manifests, or its catalog entry."""
    head = services.config.fetch()
    catalog = read_catalog(services.config, head)
    environment = catalog.environment(environment_name)
    before = services.config.commit(commit)
    if not environment.prune or before is None or not before.parents:
        return ()
    app = app_of(read_catalog(services.config, before.parents[0]), app_name, environment)
    former = [
        *objects_of(services, before.parents[0], app, environment),
        *former_objects(services, commit, app, environment),
    ]
    return _delete(services, catalog, head, environment, former)


def _delete(
    services: Services, catalog: Catalog, head: str, environment: Environment, former: Objects
) -> tuple[str, ...]:
    target = Target(environment.cluster, environment.namespace)
    gone = leaving(services, catalog, head, environment, former)
    listed = services.clusters.prune(target, gone, dry_run=True)
    if not listed:
        return ()
    LOG.info("deleting what left the manifests", environment=environment.name, objects=listed)
    services.clusters.prune(target, gone, dry_run=False)
    return listed


def removals(services: Services, head: str) -> Iterator[tuple[str, str, str]]:
    """(app, environment, commit) of what was taken out of an environment that prunes, and by which commit."""
    config = services.config
    catalog = read_catalog(config, head)
    pruned = [environment for environment in catalog.environments if environment.prune]
    for environment in pruned:
        for app in catalog.apps:
            change = config.last_change(head, app.manifest_paths(environment))
            if change is not None and form_of(config, head, app, environment).is_empty:
                yield app.name, environment.name, change.sha
    if pruned:
        for name, commit in _removed_apps(services, head, catalog):
            yield from ((name, environment.name, commit) for environment in pruned)


def _removed_apps(services: Services, head: str, catalog: Catalog) -> Iterator[tuple[str, str]]:
    """The apps of earlier catalogs that are in it no more, with the commit that took each out."""
    config, known = services.config, {app.name for app in catalog.apps}
    change = config.last_change(head, [CATALOG])
    for _ in range(FURTHEST_BACK):
        if change is None or not change.parents:
            return
        data = config.read(change.parents[0], CATALOG)
        try:
            earlier = parse_catalog(decode(data or b"", CATALOG), CATALOG).apps
        except Permanent:
            earlier = ()
        for name in {app.name for app in earlier} - known:
            known.add(name)
            yield name, change.sha
        change = config.last_change(change.parents[0], [CATALOG])
