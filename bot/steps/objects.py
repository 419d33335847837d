"""The objects that an app's environment consists of, and what it stands on among the environment's shared files.

The shared files have a sync of their own. Where one commit brings a namespace and an app in it, the app's sync may be
the quicker one, so it applies these few with its own objects.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from bot.catalog import App, Environment
from bot.errors import Permanent
from bot.services import Services
from bot.steps.render import objects
from bot.steps.state import SHARED, shared_app

LOG = structlog.get_logger()

Objects = Sequence[Mapping[str, Any]]


def objects_of(services: Services, commit: str, app: App, environment: Environment) -> list[Mapping[str, Any]]:
    """The app's objects in an environment at a commit (or tree) of the config repo."""
    return [*objects(services.config, services.renderer, commit, app, environment)]


def bases_of(
    services: Services, commit: str, app: App, environment: Environment, objects: Objects
) -> list[Mapping[str, Any]]:
    """The shared objects that these objects of an app need. Shared files with a mistake hold up no app."""
    if not environment.shared or app.name == SHARED:
        return []
    try:
        shared = objects_of(services, commit, shared_app(environment), environment)
    except Permanent as error:
        LOG.warning("shared files cannot be read", environment=environment.name, reason=str(error))
        return []
    return list(needed(shared, objects, environment.namespace))


def needed(shared: Objects, objects: Objects, namespace: str) -> Iterable[Mapping[str, Any]]:
    """The namespaces and definitions among the shared objects that the others need, which do not bring them."""
    namespaces = {namespace, *(str(_metadata(one).get("namespace")) for one in objects)}
    groups = {str(one["apiVersion"]).rpartition("/")[0] for one in objects}
    own = {(one["kind"], _metadata(one).get("name")) for one in objects}
    for base in shared:
        kind, name = base["kind"], _metadata(base).get("name")
        is_namespace = kind == "Namespace" and name in namespaces
        spec = base.get("spec")
        defines = kind == "CustomResourceDefinition" and isinstance(spec, Mapping) and spec.get("group") in groups
        if (is_namespace or defines) and (kind, name) not in own:
            yield base


def _metadata(one: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = one.get("metadata")
    return metadata if isinstance(metadata, Mapping) else {}
