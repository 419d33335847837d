"""Clusters, and what makes manifests for them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from bot.facts import Applied, Diagnosis, Difference, Rollout, Target


class Clusters(Protocol):
    """Kubernetes API servers by kubeconfig context. Unreachable: ``Transient``."""

    def contexts(self) -> tuple[str, ...] | None:
        """The contexts that there are; None where one set of credentials serves them all, whatever their name."""
        ...

    def apply(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Applied, ...]:
        """Server-side apply, in dependency order, after a dry run of all of them.

        Raises:
            Permanent: the cluster refuses an object (it is named, with the reason); nothing was applied where the
                dry run could tell.
        """
        ...

    def compare(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> tuple[Difference, ...]:
        """What ``apply`` would change, object by object, by a server-side dry run. Nothing is written.

        What the cluster refuses is a ``Difference`` with a ``problem``, not an error.
        """
        ...

    def prune(self, target: Target, objects: Sequence[Mapping[str, Any]], *, dry_run: bool) -> tuple[str, ...]:
        """Delete those of the objects that are there and that Slipway applied; their kinds and names.

        What holds data (PersistentVolumeClaims) and what is cluster-wide stays. ``dry_run``: only tell.

        Raises:
            Permanent: one may not be deleted.
        """
        ...

    def rollout(self, target: Target, applied: Sequence[Applied], *, wait: float) -> Rollout:
        """Look at the applied workloads; wait up to ``wait`` seconds for the state to end."""
        ...

    def diagnose(self, target: Target, applied: Sequence[Applied]) -> Diagnosis:
        """Waiting reasons, events and last log lines of the workloads' pods that are not ready."""
        ...


class Renderer(Protocol):
    """Makes plain manifests of kustomizations and charts; ``files`` is all that there is to them. Fetches nothing."""

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        """What ``kubectl kustomize`` makes of a folder, as YAML.

        Raises:
            Transient: kubectl is not here, or does not end.
            Permanent: it refuses, in its words.
        """
        ...

    def helm(
        self, files: Mapping[str, bytes], chart: str, values: Sequence[str], *, release: str, namespace: str
    ) -> str:
        """What ``helm template`` makes of a chart's folder, as YAML, hooks left out. Errors as above, of helm."""
        ...
