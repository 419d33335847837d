"""Points the tag ``latest`` at the image that the last environment runs. Retags in the registry, pulls nothing."""

from bot.images import ImageReference
from bot.releases import Release
from bot.services import Services

LATEST = "latest"


def tag_latest(services: Services, release: Release) -> str:
    """Have ``latest`` point to the release's digest; returns the digest."""
    reference = ImageReference.parse(release.image)
    digest = reference.digest or ""
    present = services.registry.find(reference.repository, LATEST)
    if present is None or present.digest != digest:
        services.registry.tag(reference.repository, digest, LATEST)
    return digest
