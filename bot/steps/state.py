"""Reads the state: the catalog and what each app runs, out of the config repo's mirror. Changes nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import structlog

from bot.audit import OutcomeNote, outcome_of, release_of
from bot.catalog import App, Catalog, Environment, parse_catalog
from bot.errors import Permanent
from bot.facts import ConfigCommit
from bot.holds import Hold, parse_hold
from bot.manifests.forms import Chart, Form, has_placeholder, images, made_of
from bot.manifests.helm import ImageKeys
from bot.manifests.kustomize import FILE_NAMES, Read
from bot.ports import ConfigHistory, ConfigRepo
from bot.releases import Deployment, Release
from bot.rollback import says_rollback

LOG = structlog.get_logger()

CATALOG = "slipway.yaml"

HOLDS = ".slipway/holds"
"""The folder of all holds."""

FURTHEST_BACK = 50
"""Changes of the catalog that are gone back for a good one."""

SHARED = ""
"""The app whose files are the ``shared`` ones of an environment: they are synced as an app's are. No app has this name.
"""

MANIFEST_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Place:
    """One app in one environment at one commit of the config branch, as every step sees it."""

    head: str
    catalog: Catalog
    app: App
    environment: Environment
    deployed: Deployment


def look(config: ConfigRepo, app_name: str, environment_name: str) -> Place:
    """Fetch, and read an app's place in an environment.

    Raises:
        Permanent: the catalog has errors, or knows no such app or environment.
    """
    head = config.fetch()
    catalog = read_catalog(config, head)
    environment = catalog.environment(environment_name)
    app = app_of(catalog, app_name, environment)
    return Place(head, catalog, app, environment, deployment(config, head, app, environment))


def app_of(catalog: Catalog, name: str, environment: Environment) -> App:
    """The app of that name, or what stands for an environment's shared files.

    Raises:
        Permanent: there is no such app.
    """
    return catalog.app(name) if name != SHARED else shared_app(environment)


def shared_app(environment: Environment) -> App:
    """The shared files of an environment as an app: no image of a release is among them."""
    return App(name=SHARED, source="", image="shared.invalid/none", manifests=environment.shared)


def read_catalog(config: ConfigHistory, commit: str) -> Catalog:
    """The catalog in force at a commit: its own, or where that has errors the last good one before it.

    Raises:
        Permanent: there is none, or there never was a good one; every error is named with its line.
    """
    data = config.read(commit, CATALOG)
    if data is None:
        raise Permanent(f"There is no {CATALOG} at the root of the branch {config.branch}: write one to begin.")
    try:
        return parse_catalog(decode(data, CATALOG), CATALOG)
    except Permanent as error:
        good = _last_good(config, commit)
        if good is None:
            raise
        LOG.warning("the last good catalog stays in force", reason=str(error))
        return good


def _last_good(config: ConfigHistory, commit: str) -> Catalog | None:
    for _ in range(FURTHEST_BACK):
        change = config.last_change(commit, [CATALOG])
        if change is None or not change.parents:
            return None
        commit = change.parents[0]
        data = config.read(commit, CATALOG)
        if data is None:
            return None
        try:
            return parse_catalog(decode(data, CATALOG), CATALOG)
        except Permanent:
            continue
    return None


def catalog_now(config: ConfigRepo) -> Catalog:
    """Fetch, and read the catalog."""
    return read_catalog(config, config.fetch())


def decode(data: bytes, path: str) -> str:
    """A file's text.

    Raises:
        Permanent: the file is not UTF-8, which YAML for Kubernetes must be.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Permanent(
            f"{path} is not UTF-8 text (byte {error.start} cannot be read): save the file as UTF-8."
        ) from None


def manifest_files(config: ConfigRepo, commit: str, app: App, environment: Environment) -> tuple[str, ...]:
    """Every file that an app's environment is made of at a commit, bases and charts included, in the catalog's order.

    Raises:
        Permanent: a kustomization cannot be read.
    """
    form = form_of(config, commit, app, environment)
    if form.is_empty:
        return ()
    read = text_reader(config, commit)
    below = (config.files(commit, folder) for folder in made_of(form, read))
    return tuple(dict.fromkeys(chain(form.files, form.chart.values if form.chart else (), *below)))


def _manifests_among(files: Iterable[str], path: str) -> Iterator[str]:
    return (name for name in files if name.endswith(MANIFEST_ENDINGS) or name == path)


def manifest_texts(config: ConfigRepo, commit: str, app: App, environment: Environment) -> dict[str, str]:
    """Path and text of each of the app's plain manifest files in an environment at a commit."""
    files = form_of(config, commit, app, environment).files
    return {path: decode(config.read(commit, path) or b"", path) for path in files}


def text_reader(config: ConfigHistory, commit: str) -> Read:
    """Reads files of a commit as text."""

    def read(path: str) -> str | None:
        data = config.read(commit, path)
        return None if data is None else decode(data, path)

    return read


def form_of(config: ConfigHistory, commit: str, app: App, environment: Environment) -> Form:
    """The form in which an app's environment is kept at a commit."""
    if app.helm is not None:
        keys = ImageKeys(app.helm.repository, app.helm.tag, app.helm.digest)
        listed = (_manifests_among(config.files(commit, path), path) for path in app.manifest_paths(environment))
        return Form(chart=Chart(app.helm.chart, tuple(dict.fromkeys(chain(*listed))), keys))
    files: dict[str, None] = {}
    folders: dict[str, None] = {}
    for path in app.manifest_paths(environment):
        folder, _, name = path.rpartition("/")
        below = () if name in FILE_NAMES else config.files(commit, path)
        if name in FILE_NAMES and config.files(commit, path):
            folders[folder] = None
        elif any(f"{path}/{one}" in below for one in FILE_NAMES):
            folders[path] = None
        else:
            files.update(dict.fromkeys(_manifests_among(below, path)))
    return Form(tuple(files), tuple(folders))


def changing_paths(config: ConfigHistory, commit: str, app: App, environment: Environment) -> tuple[str, ...]:
    """The files and folders whose changes are changes of an app in an environment: bases and charts are among them.

    Raises:
        Permanent: a kustomization cannot be read.
    """
    paths = app.manifest_paths(environment)
    if app.helm is None and all(path.endswith(MANIFEST_ENDINGS) and not path.endswith(FILE_NAMES) for path in paths):
        return paths
    form = form_of(config, commit, app, environment)
    return tuple(dict.fromkeys((*paths, *made_of(form, text_reader(config, commit)))))


def deployment(config: ConfigRepo, commit: str, app: App, environment: Environment) -> Deployment:
    """What the config branch says an app runs in an environment."""
    form = form_of(config, commit, app, environment)
    found = images(form, text_reader(config, commit), app.image)
    paths = () if form.is_empty else changing_paths(config, commit, app, environment)
    changed = config.last_change(commit, paths) if paths else None
    return Deployment(
        app=app.name,
        environment=environment.name,
        images=found,
        release=_release_of_images(config, commit, app.name, found),
        changed_in=changed.sha if changed else None,
        waiting=any(map(has_placeholder, found)),
    )


def _release_of_images(config: ConfigRepo, commit: str, app: str, images: tuple[str, ...]) -> Release | None:
    """The release behind one image: two apps may share it, so the bump that is found may name the other one."""
    if len(images) != 1:
        return None
    bump = config.find(commit, "Image", images[0])
    release = release_of(bump) if bump else None
    return Release(app, release.image, release.merge) if release else None


def running_release(config: ConfigRepo, commit: str, app: App, environment: Environment) -> Release | None:
    """The release that an app runs in an environment, as the config branch says; None where none is known.

    A bump that is the newest change tells it by itself, which saves reading the files.
    """
    changed = config.last_change(commit, app.manifest_paths(environment))
    if changed is None:
        return None
    bumped = release_of(changed)
    if bumped is not None and (bumped.app, changed.trailer("Environment")) == (app.name, environment.name):
        return bumped
    return deployment(config, commit, app, environment).release


def previous_environment(catalog: Catalog, name: str) -> Environment | None:
    """The environment a release comes through before this one, None for the first."""
    names = [environment.name for environment in catalog.environments]
    position = names.index(name)
    return catalog.environments[position - 1] if position else None


def hold_path(environment: str, app: str) -> str:
    """The file that holds an app's environment as it is."""
    return f"{HOLDS}/{environment}/{app}.yaml"


def read_hold(config: ConfigRepo, commit: str, environment: str, app: str) -> Hold | None:
    """The hold on an app's environment at a commit; None where there is none.

    Raises:
        Permanent: the file cannot be read, so what it keeps out is not known.
    """
    path = hold_path(environment, app)
    data = config.read(commit, path)
    return parse_hold(decode(data, path), path) if data is not None else None


def rollback_of(config: ConfigRepo, head: str, reverted: str, app: str, environment: str) -> ConfigCommit | None:
    """The rollback by which Slipway took a config commit back; None where it did not."""
    found = config.find(head, "Reverts", reverted)
    return found if found is not None and says_rollback(found, app, environment) else None


def outcome(config: ConfigRepo, commit: str, app: str, environment: str) -> OutcomeNote | None:
    """How the sync of a config commit ended, as of the last fetch; None where none is recorded."""
    return outcome_of(config.notes(commit), app, environment)
