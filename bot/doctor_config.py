"""``doctor`` on what the catalog names: manifests, clusters, registries."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from bot.adapters.kubernetes.probe import Access, ClusterProbe, wanted_access
from bot.adapters.registry.probe import TAG, RegistryProbe
from bot.adapters.render import commands
from bot.catalog import App, Catalog, Environment
from bot.errors import SlipwayError
from bot.facts import Target
from bot.findings import Finding, fail, ok, unchecked, warn
from bot.images import ImageReference
from bot.ports import ConfigRepo
from bot.steps.render import objects
from bot.steps.state import deployment, form_of
from bot.wording import listed, quoted

Objects = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Manifests:
    """One app in one environment; ``objects`` is None where they cannot be read."""

    app: App
    environment: Environment
    objects: Objects | None
    finding: Finding


# ---------------------------------------------------------------- manifests


def read_manifests(config: ConfigRepo, head: str, catalog: Catalog) -> list[Manifests]:
    """Every manifest of every app in every environment at a commit."""
    return [_read(config, head, app, where) for app in catalog.apps for where in catalog.environments]


def tools(config: ConfigRepo, head: str, catalog: Catalog) -> Iterator[Finding]:
    """The programs that render what the catalog names, where it names any."""
    forms = [form_of(config, head, app, where) for app in catalog.apps for where in catalog.environments]
    needed = {
        "kubectl": any(form.kustomizations for form in forms),
        "helm": any(form.chart is not None for form in forms),
    }
    for tool in (name for name, is_needed in needed.items() if is_needed):
        absent = commands.missing(tool)
        yield fail(tool, absent) if absent else ok(tool, f"It answers: {commands.version(tool)}.")


def _read(config: ConfigRepo, head: str, app: App, environment: Environment) -> Manifests:
    part = f"manifests of {app.name} in {environment.name}"
    try:
        if form_of(config, head, app, environment).is_empty:
            missing = f"There is no manifest at {listed(app.manifest_paths(environment))}."
            remedy = "Add it to the config repo, or mend `manifests` in slipway.yaml."
            return Manifests(app, environment, None, fail(part, missing, remedy))
        found = objects(config, commands.CommandRenderer(), head, app, environment)
        return Manifests(app, environment, found, _images(part, config, head, app, environment))
    except SlipwayError as error:
        return Manifests(app, environment, None, fail(part, str(error)))


def _images(part: str, config: ConfigRepo, head: str, app: App, environment: Environment) -> Finding:
    deployed = deployment(config, head, app, environment)
    if not deployed.images:
        remedy = "Write it into the manifest, or mend `image` in slipway.yaml."
        return fail(part, f"No container runs the image {quoted(app.image)}, so there is nothing to bump.", remedy)
    if deployed.waiting:
        return ok(part, f"The image has a placeholder ({listed(deployed.images)}): it waits for its first release.")
    return ok(part, f"They run {listed(deployed.images)}.")


# ---------------------------------------------------------------- clusters


def clusters(kubeconfig: str | None, catalog: Catalog, manifests: list[Manifests]) -> Iterator[Finding]:
    """Each context that the catalog names, with all that a sync would do there."""
    for context in dict.fromkeys(environment.cluster for environment in catalog.environments):
        there = [entry for entry in manifests if entry.environment.cluster == context]
        with closing(ClusterProbe(kubeconfig, context)) as probe:
            yield from _cluster(probe, context, there)


def _cluster(probe: ClusterProbe, context: str, manifests: list[Manifests]) -> Iterator[Finding]:
    part = f"cluster {context}"
    try:
        yield ok(part, f"It answers as Kubernetes {probe.version()}.")
    except SlipwayError as error:
        yield fail(part, str(error))
        yield unchecked(f"access to {context}", f"the cluster {quoted(context)} does not answer")
        for entry in manifests:
            yield unchecked(_kinds_part(entry), f"the cluster {quoted(context)} does not answer")
        return
    accesses: dict[Access, None] = {}
    for entry in manifests:
        try:
            yield from _kinds(probe, entry, accesses)
        except SlipwayError as error:
            yield fail(_kinds_part(entry), str(error))
    yield from _access(probe, context, tuple(accesses))


def _kinds_part(entry: Manifests) -> str:
    return f"kinds of {entry.app.name} in {entry.environment.name}"


def _kinds(probe: ClusterProbe, entry: Manifests, accesses: dict[Access, None]) -> Iterator[Finding]:
    """What the cluster serves; collects what access the served kinds ask for."""
    part, namespace = _kinds_part(entry), entry.environment.namespace
    if entry.objects is None:
        yield unchecked(part, "the manifests cannot be read")
        return
    located = probe.locate(Target(entry.environment.cluster, namespace), entry.objects)
    accesses.update(dict.fromkeys(wanted_access(located.items, namespace)))
    for problem in located.problems:
        yield fail(part, f"{problem}.")
    brought = {item.name for item in located.items if item.kind == "Namespace"}
    if namespace not in brought and not probe.has_namespace(namespace):
        remedy = f"Create it: kubectl --context {entry.environment.cluster} create namespace {namespace}"
        yield fail(part, f"The namespace {quoted(namespace)} does not exist.", remedy)
    elif not located.problems:
        yield ok(part, "The cluster serves all of them.")


def _access(probe: ClusterProbe, context: str, accesses: tuple[Access, ...]) -> Iterator[Finding]:
    part = f"access to {context}"
    if not accesses:
        yield unchecked(part, "no manifest for it can be read")
        return
    try:
        denied = [(access, verbs) for access in accesses if (verbs := probe.denied(access))]
    except SlipwayError as error:
        yield fail(part, str(error))
        return
    for access, verbs in denied:
        yield _denied(part, access, verbs)
    if not denied:
        yield ok(part, "The bot may do there all that a sync does.")


def _denied(part: str, access: Access, verbs: tuple[str, ...]) -> Finding:
    where = f"in namespace {quoted(access.namespace)}" if access.namespace else "cluster-wide"
    role = "Role" if access.namespace else "ClusterRole"
    rule_verbs = ", ".join(f'"{verb}"' for verb in access.verbs)
    rule = f'`- {{apiGroups: ["{access.group}"], resources: ["{access.resource}"], verbs: [{rule_verbs}]}}`'
    text = f"The bot may not {', '.join(verbs)} {quoted(access.resource)} {where}."
    return fail(part, text, f"Add to the rules of a {role} of the bot's user: {rule}")


# ---------------------------------------------------------------- registries


def registries(catalog: Catalog) -> Iterator[Finding]:
    """Each registry that the apps' images live in, tried with the first app's repository."""
    hosts: dict[str, str] = {}
    for app in catalog.apps:
        hosts.setdefault(ImageReference.parse(app.image).domain, app.image)
    for host, repository in hosts.items():
        yield registry(RegistryProbe(), host, repository)


def registry(probe: RegistryProbe, host: str, repository: str) -> Finding:
    """Log in, push the probe tag, delete it."""
    part = f"registry {host}"
    try:
        probe.log_in(repository)
        probe.push(repository)
    except SlipwayError as error:
        return fail(part, str(error))
    reason = probe.delete(repository)
    if reason is not None:
        remedy = "That does no harm: Slipway itself deletes nothing there."
        return warn(part, f"The bot may push, but the probe tag {repository}:{TAG} stays. {reason}", remedy)
    return ok(part, f"The bot may push to {repository}, and the probe tag could be deleted again.")


def not_checked(why: str) -> Iterator[Finding]:
    """What to say where there is no catalog."""
    for part in ("manifests", "clusters", "registries", "source repos"):
        yield unchecked(part, why)


def sources(catalog: Catalog) -> Mapping[str, None]:
    """The distinct source repos, in the catalog's order."""
    return dict.fromkeys(app.source for app in catalog.apps)
