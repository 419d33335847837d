"""Every mistake in a catalog, and the exact words that answer it."""

# ruff: noqa: E501 - a row of a table is one sentence that a person reads, and is kept whole

import pickle

import pytest

from bot.catalog import CatalogError, Problem, parse_catalog

GOOD = """\
environments:
  - name: staging
    cluster: staging
    namespace: staging
    gate: commit
  - name: production
    cluster: production
    namespace: production
    gate: pull-request
apps:
  - name: shop
    source: example-web/shop
    image: registry.example.com/shop
  - name: blog
    source: example-web/blog
    image: registry.example.com/blog
"""
STAGING, PRODUCTION, SHOP, BLOG = 5, 9, 13, 16
"""The last line of each entry; what a test adds to one is on the next."""


def problems(text: str) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text)
    return [str(problem) for problem in caught.value.problems]


def with_line(after: int, line: str) -> str:
    lines = GOOD.splitlines()
    lines.insert(after, f"    {line}")
    return "\n".join(lines) + "\n"


def test_the_catalog_that_the_mistakes_are_made_in_is_good() -> None:
    assert len(parse_catalog(GOOD).apps) == 2


@pytest.mark.parametrize(
    ("after", "line", "problem"),
    [
        (STAGING, "rollbak: auto", "staging].rollbak: is not a key; did you mean `rollback`?"),
        (
            BLOG,
            "colour: red",
            (
                "blog].colour: is not a key; the keys here are `name`, `source`, `branch`, `image`, `manifests`, "
                "`dockerfile`, `context`, `platform`, `paths`, `quote_logs`, `notify` and `helm`"
            ),
        ),
        (BLOG, "helm: {cart: x, chart: y}", "blog].helm.cart: is not a key; did you mean `chart`?"),
        (BLOG, "helm: {tag: image.tag}", "blog].helm.chart: is missing; add it, like `chart: charts/site`"),
        (BLOG, "helm: charts/site", "blog].helm: must be a mapping of keys to values, not `charts/site`"),
        (BLOG, "helm: {chart: x, tag: 'a b'}", "blog].helm.tag: `a b` is no key of a values file, like `image.tag`"),
        (STAGING, "prune: yes", "staging].prune: must be `true` or `false`, not `yes`"),
        (STAGING, "prune: 'true'", "staging].prune: must be `true` or `false`; write it without quotes"),
        (STAGING, "rollback: Auto", "staging].rollback: must be `auto` or `manual`, not `Auto`; did you mean `auto`?"),
        (STAGING, "rollback: [auto]", "staging].rollback: must be `auto` or `manual`, not a list"),
        (PRODUCTION, "approvals: '2'", "production].approvals: must be a whole number; write it without quotes"),
        (PRODUCTION, "approvals: some", "production].approvals: must be a whole number, not `some`"),
        (PRODUCTION, "approvals: 0", "production].approvals: must be at least 1, not `0`"),
        (PRODUCTION, "approvers: []", "production].approvers: must have at least one entry"),
        (PRODUCTION, "approvers: '@org/web'", 'production].approvers: must be a list, like `["@org/web"]`'),
        (PRODUCTION, "approvers: {a: 1}", "production].approvers: must be a list, not a mapping"),
        (
            PRODUCTION,
            "approvers: ['@octo cat']",
            "production].approvers[0]: `@octo cat` is neither a login (`@octocat`) nor a team (`@org/web-team`)",
        ),
        (
            STAGING,
            "approvers: ['@octocat']",
            (
                "staging].approvers: means nothing behind `gate: commit`, which asks nobody; "
                "use `gate: pull-request`"
            ),
        ),
        (BLOG, "branch: 1.10", "blog].branch: must be text; write it in quotes"),
        (BLOG, "branch: [main]", "blog].branch: must be text, not a list"),
        (BLOG, "branch: refs/heads/main", "blog].branch: `refs/heads/main` is no branch name; did you mean `main`?"),
        (BLOG, "branch: a..b", "blog].branch: `a..b` is no branch name"),
        (BLOG, "branch: ''", "blog].branch: `` must be text on one line, without spaces around it"),
        (BLOG, "branch:", "blog].branch: has no value: give it one or delete the line"),
        (BLOG, "name: twice", "blog].name: is given twice (first on line 14)"),
        (BLOG, "platform: amd64", "blog].platform: `amd64` is no platform, like `linux/amd64`"),
        (BLOG, "context: /srv", "blog].context: `/srv` must be relative to the root of the repo"),
        (BLOG, "dockerfile: ../Dockerfile", "blog].dockerfile: `../Dockerfile` leads out of the repo; `..` is refused"),
        (BLOG, "dockerfile: 'a\\b'", "blog].dockerfile: `a\\b` is no path, like `sites/shop`"),
        (BLOG, "paths: ['!/']", "blog].paths[0]: `!/` is no pattern, like `site/**` or `*.html`"),
        (BLOG, "manifests: []", "blog].manifests: must have at least one entry"),
        (
            BLOG,
            "manifests: '{cluster}/x.yaml'",
            (
                "blog].manifests: `{cluster}` means nothing here; `{environment}`, `{app}` and `{namespace}` "
                "are filled in"
            ),
        ),
        (
            BLOG,
            "manifests: '{enviroment}/x.yaml'",
            "blog].manifests: `{enviroment}` means nothing here; did you mean `{environment}`?",
        ),
        (
            BLOG,
            "manifests: '{app/x.yaml'",
            (
                "blog].manifests: `{app/x.yaml` has a brace without its partner; `{environment}`, `{app}` and "
                "`{namespace}` are filled in"
            ),
        ),
        (
            BLOG,
            "manifests: .",
            "blog].manifests: `.` cannot hold manifests; name a file or folder of their own",
        ),
        (
            BLOG,
            "manifests: .slipway/{environment}",
            (
                "blog].manifests: `.slipway/{environment}` cannot hold manifests; "
                "name a file or folder of their own"
            ),
        ),
        (
            BLOG,
            "manifests: [blog.yaml]",
            (
                "blog].manifests: `staging` and `production` would both use `blog.yaml`, so a release into one "
                "would be in the other too; put `{environment}` into the path"
            ),
        ),
        (
            BLOG,
            "manifests: ['{environment}/x', '{environment}/../..']",
            "blog].manifests[1]: `{environment}/../..` leads out of the repo; `..` is refused",
        ),
        (
            STAGING,
            "shared: [staging]",
            (
                "staging].shared: `staging/shop.yaml` holds manifests of the app `shop`; "
                "list only files of no app here"
            ),
        ),
        (
            STAGING,
            "shared: ['{app}.yaml']",
            (
                "staging].shared[0]: `{app}` means nothing here; "
                "`{environment}` and `{namespace}` are filled in"
            ),
        ),
        (STAGING, "url: staging.example.com", "staging].url: `staging.example.com` is no web address, like `https://staging.{app}`"),
        (STAGING, "url: 'https://{ap}'", "staging].url: `{ap}` means nothing here; did you mean `{app}`?"),
        (STAGING, "freeze: [Fri]", (
            "staging].freeze[0]: `Fri` is no freeze; write it like `Fri 16:00 - Mon 08:00 Europe/London` or "
            "`2026-12-20 - 2027-01-02 Europe/London`"
        )),
        (STAGING, "freeze: [1]", "staging].freeze[0]: must be text, like `Fri 16:00 - Mon 08:00 Europe/London`, not `1`"),
        (STAGING, "cluster: !!binary x", "staging].cluster: is given twice (first on line 3)"),
        (BLOG, "quote_logs: !if x", "blog].quote_logs: the tag `!if` means nothing in a catalog"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_its_field_and_what_was_meant(after: int, line: str, problem: str) -> None:
    part = "environments" if after <= PRODUCTION else "apps"
    assert problems(with_line(after, line)) == [f"slipway.yaml:{after + 1}: {part}[{problem}"]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("gate: commit", "gate: comit", "5: environments[staging].gate: must be `commit` or `pull-request`, not `comit`; did you mean `commit`?"),
        ("gate: commit", "gate: pullrequest", "5: environments[staging].gate: must be `commit` or `pull-request`, not `pullrequest`; did you mean `pull-request`?"),
        ("cluster: staging", "cluster: ' staging'", "3: environments[staging].cluster: ` staging` must be text on one line, without spaces around it"),
        ("namespace: staging", "namespace: web.staging", "4: environments[staging].namespace: `web.staging` cannot be a namespace; use a-z, 0-9 and `-`, at most 63 letters"),
        ("name: blog", "name: Blog", "14: apps[Blog].name: `Blog` cannot be a name; use a-z, 0-9, `-` and `.`, with a letter or digit at both ends"),
        ("name: blog", "name: a..b", "14: apps[a..b].name: `a..b` cannot be a name; use a-z, 0-9, `-` and `.`, with a letter or digit at both ends"),
        ("name: blog", "name: b.lock", "14: apps[b.lock].name: `b.lock` cannot be a name; use a-z, 0-9, `-` and `.`, with a letter or digit at both ends"),
        ("name: blog", f"name: {'b' * 64}", f"14: apps[{'b' * 64}].name: `{'b' * 64}` has 64 letters; 63 are the most"),
        ("name: blog", "name: 404", "14: apps[1].name: must be text; write it in quotes"),
        ("name: blog", "name: shop", "14: apps[shop].name: `shop` is taken, by the one on line 11"),
        ("name: production", "name: staging", "6: environments[staging].name: `staging` is taken, by the one on line 2"),
        ("source: example-web/blog", "source: blog", "15: apps[blog].source: `blog` is no `owner/repository` of GitHub"),
        ("source: example-web/blog", "source: git@github.com:example-web/blog.git", "15: apps[blog].source: `git@github.com:example-web/blog.git` is no `owner/repository` of GitHub; did you mean `example-web/blog`?"),
        ("source: example-web/blog", "source: example-web/..", "15: apps[blog].source: `example-web/..` is no `owner/repository` of GitHub"),
        ("example.com/blog", "example.com/blog:latest", "16: apps[blog].image: `registry.example.com/blog:latest` has a tag or digest, which a release sets; did you mean `registry.example.com/blog`?"),
        ("example.com/blog", "example.com/Blog", "16: apps[blog].image: image 'registry.example.com/Blog': the repository must be lower case"),
        ("    image: registry.example.com/blog\n", "", "14: apps[blog].image: is missing; add it, like `image: ghcr.io/example-web/shop`"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_where_it_stands(old: str, new: str, problem: str) -> None:
    assert problems(GOOD.replace(old, new, 1)) == [f"slipway.yaml:{problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: is empty; it needs `environments` and `apps`"),
        ("# only a comment\n", "1: is empty; it needs `environments` and `apps`"),
        ("- a\n", "1: must be a mapping of keys to values, not a list"),
        ("a: 1\nb: [", "2: this is not YAML: expected the node content, but found '<stream end>'"),
        ("a: 1\n\tb: 2\n", "2: this is not YAML: found character '\\t' that cannot start any token (indent with spaces, not with tabs)"),
        ("a:\n  - @octocat\n", "2: this is not YAML: found character '@' that cannot start any token (put a text that begins with @ in quotes)"),
        ("a: 1\nb: \x01\n", "2: this is not YAML: there is a character that no text holds"),
        ('a: "\\U7fffffff"\n', "1: this is not YAML: an escape in double quotes stands for no character"),
        ("a: 1\n---\nb: 2\n", "2: this is not YAML: but found another document"),
        ("[" * 600, "1: this is nested far too deeply for a catalog"),
        ("a: *nothing\n", "1: this is not YAML: found undefined alias 'nothing'"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_catalog_at_all_is_answered_in_one_line(text: str, problem: str) -> None:
    assert problems(text) == [f"slipway.yaml:{problem}"]


def test_missing_parts_are_asked_for() -> None:
    assert problems("environments: []\n") == [
        "slipway.yaml:1: apps: is missing",
        "slipway.yaml:1: environments: must have at least one entry",
    ]
    assert problems("environments:\napps: 3\n") == [
        "slipway.yaml:1: environments: has no value: give it one or delete the line",
        "slipway.yaml:2: apps: must be a list, not `3`",
    ]


def test_an_entry_that_is_no_mapping_is_named_by_its_place() -> None:
    assert problems(GOOD + "  - just-a-name\n") == [
        "slipway.yaml:17: apps[2]: must be a mapping of keys to values, not `just-a-name`"
    ]


def test_a_list_that_contains_itself_is_refused() -> None:
    assert problems(with_line(BLOG, "paths: &p [*p]")) == [
        "slipway.yaml:17: apps[blog].paths[0]: this contains itself, by way of an alias"
    ]


@pytest.mark.parametrize(
    ("merged", "problem"),
    [
        ("3", "apps[blog]: `<<` takes a mapping, or a list of mappings"),
        ("[3]", "apps[blog]: `<<` takes a mapping, or a list of mappings"),
        ("&x {<<: *x}", "apps[blog]: this contains itself, by way of an alias"),
    ],
)
def test_a_merge_key_brings_in_mappings_only(merged: str, problem: str) -> None:
    assert problems(with_line(BLOG, f"<<: {merged}")) == [f"slipway.yaml:17: {problem}"]


def test_keys_must_be_text() -> None:
    assert problems(GOOD + "? [a]\n: b\n") == ["slipway.yaml:17: a key must be text"]


def test_more_approvals_than_approvers_can_never_be_met() -> None:
    text = GOOD.replace("gate: pull-request", "gate: pull-request\n    approvals: 2\n    approvers: ['@one']")
    assert problems(text) == [
        "slipway.yaml:10: environments[production].approvals: can never be met: 2 must approve, 1 may"
    ]
    assert parse_catalog(text.replace("@one", "@org/team")).environment("production").approvals == 2


@pytest.mark.parametrize(
    ("added", "differing"),
    [
        ("source: example-web/other", "`source`"),
        ("source: example-web/shop\n    context: web", "`context` and `dockerfile`"),
        (
            "source: example-web/shop\n    branch: dev\n    platform: linux/amd64\n    dockerfile: D",
            "`branch`, `platform` and `dockerfile`",
        ),
    ],
)
def test_apps_that_share_an_image_must_be_built_the_same_way(added: str, differing: str) -> None:
    text = GOOD + f"  - name: worker\n    image: registry.example.com/shop\n    {added}\n"
    assert problems(text) == [
        f"slipway.yaml:18: apps[worker].image: `shop` and `worker` share the image `registry.example.com/shop` and so must have the same {differing}; give one of them an image of its own"
    ]


def test_two_spellings_of_one_image_are_one_image() -> None:
    text = GOOD.replace("registry.example.com/shop", "nginx").replace(
        "registry.example.com/blog", "docker.io/library/nginx"
    )
    assert "must have the same `source`" in "\n".join(problems(text))


def test_apps_that_share_an_image_may_not_share_a_file() -> None:
    text = GOOD + (
        "  - name: worker\n    source: example-web/shop\n    image: registry.example.com/shop\n"
        "    manifests: '{environment}'\n"
    )
    assert problems(text) == [
        "slipway.yaml:20: apps[worker].manifests: `shop` and `worker` share the image `registry.example.com/shop` and also the manifests `staging/shop.yaml`; give each its own manifests, or make them one app"
    ]


def test_all_problems_are_told_at_once_by_line() -> None:
    text = GOOD.replace("gate: commit", "gate: comit").replace("/blog\n", "/shop\n").replace("name: blog", "nam: b")
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, "conf/slipway.yaml")

    assert str(caught.value) == (
        "The catalog has 3 problems:\n"
        "conf/slipway.yaml:5: environments[staging].gate: must be `commit` or `pull-request`, not `comit`; did you "
        "mean `commit`?\n"
        "conf/slipway.yaml:14: apps[1].nam: is not a key; did you mean `name`?\n"
        "conf/slipway.yaml:14: apps[1].name: is missing; add it, like `name: shop`"
    )
    assert caught.value.problems[0] == Problem(
        "conf/slipway.yaml",
        5,
        "environments[staging].gate",
        "must be `commit` or `pull-request`, not `comit`; did you mean `commit`?",
    )


def test_what_is_wrong_with_one_entry_hides_nothing_about_the_others() -> None:
    text = GOOD.replace("gate: commit", "gate: comit") + "  - {name: shop, source: a/b, image: c}\n"
    assert [problem.partition(": ")[2] for problem in problems(text)][1:] == [
        "apps[shop].name: `shop` is taken, by the one on line 11"
    ]


@pytest.mark.parametrize(
    "line",
    ["notify: [s3cr3t]", "notify: ['slack://s3cr3t /x']", "source: https://x:s3cr3t@github.com/org/repo.git"],
)
def test_what_may_be_a_password_is_not_repeated(line: str) -> None:
    text = GOOD.replace("    source: example-web/blog\n", "") if "source" in line else GOOD
    found = problems(f"{text}    {line}\n")
    assert len(found) == 1
    assert "s3cr3t" not in found[0]


def test_an_address_with_a_login_does_not_belong_in_git() -> None:
    assert problems(with_line(STAGING, "url: https://me:s3cr3t@example.com")) == [
        "slipway.yaml:6: environments[staging].url: a web address with a login in it does not belong in Git"
    ]


def test_what_people_wrote_is_shown_on_one_line_and_cut() -> None:
    shown = problems(with_line(BLOG, f'branch: "a\\nb\\e{"c" * 500}"'))[0]
    assert shown.startswith("slipway.yaml:17: apps[blog].branch: `a\\nb\\x1bccc")
    assert len(shown) < 220
    assert shown.isprintable()


def test_the_error_survives_a_journey_through_pickle() -> None:
    with pytest.raises(CatalogError) as caught:
        parse_catalog("a: 1")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)
    assert copy.problems == caught.value.problems
