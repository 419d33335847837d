"""Asks one cluster whether the bot may do there what a sync does. Creates only reviews, which are not kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from bot.adapters.kubernetes.client import Kubeconfig
from bot.adapters.kubernetes.connection import Connection, Refusal
from bot.adapters.kubernetes.discovery import Discovery
from bot.adapters.kubernetes.errors import RULE_VERBS, in_full
from bot.adapters.kubernetes.items import Item, Located, locate
from bot.errors import Permanent
from bot.facts import Target
from bot.wording import quoted

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
"""https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/self-subject-access-review-v1/"""

JOB = "Job"


@dataclass(frozen=True, slots=True)
class Access:
    """One resource in one namespace (None: cluster-wide), and the verbs that are wanted there."""

    group: str
    resource: str
    namespace: str | None
    verbs: tuple[str, ...]


class ClusterProbe:
    """One kubeconfig context.

    Args:
        kubeconfig: as in KUBECONFIG; None as for ``KubernetesClusters``.
        context: which one.
    """

    def __init__(self, kubeconfig: str | None, context: str) -> None:
        self._connection = Connection(Kubeconfig(kubeconfig), context)
        self._discovery = Discovery(self._connection)

    def close(self) -> None:
        """Close idle connections."""
        self._connection.close()

    def version(self) -> str:
        """The API server's version.

        Raises:
            Permanent: the context cannot be used, or refuses the credentials.
            Transient: it cannot be reached.
        """
        body = self._ask("GET", "/version")
        if not isinstance(body, dict) or "gitVersion" not in body:
            raise Permanent(f"The server of the context {quoted(self._connection.context)} is no Kubernetes API.")
        return str(body["gitVersion"])

    def locate(self, target: Target, objects: Sequence[Mapping[str, Any]]) -> Located:
        """Which objects the cluster serves the kinds of, and what is wrong with the others.

        Raises:
            Permanent, Transient: the cluster cannot be asked.
        """
        try:
            return locate(self._discovery, target, objects)
        except Refusal as refusal:
            raise in_full(refusal) from None

    def denied(self, access: Access) -> tuple[str, ...]:
        """The verbs among those wanted that the bot may not use.

        Raises:
            Permanent, Transient: the cluster cannot be asked.
        """
        return tuple(verb for verb in access.verbs if not self._may(access, verb))

    def has_namespace(self, name: str) -> bool:
        """Whether there is the namespace; True, too, where the bot may not look.

        Raises:
            Permanent, Transient: the cluster cannot be asked.
        """
        try:
            self._connection.get(f"/api/v1/namespaces/{quote(name, safe='')}")
        except Refusal as refusal:
            if refusal.code in {HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN}:
                return refusal.code == HTTPStatus.FORBIDDEN
            raise in_full(refusal) from None
        return True

    def _may(self, access: Access, verb: str) -> bool:
        resource, _, subresource = access.resource.partition("/")
        wanted = {"verb": verb, "group": access.group, "resource": resource, "namespace": access.namespace or ""}
        attributes = wanted | ({"subresource": subresource} if subresource else {})
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self._ask("POST", REVIEWS, review)
        return bool((answer.get("status") or {}).get("allowed"))

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self._connection.request(method, path, body=body).body
        except Refusal as refusal:
            raise in_full(refusal) from None


def wanted_access(items: Sequence[Item], namespace: str) -> tuple[Access, ...]:
    """What a sync does: apply and watch each kind (jobs are replaced, too), and read why pods do not come up."""
    return tuple(dict.fromkeys(_wanted(items, namespace)))


def _wanted(items: Sequence[Item], namespace: str) -> Iterator[Access]:
    for item in items:
        verbs = (*RULE_VERBS, "delete") if item.kind == JOB else RULE_VERBS
        yield Access(item.resource.group, item.resource.plural, item.namespace, verbs)
    yield from (
        Access("", "pods", namespace, ("list", "watch")),
        Access("", "pods/log", namespace, ("get",)),
        Access("", "events", namespace, ("list",)),
        Access("apps", "replicasets", namespace, ("list",)),
    )
