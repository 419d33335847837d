"""The example config repo: a whole one, whose every manifest can be applied and released into."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from bot.catalog import App, Environment, Gate, parse_catalog, schema
from bot.images import ImageReference
from bot.manifests import bump, find_images, parse_documents, unresolved_placeholders

REPO = Path(__file__).parents[2] / "config-repo-example"
CATALOG_TEXT = (REPO / "slipway.yaml").read_text(encoding="utf-8")
CATALOG = parse_catalog(CATALOG_TEXT)
MANIFESTS = sorted(path for folder in ("staging", "production") for path in (REPO / folder).rglob("*.yaml"))
PLACES = [(app, environment) for app in CATALOG.apps for environment in CATALOG.environments]
REGISTRY = "registry.example.com"
DIGEST = "sha256:" + "a1" * 32


def below(path: str) -> Iterator[Path]:
    whole = REPO / path
    yield from [whole] if whole.is_file() else sorted(whole.rglob("*.yaml"))


def files_of(app: App, environment: Environment) -> list[Path]:
    return [file for path in app.manifest_paths(environment) for file in below(path)]


def test_the_catalog_has_five_sites_in_staging_and_production() -> None:
    assert [app.name for app in CATALOG.apps] == ["shop", "blog", "api", "docs", "tutorials"]
    assert [(each.name, each.gate) for each in CATALOG.environments] == [
        ("staging", Gate.COMMIT),
        ("production", Gate.PULL_REQUEST),
    ]


def test_the_catalog_points_an_editor_at_the_schema_in_force() -> None:
    first_line = CATALOG_TEXT.partition("\n")[0]
    assert first_line == "# yaml-language-server: $schema=.slipway/schema.json"
    kept = (REPO / ".slipway" / "schema.json").read_text(encoding="utf-8")
    assert kept == json.dumps(schema(), indent=2) + "\n", "run: python -m bot schema"
    jsonschema.validate(YAML(typ="safe").load(CATALOG_TEXT), schema(), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.relative_to(REPO)))
def test_every_manifest_holds_whole_objects_of_current_apis(path: Path) -> None:
    current = {
        "v1": {"Namespace", "ConfigMap", "Service"},
        "apps/v1": {"Deployment"},
        "batch/v1": {"CronJob"},
        "networking.k8s.io/v1": {"Ingress"},
        "autoscaling/v2": {"HorizontalPodAutoscaler"},
        "policy/v1": {"PodDisruptionBudget"},
    }
    documents = list(parse_documents(path.read_text(encoding="utf-8"), path.name))
    assert documents
    for document in documents:
        assert document["kind"] in current[document["apiVersion"]]
        assert document["metadata"]["name"]
        assert "namespace" not in document["metadata"], "the environment's namespace is the catalog's to say"


def test_every_manifest_belongs_to_one_app_or_is_shared() -> None:
    owners = [file for app, environment in PLACES for file in files_of(app, environment)]
    owners += [file for environment in CATALOG.environments for path in environment.shared for file in below(path)]
    assert sorted(owners) == MANIFESTS


@pytest.mark.parametrize(("app", "environment"), PLACES, ids=lambda each: each.name)
def test_a_release_changes_the_image_lines_of_its_app_and_nothing_else(app: App, environment: Environment) -> None:
    image = ImageReference.parse(f"{app.image}:3f2c1ab@{DIGEST}")
    released = 0
    for file in files_of(app, environment):
        before = file.read_text(encoding="utf-8")
        bumped = bump(before, str(file), image)
        pairs = zip(before.splitlines(), bumped.text.splitlines(), strict=True)
        changed = [(old, new) for old, new in pairs if old != new]
        assert [old.replace("${TAG_TO_DEPLOY}", f"3f2c1ab@{DIGEST}") for old, _ in changed] == [
            new for _, new in changed
        ]
        assert len(changed) == len(bumped.changes)
        released += len(bumped.changes)
    assert released >= 1


@pytest.mark.parametrize(("app", "environment"), PLACES, ids=lambda each: each.name)
def test_every_site_waits_for_its_first_release(app: App, environment: Environment) -> None:
    images = [each for file in files_of(app, environment) for each in find_images(file.read_text("utf-8"), file.name)]
    own = [each for each in images if each.image and each.image.repository == app.image]
    assert own
    assert list(unresolved_placeholders(images)) == own


def test_the_registry_is_named_in_image_lines_and_in_the_catalog_only() -> None:
    for path in (path for path in REPO.rglob("*") if path.is_file() and path.name != "slipway.yaml"):
        text = path.read_text(encoding="utf-8")
        images = find_images(text, path.name) if path.suffix == ".yaml" else ()
        spelled = {(each.start, each.end) for each in images if each.text.startswith(REGISTRY)}
        assert text.count(REGISTRY) == len(spelled), path


def test_there_is_the_variety_of_a_real_config_repo() -> None:
    texts = {path.relative_to(REPO).as_posix(): path.read_text(encoding="utf-8") for path in MANIFESTS}
    images = [image for path, text in texts.items() for image in find_images(text, path)]
    everything = "\n".join(texts.values())

    assert any(image.init for image in images)
    assert any(image.kind == "CronJob" for image in images)
    assert any(not image.text.startswith(REGISTRY) for image in images)
    for spelling in ('image: "', "image: '", "image: &", "image: *", "image: >-", "  # set by Slipway"):
        assert spelling in everything, spelling


def test_every_address_of_the_catalog_has_an_ingress() -> None:
    for app, environment in PLACES:
        url = environment.url_for(app)
        assert url
        ingress = (REPO / environment.name / "ingress" / f"{app.name}.yaml").read_text(encoding="utf-8")
        assert f"host: {url.removeprefix('https://')}\n" in ingress


def test_every_config_map_and_service_that_is_named_is_there() -> None:
    for environment in CATALOG.environments:
        objects = [
            document
            for path in MANIFESTS
            if path.is_relative_to(REPO / environment.name)
            for document in parse_documents(path.read_text(encoding="utf-8"), path.name)
        ]
        there = {(each["kind"], each["metadata"]["name"]) for each in objects}
        text = json.dumps(objects)
        maps = re.findall(r'"configMap(?:Ref|KeyRef)?": \{"name": "([^"]+)"', text)
        services = re.findall(r'"service": \{"name": "([^"]+)"', text)
        assert {("ConfigMap", name) for name in maps} | {("Service", name) for name in services} <= there
        assert len(maps) > 4
        assert len(services) > 4


def test_every_command_of_its_readme_runs(tmp_path: Path) -> None:
    """In a clone of a repo whose history holds one release and its outcome, as a web team's own would."""
    commands = re.findall(r"^    ((?:git|diff) .*)$", (REPO / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    message = "-m 'shop: 3f2c1ab to production' -m 'App: shop\nEnvironment: production\nApproved-by: @ada'"
    shell(
        tmp_path,
        f"cp -R {REPO} upstream && cd upstream && git init -q . && git add -A && git commit -q -m 'Start'",
        f"cd upstream && echo '# released' >> production/shop.yaml && git commit -q -a {message}",
        "cd upstream && git notes --ref=slipway add -m 'healthy after 41 s'",
        "git clone -q upstream clone",
    )

    compared, _, listed, noted, trailers = shell(tmp_path / "clone", *commands)
    assert "replicas: 5" in compared
    assert "shop: 3f2c1ab to production" in listed
    assert "healthy after 41 s" in noted
    assert "Start" not in noted
    assert trailers.startswith("App: shop\nEnvironment: production\nApproved-by: @ada")


def shell(folder: Path, *commands: str) -> list[str]:
    """What each command prints. None may complain; ``diff`` exits with 1 where files differ."""
    author = {"NAME": "Ada", "EMAIL": "ada@example.com"}
    environment = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in author.items()}
    environment |= {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    answers = []
    for command in commands:
        done = subprocess.run(
            ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == (1 if command.startswith("diff") else 0), done.stderr
        answers.append(done.stdout)
    return answers
