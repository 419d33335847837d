"""Points the tag ``latest`` at the image that the last environment runs. Retags in the registry, pulls nothing."""

from bot.images import ImageReference
from bot.releases import Outcome, Release
from bot.services import Services
from bot.steps.state import look, outcome

LATEST = "latest"


def tag_latest(services: Services, release: Release, environment: str) -> str | None:
    """Have ``latest`` point to the release's digest; returns the digest.

    None where a newer one is live there by now: whoever brought that tags it, and ``latest`` goes no step back.
    """
    if _newer_is_live(services, release, environment):
        return None
    reference = ImageReference.parse(release.image)
    digest = reference.digest or ""
    present = services.registry.find(reference.repository, LATEST)
    if present is None or present.digest != digest:
        services.registry.tag(reference.repository, digest, LATEST)
    return digest


def _newer_is_live(services: Services, release: Release, environment: str) -> bool:
    deployed = look(services.config, release.app, environment).deployed
    runs = deployed.release
    if runs is None or runs.sha == release.sha or deployed.changed_in is None:
        return False
    ended = outcome(services.config, deployed.changed_in, release.app, environment)
    return ended is not None and ended.outcome is Outcome.HEALTHY
