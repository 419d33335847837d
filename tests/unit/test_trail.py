"""Each test writes a few commits down, oldest first, and reads the trail that they make."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from bot import messages
from bot.audit import OutcomeNote
from bot.catalog import parse_catalog
from bot.facts import ConfigCommit, Logged
from bot.holds import Hold
from bot.releases import Outcome, Person, Release
from bot.trail import Approval, Entry, HoldChange, Kind, hold_files, trail
from bot.trailers import parse_trailers
from tests.config_fake import CATALOG, release

OLD, NEW = release("blog", 0x3F, "Open the blog"), release("blog", 0x56)
STAGING, PRODUCTION = ("M", "staging/blog.yaml"), ("M", "production/blog.yaml")
UNAPPROVED = "unapproved: nobody who may has approved this change"


@dataclass
class Line:
    """A config branch being written; every commit is a minute after the one before."""

    found: list[Logged] = field(default_factory=list)
    holds: dict[tuple[str, str], Hold] = field(default_factory=dict)

    def commit(
        self,
        message: str,
        *changed: tuple[str, str],
        notes: tuple[OutcomeNote, ...] = (),
        brought: tuple[ConfigCommit, ...] = (),
        email: str = "paula@example.org",
    ) -> str:
        commit = one(message, len(self.found) + 1, email)
        self.found.append(Logged(commit, changed, tuple(note.line() for note in notes), brought))
        return commit.sha

    def bump(
        self,
        wanted: Release,
        environment: str = "production",
        *,
        approved_by: str = "",
        notes: tuple[OutcomeNote, ...] = (),
    ) -> str:
        message = bump_message(wanted, environment, approved_by)
        return self.commit(message, ("M", f"{environment}/{wanted.app}.yaml"), notes=notes)

    def read(self, catalog: str = CATALOG) -> tuple[Entry, ...]:
        known = parse_catalog(catalog)
        paths = {
            (app.name, place.name): app.manifest_paths(place) for place in known.environments for app in known.apps
        }
        return trail(tuple(reversed(self.found)), known, paths, self.holds)

    def newest(self) -> Entry:
        return self.read()[0]


def one(message: str, number: int, email: str = "paula@example.org") -> ConfigCommit:
    at = datetime(2026, 11, 20, 10, tzinfo=UTC) + timedelta(minutes=number)
    trailers = parse_trailers(message)
    return ConfigCommit(
        f"{number:02x}" * 20, (), "Paula", email, "GitHub", f"{at:%Y-%m-%dT%H:%M:%SZ}", message, trailers
    )


def bump_message(wanted: Release, environment: str, approved_by: str = "") -> str:
    approvers = [approved_by] if approved_by else []
    body = messages.commit_body(wanted, environment, previous_image=OLD.image, approved_by=approvers)
    return f"{messages.subject(wanted.app, wanted.sha, environment)}\n\n{body}"


def note(
    outcome: Outcome = Outcome.HEALTHY,
    *,
    by: tuple[str, ...] = (),
    reason: str = "",
    environment: str = "production",
    app: str = "blog",
) -> OutcomeNote:
    return OutcomeNote(app, environment, "image", outcome, "2026-11-20T10:05:00Z", 12.0, by, reason)


def test_a_promotion_tells_who_merged_who_approved_and_how_it_ended() -> None:
    line = Line()
    line.bump(NEW, approved_by="abel", notes=(note(by=("abel",)),))
    entry = line.newest()
    assert (entry.kind, entry.app, entry.environment, entry.by) == (Kind.RELEASE, "blog", "production", "dora")
    assert (entry.title, entry.previous_image) == ("Add a search box", OLD.image)
    assert entry.release is not None
    assert (entry.release.id, entry.release.merge.pull_request) == (NEW.id, 0x56)
    assert (entry.approval, entry.approved_by) == (Approval.APPROVED, ("abel",))
    assert (entry.ended, entry.healthy) == (note(by=("abel",)), note(by=("abel",)))


def test_a_promotion_that_somebody_asked_for_tells_what_it_skipped() -> None:
    line = Line()
    asked = "Skipped: staging, preview\nRequested-by: @abel\n"
    line.commit(f"{bump_message(NEW, 'production')}{asked}", PRODUCTION)
    entry = line.newest()
    assert (entry.by, entry.requested_by, entry.skipped) == ("dora", "abel", ("staging", "preview"))


def test_a_merge_commit_is_told_by_the_promotion_that_it_brought() -> None:
    line = Line()
    brought = (one(bump_message(NEW, "production"), 99),)
    line.commit("Merge pull request #9", PRODUCTION, brought=brought, notes=(note(by=("paula",)),))
    entry = line.newest()
    assert (entry.kind, entry.by, entry.approved_by) == (Kind.RELEASE, "dora", ("paula",))
    assert entry.commit.subject == "Merge pull request #9"


def test_a_merge_that_left_the_manifest_as_it_was_brought_no_release() -> None:
    line = Line()
    line.commit("Merge", ("M", "README.md"), brought=(one(bump_message(NEW, "production"), 99),))
    assert line.read() == ()


def test_a_person_s_commit_is_about_the_apps_whose_manifests_it_changes() -> None:
    line = Line()
    line.commit("More pods", PRODUCTION, ("A", "staging/shop.yaml"), ("M", "README.md"))
    assert {(entry.kind, entry.app, entry.environment) for entry in line.read()} == {
        (Kind.EDIT, "blog", "production"),
        (Kind.EDIT, "shop", "staging"),
    }


def test_what_lies_below_an_app_s_folder_is_the_app_s() -> None:
    line = Line()
    line.commit("More", ("M", "blog/production/parts/web.yaml"), ("M", "blog/productions/web.yaml"))
    catalog = CATALOG.replace("image: registry.example.com/blog", "image: b/blog, manifests: '{app}/{environment}'")
    assert [(entry.app, entry.environment) for entry in line.read(catalog)] == [("blog", "production")]


def test_a_shared_file_belongs_to_its_environment_alone() -> None:
    line = Line()
    line.commit("Another host name", ("M", "ingress/main.yaml"))
    catalog = CATALOG.replace("gate: pull-request", "gate: pull-request, shared: [ingress]")
    (entry,) = line.read(catalog)
    assert (entry.kind, entry.app, entry.environment, entry.by) == (Kind.EDIT, None, "production", "Paula")
    line.commit("One more", ("M", "ingress/main.yaml"), notes=(note(Outcome.FAILED, app="", reason="no room"),))
    again, first = line.read(catalog)
    assert again.ended is not None
    assert (first.approval, again.approval) == (Approval.NOT_NEEDED, Approval.UNAPPROVED)


def test_a_person_is_named_by_login_where_the_address_tells_it() -> None:
    line = Line()
    line.commit("More pods", STAGING, email="8+paula@users.noreply.github.com")
    assert line.newest().by == "paula"
    line.commit("More pods\n\nRequested-by: @abel", STAGING)
    assert line.newest().by == "abel"


def test_another_app_of_the_same_file_is_told_of_where_it_was_applied_too() -> None:
    line = Line()
    catalog = CATALOG.replace("image: registry.example.com/shop", "image: s/shop, manifests: '{environment}/blog.yaml'")
    line.bump(NEW, "staging", notes=(note(environment="staging"), note(environment="staging", app="shop")))
    line.bump(OLD, "staging")
    assert [(entry.kind, entry.app) for entry in line.read(catalog)] == [
        (Kind.RELEASE, "blog"),
        (Kind.SHARED, "shop"),
        (Kind.RELEASE, "blog"),
    ]


def test_trailers_speak_for_an_app_that_the_catalog_has_forgotten() -> None:
    line = Line()
    line.bump(release("gone", 1), "staging")
    assert (line.newest().app, line.newest().kind) == ("gone", Kind.RELEASE)


def test_a_change_of_the_catalog_is_on_the_trail() -> None:
    line = Line()
    line.commit("Let anybody approve", ("M", "slipway.yaml"))
    entry = line.newest()
    assert (entry.kind, entry.app, entry.environment, entry.title) == (Kind.CATALOG, None, None, "Let anybody approve")


# ---------------------------------------------------------------- approval


def test_the_note_s_word_on_approval_counts_not_the_trailer_s() -> None:
    line = Line()
    line.bump(OLD, approved_by="abel", notes=(note(by=("abel",)),))
    line.bump(NEW, approved_by="boss", notes=(note(reason=UNAPPROVED),))
    entry = line.newest()
    assert (entry.approval, entry.approved_by) == (Approval.UNAPPROVED, ())
    assert entry.went_round_the_gate


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ((note(reason=UNAPPROVED),), Approval.UNAPPROVED),
        ((note(Outcome.FAILED, reason="no room"),), Approval.UNAPPROVED),
        ((note(Outcome.UNKNOWN),), Approval.UNAPPROVED),
        ((note(by=("abel",)),), Approval.APPROVED),
        ((note(Outcome.FAILED, by=("abel",)),), Approval.APPROVED),
        ((note(),), Approval.NOT_NEEDED),
        ((), Approval.NOT_RECORDED),
    ],
)
def test_a_hand_edit_of_a_gated_place(notes: tuple[OutcomeNote, ...], expected: Approval) -> None:
    line = Line()
    line.bump(OLD, approved_by="abel")
    line.commit("More pods", PRODUCTION, notes=notes)
    assert line.newest().approval is expected


def test_what_comes_before_the_first_release_needs_no_approval() -> None:
    line = Line()
    line.commit("Describe the blog", ("A", "production/blog.yaml"))
    assert line.newest().approval is Approval.NOT_NEEDED


def test_an_environment_without_a_gate_needs_no_approval() -> None:
    line = Line()
    line.bump(OLD, "staging")
    line.commit("More pods", STAGING, notes=(note(Outcome.FAILED, environment="staging"),))
    assert [entry.approval for entry in line.read()] == [Approval.NOT_NEEDED] * 2


# ---------------------------------------------------------------- going back


def rollback_message(reverted: str) -> str:
    message = bump_message(OLD, "production").replace("/production\n", f"/production/rollback/{reverted[:12]}\n")
    return f"{message}Reverts: {reverted}\nReason: The rollout on production failed.\nRequested-by: @abel\n"


def test_a_rollback_tells_why_what_and_by_whom() -> None:
    line = Line()
    bad = line.bump(NEW, approved_by="abel")
    back = line.commit(rollback_message(bad), PRODUCTION, ("A", ".slipway/holds/production/blog.yaml"))
    rolled, broken = line.read()
    assert (rolled.kind, rolled.by, rolled.reason) == (Kind.ROLLBACK, "abel", "The rollout on production failed.")
    assert (rolled.reverts, rolled.hold, rolled.approval) == ((bad,), HoldChange.SET, Approval.NOT_NEEDED)
    assert rolled.release is not None
    assert rolled.release.sha == OLD.sha
    assert broken.reverted_by == back


@pytest.mark.parametrize(
    "message",
    [
        'Revert "blog: 5656565 to production"\n\nThis reverts commit {}.',
        "Back to the old one\n\nThis reverts commit {:.10}, which was bad.",
        'Revert "blog: 5656565 to production" (#12)\n\nReverts acme/config#11',
        "Away with it\n\nReverts: {}",
    ],
)
def test_a_person_s_revert_names_what_it_undoes_in_any_of_git_s_and_github_s_ways(message: str) -> None:
    line = Line()
    line.bump(OLD, approved_by="abel")
    bad = line.bump(NEW, approved_by="abel")
    back = line.commit(message.format(bad), PRODUCTION)
    reverted, broken, _ = line.read()
    assert (reverted.kind, reverted.reverts, broken.reverted_by) == (Kind.REVERT, (bad,), back)
    assert reverted.previous_image == NEW.image
    assert reverted.release is not None
    assert (reverted.release.id, reverted.image) == (OLD.id, OLD.image)


def test_a_revert_that_came_by_a_merge_counts_at_the_merge() -> None:
    line = Line()
    bad = line.bump(NEW)
    brought = (one(f'Revert "x"\n\nThis reverts commit {bad}.', 99),)
    merge = line.commit("Merge pull request #13", PRODUCTION, brought=brought)
    assert [(entry.kind, entry.reverted_by) for entry in line.read()] == [(Kind.REVERT, None), (Kind.RELEASE, merge)]


def test_a_revert_of_what_a_merge_brought_is_a_revert_of_the_merge() -> None:
    line = Line()
    brought = one(bump_message(NEW, "production"), 99)
    merge = line.commit("Merge pull request #9", PRODUCTION, brought=(brought,))
    line.commit(f"Undo\n\nThis reverts commit {brought.sha}.", PRODUCTION)
    assert line.newest().reverts == (merge,)


def test_a_revert_in_one_place_leaves_the_others_as_they_are() -> None:
    line = Line()
    both = line.commit("More pods", STAGING, PRODUCTION)
    back = line.commit(f"Fewer\n\nThis reverts commit {both}.", PRODUCTION)
    undone = {entry.environment: entry.reverted_by for entry in line.read() if entry.commit.sha == both}
    assert undone == {"staging": None, "production": back}


def test_a_merge_that_slipway_took_back_went_round_the_gate() -> None:
    line = Line()
    line.bump(OLD, approved_by="abel")
    merge = line.bump(NEW, notes=(note(Outcome.SUPERSEDED, reason="unapproved: reverted in 3, and not applied"),))
    trailers = f"Slipway-Id: {NEW.id}/production/unapproved/{merge[:12]}\nApp: blog\nEnvironment: production\n"
    line.commit(f"Revert blog\n\n{trailers}Reverts: {merge}\nReason: @paula merged #9", PRODUCTION)
    taken, merged, _ = line.read()
    assert (taken.kind, taken.reason, taken.approval) == (Kind.TAKEN_BACK, "@paula merged #9", Approval.NOT_NEEDED)
    assert merged.went_round_the_gate


# ---------------------------------------------------------------- holds

PATH = ".slipway/holds/production/blog.yaml"


def test_a_hold_tells_who_and_why_and_so_does_its_end() -> None:
    line = Line()
    trailers = "Slipway-Id: blog/production/hold/1\nApp: blog\nEnvironment: production\nReason: Wait"
    held = line.commit(f"blog: hold production\n\n{trailers}", ("A", PATH))
    line.commit("Go on", ("D", PATH), email=Person("abel").email)
    line.holds[held, PATH] = Hold("Wait for the logo", "dora")
    lifted, hold = line.read()
    assert (hold.kind, hold.by, hold.reason, hold.hold) == (Kind.HOLD, "dora", "Wait for the logo", HoldChange.SET)
    assert (lifted.kind, lifted.by, lifted.hold) == (Kind.RESUME, "abel", HoldChange.LIFTED)


def test_a_hold_that_cannot_be_read_is_a_hold_by_its_author() -> None:
    line = Line()
    line.commit("Hold", ("A", PATH))
    assert (line.newest().kind, line.newest().by, line.newest().reason) == (Kind.HOLD, "Paula", "")


def test_the_hold_files_to_be_read_are_those_that_were_written() -> None:
    line = Line()
    written = line.commit("Hold", ("A", PATH), ("M", "staging/blog.yaml"))
    line.commit("Lift", ("D", PATH))
    assert list(hold_files(line.found)) == [(written, PATH)]
