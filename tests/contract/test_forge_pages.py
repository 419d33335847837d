"""The stand-in's pages, as a browser without scripts would use them."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from tests.forge_stage import REPO, Stage, stage


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


def get(scene: Stage, path: str, **headers: str) -> requests.Response:
    return requests.get(scene.forge.url + path, headers=headers, timeout=10)


def press(scene: Stage, number: int, login: str, action: str, **fields: str) -> requests.Response:
    """Press a button on the page as it is now."""
    page = get(scene, f"/{REPO}/pull/{number}").text
    sha = re.search(r'name="sha" value="(\w+)"', page)
    assert sha
    form = {"sha": sha[1], "login": login, "action": action} | fields
    return requests.post(
        f"{scene.forge.url}/{REPO}/pull/{number}", data=form, headers={"Origin": scene.forge.url}, timeout=10
    )


def test_the_pages_lead_from_the_repositories_to_the_diff(scene: Stage) -> None:
    number = scene.pull_request()
    assert f'href="/{REPO}"' in get(scene, "/").text
    assert f'href="/{REPO}/pull/{number}"' in get(scene, f"/{REPO}").text
    page = get(scene, f"/{REPO}/pull/{number}").text
    assert "Paint it blue" in page
    assert "-red" in page
    assert "+blue" in page
    head = scene.pull(number).head.sha
    assert "Red hurts the eyes." in get(scene, f"/{REPO}/commit/{head}").text
    assert "+blue" in get(scene, f"/{REPO}/compare/master...topic").text
    assert get(scene, "/assets/forge.css").headers["Content-Type"].startswith("text/css")
    for gone in ("/org/never-was", f"/{REPO}/pull/99", f"/{REPO}/commit/0000000", f"/{REPO}/compare/a...b"):
        assert get(scene, gone).status_code == 404


def test_approve_and_merge_act_as_the_chosen_person(scene: Stage) -> None:
    number = scene.pull_request()
    assert press(scene, number, "bob", "APPROVE", body="Looks good").status_code == 200
    assert [(r.user.login, r.state, r.body) for r in scene.pull(number).get_reviews()] == [
        ("bob", "APPROVED", "Looks good")
    ]
    merged = press(scene, number, "bob", "squash")
    assert "bob merged" in merged.text
    assert scene.pull(number).merged_by.login == "bob"
    reverted = press(scene, number, "bob", "revert")
    assert reverted.url.startswith(f"{scene.forge.url}/{REPO}/pull/2")


def test_the_other_buttons_work_too(scene: Stage) -> None:
    number = scene.pull_request()
    press(scene, number, "carl", "comment", body="Why **blue**?")
    press(scene, number, "bob", "REQUEST_CHANGES", body="Green, please")
    press(scene, number, "ann", "closed")
    assert scene.pull(number).state == "closed"
    page = press(scene, number, "ann", "open").text
    assert scene.pull(number).state == "open"
    assert "Why <strong>blue</strong>?" in page
    assert "requested changes" in page


@pytest.mark.parametrize(
    ("login", "action", "problem"),
    [
        ("ann", "APPROVE", "Can not approve your own pull request"),
        ("bob", "REQUEST_CHANGES", "Body can't be blank"),
        ("carl", "squash", "carl may not do that here"),
        ("carl", "closed", "carl may not do that here"),
        ("nobody", "APPROVE", "Choose who presses the button"),
        ("bob", "comment", "Nothing to do"),
        ("bob", "dance", "Nothing to do"),
    ],
)
def test_a_refusal_is_shown_on_the_page(scene: Stage, login: str, action: str, problem: str) -> None:
    number = scene.pull_request()
    answer = press(scene, number, login, action)
    assert answer.status_code in (403, 422)
    assert problem in unescape(answer.text)
    assert (scene.pull(number).state, scene.pull(number).get_reviews().totalCount) == ("open", 0)


def test_what_is_merged_is_what_the_page_showed(scene: Stage) -> None:
    number = scene.pull_request()
    seen = scene.pull(number).head.sha
    scene.forge.commit(REPO, "topic", {"colour.txt": "black\n"}, "Paint it black", "ann")
    answer = press(scene, number, "bob", "squash", sha=seen)
    assert (answer.status_code, scene.pull(number).merged) == (409, False)
    assert "Head branch was modified" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Referer": "http://evil.example/127.0.0.1"}],
)
def test_a_foreign_page_cannot_press_a_button(scene: Stage, headers: dict[str, str]) -> None:
    number = scene.pull_request()
    form = {"sha": scene.pull(number).head.sha, "login": "bob", "action": "squash"}
    answer = requests.post(f"{scene.forge.url}/{REPO}/pull/{number}", data=form, headers=headers, timeout=10)
    assert (answer.status_code, scene.pull(number).merged) == (403, False)


def test_a_foreign_name_for_loopback_sees_nothing(scene: Stage) -> None:
    assert get(scene, "/", Host="evil.example").status_code == 403
    port = scene.forge.url.rpartition(":")[2]
    assert get(scene, "/", Host=f"localhost:{port}").status_code == 200


def test_what_people_write_is_never_markup(scene: Stage) -> None:
    evil = '<script>alert(1)</script><!-- hidden --> [x](javascript:alert(1)) ![i](http://x/y) "><b>'
    scene.forge.commit(REPO, "topic", {"<b>.txt": "<i>\n"}, "<u>subject</u>", "ann")
    number = scene.forge.open_pull_request(REPO, "topic", "master", "<s>title</s>", author="ann", body=evil)
    scene.forge.comment(REPO, number, "bob", evil)
    answer = get(scene, f"/{REPO}/pull/{number}")
    for tag in ("<script", "<s>", "<u>", "<b>", "<i>", '<img src="http', 'href="javascript', "hidden --"):
        assert tag not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_what_runs_where_and_the_labels_are_on_the_page_of_the_repository(scene: Stage) -> None:
    scene.repo().get_issue(scene.pull_request()).add_to_labels("slipway:production")
    commit = scene.forge.head(REPO, "master") or ""
    for environment in ("staging", "production", "staging"):
        deployment = scene.repo().create_deployment(commit, environment=environment, description=f"to {environment}")
    deployment.create_status("success", environment_url="https://staging.example.org", description="live on staging")
    page = get(scene, f"/{REPO}").text
    assert '<span class="badge">slipway:production</span>' in page
    assert page.count("live on staging") == 1
    assert 'href="https://staging.example.org"' in page
    assert "to production" in page


def test_the_outcome_notes_are_shown_with_their_commit(scene: Stage) -> None:
    sha = scene.forge.head(REPO, "master")
    scene.git("notes", "--ref=slipway", "add", "-m", '{"outcome": "healthy"}', str(sha))
    page = unescape(get(scene, f"/{REPO}/commit/{sha}").text)
    assert "Notes: slipway" in page
    assert '{"outcome": "healthy"}' in page
