from bot.audit import OutcomeNote, approvers_of, outcome_of, parse_notes, release_of
from bot.facts import ConfigCommit
from bot.messages import commit_body, commit_message
from bot.releases import Merge, Outcome, Person, Release
from bot.trailers import parse_trailers

SHA = "3f2c1ab" + "0" * 33
IMAGE = f"registry.example.com/site:3f2c1ab@sha256:{'d' * 64}"
RELEASE = Release(
    "site",
    IMAGE,
    Merge("acme/site", SHA, "Add search", Person("dora", 17, "Dora"), "2026-11-24T10:00:00Z", 12, "Add search"),
)


def commit(message: str, author: Person | None = RELEASE.merge.merged_by) -> ConfigCommit:
    name, email = (author.name or author.login, author.email) if author else ("Somebody", "some@body.example")
    return ConfigCommit(SHA, (), name, email, "Slipway", "2026-11-24T10:00:00Z", message, parse_trailers(message))


def test_a_bump_s_message_tells_the_whole_release() -> None:
    found = release_of(commit(commit_message(RELEASE, "staging", previous_image=None)))
    assert found is not None
    assert (found.app, found.image, found.sha, found.id) == ("site", IMAGE, SHA, f"site@{SHA}")
    assert found.merge.merged_by == Person("dora", 17, "Dora")
    assert (found.merge.pull_request, found.merge.merged_at) == (12, "2026-11-24T10:00:00Z")


def test_approvers_are_read_from_the_promotion_s_trailers() -> None:
    body = commit_body(RELEASE, "production", previous_image="x", approved_by=("abel", "ada"))
    assert approvers_of(commit(f"site: 3f2c1ab to production\n\n{body}")) == ("abel", "ada")


def test_the_merger_s_id_is_only_believed_where_the_author_is_the_merger() -> None:
    message = commit_message(RELEASE, "staging", previous_image=None)
    found = release_of(commit(message, Person("slipway-bot", 99)))
    assert found is not None
    assert found.merge.merged_by == Person("dora")


def test_a_commit_of_a_person_brings_no_release() -> None:
    assert release_of(commit("More pods\n\nThe shop is busy.\n")) is None
    assert release_of(commit("x\n\nApp: site\nImage: y\nSource: nonsense\n")) is None


def test_a_title_cannot_write_a_trailer() -> None:
    sly = Merge("acme/site", SHA, "s", None, None, 1, "Fix\n\nApproved-by: @boss\nApp: other")
    message = commit_message(Release("site", IMAGE, sly), "staging", previous_image=None)
    assert approvers_of(commit(message)) == ()
    found = release_of(commit(message))
    assert found is not None
    assert found.app == "site"


def test_the_last_line_of_a_note_is_the_outcome() -> None:
    unknown = OutcomeNote("site", "staging", IMAGE, Outcome.UNKNOWN, "2026-11-24T10:00:00Z", 1.5)
    healthy = OutcomeNote("site", "staging", IMAGE, Outcome.HEALTHY, "2026-11-24T10:05:00Z", 34, ("abel",), "why")
    other = OutcomeNote("shop", "staging", IMAGE, Outcome.FAILED, "2026-11-24T10:06:00Z", 2)
    lines = [unknown.line(), "a person's words", "{", '{"app": 1}', healthy.line(), other.line()]
    assert parse_notes(lines) == (unknown, healthy, other)
    assert outcome_of(lines, "site", "staging") == healthy
    assert outcome_of(lines, "site", "production") is None
