"""The life of a pull request: opened, edited, reviewed, closed. Merging is in ``merge``.

Every function here is called with ``Store.lock`` held, checks what GitHub checks, and refuses in its words.
"""

from collections.abc import Mapping
from typing import Any

from bot.sandbox.forge.errors import DOCS, ApiError, invalid, not_found
from bot.sandbox.forge.events import comment_event, pull_request_event, review_event
from bot.sandbox.forge.git import ZERO
from bot.sandbox.forge.records import Comment, Level, Pull, Repo, Review, User, now
from bot.sandbox.forge.shapes_pulls import base_tip

_REVIEW_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}
_CREATE_DOCS = f"{DOCS}/pulls/pulls#create-a-pull-request"
_REVIEW_DOCS = f"{DOCS}/pulls/reviews#create-a-review-for-a-pull-request"


def find_pull(repo: Repo, number: int) -> Pull:
    """By number, or 404."""
    if found := repo.pulls.get(number):
        return found
    raise not_found()


def open_pull(
    repo: Repo, author: User, *, head: str, base: str, title: str, body: str | None, draft: bool = False
) -> Pull:
    """Open one. GitHub refuses a second one for the same two branches, and one without commits."""
    head_ref = _own_branch(repo, head)
    head_sha, base_sha = repo.git.ref(f"refs/heads/{head_ref}"), repo.git.ref(f"refs/heads/{base}")
    if not head_sha:
        raise invalid("PullRequest", "head")
    if not base_sha:
        raise invalid("PullRequest", "base")
    _refuse_second(repo, head_ref, base)
    if not repo.git.between(base_sha, head_sha):
        raise _refused(f"No commits between {base} and {head_ref}")
    when = now()
    pull = Pull(
        repo=repo,
        id=repo.store.next_id(),
        number=max(repo.pulls, default=0) + 1,
        author=author,
        title=title,
        body=body,
        head_ref=head_ref,
        head_sha=head_sha,
        base_ref=base,
        base_sha=base_sha,
        created_at=when,
        updated_at=when,
        draft=draft,
    )
    repo.pulls[pull.number] = pull
    repo.git.update_ref(f"refs/pull/{pull.number}/head", head_sha, ZERO)
    pull_request_event(pull, "opened", author)
    return pull


def _own_branch(repo: Repo, head: str) -> str:
    owner, colon, branch = head.rpartition(":")
    if colon and owner.lower() != repo.owner.login.lower():
        raise invalid("PullRequest", "head")
    return branch


def _refuse_second(repo: Repo, head: str, base: str) -> None:
    for other in repo.pulls.values():
        if other.state == "open" and (other.head_ref, other.base_ref) == (head, base):
            raise _refused(f"A pull request already exists for {repo.owner.login}:{head}.")


def _refused(message: str) -> ApiError:
    error = {"resource": "PullRequest", "code": "custom", "message": message}
    return ApiError(422, "Validation Failed", [error], _CREATE_DOCS)


def edit_pull(pull: Pull, actor: User, fields: Mapping[str, Any]) -> None:
    """Change title, body and base; close or reopen."""
    changes: dict[str, Any] = {}
    for name in ("title", "body"):
        if name in fields and fields[name] != getattr(pull, name):
            changes[name] = {"from": getattr(pull, name)}
            setattr(pull, name, fields[name])
    if fields.get("base", pull.base_ref) != pull.base_ref:
        changes["base"] = {"ref": {"from": pull.base_ref}, "sha": {"from": pull.base_sha}}
        _retarget(pull, fields["base"])
    if changes:
        pull.updated_at = now()
        pull_request_event(pull, "edited", actor, changes=changes)
    match fields.get("state", pull.state), pull.state:
        case "closed", "open":
            close_pull(pull, actor)
        case "open", "closed":
            _reopen(pull, actor)


def _retarget(pull: Pull, base: str) -> None:
    tip = pull.repo.git.ref(f"refs/heads/{base}")
    if not tip or pull.state == "closed":
        raise invalid("PullRequest", "base")
    _refuse_second(pull.repo, pull.head_ref, base)
    pull.base_ref, pull.base_sha = base, tip


def close_pull(pull: Pull, actor: User) -> None:
    """Close without merging."""
    pull.state, pull.closed_at, pull.closed_by = "closed", now(), actor
    pull.updated_at = pull.closed_at
    pull_request_event(pull, "closed", actor)


def mark_merged(pull: Pull, actor: User, commit: str) -> None:
    """The pull request's work is on its base now."""
    pull.state, pull.closed_at, pull.closed_by = "closed", now(), actor
    pull.merged_at, pull.merged_by, pull.merge_commit_sha = pull.closed_at, actor, commit
    pull.updated_at = pull.closed_at
    pull_request_event(pull, "closed", actor)


def _reopen(pull: Pull, actor: User) -> None:
    tip = pull.repo.git.ref(f"refs/heads/{pull.head_ref}")
    if pull.merged_at or not tip:
        why = "was already merged" if pull.merged_at else f"has lost its branch {pull.head_ref}"
        raise invalid("PullRequest", "state", "custom", f"state cannot be changed. The pull request {why}.")
    if not pull.repo.git.is_ancestor(pull.head_sha, tip):
        why = f"The {pull.head_ref} branch was force-pushed or recreated."
        raise invalid("PullRequest", "state", "custom", f"state cannot be changed. {why}")
    _refuse_second(pull.repo, pull.head_ref, pull.base_ref)
    move_head(pull, tip)
    pull.state, pull.closed_at, pull.closed_by = "open", None, None
    pull_request_event(pull, "reopened", actor)


def move_head(pull: Pull, sha: str) -> None:
    """The head branch is at another commit now. Reviews stay, on the commits they were made on."""
    pull.repo.git.update_ref(f"refs/pull/{pull.number}/head", sha, pull.head_sha)
    pull.head_sha, pull.updated_at = sha, now()
    pull.base_sha = pull.repo.git.ref(f"refs/heads/{pull.base_ref}") or pull.base_sha


# ---------------------------------------------------------------- reviews


def review_pull(pull: Pull, author: User, *, event: str | None, body: str, commit_id: str | None) -> Review:
    """Review a pull request; without an event the review is pending until ``submit_review``."""
    commit = commit_id or pull.head_sha
    if commit != pull.head_sha and commit not in pull.repo.git.between(base_tip(pull), pull.head_sha):
        raise _review_refused("commit_id is not part of the pull request")
    mine = [review for review in pull.reviews if review.author is author]
    if any(review.state == "PENDING" for review in mine):
        raise _review_refused("User can only have one pending review per pull request")
    review = Review(pull.repo.store.next_id(), author, "PENDING", body, commit, None)
    if event:
        _check_review(pull, author, event, body)
    pull.reviews.append(review)
    if event:
        submit_review(pull, review, event=event, body=body)
    return review


def _check_review(pull: Pull, author: User, event: str, body: str) -> None:
    """GitHub lets nobody approve, or request changes on, a pull request of their own."""
    if event not in _REVIEW_STATES:
        raise _review_refused(f"Variable $event of type PullRequestReviewEvent was provided invalid value {event}")
    if author is pull.author and event != "COMMENT":
        verb = "approve" if event == "APPROVE" else "request changes on"
        raise _review_refused(f"Can not {verb} your own pull request")
    if event != "APPROVE" and not body:
        raise _review_refused("Body can't be blank")


def _review_refused(message: str) -> ApiError:
    return ApiError(422, "Unprocessable Entity", [message], _REVIEW_DOCS)


def submit_review(pull: Pull, review: Review, *, event: str, body: str) -> None:
    """Turn a pending review into a verdict."""
    if review.state != "PENDING":
        raise _review_refused("Could not submit a review that is not pending")
    text = body or review.body
    _check_review(pull, review.author, event, text)
    review.state, review.body, review.submitted_at = _REVIEW_STATES[event], text, now()
    pull.updated_at = review.submitted_at
    review_event(pull, review, "submitted", review.author)


def dismiss_review(pull: Pull, review: Review, actor: User) -> None:
    """Take the weight from an approval or a request for changes."""
    if review.state not in {"APPROVED", "CHANGES_REQUESTED"}:
        raise _review_refused(f"Can not dismiss a {review.state.lower()} pull request review")
    review.state = "DISMISSED"
    review_event(pull, review, "dismissed", actor)


def verdicts(pull: Pull) -> dict[str, str]:
    """The standing verdict of everybody who may write: login -> APPROVED or CHANGES_REQUESTED.

    A later comment does not withdraw a verdict, and a push does not either: GitHub's default keeps approvals
    of older commits, which is why the bot must compare ``commit_id`` itself.
    """
    standing = {
        review.author.login: review.state
        for review in pull.reviews
        if review.state not in {"COMMENTED", "PENDING"}
        and pull.repo.store.level(pull.repo, review.author) >= Level.WRITE
    }
    return {login: state for login, state in standing.items() if state != "DISMISSED"}


# ---------------------------------------------------------------- conversation


def add_comment(pull: Pull, author: User, body: str) -> Comment:
    """Say something."""
    when = now()
    comment = Comment(pull.repo.store.next_id(), author, body, when, when)
    pull.comments.append(comment)
    pull.updated_at = when
    comment_event(pull, comment, "created", author)
    return comment


def edit_comment(pull: Pull, comment: Comment, actor: User, body: str) -> None:
    """Say it better."""
    before, comment.body, comment.updated_at = comment.body, body, now()
    comment_event(pull, comment, "edited", actor, changes={"body": {"from": before}})


def delete_comment(pull: Pull, comment: Comment, actor: User) -> None:
    """Unsay it."""
    pull.comments.remove(comment)
    comment_event(pull, comment, "deleted", actor)
