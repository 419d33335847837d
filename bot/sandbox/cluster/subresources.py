"""Subresources with answers of their own: ``scale``, and a pod's ``log``."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.sandbox.cluster.errors import bad_request
from bot.sandbox.cluster.objects import Objects, Target, WriteOptions
from bot.sandbox.cluster.patches import MERGE_PATCH
from bot.sandbox.cluster.store import Obj

_PULL_PROBLEMS = ("ErrImagePull", "ImagePullBackOff")


def read_scale(obj: Obj) -> Obj:
    """The ``autoscaling/v1`` Scale of a workload."""
    labels = obj["spec"]["selector"].get("matchLabels", {})
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: obj["metadata"][name] for name in names},
        "spec": {"replicas": obj["spec"]["replicas"]},
        "status": {
            "replicas": obj.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def write_scale(objects: Objects, target: Target, body: Any, options: WriteOptions) -> Obj:
    """Set ``spec.replicas`` through the subresource; a resourceVersion in the body is a precondition."""
    replicas = (body.get("spec") or {}).get("replicas") if isinstance(body, dict) else None
    if not isinstance(replicas, int):
        raise bad_request("a Scale needs an integer spec.replicas")
    patch: Obj = {"spec": {"replicas": replicas}}
    if version := (body.get("metadata") or {}).get("resourceVersion"):
        patch["metadata"] = {"resourceVersion": version}
    obj, _ = objects.patch(target, MERGE_PATCH, patch, options)
    return read_scale(obj)


def pod_log(pod: Obj, query: Mapping[str, str], log_of: Callable[[Obj, str], str]) -> str:
    """The text of a container's log, refused while the container has never run.

    Raises:
        ApiError: 400, in the words that tell people why there is no log.
    """
    name = pod["metadata"]["name"]
    names = [container["name"] for container in pod["spec"]["containers"]]
    container = query.get("container") or (names[0] if len(names) == 1 else "")
    if not container:
        raise bad_request(f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]")
    initial = [one["name"] for one in pod["spec"].get("initContainers", ())]
    if container not in [*names, *initial]:
        raise bad_request(f"container {container} is not valid for pod {name}")
    status = pod["status"]
    states = [*status.get("containerStatuses", ()), *status.get("initContainerStatuses", ())]
    state: Obj = next((one for one in states if one["name"] == container), {})
    waiting = state.get("state", {}).get("waiting", {})
    if waiting and not state.get("lastState"):
        pull = waiting["reason"] in _PULL_PROBLEMS
        why = "trying and failing to pull image" if pull else waiting["reason"]
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {why}')
    lines = log_of(pod, container).splitlines(keepends=True)
    if tail := query.get("tailLines"):
        lines = lines[-int(tail) :] if int(tail) else []
    text = "".join(lines)
    return text[: int(query["limitBytes"])] if "limitBytes" in query else text
