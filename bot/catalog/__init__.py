"""The catalog in force: which apps there are, and through which environments their releases travel.

``slipway.yaml`` is read in three steps: YAML with its lines (``document``), every key with its shape
(``raw``), the parts against each other (``checks``). All of them run to the end, so that one reading
tells everything there is to mend. What comes out is valid, frozen and free of templates that cannot be filled in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bot.catalog.checks import check
from bot.catalog.document import Document, Location, Problem
from bot.catalog.errors import explain
from bot.catalog.freeze import FreezeWindow, frozen_until
from bot.catalog.path_filters import selects
from bot.catalog.raw import Gate, RawApp, RawCatalog, RawEnvironment, RawHelm, Rollback, schema
from bot.catalog.shapes import expand
from bot.errors import Permanent
from bot.wording import did_you_mean, listed, quoted

__all__ = [
    "App",
    "Catalog",
    "CatalogError",
    "Environment",
    "FreezeWindow",
    "Gate",
    "Helm",
    "Location",
    "Problem",
    "Rollback",
    "parse_catalog",
    "problems_at",
    "schema",
]

Entry = TypeVar("Entry", bound=BaseModel)


class CatalogError(Permanent):
    """The catalog cannot be used. ``problems`` is everything there is to mend, by line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.field)))
        heading = "" if len(self.problems) == 1 else f"The catalog has {len(self.problems)} problems:\n"
        super().__init__(heading + "\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type["CatalogError"], tuple[tuple[Problem, ...]]]:
        """Pickle by what the constructor takes, which is not the text."""
        return type(self), (self.problems,)


@dataclass(frozen=True, slots=True)
class Helm:
    """How an app is rendered by Helm: the chart's folder, and the values' keys that hold the image."""

    chart: str
    repository: str
    tag: str
    digest: str


@dataclass(frozen=True, slots=True)
class App:
    """One deployable site or service. Every key is described in ``raw.RawApp``.

    ``branch`` is None where the source repo's default branch is meant. ``manifests`` are templates.
    """

    name: str
    source: str
    image: str
    branch: str | None = None
    manifests: tuple[str, ...] = ("{environment}/{app}.yaml",)
    dockerfile: str = "Dockerfile"
    context: str = "."
    platform: str | None = None
    paths: tuple[str, ...] = ()
    quote_logs: bool | None = None
    notify: tuple[str, ...] = ()
    helm: Helm | None = None

    def manifest_paths(self, environment: "Environment") -> tuple[str, ...]:
        """The app's files and folders in the config repo, for one environment."""
        return tuple(expand(path, _names(self, environment)) for path in self.manifests)

    def matches_path(self, path: str) -> bool:
        """Whether a changed file of the source repo calls for a release."""
        return selects(self.paths, path)


@dataclass(frozen=True, slots=True)
class Environment:
    """A place where apps run. Every key is described in ``raw.RawEnvironment``.

    ``approvals`` is 0 behind a commit gate. ``approvers`` are logins and ``org/team``, without ``@``, as written:
    GitHub does not tell upper from lower case in them. ``shared`` are paths, filled in.
    """

    name: str
    cluster: str
    namespace: str
    gate: Gate
    url: str | None = None
    approvals: int = 0
    approvers: tuple[str, ...] = ()
    freeze: tuple[FreezeWindow, ...] = ()
    rollback: Rollback = Rollback.AUTO
    self_approval: bool = False
    require_approval_on_merge: bool = True
    self_heal: bool = False
    prune: bool = False
    shared: tuple[str, ...] = ()
    notify: tuple[str, ...] = ()

    def url_for(self, app: App) -> str | None:
        """Where the app can be seen, if the catalog says so."""
        return expand(self.url, _names(app, self)) if self.url else None

    def frozen_until(self, moment: datetime) -> datetime | None:
        """When the freezes around an aware moment let go; None outside of them."""
        return frozen_until(self.freeze, moment)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The apps, and the environments in the order a release travels."""

    environments: tuple[Environment, ...]
    apps: tuple[App, ...]

    def app(self, name: str) -> App:
        """The app of that name.

        Raises:
            Permanent: there is none.
        """
        for app in self.apps:
            if app.name == name:
                return app
        raise _unknown("app", name, [app.name for app in self.apps])

    def environment(self, name: str) -> Environment:
        """The environment of that name.

        Raises:
            Permanent: there is none.
        """
        for environment in self.environments:
            if environment.name == name:
                return environment
        raise _unknown("environment", name, [environment.name for environment in self.environments])

    def next_environment(self, name: str) -> Environment | None:
        """Where a release goes once it is healthy in that environment; None where that is the last.

        Raises:
            Permanent: there is no environment of that name.
        """
        following = self.environments.index(self.environment(name)) + 1
        return self.environments[following] if following < len(self.environments) else None

    def apps_of(self, source: str, branch: str | None = None, *, default_branch: str | None = None) -> tuple[App, ...]:
        """The apps of a source repo, or only those that track a branch of it.

        An app without a branch of its own tracks ``default_branch``, which GitHub knows and the catalog does not. Upper
        and lower case are the same in ``source``, as they are to GitHub, but not in a branch.
        """
        return tuple(
            app
            for app in self.apps
            if app.source.lower() == source.lower() and branch in (None, app.branch or default_branch)
        )


def parse_catalog(text: str, path: str = "slipway.yaml") -> Catalog:
    """Read a catalog. ``path`` is only what errors call it.

    The last few are remembered: every event reads the catalog, and one of 1,000 apps takes half a second.

    Raises:
        CatalogError: something is wrong with it; everything that is, is named.
    """
    return _parsed(text, path)


def problems_at(text: str, path: str, findings: Iterable[tuple[Location, str]]) -> tuple[Problem, ...]:
    """What was found to be wrong with a good catalog by comparing it with the world, with lines and fields."""
    document = Document(text, path)
    return tuple(document.problem(location, message) for location, message in findings)


@lru_cache(maxsize=8)
def _parsed(text: str, path: str) -> Catalog:
    document = Document(text, path)
    problems = dict(document.problems)
    if document.value is None:
        raise CatalogError(problems.values() or [document.problem((), "is empty; it needs `environments` and `apps`")])
    for location, message in explain(RawCatalog, document.value):
        problems.setdefault(location, document.problem(location, message))
    environments = _valid(RawEnvironment, document.value, "environments")
    apps = _valid(RawApp, document.value, "apps")
    for location, message in check(environments, apps, document.line):
        problems.setdefault(location, document.problem(location, message))
    if problems:
        raise CatalogError(problems.values())
    return Catalog(
        environments=tuple(_environment(raw) for raw in environments.values()),
        apps=tuple(_app(raw) for raw in apps.values()),
    )


def _valid(model: type[Entry], catalog: Any, part: str) -> dict[int, Entry]:
    """The entries of a part that have the right shape, by place: what can be checked whatever else is wrong."""
    entries = catalog.get(part) if isinstance(catalog, dict) else None
    valid = {}
    for position, entry in enumerate(entries if isinstance(entries, list) else []):
        try:
            valid[position] = model.model_validate(entry)
        except ValidationError:
            continue
    return valid


def _environment(raw: RawEnvironment) -> Environment:
    names = {"environment": raw.name, "namespace": raw.namespace}
    return Environment(
        name=raw.name,
        cluster=raw.cluster,
        namespace=raw.namespace,
        gate=raw.gate,
        url=raw.url,
        approvals=raw.approvals if raw.gate is Gate.PULL_REQUEST else 0,
        approvers=tuple(raw.approvers or ()),
        freeze=tuple(raw.freeze),
        rollback=raw.rollback,
        self_approval=raw.self_approval,
        require_approval_on_merge=raw.require_approval_on_merge,
        self_heal=raw.self_heal,
        prune=raw.prune,
        shared=tuple(expand(path, names) for path in raw.shared),
        notify=tuple(raw.notify),
    )


def _app(raw: RawApp) -> App:
    return App(
        name=raw.name,
        source=raw.source,
        image=raw.image,
        branch=raw.branch,
        manifests=tuple(raw.manifests),
        dockerfile=raw.dockerfile_path,
        context=raw.context,
        platform=raw.platform,
        paths=tuple(raw.paths),
        quote_logs=raw.quote_logs,
        notify=tuple(raw.notify),
        helm=_helm(raw.helm) if raw.helm else None,
    )


def _helm(raw: RawHelm) -> Helm:
    return Helm(chart=raw.chart, repository=raw.repository, tag=raw.tag, digest=raw.digest)


def _names(app: App, environment: Environment) -> Mapping[str, str]:
    return {"app": app.name, "environment": environment.name, "namespace": environment.namespace}


def _unknown(kind: str, name: str, known: list[str]) -> Permanent:
    there_are = f"; there are {listed(known)}." if known else f"; it has no {kind}s."
    return Permanent(f"The catalog has no {kind} {quoted(name)}{did_you_mean(name, known) or there_are}")
