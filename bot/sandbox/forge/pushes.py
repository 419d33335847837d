"""What follows from a branch that moved, however it moved: events, and pull requests that change with it."""

from collections.abc import Sequence

from bot.sandbox.forge.events import pull_request_event, push_event
from bot.sandbox.forge.git import ZERO
from bot.sandbox.forge.pulls import close_pull, mark_merged, move_head
from bot.sandbox.forge.records import Pull, Repo, User, now

RefUpdate = tuple[str, str, str]  # ref, old, new; ZERO for "was not" and "is gone"


def after_push(repo: Repo, updates: Sequence[RefUpdate], actor: User) -> None:
    """Tell the hooks, then bring the pull requests up to date. GitHub tells of branches and tags only."""
    for ref, old, new in updates:
        if ref.startswith(("refs/heads/", "refs/tags/")):
            repo.pushed_at = now()
            push_event(repo, ref, old, new, actor)
        if ref.startswith("refs/heads/"):
            branch = ref.removeprefix("refs/heads/")
            for pull in [p for p in repo.pulls.values() if p.state == "open" and p.base_ref == branch]:
                _merged_by_push(pull, old, actor)
            for pull in [p for p in repo.pulls.values() if p.state == "open" and p.head_ref == branch]:
                _head_moved(pull, actor)


def _head_moved(pull: Pull, actor: User) -> None:
    tip = pull.repo.git.ref(f"refs/heads/{pull.head_ref}")
    if tip is None:
        close_pull(pull, actor)
    elif tip != pull.head_sha:
        before = pull.head_sha
        move_head(pull, tip)
        pull_request_event(pull, "synchronize", actor, before=before, after=tip)


def _merged_by_push(pull: Pull, old: str, actor: User) -> None:
    """A head that landed in its base counts as merged; its merge commit is where the base first had it."""
    tip = pull.repo.git.ref(f"refs/heads/{pull.base_ref}")
    if tip is None or not pull.repo.git.is_ancestor(pull.head_sha, tip):
        return
    new = pull.repo.git.rev_list("--first-parent", "--reverse", tip, *([] if old == ZERO else ["--not", old]))
    landed = next((sha for sha in new if pull.repo.git.is_ancestor(pull.head_sha, sha)), pull.head_sha)
    pull.base_sha = pull.base_sha if old == ZERO else old
    mark_merged(pull, actor, landed)
