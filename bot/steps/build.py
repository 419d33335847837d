"""Builds a commit's image once: look in the registry; else check out, build, push, remove the local image."""

from dataclasses import dataclass, replace

import structlog

from bot.catalog import App
from bot.errors import Permanent, SlipwayError, Transient
from bot.facts import BuildRequest, RemoteImage
from bot.images import ImageReference
from bot.releases import SHORT_SHA
from bot.services import Services
from bot.step_log import StepLog
from bot.steps.state import catalog_now

LOG = structlog.get_logger()

REVISION = "org.opencontainers.image.revision"
SOURCE = "org.opencontainers.image.source"
CREATED = "org.opencontainers.image.created"
"""Label names: https://github.com/opencontainers/image-spec/blob/main/annotations.md"""

STEP = "build and push"
"""The step's name, by which what it says is found."""

EVIDENCE_LINES = 30
"""Last lines of a build's output that are kept for the person who has to mend it."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image of a commit, or why there is none.

    Attributes:
        built: false where the image was in the registry already.
        evidence: the last lines of output, redacted.
        retry: time alone may mend it.
    """

    image: str | None
    built: bool
    reason: str = ""
    evidence: tuple[str, ...] = ()
    retry: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """The tag a commit's image belongs under, and the image that is there already."""

    reference: ImageReference
    present: RemoteImage | None


def _place(services: Services, app: App, sha: str) -> _Place:
    """Under the short SHA; under the full one where the short one carries another revision label."""
    repository = ImageReference.parse(app.image)
    for tag in (sha[:SHORT_SHA], sha):
        present = services.registry.find(app.image, tag)
        if present is None or present.labels.get(REVISION) == sha:
            return _Place(repository.with_tag(tag), present)
    raise Permanent(
        f"{app.image}:{sha} is in the registry with another revision label than that commit, so it was not built from "
        "it: delete that tag, or give the app an image repository of its own."
    )


def _named(reference: ImageReference, image: RemoteImage) -> str:
    return str(replace(reference, digest=image.digest))


def build_image(services: Services, app_name: str, sha: str, job: str) -> BuildResult:
    """Build and push a commit's image unless it is there, and learn its digest from the registry.

    ``job`` is the id of the job that builds: what the build says can be read there while it goes on.
    """
    app = catalog_now(services.config).app(app_name)
    place = _place(services, app, sha)
    if place.present:
        return BuildResult(_named(place.reference, place.present), built=False)
    with StepLog(services.journal, job, STEP, services.redact) as output:
        failure = _build(services, app, sha, str(place.reference), output)
    if failure is not None:
        return failure
    pushed = services.registry.find(app.image, place.reference.tag or "")
    if pushed is None:
        raise Permanent(f"{place.reference} was pushed, but the registry does not have it: look at the registry's log.")
    return BuildResult(_named(place.reference, pushed), built=True)


def _build(services: Services, app: App, sha: str, target: str, output: StepLog) -> BuildResult | None:
    """Build and push; what went wrong where somebody has to mend it."""
    try:
        with services.sources.checkout(app.source, sha) as folder:
            request = BuildRequest(
                folder=folder,
                dockerfile=app.dockerfile,
                context=app.context,
                image=target,
                labels=_labels(services, app, sha),
                platform=app.platform,
            )
            services.builder.build(request, output)
        services.builder.push(target, output)
    except Permanent as error:
        return _failed(services, str(error), output)
    except Transient as error:
        raise Transient(services.redact(str(error)), error.retry_after) from None
    finally:
        _remove(services, target)
    return None


def _failed(services: Services, error: str, output: StepLog) -> BuildResult:
    """Redacted, since the result is stored: a build may print whatever it was given."""
    paragraph = error.partition("\n\n")[0]  # the builder's last lines follow; they are evidence
    evidence = output.last(EVIDENCE_LINES)
    return BuildResult(None, built=False, reason=services.redact(paragraph), evidence=evidence)


def _labels(services: Services, app: App, sha: str) -> dict[str, str]:
    return {
        REVISION: sha,
        SOURCE: f"{services.github_url}/{app.source}",
        CREATED: services.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _remove(services: Services, image: str) -> None:
    """Best effort: a local image that stays costs disk, not correctness; the next release's removal is its own."""
    try:
        services.builder.remove(image)
    except SlipwayError as error:
        LOG.warning("local image stays", image=image, reason=str(error))
