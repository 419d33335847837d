"""What a valid catalog says."""

import copy
import dataclasses
import pickle
from datetime import UTC, datetime

import pytest

from bot.catalog import App, Catalog, CatalogError, Environment, Gate, Helm, Rollback, parse_catalog
from bot.errors import Permanent

SMALLEST = """\
environments:
  - {name: staging, cluster: a, namespace: web, gate: commit}
  - {name: production, cluster: b, namespace: web, gate: pull-request}
apps:
  - {name: shop, source: example-web/shop, image: registry.example.com/shop}
"""

FULL = """\
environments:
  - name: staging
    cluster: arn:aws:eks:eu-west-1:1:cluster/web
    namespace: web-staging
    gate: commit
    url: https://staging.{app}/{environment}?in={namespace}
    rollback: manual
    self_heal: true
    prune: true
    shared: ["{environment}/namespaces.yaml", "ingress/{namespace}/"]
  - name: production
    cluster: production
    namespace: production
    gate: pull-request
    approvals: 2
    approvers: ["@octocat", "@org/web-team", plain]
    self_approval: true
    require_approval_on_merge: false
    freeze: ["Fri 16:00 - Mon 08:00 Europe/London"]
apps:
  - name: snapcraft.io
    source: Example-Web/snapcraft.io
    branch: release/2.x
    image: registry.example.com:5000/web/snapcraft.io
    manifests: ["{environment}/{app}.yaml", "./extra/{namespace}//{app}/"]
    dockerfile: docker/web.Dockerfile
    context: ./web/
    platform: linux/arm64/v8
    paths: ["web/**", "!*.md"]
    quote_logs: true
    notify: ["mailto://mail.example.com?to=web@example.com"]
    helm: {chart: charts/site, tag: web.image.tag}
"""


def test_the_smallest_catalog_gets_the_defaults() -> None:
    catalog = parse_catalog(SMALLEST)

    assert catalog.apps == (App("shop", "example-web/shop", "registry.example.com/shop"),)
    assert catalog.environments == (
        Environment("staging", "a", "web", Gate.COMMIT),
        Environment("production", "b", "web", Gate.PULL_REQUEST, approvals=1),
    )


def test_every_key_of_an_environment_arrives() -> None:
    staging, production = parse_catalog(FULL).environments

    assert staging == Environment(
        name="staging",
        cluster="arn:aws:eks:eu-west-1:1:cluster/web",
        namespace="web-staging",
        gate=Gate.COMMIT,
        url="https://staging.{app}/{environment}?in={namespace}",
        rollback=Rollback.MANUAL,
        self_heal=True,
        prune=True,
        shared=("staging/namespaces.yaml", "ingress/web-staging"),
    )
    assert production.approvals == 2
    assert production.approvers == ("octocat", "org/web-team", "plain")
    assert production.self_approval
    assert not production.require_approval_on_merge
    assert [window.text for window in production.freeze] == ["Fri 16:00 - Mon 08:00 Europe/London"]


def test_every_key_of_an_app_arrives() -> None:
    assert parse_catalog(FULL).apps == (
        App(
            name="snapcraft.io",
            source="Example-Web/snapcraft.io",
            image="registry.example.com:5000/web/snapcraft.io",
            branch="release/2.x",
            manifests=("{environment}/{app}.yaml", "extra/{namespace}/{app}"),
            dockerfile="docker/web.Dockerfile",
            context="web",
            platform="linux/arm64/v8",
            paths=("web/**", "!*.md"),
            quote_logs=True,
            notify=("mailto://mail.example.com?to=web@example.com",),
            helm=Helm("charts/site", "image.repository", "web.image.tag", "image.digest"),
        ),
    )


def test_templates_are_filled_in_for_each_app_and_environment() -> None:
    catalog = parse_catalog(FULL)
    app = catalog.app("snapcraft.io")

    assert app.manifest_paths(catalog.environment("staging")) == (
        "staging/snapcraft.io.yaml",
        "extra/web-staging/snapcraft.io",
    )
    assert catalog.environment("staging").url_for(app) == "https://staging.snapcraft.io/staging?in=web-staging"
    assert catalog.environment("production").url_for(app) is None


def test_a_dockerfile_is_looked_for_in_the_context() -> None:
    text = SMALLEST.replace("shop}", "shop, context: sites/shop}")
    assert parse_catalog(text).app("shop").dockerfile == "sites/shop/Dockerfile"


def test_a_release_travels_in_the_order_of_the_list() -> None:
    catalog = parse_catalog(SMALLEST)

    following = catalog.next_environment("staging")
    assert following is not None
    assert following.name == "production"
    assert catalog.next_environment("production") is None
    with pytest.raises(Permanent):
        catalog.next_environment("nowhere")


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("app", "shpo", "The catalog has no app `shpo`; did you mean `shop`?"),
        ("app", "zzz", "The catalog has no app `zzz`; there are `shop`."),
        ("environment", "prod", "The catalog has no environment `prod`; did you mean `production`?"),
        ("environment", "x", "The catalog has no environment `x`; there are `staging` and `production`."),
    ],
)
def test_an_unknown_name_is_answered_with_the_known_ones(kind: str, name: str, message: str) -> None:
    with pytest.raises(Permanent) as caught:
        getattr(parse_catalog(SMALLEST), kind)(name)
    assert str(caught.value) == message


def test_a_catalog_without_apps_says_so_when_one_is_asked_for() -> None:
    catalog = parse_catalog(SMALLEST.partition("apps:")[0] + "apps: []\n")
    with pytest.raises(Permanent, match="no app `shop`; it has no apps"):
        catalog.app("shop")


def test_apps_are_found_by_source_and_tracked_branch() -> None:
    def app(name: str, source: str, branch: str | None) -> App:
        return App(name, source, f"registry.example.com/{name}", branch)

    site, worker, other = app("site", "Org/web", "main"), app("worker", "org/Web", None), app("x", "org/x", "main")
    catalog = Catalog((), (site, worker, other))

    assert catalog.apps_of("org/web") == (site, worker)
    assert catalog.apps_of("org/web", "main") == (site,)
    assert catalog.apps_of("org/web", "main", default_branch="main") == (site, worker)
    assert catalog.apps_of("org/web", "dev", default_branch="main") == ()
    assert catalog.apps_of("org/web", "Main", default_branch="master") == ()


def test_paths_decide_which_changes_concern_an_app() -> None:
    app = parse_catalog(FULL).app("snapcraft.io")
    assert app.matches_path("web/index.html")
    assert not app.matches_path("web/README.md")
    assert parse_catalog(SMALLEST).app("shop").matches_path("anything")


def test_an_environment_knows_until_when_it_is_frozen() -> None:
    production = parse_catalog(FULL).environment("production")
    assert production.frozen_until(datetime(2026, 7, 4, 12, tzinfo=UTC)) == datetime(2026, 7, 6, 7, tzinfo=UTC)
    assert production.frozen_until(datetime(2026, 7, 8, 12, tzinfo=UTC)) is None


def test_anchors_and_merge_keys_say_things_once() -> None:
    text = """\
environments:
  - &one {name: one, cluster: a, namespace: web, gate: commit, shared: &files [shared/all.yaml]}
  - {<<: *one, name: two, shared: *files}
apps:
  - &site
    name: shop
    source: org/shop
    image: registry.example.com/shop
    platform: linux/amd64
  - <<: [*site, *one]
    name: blog
    image: registry.example.com/blog
"""
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    assert [problem.field for problem in caught.value.problems] == [
        "apps[blog].cluster",
        "apps[blog].gate",
        "apps[blog].namespace",
        "apps[blog].shared",
    ]

    catalog = parse_catalog(text.replace("[*site, *one]", "[*site]"))
    assert catalog.app("blog").platform == "linux/amd64"
    assert catalog.app("blog").image == "registry.example.com/blog"
    assert catalog.environment("two").shared == ("shared/all.yaml",)


def test_apps_may_share_an_image_that_is_built_one_way() -> None:
    text = (
        SMALLEST
        + "  - {name: worker, source: example-web/shop, image: registry.example.com/shop, dockerfile: Dockerfile}\n"
    )
    assert [app.name for app in parse_catalog(text).apps] == ["shop", "worker"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_endings_and_byte_order_marks_make_no_difference(ending: str, mark: str) -> None:
    assert parse_catalog(mark + FULL.replace("\n", ending)) == parse_catalog(FULL)


def test_a_catalog_is_frozen_through_and_through() -> None:
    catalog = parse_catalog(FULL)
    assert hash(catalog) == hash(pickle.loads(pickle.dumps(catalog)))
    assert copy.deepcopy(catalog) == catalog
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalog.apps[0].name = "other"  # type: ignore[misc]
