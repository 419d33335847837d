"""Which shared objects an app's sync brings along."""

from typing import Any

from bot.steps.objects import needed


def made(kind: str, name: str, api_version: str = "v1", **parts: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **parts}


def test_the_namespaces_and_definitions_that_an_app_needs_come_along_and_nothing_else() -> None:
    sites = made("CustomResourceDefinition", "sites.acme.org", "apiextensions.k8s.io/v1", spec={"group": "acme.org"})
    others = made("CustomResourceDefinition", "x.other.org", "apiextensions.k8s.io/v1", spec={"group": "other.org"})
    shared = [*(made("Namespace", name) for name in ("staging", "extra", "unrelated")), sites, others]
    shared += [made("Ingress", "all", "networking.k8s.io/v1"), {"apiVersion": "v1", "kind": "Namespace"}]
    inside = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "extra"}}
    objects = [made("Site", "shop", "acme.org/v1"), inside]
    assert [one["metadata"]["name"] for one in needed(shared, objects, "staging")] == [
        "staging",
        "extra",
        "sites.acme.org",
    ]


def test_what_an_app_brings_itself_is_its_own() -> None:
    own = made("Namespace", "staging", labels={"team": "web"})
    assert list(needed([made("Namespace", "staging")], [own], "staging")) == []
