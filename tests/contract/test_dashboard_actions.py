"""The buttons: who sees them, what they store, and that no other site can press them."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from bot.jobs import Ended, action_job, release_job, sync_job
from tests import dashboard_stage
from tests.dashboard_stage import BROKEN, NEW, OLD, DashboardStage, dashboard, git_stage, text
from webhooks.access import Access

shared, client = dashboard_stage.shared, dashboard_stage.client
PLACE = "/apps/blog/staging"


@pytest.fixture(scope="module")
def dora_s(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DashboardStage]:
    """Pages that know dora."""
    with git_stage(tmp_path_factory.mktemp("named")) as git, dashboard(git, rules=Access(local_login="dora")) as made:
        yield made


@pytest.fixture
def dora(dora_s: DashboardStage) -> FlaskClient:
    return dora_s.app.test_client()


def hidden(page: str) -> dict[str, str]:
    """The hidden fields of the first form of a page."""
    found = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', page.partition("<form class")[2]))
    assert {"csrf", "once"} <= set(found)
    return found


def press(client: FlaskClient, verb: str, place: str = PLACE, **fields: str) -> TestResponse:
    """Load the place's page, fill in a form, send it."""
    sent = {**hidden(client.get(place).text), **fields}
    return client.post(f"{place}/{verb}", data=sent, headers={"Sec-Fetch-Site": "same-origin"})


def stored(seen: DashboardStage, answer: TestResponse) -> str:
    """The id of the job that a button stored."""
    assert answer.status_code == 303
    job_id = answer.headers["Location"].partition("/actions/")[2]
    assert seen.queue.job(job_id) is not None
    return job_id


# ---------------------------------------------------------------- who sees buttons


def test_a_reader_without_a_name_sees_the_place_and_no_buttons(client: FlaskClient) -> None:
    page = client.get(PLACE).text
    assert "5656565 healthy" in text(page)
    assert "release 5656565 Add a <b>search</b> box by dora: healthy" in text(page)
    assert "<form class" not in page
    assert "does not know who you are" in text(page)
    answer = client.post(f"{PLACE}/hold", data={"text": "x"})
    assert (answer.status_code, "SLIPWAY_AS" in answer.text or "did not come from" in answer.text) == (403, True)


def test_a_person_sees_what_can_be_asked_for(dora: FlaskClient) -> None:
    page = text(dora.get(PLACE).text)
    assert "What you can ask for, @dora" in page
    assert "Lift the hold" not in page
    assert "5656565" in page.partition("Promote")[2] or "Promote" not in page
    production = text(dora.get("/apps/blog/production").text)
    assert "it still needs its approval" in production
    assert "5656565 Add a <b>search</b> box" in production.partition("Promote")[2]
    assert "Lift the hold" in text(dora.get("/apps/tutorials/production").text)


@pytest.mark.parametrize("path", ["/apps/none/staging", "/apps/blog/none"])
def test_a_place_that_is_not_there_is_not_found(dora: FlaskClient, path: str) -> None:
    assert dora.get(path).status_code == 404


# ---------------------------------------------------------------- what they store


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("hold", {"text": "The till is being counted"}),
        ("resume", {}),
        ("rollback", {"commit": OLD.sha, "text": "It is slow"}),
        ("promote", {"commit": NEW.sha}),
    ],
)
def test_a_button_stores_a_job_and_leads_to_what_comes_of_it(
    dora_s: DashboardStage, dora: FlaskClient, verb: str, fields: dict[str, str]
) -> None:
    job_id = stored(dora_s, press(dora, verb, **fields))
    assert job_id.startswith(f"action/{verb}/blog/staging/")
    page = dora.get(f"/actions/{job_id}").text
    assert "it waits for a free worker" in text(page)
    dora_s.done(action_job("dora", verb, "blog", "staging", {}, job_id.rpartition("/")[2]), Ended("done", "It is so."))
    assert "It is so." in text(dora.get(f"/live/actions/{job_id}").text)


def test_the_job_names_the_person_and_what_was_filled_in() -> None:
    job = action_job("dora", "hold", "blog", "staging", {"commit": "", "text": "Why"}, "0123")
    assert job.id == "action/hold/blog/staging/0123"
    assert job.input == {
        "login": "dora", "verb": "hold", "app": "blog", "environment": "staging", "token": "0123",
        "commit": "", "text": "Why",
    }  # fmt: skip


def test_pressing_twice_asks_once(dora_s: DashboardStage, dora: FlaskClient) -> None:
    fields = {**hidden(dora.get(PLACE).text), "text": "Twice"}
    headers = {"Sec-Fetch-Site": "same-origin"}
    answers = [dora.post(f"{PLACE}/hold", data=fields, headers=headers) for _ in range(2)]
    assert stored(dora_s, answers[0]) == stored(dora_s, answers[1])


def test_a_refusal_is_shown_to_the_person(dora_s: DashboardStage, dora: FlaskClient) -> None:
    job_id = stored(dora_s, press(dora, "hold", text="Mine"))
    job = action_job("dora", "hold", "blog", "staging", {}, job_id.rpartition("/")[2])
    dora_s.done(job, Ended("refused", "/hold is for @abel; @dora is not among them."))
    page = dora.get(f"/actions/{job_id}").text
    assert 'class="banner is-failed"' in page
    assert "@dora is not among them." in text(page)


def test_what_failed_can_be_tried_again(dora_s: DashboardStage, dora: FlaskClient) -> None:
    page = dora.get(f"/releases/docs@{BROKEN}").text
    assert "Try again Release of docs c0c0c0c" in text(page)
    answer = dora.post("/retry", data=hidden(page), headers={"Sec-Fetch-Site": "same-origin"})
    assert stored(dora_s, answer).startswith("action/retry/docs/-/")
    assert hidden(page)["job"] == release_job("docs", BROKEN).id


def test_a_rollout_that_failed_can_be_tried_again_where_it_happened(dora_s: DashboardStage, dora: FlaskClient) -> None:
    commit = dora_s.git.tip() or ""
    assert "Try again" not in text(dora.get("/apps/shop/production").text)
    failed = sync_job("shop", "production", commit)
    dora_s.done(failed, Ended("failed", "The pods did not become ready."))
    page = dora.get("/apps/shop/production").text
    assert "Try again Rollout of shop on production failed: The pods did not become ready." in text(page)
    assert hidden(page)["job"] == failed.id
    answer = dora.post("/retry", data=hidden(page), headers={"Sec-Fetch-Site": "same-origin"})
    assert stored(dora_s, answer).startswith("action/retry/shop/-/")
    dora_s.done(sync_job("shop", "production", commit, 2), Ended("healthy", "proposed in production"))
    assert "Try again" not in text(dora.get("/apps/shop/production").text)


@pytest.mark.parametrize("job", ["", "nonsense", "delivery/7d1c", "reconcile/1"])
def test_other_jobs_are_not_tried_again_here(dora: FlaskClient, job: str) -> None:
    fields = {**hidden(dora.get(PLACE).text), "job": job}
    assert dora.post("/retry", data=fields, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 400


# ---------------------------------------------------------------- who cannot press them


@pytest.mark.parametrize(
    ("changed", "headers"),
    [
        ({"csrf": ""}, {}),
        ({"csrf": "guessed"}, {}),
        ({"csrf": "ü"}, {}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Sec-Fetch-Site": "same-site"}),
        ({}, {"Sec-Fetch-Site": "none"}),
    ],
)
def test_another_site_s_form_does_nothing(
    dora_s: DashboardStage, dora: FlaskClient, changed: dict[str, str], headers: dict[str, str]
) -> None:
    fields = {**hidden(dora.get(PLACE).text), "text": "x", **changed}
    answer = dora.post(f"{PLACE}/hold", data=fields, headers={"Sec-Fetch-Site": "same-origin", **headers})
    assert answer.status_code == 403
    assert "Nothing was done." in answer.text
    assert not dora_s.queue.jobs(f"action/hold/blog/staging/{fields['once']}")


def test_the_token_of_another_browser_does_not_serve(dora_s: DashboardStage, dora: FlaskClient) -> None:
    dora.get(PLACE)
    fields = {**hidden(dora_s.app.test_client().get(PLACE).text), "text": "x"}
    assert dora.post(f"{PLACE}/hold", data=fields).status_code == 403


@pytest.mark.parametrize(
    ("verb", "fields", "status"),
    [
        ("hold", {"text": " "}, 400),
        ("hold", {"text": "x", "once": "../../etc"}, 400),
        ("rollback", {"commit": "main; rm -rf"}, 400),
        ("deploy", {}, 404),
        ("retry", {}, 404),
    ],
)
def test_what_the_forms_do_not_offer_is_refused(
    dora: FlaskClient, verb: str, fields: dict[str, str], status: int
) -> None:
    assert press(dora, verb, **fields).status_code == status


def test_a_get_presses_nothing(dora: FlaskClient) -> None:
    assert dora.get(f"{PLACE}/hold").status_code in {404, 405}


def test_an_action_that_nobody_asked_for_is_not_found(dora: FlaskClient) -> None:
    for name in ("action/hold/blog/staging/none", release_job("docs", BROKEN).id):
        answer: Any = dora.get(f"/actions/{name}")
        assert answer.status_code == 404
