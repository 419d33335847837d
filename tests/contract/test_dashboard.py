"""The pages and ``/api/v1``: a real queue on SQLite, a real mirror of a real config repo behind a git server."""

import pytest
from flask.testing import FlaskClient

from bot.jobs import Ended, release_job
from bot.releases import Outcome
from tests import dashboard_stage
from tests.config_fake import release
from tests.dashboard_stage import (
    BROKEN,
    CATALOG,
    GITHUB,
    NEW,
    OLD,
    SHOP,
    DashboardStage,
    Stages,
    get,
    row,
    text,
)
from tests.git_stage import CONFIG

shared, client, own = dashboard_stage.shared, dashboard_stage.client, dashboard_stage.own
stage = dashboard_stage.stage


# ---------------------------------------------------------------- what runs where


def test_the_matrix_shows_what_each_place_runs_and_how_it_is(client: FlaskClient) -> None:
    page = client.get("/").text
    blog = row(page, "blog")
    assert "3f3f3f3 healthy in 34 s" in blog
    assert "Open the blog #63 by @dora" in blog
    assert "5656565 waits for approval" in blog
    assert "7171717 failed" in row(page, "shop")
    assert "CrashLoopBackOff" in row(page, "shop")
    assert "waits for first release" in row(page, "docs")
    assert "Release of docs c0c0c0c failed: Dockerfile line 3" in row(page, "docs")
    assert "Held by @abel: Wait for the new logo" in row(page, "tutorials")
    assert "7272727 not applied yet" in row(page, "tutorials")


def test_whatever_can_be_looked_at_elsewhere_is_linked(client: FlaskClient, shared: DashboardStage) -> None:
    page = client.get("/").text
    for address in (
        f"{GITHUB}/{CONFIG}/compare/main...slipway/production/blog",
        f"{GITHUB}/{CONFIG}/commit/{shared.git.tip()}",
        f"{GITHUB}/acme/blog/pull/86",
        "https://staging.blog.example.com",
        f"/releases/{NEW.id}",
        f"/releases/docs@{BROKEN}",
    ):
        assert f'href="{address}"' in page


def test_below_it_stands_what_was_done_and_what_came_of_it(own: DashboardStage) -> None:
    client = own.app.test_client()
    own.queue.enqueue(release_job("shop", "d" * 40))
    page = text(client.get("/").text)
    now, _, lately = page.partition("What the workers do now")[2].partition("Lately")
    assert "Release of shop ddddddd waits for a free worker" in now
    assert "Webhook 7d1c Started release of docs c0c0c0c." in lately
    assert "Approval of promotion #12 #12 merged as" in lately
    assert "Look for what was missed" not in lately


def test_a_search_shows_the_apps_of_that_name(client: FlaskClient) -> None:
    page = client.get("/?q=tuto").text
    assert 'id="app-tutorials"' in page
    assert 'id="app-blog"' not in page
    assert "No app is called anything like “nothing<”" in text(client.get("/?q=nothing<").text)


def test_many_apps_are_shown_in_part_until_all_are_asked_for(own: DashboardStage) -> None:
    client = own.app.test_client()
    many = "".join(f"  - {{name: a{n}, source: acme/a{n}, image: registry.example.com/a{n}}}\n" for n in range(230))
    own.git.commit({"slipway.yaml": CATALOG + many})
    page = client.get("/").text
    assert "The first 200 of 234 apps." in text(page)
    assert page.count('id="app-') == 200
    assert client.get("/?all=1").text.count('id="app-') == 234


def test_a_catalog_with_errors_is_told_above_the_last_good_one(own: DashboardStage) -> None:
    client = own.app.test_client()
    own.git.commit({"slipway.yaml": CATALOG.replace("gate: commit", "gat: commit")})
    page = client.get("/").text
    assert "The catalog has errors; the last good one stays in force." in text(page)
    assert "did you mean `gate`?" in text(page)
    assert 'id="app-blog"' in page


def test_the_script_gets_a_new_part_only_where_something_is_new(own: DashboardStage) -> None:
    client = own.app.test_client()
    first = client.get("/live")
    again = client.get("/live", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Slipway-As-Of"] > first.headers["Slipway-As-Of"]
    own.bump(release("docs", 0x77), "staging", Outcome.HEALTHY)
    news = client.get("/live", headers={"If-None-Match": first.headers["ETag"]})
    assert news.status_code == 200
    assert "7777777 healthy" in row(news.text, "docs")
    assert row(news.text, "blog") == row(first.text, "blog")
    assert client.get("/live?q=blog").headers["ETag"] != news.headers["ETag"]


# ---------------------------------------------------------------- one release


def test_a_release_s_page_shows_its_way_to_production(own: DashboardStage) -> None:
    client = own.app.test_client()
    page = client.get(f"/releases/{NEW.id}").text
    assert Stages(page).found == [
        "merge done", "image done", "staging done", "approval waiting", "production later", "latest later",
    ]  # fmt: skip
    assert "Healthy after 34 s." in text(page)
    assert "staging current done" in text(page)
    assert NEW.image.partition("@")[2] in page
    assert f'href="{GITHUB}/{CONFIG}/compare/main...slipway/production/blog"' in page


def test_a_release_that_is_live_tells_who_approved_it(client: FlaskClient) -> None:
    page = client.get(f"/releases/{OLD.id}").text
    assert [stage.rpartition(" ")[2] for stage in Stages(page).found] == ["done"] * 6
    assert "Approved by @abel." in text(page)
    assert f'href="{GITHUB}/{CONFIG}/pull/12"' in page
    assert "Latest is sha256:3f3f3f3f3f3f." in text(page)


def test_a_failed_release_tells_why_and_shows_the_build_s_last_lines(client: FlaskClient) -> None:
    page = client.get(f"/releases/docs@{BROKEN}").text
    assert Stages(page).found[:3] == ["merge done", "image failed", "staging later"]
    assert "image failed. Dockerfile line 3: RUN make ended with 2." in text(page)
    assert "no rule for &lt;all&gt;" in page
    shop = client.get(f"/releases/{SHOP.id}").text
    assert Stages(shop).found[2] == "staging failed"


def test_a_release_that_something_kept_out_says_what(own: DashboardStage) -> None:
    client = own.app.test_client()
    sha = "e" * 40
    own.done(release_job("tutorials", sha), Ended("done", "held in staging"))
    page = client.get(f"/releases/tutorials@{sha}").text
    assert "staging skipped" in Stages(page).found
    assert "A hold kept it out." in text(page)


@pytest.mark.parametrize("name", ["nonsense", "blog@123", f"blog@{'9' * 40}", f"<b>@{'9' * 40}"])
def test_an_unknown_release_is_not_found(client: FlaskClient, name: str) -> None:
    page = client.get(f"/releases/{name}")
    assert page.status_code == 404
    assert "<b>@" not in page.text
    answer = client.get(f"/api/v1/releases/{name}")
    assert answer.status_code == 404
    assert answer.json is not None
    assert "release" in answer.json["reason"]


# ---------------------------------------------------------------- JSON


def test_the_api_tells_what_runs_where(client: FlaskClient, shared: DashboardStage) -> None:
    facts = get(client, "/api/v1/apps")
    assert facts["head"] == shared.git.tip()
    assert facts["problem"] is None
    assert facts["as_of"].endswith("Z")
    blog = facts["apps"][0]["environments"]
    assert (blog["staging"]["state"], blog["staging"]["release"]["id"]) == ("healthy", NEW.id)
    assert blog["production"]["pending"]["release"]["sha"] == NEW.sha


def test_the_api_lists_releases_newest_first(client: FlaskClient) -> None:
    listed = get(client, "/api/v1/releases?app=blog")["releases"]
    assert {one["id"]: (one["runs_in"], one["waits_for"]) for one in listed} == {
        NEW.id: (["staging"], ["production"]),
        OLD.id: (["production"], []),
    }
    everything = get(client, "/api/v1/releases")["releases"]
    assert everything[0]["id"] == f"docs@{BROKEN}"
    assert everything[0]["job"]["outcome"] == "failed"
    assert len(get(client, "/api/v1/releases?limit=1")["releases"]) == 1


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", ""])
def test_the_api_refuses_a_limit_that_is_none(client: FlaskClient, limit: str) -> None:
    answer = client.get(f"/api/v1/releases?limit={limit}")
    assert answer.status_code == 400
    assert answer.json == {"status": "error", "reason": "limit must be a number from 1 to 100."}


def test_the_api_tells_one_release_s_way(client: FlaskClient) -> None:
    facts = get(client, f"/api/v1/releases/{NEW.id}")
    assert facts["release"]["image"] == NEW.image
    assert [(stage["name"], stage["state"]) for stage in facts["stages"]][2:4] == [
        ("staging", "done"),
        ("approval", "waiting"),
    ]
    assert {job["workflow"] for job in facts["jobs"]} == {"release", "build", "sync"}


def test_shared_files_have_a_row_that_is_no_app_s(own: DashboardStage) -> None:
    with_shared = CATALOG.replace("namespace: production,", "namespace: production, shared: [ingress],", 1)
    changed = own.commit({"slipway.yaml": with_shared, "ingress/all.yaml": "kind: Ingress\n"}, "Let <b>people</b> in")
    own.end(changed, "", "production", Outcome.FAILED, "no such class")
    page = own.app.test_client().get("/").text
    told = text(page.partition('id="shared-files"')[2].partition("</tr>")[0].partition(">")[2])
    assert told.startswith("shared files of no app: shared in the catalog staging none production failed")
    assert "Let <b>people</b> in" in told
    assert "no such class Drift is not looked for until it is healthy." in told
    assert get(own.app.test_client(), "/api/v1/apps")["shared"]["production"]["config_commit"] == changed
    assert 'id="shared-files"' not in own.app.test_client().get("/?q=blog").text
    only = own.app.test_client().get("/?q=shared").text
    assert 'id="shared-files"' in only
    assert 'id="app-blog"' not in only
