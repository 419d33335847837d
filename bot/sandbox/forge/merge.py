"""Whether a pull request can be merged, and merging it: merge, squash, rebase, as GitHub does each.

Called with ``Store.lock`` held. The base branch moves by compare-and-swap, since pushes come in beside it.
"""

from datetime import UTC, datetime

from bot.sandbox.forge.errors import DOCS, ApiError
from bot.sandbox.forge.git import ZERO, Signature
from bot.sandbox.forge.pulls import mark_merged, open_pull, verdicts
from bot.sandbox.forge.pushes import after_push
from bot.sandbox.forge.records import WEB_FLOW_EMAIL, Pull, User

_DOCS = f"{DOCS}/pulls/pulls#merge-a-pull-request"
_METHOD_NAMES = {"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}


def mergeability(pull: Pull) -> tuple[bool | None, str]:
    """GitHub's ``mergeable`` and ``mergeable_state``.

    GitHub works this out in the background and answers null until it knows; here the first question after
    any change of base or head is answered with null, and the next one with the answer.
    """
    base = pull.repo.git.ref(f"refs/heads/{pull.base_ref}")
    if pull.state == "closed" or not base:
        return None, "unknown"
    known = pull.mergeable
    if known is None or known[:2] != (base, pull.head_sha):
        pull.mergeable = (base, pull.head_sha, _try_merge(pull, base))
        return None, "unknown"
    if not known[2]:
        return False, "dirty"
    return True, _state(pull, base)


def _try_merge(pull: Pull, base: str) -> bool:
    """GitHub keeps the test merge as ``refs/pull/N/merge`` and shows it as ``merge_commit_sha``."""
    tree = pull.repo.git.merge_tree(base, pull.head_sha)
    if tree:
        test = pull.repo.git.commit_tree(
            tree, [base, pull.head_sha], f"Merge {pull.head_sha} into {base}", _github(), _github()
        )
        name = f"refs/pull/{pull.number}/merge"
        pull.repo.git.update_ref(name, test, pull.repo.git.ref(name) or ZERO)
        pull.merge_commit_sha = test
    return tree is not None


def _state(pull: Pull, base: str) -> str:
    if pull.draft:
        return "draft"
    if _protection_refusal(pull, base):
        return "behind" if _is_behind(pull, base) else "blocked"
    has_statuses = bool(pull.repo.latest_statuses(pull.head_sha))
    return "unstable" if has_statuses and pull.repo.combined_state(pull.head_sha) != "success" else "clean"


def _is_behind(pull: Pull, base: str) -> bool:
    protection = pull.repo.protections.get(pull.base_ref)
    return bool(protection and protection.strict and not pull.repo.git.is_ancestor(base, pull.head_sha))


def _protection_refusal(pull: Pull, base: str) -> str | None:
    """Why the branch's protection forbids the merge, in GitHub's words, or None."""
    protection = pull.repo.protections.get(pull.base_ref)
    if protection is None:
        return None
    states = list(verdicts(pull).values())
    if "CHANGES_REQUESTED" in states:
        return "Changes have been requested."
    if states.count("APPROVED") < protection.approvals:
        return f"At least {protection.approvals} approving review is required by reviewers with write access."
    return "Head branch is out of date with the base branch." if _is_behind(pull, base) else None


def merge_pull(
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
    base = pull.repo.git.ref(f"refs/heads/{pull.base_ref}")
    if pull.state == "closed" or base is None:
        raise _not_allowed("Pull Request is not mergeable")
    if sha is not None and sha != pull.head_sha:
        raise ApiError(409, "Head branch was modified. Review and try the merge again.", docs=_DOCS)
    _check_allowed(pull, method, base)
    match method:
        case "squash":
            new = _squash(pull, base, title, message)
        case "rebase":
            new = _rebase(pull, base, actor)
        case _:
            new = _merge(pull, base, actor, title, message)
    if new is None:
        raise _not_allowed("Pull Request is not mergeable")
    if not pull.repo.git.update_ref(f"refs/heads/{pull.base_ref}", new, base):
        raise _not_allowed("Base branch was modified. Review and try the merge again.")
    _record(pull, actor, base, new)
    return new


def _check_allowed(pull: Pull, method: str, base: str) -> None:
    if method not in pull.repo.merge_methods:
        raise _not_allowed(f"{_METHOD_NAMES[method]} are not allowed on this repository.")
    if pull.draft:
        raise _not_allowed("Pull Request is still a draft")
    if refusal := _protection_refusal(pull, base):
        raise _not_allowed(refusal)


def _not_allowed(message: str) -> ApiError:
    return ApiError(405, message, docs=_DOCS)


def _record(pull: Pull, actor: User, base: str, new: str) -> None:
    pull.landed = tuple(pull.repo.git.rev_list("--first-parent", f"{base}..{new}"))
    pull.base_sha = base
    mark_merged(pull, actor, new)
    after_push(pull.repo, [(f"refs/heads/{pull.base_ref}", base, new)], actor)
    head_ref = f"refs/heads/{pull.head_ref}"
    if pull.repo.delete_branch_on_merge and pull.repo.git.update_ref(head_ref, ZERO, pull.head_sha):
        after_push(pull.repo, [(head_ref, pull.head_sha, ZERO)], actor)


def _squash(pull: Pull, base: str, title: str | None, message: str | None) -> str | None:
    """One commit, authored by the pull request's author.

    GitHub's defaults (COMMIT_OR_PR_TITLE, COMMIT_MESSAGES): one commit gives its own subject and body,
    several give the pull request's title and a list of their messages; the title gets " (#N)".
    """
    commits = pull.repo.git.commits(pull.repo.git.between(base, pull.head_sha))
    only = commits[0] if len(commits) == 1 else None
    if title is None:
        title = f"{only.subject if only else pull.title} (#{pull.number})"
    if message is None:
        listed = "\n\n".join(f"* {commit.message}" for commit in commits)
        message = only.body if only else listed
    tree = pull.repo.git.merge_tree(base, pull.head_sha)
    text = f"{title}\n\n{message}".rstrip() + "\n"
    return tree and pull.repo.git.commit_tree(tree, [base], text, pull.author.signature(), _github())


def _merge(pull: Pull, base: str, actor: User, title: str | None, message: str | None) -> str | None:
    if title is None:
        title = f"Merge pull request #{pull.number} from {pull.repo.owner.login}/{pull.head_ref}"
    text = f"{title}\n\n{pull.title if message is None else message}".rstrip() + "\n"
    tree = pull.repo.git.merge_tree(base, pull.head_sha)
    return tree and pull.repo.git.commit_tree(tree, [base, pull.head_sha], text, actor.signature(), _github())


def _rebase(pull: Pull, base: str, actor: User) -> str | None:
    """Every commit anew on top of the base, with its author kept; merges cannot be rebased."""
    tip: str | None = base
    for commit in pull.repo.git.commits(pull.repo.git.between(base, pull.head_sha)):
        if tip is None or len(commit.parents) != 1:
            return None
        tree = pull.repo.git.transplant(commit.parents[0], commit.sha, tip)
        tip = tree and pull.repo.git.commit_tree(tree, [tip], commit.message, commit.author, actor.signature())
    return tip


def revert_pull(pull: Pull, actor: User) -> Pull:
    """Press Revert: a new branch that undoes the merged change, and a pull request from it.

    Raises:
        ApiError: 422 when it was not merged, or when later changes stand in the way.
    """
    repo, merged = pull.repo, pull.merge_commit_sha
    base = repo.git.ref(f"refs/heads/{pull.base_ref}")
    if pull.merged_at is None or merged is None or base is None:
        raise ApiError(422, "Only a merged pull request can be reverted.")
    tree = repo.git.transplant(merged, pull.base_sha, base)
    if tree is None:
        raise ApiError(422, "This pull request could not be reverted: later changes conflict.")
    subject = repo.git.commit(merged).subject
    text = f'Revert "{subject}"\n\nThis reverts commit {merged}.\n'
    new = repo.git.commit_tree(tree, [base], text, actor.signature(), _github())
    branch = f"revert-{pull.number}-{pull.head_ref}"
    if not repo.git.update_ref(f"refs/heads/{branch}", new, ZERO):
        raise ApiError(422, f"The branch {branch} exists already.")
    after_push(repo, [(f"refs/heads/{branch}", ZERO, new)], actor)
    title, body = f'Revert "{pull.title}"', f"Reverts {repo.full_name}#{pull.number}"
    return open_pull(repo, actor, head=branch, base=pull.base_ref, title=title, body=body)


def _github() -> Signature:
    return Signature("GitHub", WEB_FLOW_EMAIL, datetime.now(UTC))
