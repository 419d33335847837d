"""Kubernetes API servers by kubeconfig context: server-side apply and rollouts."""

import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import urllib3
from kubernetes import client, config, dynamic
from kubernetes.dynamic.exceptions import DynamicApiError, ResourceNotFoundError

from bot.errors import Permanent, Transient
from bot.facts import Applied, Diagnosis, Rollout, RolloutState, Target

MANAGER = "slipway"


class KubernetesClusters:
    """``ports.Clusters``."""

    def __init__(self, kubeconfig: str | None) -> None:
        self._kubeconfig = kubeconfig
        self._clients: dict[str, dynamic.DynamicClient] = {}

    def apply(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Applied, ...]:
        """See ``bot.ports``."""
        return tuple(self._apply(target, dict(item)) for item in objects)

    def _client(self, context: str) -> dynamic.DynamicClient:
        if context not in self._clients:
            api = config.new_client_from_config(self._kubeconfig, context)
            self._clients[context] = dynamic.DynamicClient(api)
        return self._clients[context]

    def _apply(self, target: Target, item: dict[str, Any]) -> Applied:
        try:
            api = self._client(target.context)
            resource = api.resources.get(api_version=item["apiVersion"], kind=item["kind"])
            namespace = item["metadata"].get("namespace") or (target.namespace if resource.namespaced else None)
            answer = resource.server_side_apply(
                body=item, name=item["metadata"]["name"], namespace=namespace, field_manager=MANAGER, force_conflicts=True
            ).to_dict()
        except ResourceNotFoundError as error:
            raise Permanent(str(error)) from None
        except DynamicApiError as error:
            raise Permanent(f"{error.status} {error.body}") from None
        except urllib3.exceptions.HTTPError as error:
            raise Transient(f"The cluster {target.context} cannot be reached ({type(error).__name__}).") from None
        return Applied(
            item["apiVersion"], item["kind"], namespace, item["metadata"]["name"], answer["metadata"].get("generation"),
            True, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )

    def rollout(self, target: Target, applied: Sequence[Applied], *, wait: float) -> Rollout:
        """See ``bot.ports``."""
        deadline = time.monotonic() + wait
        while True:
            states = [self._state(target, item) for item in applied if item.kind == "Deployment"]
            if all(state.state is RolloutState.COMPLETE for state in states):
                return Rollout(RolloutState.COMPLETE, "all pods are ready")
            if failed := [state for state in states if state.state is RolloutState.FAILED]:
                return failed[0]
            if time.monotonic() > deadline:
                return next(state for state in states if state.state is RolloutState.PROGRESSING)
            time.sleep(0.1)

    def _state(self, target: Target, item: Applied) -> Rollout:
        resource = self._client(target.context).resources.get(api_version=item.api_version, kind=item.kind)
        live = resource.get(name=item.name, namespace=item.namespace).to_dict()
        status, spec = live.get("status") or {}, live["spec"]
        for condition in status.get("conditions") or []:
            if condition.get("reason") == "ProgressDeadlineExceeded":
                return Rollout(RolloutState.FAILED, condition["message"])
        counts = [status.get(name) or 0 for name in ("replicas", "updatedReplicas", "availableReplicas")]
        done = (status.get("observedGeneration") or 0) >= live["metadata"]["generation"] and counts == [
            spec.get("replicas", 1)
        ] * 3
        return Rollout(RolloutState.COMPLETE if done else RolloutState.PROGRESSING, f"{item.name}: {counts}")

    def diagnose(self, target: Target, applied: Sequence[Applied]) -> Diagnosis:
        """See ``bot.ports``."""
        return Diagnosis()
