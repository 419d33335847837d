"""The files of no app (``shared`` of an environment): namespaces, ingresses and the like."""

from collections.abc import Mapping
from typing import Any

from bot.catalog import Environment
from bot.manifests import parse_documents
from bot.services import Services
from bot.steps.state import MANIFEST_ENDINGS, decode


def shared_objects(services: Services, commit: str, environment: Environment) -> list[Mapping[str, Any]]:
    """The objects in an environment's shared files at a commit (or tree) of the config repo."""
    config = services.config
    files: dict[str, None] = {}
    for path in environment.shared:
        files |= {name: None for name in config.files(commit, path) if name == path or name.endswith(MANIFEST_ENDINGS)}
    texts = {path: decode(config.read(commit, path) or b"", path) for path in files}
    return [document for path, text in texts.items() for document in parse_documents(text, path)]
