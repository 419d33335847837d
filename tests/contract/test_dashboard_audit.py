"""``/audit``: the trail in a page, as CSV and as JSON, with filters, and the figures above it."""

import csv
import io

import pytest
from flask.testing import FlaskClient

from bot.releases import Outcome
from tests import dashboard_stage
from tests.config_fake import release
from tests.dashboard_stage import GITHUB, NEW, OLD, DashboardStage, get, text
from tests.git_stage import CONFIG, GitStage
from webhooks.trail import PAGE

shared, client, own = dashboard_stage.shared, dashboard_stage.client, dashboard_stage.own
stage = dashboard_stage.stage


def entries(page: str) -> str:
    return text(page.partition('id="trail"')[2].partition(">")[2])


def test_the_trail_tells_who_changed_what_and_how_it_ended(client: FlaskClient, shared: DashboardStage) -> None:
    page = client.get("/audit?since=all").text
    assert f'href="/releases/{OLD.id}"' in page
    assert f'href="{GITHUB}/{CONFIG}/commit/{shared.git.tip()}"' in page
    told = entries(page)
    assert "blog on production 3f3f3f3: Open the blog" in told
    assert "✓ healthy after 34 s" in told
    assert "✗ failed after" not in told
    assert "shop on staging 7171717: Sort by price ✗ failed: The pods did not become ready" in told
    assert "acme/blog#63 merged by dora, approved by abel" in told


def test_filters_narrow_it_and_stay_filled_in(client: FlaskClient) -> None:
    page = client.get("/audit?app=blog&environment=production&since=all").text
    assert "blog on production" in entries(page)
    assert "blog on staging" not in entries(page)
    assert "shop" not in entries(page)
    assert 'name="app" list="apps" value="blog"' in page
    assert "<option selected>production</option>" in page
    assert "of blog in production" in text(page)
    nothing = client.get("/audit?app=<none>&since=all").text
    assert "Nothing happened there in that time." in entries(nothing)
    assert "<none>" not in nothing


@pytest.mark.parametrize("since", ["yesterday", "<b>", "2999-01-01"])
def test_a_time_that_is_none_is_explained(client: FlaskClient, since: str) -> None:
    page = client.get("/audit", query_string={"since": since})
    assert page.status_code == 400
    assert "is not a time" in text(page.text) or "lies in the future" in text(page.text)
    assert "<b>" not in page.text
    assert client.get("/api/v1/audit", query_string={"since": since}).status_code == 400


def test_a_time_of_one_s_own_stays_in_the_form(client: FlaskClient) -> None:
    assert "<option selected>2026-11-01</option>" in client.get("/audit?since=2026-11-01").text


def test_the_four_figures_are_drawn(client: FlaskClient) -> None:
    page = client.get("/audit?since=all&environment=staging").text
    assert page.count("<svg") == 4
    assert "33% (1)" in text(page)
    assert page.count("<rect") >= 2


def test_a_long_trail_has_pages(own: DashboardStage) -> None:
    for number in range(PAGE):
        own.git.commit({"staging/blog.yaml": f"# {number}\n"}, f"Edit {number}")
    client = own.app.test_client()
    first = client.get("/audit?since=all").text
    assert "page 1 of 2" in text(first)
    assert "Edit 99" in first
    assert 'rel="next"' in first
    second = client.get("/audit?since=all&page=2").text
    assert "Edit 99" not in second
    assert "Describe our sites" in second
    assert 'rel="next"' not in second
    assert "Nothing happened" in text(client.get("/audit?since=all&page=3").text)


def test_it_can_be_had_as_a_file_and_as_json(client: FlaskClient) -> None:
    answer = client.get("/audit.csv?app=blog&since=all")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["release"] for row in rows[:3]] == [NEW.id, OLD.id, OLD.id]
    facts = get(client, "/api/v1/audit?app=blog&since=all")
    assert [entry["config_commit"] for entry in facts["entries"]] == [row["config_commit"] for row in rows]
    assert facts["dora"]["environment"] == "production"


def test_it_follows_what_happens(own: DashboardStage) -> None:
    client = own.app.test_client()
    client.get("/audit?since=all")
    own.bump(release("docs", 0x77, "Write it down"), "staging", Outcome.HEALTHY)
    assert "docs on staging 7777777: Write it down ✓ healthy" in entries(client.get("/audit?since=all").text)


def test_without_a_catalog_the_page_says_so(stage: GitStage) -> None:
    with dashboard_stage.dashboard(stage) as seen:
        stage.commit({"slipway.yaml": None})
        assert seen.app.test_client().get("/audit").status_code == 200
