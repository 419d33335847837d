"""``doctor``: looks at every part that Slipway stands on, and says what to do. Nothing is written anywhere.

But for one tag in each registry, pushed and deleted again. Each check stands alone; what cannot be checked because of
another part says so.
"""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bot import doctor_config, doctor_github, doctor_rules
from bot.adapters.config_repo import GitConfigRepo
from bot.adapters.dbos import probe as dbos_probe
from bot.adapters.docker import probe as docker_probe
from bot.adapters.git.command import GitCommand, Login
from bot.adapters.git.signing import try_key
from bot.adapters.github.probe import AppProbe, GitHubProbe
from bot.catalog import Catalog, parse_catalog
from bot.config_mirror import BOT
from bot.doctor_github import CONFIG_EVENTS, SOURCE_EVENTS, Hub
from bot.errors import SlipwayError
from bot.findings import Finding, State, fail, ok, unchecked, warn
from bot.ports import ConfigRepo
from bot.settings import DEFAULT_DATABASE_URL, HELP, Settings, SettingsError, WebSettings
from bot.steps.state import CATALOG, decode, read_catalog
from bot.wording import listed
from bot.worker import credentials, signing_key

GIT_NEEDED = (2, 38)
"""The first git with ``merge-tree --write-tree``."""

INCOMPLETE = "the variables are not complete"


def examine(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Every finding, as it is found.

    Args:
        environment: the variables.
    """
    finding, settings = variables(environment)
    yield finding
    yield from _guarded("git", lambda: [git()])
    url = environment.get("DATABASE_URL") or DEFAULT_DATABASE_URL
    yield from _guarded("database", lambda: [database(url)])
    yield from _guarded("docker", lambda: engine(environment.get("SLIPWAY_BUILDER") or "docker"))
    if settings is None:
        for part in ("github", "config repo", "catalog"):
            yield unchecked(part, INCOMPLETE)
        yield from doctor_config.not_checked(INCOMPLETE)
        return
    yield from _with_settings(settings)


def variables(environment: Mapping[str, str]) -> tuple[Finding, Settings | None]:
    """All that is missing or wrong at once; the settings where they can be read."""
    part, problems = "variables", list[str]()
    settings: Settings | None = None
    try:
        settings = Settings.read(environment)
        settings.app_private_key()
    except SettingsError as error:
        problems += _listed_problems(error)
        settings = None
    try:
        WebSettings.read(environment)
    except SettingsError as error:
        problems += _listed_problems(error)
    if problems:
        remedy = "Set them for web and worker alike; the README describes each."
        return fail(part, f"{'; '.join(dict.fromkeys(problems))}.", remedy), settings
    return ok(part, "All that are needed are set."), settings


def _listed_problems(error: SettingsError) -> list[str]:
    """A line a variable, without the heading."""
    heading, *lines = str(error).splitlines()
    return [line.strip().rstrip(".") for line in lines or [heading] if line != HELP]


def git() -> Finding:
    """Whether git is here, and new enough."""
    told = GitCommand(Path(tempfile.gettempdir()) / "no-repository", Login(lambda _repo: None)).local("version")
    return git_version(told.decode(errors="replace").strip())


def git_version(told: str) -> Finding:
    """What ``git version`` says, judged."""
    part, needed = "git", ".".join(map(str, GIT_NEEDED))
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None:
        return warn(part, f"It is unclear which version {told!r} is.", f"Slipway needs git {needed} or newer.")
    if (int(found[1]), int(found[2])) < GIT_NEEDED:
        return fail(part, f"It is version {found[0]}.", f"Install git {needed} or newer.")
    return ok(part, f"It is version {found[0]}.")


def database(url: str) -> Finding:
    """Whether a worker could start on the database."""
    return ok("database", f"{dbos_probe.check(url)} is up to date and can be written to.")


def engine(builder: str) -> Iterator[Finding]:
    """Whether images can be built."""
    if builder != "docker":
        yield unchecked("docker", "SLIPWAY_BUILDER builds without an engine")
        return
    version = docker_probe.version()
    yield ok("docker", f"The engine answers as version {version}.")
    if docker_probe.has_buildx():
        yield ok("docker buildx", "It is installed.")
    else:
        remedy = "Install docker buildx beside the bot; without it, `RUN --mount` and other features are refused."
        yield warn("docker buildx", "It is not installed, so images are built without BuildKit.", remedy)


# ---------------------------------------------------------------- with the settings


def _with_settings(settings: Settings) -> Iterator[Finding]:
    try:
        hub = _hub(settings)
    except SlipwayError as error:
        yield fail("github identity", str(error))
        yield from (unchecked(part, "there is no identity on GitHub") for part in ("config repo", "catalog"))
        yield from doctor_config.not_checked("the config repo cannot be read")
        return
    yield from _guarded("signing key", lambda: signing(settings))
    yield from _guarded("github identity", lambda: [doctor_github.identity(hub)])
    yield from _guarded(f"permissions on {settings.config_repo}", lambda: _config_repo(hub, settings))
    with tempfile.TemporaryDirectory(prefix="slipway-doctor-") as folder:
        yield from _guarded("config repo", lambda: _catalog(hub, settings, Path(folder)))


def signing(settings: Settings) -> Iterator[Finding]:
    """Whether the key that commits are signed with can sign here; nothing where there is none."""
    key = signing_key(settings)
    if key is not None:
        try_key(key, BOT)
        kind = "The SSH key" if key.format == "ssh" else "The GPG key"
        yield ok("signing key", f"{kind} signs commits. GitHub shows them as verified once the bot's account knows it.")


def _hub(settings: Settings) -> Hub:
    identity, key = credentials(settings), settings.app_private_key()
    app = None
    if settings.github_app_id is not None and key is not None:
        app = AppProbe(settings.github_app_id, key, settings.github_api_url)
    return Hub(GitHubProbe(settings.github_api_url, identity), identity, app)


def _config_repo(hub: Hub, settings: Settings) -> Iterator[Finding]:
    repo = settings.config_repo
    seen = hub.repository(repo)
    yield doctor_github.clock(seen, datetime.now(UTC))
    yield doctor_github.config_repo(hub, repo, seen)
    yield doctor_github.squash(repo, seen)
    if seen.body is None:
        yield unchecked(f"webhook of {repo}", f"{repo} cannot be read")
        yield unchecked(f"rules of {repo}", f"{repo} cannot be read")
        return
    yield from _guarded(f"webhook of {repo}", lambda: [doctor_github.webhook(hub, repo, CONFIG_EVENTS)])
    branch = settings.config_branch or str(seen.body["default_branch"])
    yield from _guarded(f"rules of {repo}", lambda: doctor_rules.branch_rules(hub, repo, branch, seen))


def _catalog(hub: Hub, settings: Settings, folder: Path) -> Iterator[Finding]:
    """The config repo by git, its catalog, and all that this names."""
    url = f"{settings.github_url}/{settings.config_repo}.git"
    name, branch, token = settings.config_repo, settings.config_branch, hub.credentials.token
    mirror = folder / "config.git"
    with GitConfigRepo(mirror, url=url, name=name, branch=branch, committer=BOT, token=token) as config:
        try:
            head = config.fetch()
        except SlipwayError as error:
            yield fail("config repo", str(error))
            yield unchecked("catalog", "the config repo cannot be fetched")
            yield from doctor_config.not_checked("the config repo cannot be fetched")
            return
        yield ok("config repo", f"{config.branch} is at {head[:7]}.")
        finding, catalog = catalog_at(config, head)
        yield finding
        if catalog is None:
            yield from doctor_config.not_checked("there is no valid catalog")
            return
        yield from _guarded("tools", lambda: doctor_config.tools(config, head, catalog))
        manifests = doctor_config.read_manifests(config, head, catalog)
    yield from (entry.finding for entry in manifests)
    yield from _guarded("clusters", lambda: doctor_config.clusters(settings.kubeconfig, catalog, manifests))
    yield from _guarded("registries", lambda: doctor_config.registries(catalog))
    yield from _sources(hub, settings, catalog)


def catalog_at(config: ConfigRepo, head: str) -> tuple[Finding, Catalog | None]:
    """Whether the catalog is valid, and the one in force: where it is not, an earlier one may be."""
    part = "catalog"
    try:
        in_force = read_catalog(config, head)
    except SlipwayError as error:
        return fail(part, str(error)), None
    try:
        catalog = parse_catalog(decode(config.read(head, CATALOG) or b"", CATALOG))
    except SlipwayError as error:
        remedy = "Until it is mended, the last good one stays in force, and is what is checked here."
        return fail(part, str(error), remedy), in_force
    apps = "1 app" if len(catalog.apps) == 1 else f"{len(catalog.apps)} apps"
    names = listed(environment.name for environment in catalog.environments)
    return ok(part, f"It is valid: {apps} in {names}."), catalog


def _sources(hub: Hub, settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    for repo in doctor_config.sources(catalog):
        if repo.lower() == settings.config_repo.lower():
            continue
        yield from _guarded(f"permissions on {repo}", partial(_source, hub, repo))


def _source(hub: Hub, repo: str) -> Iterator[Finding]:
    permissions = doctor_github.source_repo(hub, repo)
    yield permissions
    if permissions.state is State.FAIL:
        yield unchecked(f"webhook of {repo}", f"{repo} cannot be read")
    else:
        yield from _guarded(f"webhook of {repo}", lambda: [doctor_github.webhook(hub, repo, SOURCE_EVENTS)])


def _guarded(part: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of a check; whatever goes wrong in it is a finding, too, so that the others go on."""
    try:
        yield from check()
    except SlipwayError as error:
        yield fail(part, str(error))
    except Exception as error:  # noqa: BLE001 - a defect of one check must not hide what the others find
        yield fail(part, f"The check itself broke ({type(error).__name__}).", "Please report it.")
