"""What the parts of a catalog must be to each other: what no value shows when it is looked at alone."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import combinations

from bot.catalog.document import Location
from bot.catalog.raw import Gate, RawApp, RawEnvironment
from bot.catalog.shapes import expand
from bot.images import ImageReference
from bot.wording import listed, quoted

Finding = tuple[Location, str]
Environments = Mapping[int, RawEnvironment]
"""By their place in the list. A catalog with other mistakes has gaps."""
Apps = Mapping[int, RawApp]

_ASKS_PEOPLE = ("approvals", "approvers", "self_approval", "require_approval_on_merge")
_BUILDS = ("source", "branch", "context", "platform")


def check(environments: Environments, apps: Apps, line: Callable[[Location], int]) -> Iterator[Finding]:
    """Everything that is wrong between the parts. ``line`` tells on which line a location is."""
    yield from _names_used_twice("environments", environments, line)
    yield from _names_used_twice("apps", apps, line)
    for position, environment in environments.items():
        for key, message in _approval(environment):
            yield ("environments", position, key), message
    yield from _one_image_built_two_ways(apps)
    yield from _manifests_of_two_environments(environments.values(), apps)
    yield from _one_image_in_one_file(environments.values(), apps)
    yield from _shared_with_an_app(environments, apps.values())


def _names_used_twice(part: str, entries: Environments | Apps, line: Callable[[Location], int]) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for position, entry in entries.items():
        if entry.name in first:
            where = line((part, first[entry.name], "name"))
            yield (part, position, "name"), f"{quoted(entry.name)} is taken, by the one on line {where}"
        first.setdefault(entry.name, position)


def _approval(environment: RawEnvironment) -> Iterator[tuple[str, str]]:
    if environment.gate is Gate.COMMIT:
        for key in _ASKS_PEOPLE:
            if key in environment.model_fields_set:
                yield key, "means nothing behind `gate: commit`, which asks nobody; use `gate: pull-request`"
        return
    people = environment.approvers or []
    if people and len(people) < environment.approvals and not any("/" in person for person in people):
        yield "approvals", f"can never be met: {environment.approvals} must approve, {len(people)} may"


def _same_image(apps: Apps) -> Iterator[tuple[RawApp, int, RawApp]]:
    """Each pair of apps on one image repository, and the place of the second."""
    groups: dict[str, list[tuple[int, RawApp]]] = {}
    for position, app in apps.items():
        repository = ImageReference.parse(app.image).normalised().repository
        groups.setdefault(repository, []).append((position, app))
    for group in groups.values():
        for (_, one), (position, other) in combinations(group, 2):
            if one.name != other.name:
                yield one, position, other


def _one_image_built_two_ways(apps: Apps) -> Iterator[Finding]:
    """A commit has one image in a repository, so whatever makes the image must be the same."""
    for one, position, other in _same_image(apps):
        differing = [key for key in _BUILDS if getattr(one, key) != getattr(other, key)]
        differing += ["dockerfile"] * (one.dockerfile_path != other.dockerfile_path)
        if differing:
            message = (
                f"{quoted(one.name)} and {quoted(other.name)} share the image {quoted(other.image)} and so must have "
                f"the same {listed(differing)}; give one of them an image of its own"
            )
            yield ("apps", position, "image"), message


def _manifests_of_two_environments(environments: Collection[RawEnvironment], apps: Apps) -> Iterator[Finding]:
    """A release into one environment would slip into the other, past its gate."""
    for position, app in apps.items():
        for one, other in combinations(environments, 2):
            if one.name != other.name and (path := _common(_manifests(app, one), _manifests(app, other))):
                message = (
                    f"{quoted(one.name)} and {quoted(other.name)} would both use {quoted(path)}, so a release into "
                    f"one would be in the other too; put `{{environment}}` into the path"
                )
                yield ("apps", position, "manifests"), message


def _one_image_in_one_file(environments: Collection[RawEnvironment], apps: Apps) -> Iterator[Finding]:
    """Which app's release an image line holds could not be told."""
    for one, position, other in _same_image(apps):
        for environment in environments:
            path = _common(_manifests(one, environment), _manifests(other, environment))
            if path:
                message = (
                    f"{quoted(one.name)} and {quoted(other.name)} share the image {quoted(other.image)} and also the "
                    f"manifests {quoted(path)}; give each its own manifests, or make them one app"
                )
                yield ("apps", position, "manifests"), message
                break


def _shared_with_an_app(environments: Environments, apps: Collection[RawApp]) -> Iterator[Finding]:
    for position, environment in environments.items():
        shared = [expand(path, _names(environment)) for path in environment.shared]
        for app in apps:
            if path := _common(shared, _manifests(app, environment)):
                yield (
                    ("environments", position, "shared"),
                    f"{quoted(path)} holds manifests of the app {quoted(app.name)}; list only files of no app here",
                )


def _names(environment: RawEnvironment) -> dict[str, str]:
    return {"environment": environment.name, "namespace": environment.namespace}


def _manifests(app: RawApp, environment: RawEnvironment) -> list[str]:
    names = _names(environment) | {"app": app.name}
    return [expand(path, names) for path in app.manifests]


def _common(some: Iterable[str], others: Iterable[str]) -> str | None:
    """The first path that is in both, or holds something that is in the other."""
    others = tuple(others)
    for path in some:
        for other in others:
            if path == other or other.startswith(f"{path}/"):
                return other
            if path.startswith(f"{other}/"):
                return path
    return None
