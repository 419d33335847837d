"""The objects that an app's environment consists of at a commit, whatever form it is kept in."""

from collections.abc import Iterable
from typing import Any

from bot.catalog import App, Environment
from bot.errors import Permanent
from bot.images import ImageReference, ManifestImage
from bot.manifests import find_images, kustomize, parse_documents
from bot.manifests.forms import Chart, images
from bot.ports import ConfigRepo, Renderer
from bot.steps.state import form_of, text_reader

Objects = list[dict[str, Any]]


def objects(config: ConfigRepo, renderer: Renderer, commit: str, app: App, environment: Environment) -> Objects:
    """What a sync applies.

    Raises:
        Permanent: something cannot be read or rendered, or what is rendered runs another digest than Git says.
        Transient: the tool that renders it is not here.
    """
    form, read = form_of(config, commit, app, environment), text_reader(config, commit)
    found = [one for path in form.files for one in parse_documents(read(path) or "", path)]
    rendered: dict[str, str] = {}
    for folder in form.kustomizations:
        files = _below(config, commit, kustomize.roots(read, folder))
        rendered[f"{folder} (rendered)"] = renderer.kustomize(files, folder)
    if form.chart is not None and form.chart.values:
        rendered[f"{form.chart.folder} (rendered)"] = _chart(config, renderer, commit, app, environment, form.chart)
    for name, text in rendered.items():
        _require_digest(name, text, app.image, images(form, read, app.image))
        found += parse_documents(text, name)
    return found


def _chart(
    config: ConfigRepo, renderer: Renderer, commit: str, app: App, environment: Environment, chart: Chart
) -> str:
    files = _below(config, commit, (chart.folder, *chart.values))
    if f"{chart.folder}/Chart.yaml" not in files:
        raise Permanent(
            f"There is no chart of {app.name} in {chart.folder}: {chart.folder}/Chart.yaml is not on the config "
            "branch. Add it, or correct `helm.chart` of the app in slipway.yaml."
        )
    return renderer.helm(files, chart.folder, chart.values, release=app.name, namespace=environment.namespace)


def _below(config: ConfigRepo, commit: str, paths: Iterable[str]) -> dict[str, bytes]:
    """Every file at or below the paths."""
    names = dict.fromkeys(name for path in paths for name in config.files(commit, path))
    return {name: data for name in names if (data := config.read(commit, name)) is not None}


def _require_digest(name: str, text: str, repository: str, said: tuple[str, ...]) -> None:
    """What was approved is what runs: the digest that Git names must be in what is applied."""
    digests = {digest for image in said if (digest := _digest(ManifestImage.parse(image)))}
    wanted = ImageReference.parse(repository).normalised().repository
    for found in find_images(text, name):
        image = found.image
        ours = image is not None and image.normalised_repository == wanted
        if image is not None and ours and digests and _digest(image) not in digests:
            raise Permanent(
                f"{name}: {found.workload} would run {found.text}, and Git says {' '.join(said)}. Have the digest "
                "rendered: a chart needs `@{{ .Values.image.digest }}` behind its image, or `helm.digest` set to the "
                "key of the tag in slipway.yaml."
            )


def _digest(image: ManifestImage) -> str:
    return image.rest.partition("@")[2]
