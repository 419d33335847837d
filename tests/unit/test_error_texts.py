"""Golden texts of what goes wrong: each paragraph as the code that translates the error makes it, by who reads it.

``SLIPWAY_WRITE_TEXTS=1`` writes them anew; the diff is then read before it is committed.
"""

from collections.abc import Mapping

import github
import pytest

from bot.adapters.docker.buildx import too_long
from bot.adapters.docker.output import Output, push_failure
from bot.adapters.github.errors import translate
from bot.adapters.kubernetes.connection import Cause, Refusal
from bot.adapters.kubernetes.errors import in_full
from bot.catalog import CatalogError, parse_catalog, problems_at
from bot.errors import SlipwayError
from bot.messages import Failure, failure_comment, statuses
from bot.settings import Settings, WebSettings, not_complete
from bot.steps.check_catalog import IN_FORCE, LAST_GOOD
from tests.unit.test_messages import matches

IMAGE = "registry.example.com/shop:3f2c1ab"
SERVING = "What ran before keeps serving."


def sections(texts: Mapping[str, object]) -> str:
    """Each text under the occasion on which people read it."""
    return "\n\n".join(f"# {occasion}\n{text}" for occasion, text in texts.items()) + "\n"


def refused(status: int, words: str, **headers: str) -> SlipwayError:
    """GitHub's refusal of a merge."""
    named = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    error = github.GithubException(status, {"message": words}, named)
    return translate(error, "merge pull request #7 of acme/config at 3f2c1ab", "acme/config", write=True)


def test_what_github_refuses() -> None:
    texts = {
        "a permission is missing": refused(
            403,
            "Resource not accessible by integration",
            X_Accepted_GitHub_Permissions="contents=write,pull_requests=write",
        ),
        "a scope is missing": refused(403, "Must have write access", X_Accepted_OAuth_Scopes="repo"),
        "the token ran out": refused(401, "Bad credentials"),
        "single sign-on": refused(403, "Resource protected by organization SAML enforcement."),
        "the App is suspended": refused(403, "This installation has been suspended"),
        "a branch rule": refused(405, 'Required status check "build" is expected.'),
        "squash merging is off": refused(405, "Squash merges are not allowed on this repository."),
        "the repository is hidden": refused(404, "Not Found"),
        "the repository is archived": refused(403, "Repository was archived so is read-only."),
    }
    assert matches("errors-github.txt", sections(texts))


def build_failure(*lines: str, why: str) -> SlipwayError:
    output = Output(lambda _line: None)
    output.write("".join(f"{line}\n" for line in lines))
    return output.failure(IMAGE, why)


def test_what_builds_and_registries_refuse() -> None:
    words = "unauthorized: authentication required"
    taken = "tag invalid: The image tag '3f2c1ab' already exists and is immutable"
    texts = {
        "a step of the Dockerfile failed": build_failure(
            "npm error Missing script", why="The command '/bin/sh -c npm ci' returned a non-zero code: 1"
        ),
        "a base image cannot be fetched now": build_failure(
            why="toomanyrequests: You have reached your pull rate limit"
        ),
        "the disk is full": build_failure(why="write /var/lib/docker/tmp/x: no space left on device"),
        "it hangs": too_long(IMAGE, 1800),
        "the login is refused": push_failure(IMAGE, "registry.example.com", words),
        "the tag is taken": push_failure(IMAGE, "registry.example.com", taken),
        "the push breaks off": push_failure(IMAGE, "registry.example.com", "EOF"),
    }
    assert matches("errors-build.txt", sections(texts))


def cluster(code: int, message: str, *causes: Cause, kind: str = "", name: str = "") -> SlipwayError:
    path = "/apis/apps/v1/namespaces/web/deployments/shop"
    return in_full(Refusal("staging", "PATCH", path, code, message=message, kind=kind, name=name, causes=causes))


def test_what_clusters_refuse() -> None:
    cannot = 'User "slipway" cannot patch resource "deployments" in API group "apps" in the namespace "web"'
    immutable = Cause("FieldValueInvalid", "Invalid value: {}: field is immutable", "spec.selector")
    quota = "exceeded quota: small, requested: pods=2, used: pods=9, limited: pods=10"
    texts = {
        "a verb is forbidden": cluster(403, f'deployments.apps "shop" is forbidden: {cannot}'),
        "the namespace is missing": cluster(404, 'namespaces "web" not found', kind="namespaces", name="web"),
        "a field cannot change": cluster(422, "x", immutable),
        "a webhook denies it": cluster(403, 'admission webhook "policy.example.com" denied the request: no `latest`'),
        "the quota is full": cluster(403, f'deployments.apps "shop" is forbidden: {quota}'),
        "the token ran out": cluster(401, "Unauthorized"),
        "the cluster is in trouble": cluster(503, "apiserver is shutting down"),
    }
    assert matches("errors-cluster.txt", sections(texts))


def test_an_environment_that_is_not_complete() -> None:
    variables = {"CONFIG_REPO": "config", "DATABASE_URL": "mysql://x", "RECONCILE_SECONDS": "soon", "WORKER_ID": "a b"}
    text = not_complete([*WebSettings.problems(variables), *Settings.problems(variables)])
    assert matches("errors-variables.txt", f"{text}\n")


CATALOG = """\
environments:
  - {name: staging, cluster: stagign, namespace: staging, gate: comit}
apps:
  - name: shop
    source: acme/shop
    image: registry.example.com/shop:latest
"""


def test_the_comment_on_a_bad_catalog() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(CATALOG)
    failure = Failure("Checking the catalog", str(caught.value), LAST_GOOD)
    assert matches("failed-catalog.md", failure_comment("slipway.yaml", failure))


def test_the_comment_on_a_catalog_that_names_what_is_not_there() -> None:
    text = CATALOG.replace("comit", "commit").replace(":latest", "")
    missing = "`stagign` is no context of the worker's kubeconfig; did you mean `staging`?"
    found = problems_at(text, "slipway.yaml", [(("environments", 0, "cluster"), missing)])
    failure = Failure("Checking the catalog", str(CatalogError(found)), IN_FORCE)
    assert matches("catalog-in-force.md", failure_comment("slipway.yaml", failure))


def test_the_comment_on_a_cluster_that_refuses_several_objects() -> None:
    reason = (
        "The cluster `staging` refuses 2 objects. Nothing was applied.\n"
        "- Deployment `shop` in namespace `web`: `spec.replica` is no field of this kind: correct or remove it.\n"
        "- Ingress `shop` in namespace `web`: the admission webhook `policy.example.com` denies it: no wildcard hosts."
    )
    failure = Failure("The rollout on staging", reason, SERVING, reference="sync/shop/staging/3f2c1ab/1")
    assert matches("failed-cluster.md", failure_comment("shop", failure))


def test_a_reason_without_a_full_stop_does_not_run_into_what_follows() -> None:
    text = failure_comment("shop", Failure("The build", "exit code: 1", SERVING))
    assert text.endswith("**The build failed.** exit code: 1. What ran before keeps serving.\n")


def test_the_lines_beside_a_commit() -> None:
    lines = [
        statuses.building("shop"),
        statuses.rolling_out("shop", "staging"),
        statuses.live("shop", "staging", 94.0),
        statuses.waits("shop", "production"),
        statuses.superseded("shop", "production"),
        statuses.closed("shop", "production", "acme/config#7"),
        statuses.unapproved("shop", "production"),
        statuses.failed(Failure("The build", str(too_long(IMAGE, 1800)))),
        statuses.failed(Failure("Bringing it to staging", "There are no manifests of shop for staging.\n- x")),
        statuses.CATALOG_GOOD,
    ]
    assert matches("statuses.txt", "\n".join(lines) + "\n")
