"""A config repo with a history in which everything happened once, made with plain git: what an auditor clones."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot import messages
from bot.audit import OutcomeNote
from bot.holds import Hold, render_hold
from bot.releases import Outcome, Person, Release
from tests.config_fake import CATALOG, MANIFEST, release
from tests.git_stage import HERMETIC

PAULA = Person("paula", 8, "Paula Patch")
DORA = Person("dora", 17, "Dora")
BOT = "Slipway <41+slipway[bot]@users.noreply.github.com>"
OLD, NEW, NEXT = release("blog", 0x3F, "Open the blog"), release("blog", 0x56), release("blog", 0x72, "Sort by date")
SHOP = release("shop", 0x71, "Sort by price")
CRASH = "The pods did not become ready: CrashLoopBackOff."
UNAPPROVED = "unapproved: nobody who may has approved this change"
HOLD_FILE = ".slipway/holds/production/{}.yaml"


def at(time: str) -> str:
    """``20 10:01`` as RFC 3339, in November 2026."""
    day, hour = time.split()
    return f"2026-11-{day}T{hour}:00Z"


@dataclass
class AuditRepo:
    """A repository with a work tree."""

    folder: Path

    def git(self, *arguments: str, stdin: str | None = None) -> str:
        """Git in the repository."""
        command = ["git", "-C", str(self.folder), *arguments]
        done = subprocess.run(command, env=HERMETIC, input=stdin, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(
        self,
        time: str,
        files: Mapping[str, str | None],
        message: str,
        author: Person = PAULA,
        *,
        branch: str = "main",
        merge: str | None = None,
    ) -> str:
        """A commit at that time; the committer is always the bot's or GitHub's machine. None deletes a file."""
        seconds = int(datetime.fromisoformat(at(time)).timestamp())
        parent = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        parent = parent or self.git("for-each-ref", "--format=%(objectname)", "refs/heads/main")
        stream = f"commit refs/heads/{branch}\nauthor {author.name or author.login} <{author.email}> {seconds} +0000\n"
        stream += f"committer {BOT} {seconds} +0000\ndata {len(message.encode())}\n{message}\n"
        stream += f"from {parent}\n" if parent else ""
        stream += f"merge {merge}\n" if merge else ""
        for path, text in files.items():
            stream += f"D {path}\n" if text is None else f"M 644 inline {path}\ndata {len(text.encode())}\n{text}\n"
        self.git("fast-import", "--quiet", "--force", stdin=stream)
        return self.git("rev-parse", branch)

    def bump(
        self, time: str, wanted: Release, environment: str, before: Release | None = None, approved_by: str = ""
    ) -> str:
        """A release enters, by a bump or by a promotion that Slipway merged."""
        approvers = [approved_by] if approved_by else []
        body = messages.commit_body(
            wanted, environment, previous_image=before.image if before else None, approved_by=approvers
        )
        message = f"{messages.subject(wanted.app, wanted.sha, environment)}\n\n{body}"
        return self.commit(time, manifest(wanted, environment), message, DORA)

    def note(
        self,
        time: str,
        commit: str,
        app: str,
        environment: str,
        outcome: Outcome = Outcome.HEALTHY,
        *,
        approved_by: str = "",
        reason: str = "",
    ) -> None:
        """How a sync of the commit ended."""
        approvers = (approved_by,) if approved_by else ()
        note = OutcomeNote(app, environment, "image", outcome, at(time), 34.0, approvers, reason)
        self.git("notes", "--ref=slipway", "append", "-m", note.line(), commit)

    def clone(self, folder: Path, *options: str, notes: bool = True) -> Path:
        """A clone as an auditor makes it, with the line that the manual gives for the notes."""
        subprocess.run(
            ["git", "clone", "--quiet", *options, self.folder.as_uri(), str(folder)], env=HERMETIC, check=True
        )
        if notes:
            fetch = ["git", "-C", str(folder), "fetch", "--quiet", "origin", "refs/notes/slipway:refs/notes/slipway"]
            subprocess.run(fetch, env=HERMETIC, check=True)
        return folder


def manifest(wanted: Release, environment: str) -> dict[str, str | None]:
    """The app's file with the release's image."""
    return {f"{environment}/{wanted.app}.yaml": MANIFEST.format(app=wanted.app, image=wanted.image)}


def begin(folder: Path) -> AuditRepo:
    """A repository with a catalog, two apps that wait for their first release, and nothing else."""
    folder.mkdir(parents=True)
    repo = AuditRepo(folder)
    repo.git("init", "--quiet", "--initial-branch=main")
    image = "registry.example.com/{}:${{TAG_TO_DEPLOY}}"
    files = {
        f"{environment}/{app}.yaml": MANIFEST.format(app=app, image=image.format(app))
        for environment in ("staging", "production")
        for app in ("blog", "shop")
    }
    repo.commit("20 08:00", {"slipway.yaml": CATALOG, **files}, "Describe our sites")
    return repo


def everything(folder: Path) -> AuditRepo:
    """A history in which everything happens once."""
    repo = begin(folder)
    _first_release(repo)
    _failed_release(repo)
    _hand_edit(repo)
    _hold(repo)
    _merged_by_a_person(repo)
    limits = CATALOG.replace("gate: pull-request", "gate: pull-request, approvals: 2")
    repo.commit("21 14:00", {"slipway.yaml": limits}, "Ask for two approvals")
    repo.git("reset", "--quiet", "--hard")
    return repo


def _first_release(repo: AuditRepo) -> None:
    staged = repo.bump("20 10:01", OLD, "staging")
    repo.note("20 10:02", staged, "blog", "staging")
    live = repo.bump("20 10:20", OLD, "production", approved_by="abel")
    repo.note("20 10:21", live, "blog", "production", approved_by="abel")


def _failed_release(repo: AuditRepo) -> None:
    staged = repo.bump("20 10:30", NEW, "staging", OLD)
    repo.note("20 10:31", staged, "blog", "staging")
    broken = repo.bump("20 10:40", NEW, "production", OLD, approved_by="abel")
    repo.note("20 10:46", broken, "blog", "production", Outcome.FAILED, approved_by="abel", reason=CRASH)
    trailers = [
        f"Slipway-Id: {OLD.id}/production/rollback/{broken[:12]}",
        *("App: blog", "Environment: production"),
        *(f"Image: {OLD.image}", f"Previous-Image: {NEW.image}"),
        *(f"Source: {OLD.merge.source}@{OLD.sha}", f"Reverts: {broken}", f"Reason: {CRASH}"),
    ]
    hold = render_hold(Hold(CRASH, "slipway[bot]", at("20 10:47"), NEW.id))
    message = f"blog: back to {OLD.sha[:7]} on production\n\n" + "\n".join(trailers) + "\n"
    files = {**manifest(OLD, "production"), HOLD_FILE.format("blog"): hold}
    back = repo.commit("20 10:47", files, message, Person("slipway[bot]", 41, "Slipway"))
    repo.note("20 10:48", back, "blog", "production")


def _hand_edit(repo: AuditRepo) -> None:
    path = "production/blog.yaml"
    text = MANIFEST.format(app="blog", image=OLD.image)
    edited = repo.commit("20 11:00", {path: f"{text}# more pods\n"}, "More pods")
    repo.note("20 11:01", edited, "blog", "production", reason=UNAPPROVED)
    undo = f'Revert "More pods"\n\nThis reverts commit {edited}.\n'
    reverted = repo.commit("20 11:30", {path: text}, undo, DORA)
    repo.note("20 11:31", reverted, "blog", "production", approved_by="abel")


def _hold(repo: AuditRepo) -> None:
    hold = render_hold(Hold("Wait for the new logo", "dora", at("20 12:00")))
    repo.commit("20 12:00", {HOLD_FILE.format("shop"): hold}, "shop: hold production", DORA)
    repo.commit("20 12:30", {HOLD_FILE.format("shop"): None}, "shop: resume production", DORA)
    staged = repo.bump("20 12:40", SHOP, "staging")
    repo.note("20 12:50", staged, "shop", "staging", Outcome.UNKNOWN, reason="The cluster staging does not answer.")


def _merged_by_a_person(repo: AuditRepo) -> None:
    """A promotion that somebody merged with GitHub's merge commit: the trailers are in what it brought."""
    branch = "slipway/production/blog"
    message = messages.commit_message(NEXT, "production", previous_image=OLD.image)
    promoted = repo.commit("21 13:00", manifest(NEXT, "production"), message, DORA, branch=branch)
    subject = f"Merge pull request #9 from acme/{branch}\n\nblog: {NEXT.sha[:7]} to production\n"
    lifted = {**manifest(NEXT, "production"), HOLD_FILE.format("blog"): None}
    merged = repo.commit("21 13:10", lifted, subject, PAULA, merge=promoted)
    repo.git("branch", "--quiet", "-D", branch)
    repo.note("21 13:11", merged, "blog", "production", approved_by="paula")
