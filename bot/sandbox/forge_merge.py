"""Whether a pull request can be merged, and merging it: merge, squash, rebase, as GitHub does each.

Called with ``Store.lock`` held. The base branch moves by compare-and-swap, since pushes come in beside it.
"""

from datetime import UTC, datetime

from bot.sandbox.forge_git import ZERO, Signature
from bot.sandbox.forge_pulls import mark_merged, verdicts
from bot.sandbox.forge_pushes import after_push
from bot.sandbox.forge_state import DOCS, WEB_FLOW_EMAIL, ApiError, Pull, Repo, Store, User

_DOCS = f"{DOCS}/pulls/pulls#merge-a-pull-request"
_METHOD_NAMES = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}


def mergeability(store: Store, repo: Repo, pull: Pull) -> tuple[bool | None, str]:
    """GitHub's ``mergeable`` and ``mergeable_state``.

    GitHub works this out in the background and answers null until it knows; here the first question after
    any change of base or head is answered with null, and the next one with the answer.
    """
    base = repo.git.ref(f"refs/heads/{pull.base_ref}")
    if pull.state == "closed" or not base:
        return None, "unknown"
    known = pull.mergeable
    if known is None or known[:2] != (base, pull.head_sha):
        pull.mergeable = (base, pull.head_sha, _try_merge(repo, pull, base))
        return None, "unknown"
    if not known[2]:
        return False, "dirty"
    return True, _state(store, repo, pull, base)


def _try_merge(repo: Repo, pull: Pull, base: str) -> bool:
    """GitHub keeps the test merge as ``refs/pull/N/merge`` and shows it as ``merge_commit_sha``."""
    tree = repo.git.merge_tree(base, pull.head_sha)
    if tree:
        test = repo.git.commit_tree(
            tree, [base, pull.head_sha], f"Merge {pull.head_sha} into {base}", _github(), _github()
        )
        name = f"refs/pull/{pull.number}/merge"
        repo.git.update_ref(name, test, repo.git.ref(name) or ZERO)
        pull.merge_commit_sha = test
    return tree is not None


def _state(store: Store, repo: Repo, pull: Pull, base: str) -> str:
    if pull.draft:
        return "draft"
    if _protection_refusal(store, repo, pull, base):
        return "behind" if _is_behind(repo, pull, base) else "blocked"
    has_statuses = bool(repo.latest_statuses(pull.head_sha))
    return "unstable" if has_statuses and repo.combined_state(pull.head_sha) != "success" else "clean"


def _is_behind(repo: Repo, pull: Pull, base: str) -> bool:
    protection = repo.protections.get(pull.base_ref)
    return bool(protection and protection.strict and not repo.git.is_ancestor(base, pull.head_sha))


def _protection_refusal(store: Store, repo: Repo, pull: Pull, base: str) -> str | None:
    """Why the branch's protection forbids the merge, in GitHub's words, or None."""
    protection = repo.protections.get(pull.base_ref)
    if protection is None:
        return None
    states = list(verdicts(store, repo, pull).values())
    if "CHANGES_REQUESTED" in states:
        return "Changes have been requested."
    if states.count("APPROVED") < protection.approvals:
        return f"At least {protection.approvals} approving review is required by reviewers with write access."
    return "Head branch is out of date with the base branch." if _is_behind(repo, pull, base) else None


def merge_pull(
    store: Store,
    repo: Repo,
    pull: Pull,
    actor: User,
    *,
    method: str = "merge",
    title: str | None = None,
    message: str | None = None,
    sha: str | None = None,
) -> str:
    """Merge and return the base's new tip.

    Raises:
        ApiError: 405 when it may not be merged (like that), 409 when the head is not ``sha``.
    """
    base = repo.git.ref(f"refs/heads/{pull.base_ref}")
    if pull.state == "closed" or base is None:
        raise _not_allowed("Pull Request is not mergeable")
    if sha is not None and sha != pull.head_sha:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.", docs=_DOCS)
    _check_allowed(store, repo, pull, method, base)
    match method:
        case "squash":
            new = _squash(repo, pull, base, title, message)
        case "rebase":
            new = _rebase(repo, pull, base, actor)
        case _:
            new = _merge(repo, pull, base, actor, title, message)
    if new is None:
        raise _not_allowed("Pull Request is not mergeable")
    if not repo.git.update_ref(f"refs/heads/{pull.base_ref}", new, base):
        raise _not_allowed("Base branch was modified. Review and try the merge again.")
    _record(store, repo, pull, actor, base, new)
    return new


def _check_allowed(store: Store, repo: Repo, pull: Pull, method: str, base: str) -> None:
    if method not in repo.merge_methods:
        raise _not_allowed(f"{_METHOD_NAMES[method]} are not allowed on this repository.")
    if pull.draft:
        raise _not_allowed("Pull Request is still a draft")
    if refusal := _protection_refusal(store, repo, pull, base):
        raise _not_allowed(refusal)


def _not_allowed(message: str) -> ApiError:
    return ApiError(405, message, docs=_DOCS)


def _record(store: Store, repo: Repo, pull: Pull, actor: User, base: str, new: str) -> None:
    pull.landed = tuple(repo.git.rev_list("--first-parent", f"{base}..{new}"))
    pull.base_sha = base
    mark_merged(store, repo, pull, actor, new)
    after_push(store, repo, [(f"refs/heads/{pull.base_ref}", base, new)], actor)
    head_ref = f"refs/heads/{pull.head_ref}"
    if repo.delete_branch_on_merge and repo.git.update_ref(head_ref, ZERO, pull.head_sha):
        after_push(store, repo, [(head_ref, pull.head_sha, ZERO)], actor)


def _squash(repo: Repo, pull: Pull, base: str, title: str | None, message: str | None) -> str | None:
    """One commit, authored by the pull request's author.

    GitHub's defaults (COMMIT_OR_PR_TITLE, COMMIT_MESSAGES): one commit gives its own subject and body,
    several give the pull request's title and a list of their messages; the title gets " (#N)".
    """
    commits = repo.git.commits(repo.git.between(base, pull.head_sha))
    only = commits[0] if len(commits) == 1 else None
    if title is None:
        title = f"{only.subject if only else pull.title} (#{pull.number})"
    if message is None:
        listed = "\n\n".join(f"* {commit.message}" for commit in commits)
        message = only.body if only else listed
    tree = repo.git.merge_tree(base, pull.head_sha)
    text = f"{title}\n\n{message}".rstrip() + "\n"
    return tree and repo.git.commit_tree(tree, [base], text, pull.author.signature(), _github())


def _merge(repo: Repo, pull: Pull, base: str, actor: User, title: str | None, message: str | None) -> str | None:
    if title is None:
        title = f"Merge pull request #{pull.number} from {repo.owner.login}/{pull.head_ref}"
    text = f"{title}\n\n{pull.title if message is None else message}".rstrip() + "\n"
    tree = repo.git.merge_tree(base, pull.head_sha)
    return tree and repo.git.commit_tree(tree, [base, pull.head_sha], text, actor.signature(), _github())


def _rebase(repo: Repo, pull: Pull, base: str, actor: User) -> str | None:
    """Every commit anew on top of the base, with its author kept; merges cannot be rebased."""
    tip: str | None = base
    for commit in repo.git.commits(repo.git.between(base, pull.head_sha)):
        if tip is None or len(commit.parents) != 1:
            return None
        tip = repo.git.replay(commit, tip, actor.signature())
    return tip


def _github() -> Signature:
    return Signature("GitHub", WEB_FLOW_EMAIL, datetime.now(UTC))
