"""What people read on a promotion that somebody, or time, has meddled with. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.messages import comment_marker, one_line, qualified, short


@dataclass(frozen=True, slots=True)
class About:
    """Which promotion a text is about. ``release`` is the source commit; None where the head does not tell."""

    app: str
    environment: str
    release: str | None = None

    @property
    def what(self) -> str:
        """The release as people name it."""
        return f"`{short(self.release)}`" if self.release else "this release"

    @property
    def promote(self) -> str:
        """The command that proposes the release once more."""
        release = f" --release {short(self.release)}" if self.release else ""
        return f"`python3 -m bot promote {self.app} {self.environment}{release}`"


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the config repo, as these texts name it."""

    sha: str
    subject: str
    author: str

    def told(self, repo: str) -> str:
        """``abc1234`` ("Subject", by Somebody)."""
        subject = qualified(self.subject, repo).replace("<", "&lt;")
        return f'`{short(self.sha)}` ("{subject}", by {one_line(self.author).replace("<", "&lt;")})'


_MARKER = re.compile(r"<!-- slipway-id: [^ ]+@(?P<sha>[0-9a-f]{40})/[^ ]+ -->")


def release_in(body: str) -> str | None:
    """The source commit that a promotion's page is about; None where Slipway closed it, or nobody knows."""
    found = _MARKER.search(body)
    return found["sha"] if found else None


def closed_body(body: str) -> str:
    """The page of a promotion that Slipway closed: without the line that would make it a person's no."""
    return _MARKER.sub("<!-- closed by Slipway -->", body.replace("\r\n", "\n"))


def head_marker(app: str) -> str:
    """The hidden line of the comment about a head that is not Slipway's; it is taken back once that is mended."""
    return f"<!-- slipway: {app} head -->"


def declined(about: About, *, branch_gone: bool) -> str:
    """On a promotion that a person closed."""
    how = "Its branch was deleted, which closed it" if branch_gone else "It was closed without a merge"
    again = "" if branch_gone else "reopen this pull request, or "
    return (
        f"{comment_marker(about.app)}\n\n"
        f"**Declined.** {how}, so {about.what} stays out of {about.environment}, and Slipway does not propose it "
        f"again by itself. The next release comes in a pull request of its own. To have this one after all, {again}"
        f"run {about.promote}.\n"
    )


def reopened(about: About) -> str:
    """In place of ``declined``, once the promotion is open again."""
    return f"{comment_marker(about.app)}\n\nOpen again: {about.what} waits for approval to enter {about.environment}.\n"


def gone(about: About, why: str) -> str:
    """On a promotion that Slipway closes, since there is no place for it any more."""
    return (
        f"{comment_marker(about.app)}\n\n"
        f"**Closed by Slipway.** {why} So there is nothing that this pull request could be merged for. Nothing was "
        "changed on the config branch or on a cluster.\n"
    )


def no_app(app: str) -> str:
    """Why: the app left the catalog."""
    return f"`{app}` is not among the apps of slipway.yaml any more."


def no_environment(environment: str) -> str:
    """Why: the environment left the catalog, or has another name."""
    return f"`{environment}` is not among the environments of slipway.yaml any more; it was removed or renamed."


def no_gate(environment: str) -> str:
    """Why: the environment takes commits now."""
    return f"`{environment}` is not behind a pull request any more: slipway.yaml lets releases in by commit."


def there_already(environment: str) -> str:
    """Why: what it would change is so already."""
    return f"{environment} names this very image already."


def overtaken(environment: str) -> str:
    """Why: something newer has come in meanwhile."""
    return f"{environment} runs a newer release by now."


def foreign_head(about: About, head: Commit, repo: str, *, ours: str | None, branch: str) -> str:
    """On a promotion whose branch a person pushed to; ``ours`` is the commit of Slipway's below, where it is known."""
    back = (
        f"put this branch back with `git push --force-with-lease origin {ours}:refs/heads/{branch}`"
        if ours
        else f"close this pull request, delete its branch, and run {about.promote}"
    )
    return (
        f"{head_marker(about.app)}\n\n"
        f"**Slipway does not merge this as it is.** Its head {head.told(repo)} is not Slipway's commit, so it would "
        f"put more live on {about.environment} than the release that was proposed. Nothing of that work was "
        f"overwritten.\n\n"
        f"To keep it, push it to a branch of your own and open a pull request from there. Then {back}. Approvals are "
        "needed anew.\n"
    )


def head_mended(about: About) -> str:
    """In place of ``foreign_head``, once the head is Slipway's again."""
    return (
        f"{head_marker(about.app)}\n\nThe head is Slipway's commit again: {about.what} waits for approval to enter "
        f"{about.environment}.\n"
    )


def wrong_base(about: About, base: str, config_branch: str) -> str:
    """On a promotion that was aimed at another branch."""
    return (
        f"{head_marker(about.app)}\n\n"
        f"**Slipway does not merge this as it is.** It is aimed at `{base}`; {about.environment} is what "
        f"`{config_branch}` says. Set the base back to `{config_branch}` (Edit, beside the title).\n"
    )


def rebuilt(about: About, change: Commit | None, repo: str, *, paths: Sequence[str], voided: Sequence[str]) -> str:
    """On a promotion that was made once more, since the config branch had changed in the same place."""
    where = " and ".join(f"`{path}`" for path in paths)
    were = "was" if len(paths) == 1 else "were"
    by = f", in {change.told(repo)}" if change else ""
    names = " and ".join(f"@{login}" for login in voided)
    void = f" What {names} approved is the commit before, and does not count any more." if voided else ""
    anew = "anew" if voided else "as it is now"
    return (
        f"{comment_marker(about.app)}\n\n"
        f"**This must be approved {anew}.** {where} {were} changed on the config branch "
        f"in the same place{by}, so that this could not be merged. Slipway has made its change once more, on top of "
        f"that: see what it replaces now.{void}\n"
    )


def refused_by_rules(about: About, words: str, branch: str) -> str:
    """On an approved promotion that the rules of the config branch keep from being merged."""
    return (
        f"{comment_marker(about.app)}\n\n"
        f"**Approved, and not merged: the rules of `{branch}` do not let Slipway.** GitHub says: “{one_line(words)}” "
        "Either do what the rule asks, or let Slipway's account bypass it (Settings, Rules, Bypass list; in a classic "
        'branch protection, "Allow specified actors to bypass required pull requests"). `python -m bot doctor` '
        f"names the rule. Slipway tries again by itself. What ran before keeps serving on {about.environment}.\n"
    )
