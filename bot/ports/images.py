"""Images: where they are kept, and what builds them."""

from collections.abc import Callable
from typing import Protocol

from bot.facts import BuildRequest, RemoteImage


class Registry(Protocol):
    """A registry's HTTP API. ``repository`` includes the host, as in an image reference."""

    def find(self, repository: str, reference: str) -> RemoteImage | None:
        """The image under a tag or digest, None where there is none. An index answers with its first image's labels."""
        ...

    def tag(self, repository: str, digest: str, tag: str) -> None:
        """Point a tag at a digest: the manifest's bytes and media type as they are, nothing pulled."""
        ...


class ImageBuilder(Protocol):
    """The engine that builds and pushes. Lines of its output go to ``log``."""

    def build(self, request: BuildRequest, log: Callable[[str], None]) -> None:
        """Build ``request.image`` locally. Permanent with the last lines of output where the build fails."""
        ...

    def push(self, image: str, log: Callable[[str], None]) -> None:
        """Push a built image."""
        ...

    def remove(self, image: str) -> None:
        """Remove the local image, keep the build cache; nothing where it is gone."""
        ...
