"""REST: pull requests, their reviews, and merging them."""

from flask import Blueprint, request

from bot.sandbox.forge.api import body, choice, page_of, pull_for, repo_for, text, token, viewer
from bot.sandbox.forge.errors import ApiError, not_found
from bot.sandbox.forge.merge import merge_pull, mergeability
from bot.sandbox.forge.pulls import (
    dismiss_review,
    edit_pull,
    open_pull,
    review_pull,
    submit_review,
)
from bot.sandbox.forge.records import Json, Level, Pull, Review
from bot.sandbox.forge.shapes import commit_json, file_json
from bot.sandbox.forge.shapes_pulls import base_tip, pull_changes, pull_json, pull_simple_json, review_json

pulls = Blueprint("pulls", __name__)

_R = "/repos/<owner>/<name>/pulls"
_P = f"{_R}/<int:number>"


def _shown(pull: Pull) -> Json:
    mergeable, state = mergeability(pull)
    return pull_json(pull, mergeable=mergeable, mergeable_state=state)


@pulls.get(_R)
def list_pulls(owner: str, name: str) -> list[Json]:
    """Pull requests: open ones, newest first, unless asked otherwise."""
    repo = repo_for(owner, name)
    wanted = choice(request.args.get("state", "open"), ("open", "closed", "all"), "state")
    found = [pull for pull in repo.pulls.values() if wanted in ("all", pull.state) and _matches(pull)]
    sort = request.args.get("sort", "created")
    newest_first = request.args.get("direction", "desc" if sort == "created" else "asc") == "desc"
    by_time = {"updated": lambda p: (p.updated_at, p.number)}.get(sort, lambda p: (p.created_at, p.number))
    found.sort(key=by_time, reverse=newest_first)
    return [pull_simple_json(pull) for pull in page_of(found)]


def _matches(pull: Pull) -> bool:
    """``head`` is owner:branch; GitHub ignores a head without the owner."""
    head, base = request.args.get("head", ""), request.args.get("base")
    owner, colon, branch = head.partition(":")
    if colon and (owner.lower() != pull.repo.owner.login.lower() or branch != pull.head_ref):
        return False
    return base in (None, "", pull.base_ref)


@pulls.post(_R)
def create_pull(owner: str, name: str) -> tuple[Json, int]:
    """Open a pull request between two branches."""
    repo = repo_for(owner, name, Level.WRITE)
    fields = body()
    pull = open_pull(
        repo,
        viewer(),
        head=text(fields, "head"),
        base=text(fields, "base"),
        title=text(fields, "title"),
        body=fields.get("body"),
        draft=bool(fields.get("draft")),
    )
    return _shown(pull), 201


@pulls.get(_P)
def get_pull(owner: str, name: str, number: int) -> Json:
    """One pull request."""
    return _shown(pull_for(owner, name, number))


@pulls.patch(_P)
def patch_pull(owner: str, name: str, number: int) -> Json:
    """Edit, close or reopen; its author may, and whoever may write."""
    pull = pull_for(owner, name, number)
    if viewer() is not pull.author:
        repo_for(owner, name, Level.WRITE)
    fields = body()
    if "state" in fields:
        choice(text(fields, "state"), ("open", "closed"), "state")
    edit_pull(pull, viewer(), fields)
    return _shown(pull)


@pulls.get(f"{_P}/commits")
def pull_commits(owner: str, name: str, number: int) -> list[Json]:
    """Its commits, oldest first; GitHub shows 250 at most."""
    pull = pull_for(owner, name, number)
    git = pull.repo.git
    shas = page_of(git.between(base_tip(pull), pull.head_sha)[:250])
    return [commit_json(pull.repo, commit) for commit in git.commits(shas)]


@pulls.get(f"{_P}/files")
def pull_files(owner: str, name: str, number: int) -> list[Json]:
    """What it changes since it left the base."""
    pull = pull_for(owner, name, number)
    return [file_json(pull.repo, pull.head_sha, change) for change in page_of(pull_changes(pull))]


# ---------------------------------------------------------------- merging


@pulls.get(f"{_P}/merge")
def is_merged(owner: str, name: str, number: int) -> tuple[str, int]:
    """204 when merged, 404 when not."""
    if pull_for(owner, name, number).merged_at is None:
        raise not_found()
    return "", 204


@pulls.put(f"{_P}/merge")
def merge(owner: str, name: str, number: int) -> Json:
    """Merge it."""
    pull = pull_for(owner, name, number, Level.WRITE)
    fields = body()
    sha = merge_pull(
        pull,
        viewer(),
        method=choice(text(fields, "merge_method", "merge"), ("merge", "squash", "rebase"), "merge_method"),
        title=fields.get("commit_title"),
        message=fields.get("commit_message"),
        sha=fields.get("sha"),
    )
    return {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}


# ---------------------------------------------------------------- reviews


@pulls.get(f"{_P}/reviews")
def list_reviews(owner: str, name: str, number: int) -> list[Json]:
    """Reviews, oldest first. Pending ones are seen by their author alone."""
    pull = pull_for(owner, name, number)
    caller = token()
    visible = [r for r in pull.reviews if r.state != "PENDING" or (caller and caller.user is r.author)]
    return [review_json(pull, review) for review in page_of(visible)]


@pulls.post(f"{_P}/reviews")
def create_review(owner: str, name: str, number: int) -> Json:
    """Review it. On a public repository anybody may."""
    pull = pull_for(owner, name, number)
    fields = body()
    if fields.get("comments"):
        raise ApiError(501, "The stand-in has no inline review comments.")
    review = review_pull(
        pull,
        viewer(),
        event=fields.get("event"),
        body=text(fields, "body", ""),
        commit_id=fields.get("commit_id"),
    )
    return review_json(pull, review)


def _review(pull: Pull, number: int) -> Review:
    for review in pull.reviews:
        if review.id == number:
            return review
    raise not_found()


@pulls.get(f"{_P}/reviews/<int:review_id>")
def get_review(owner: str, name: str, number: int, review_id: int) -> Json:
    """One review."""
    pull = pull_for(owner, name, number)
    return review_json(pull, _review(pull, review_id))


@pulls.post(f"{_P}/reviews/<int:review_id>/events")
def submit(owner: str, name: str, number: int, review_id: int) -> Json:
    """Submit a pending review."""
    pull = pull_for(owner, name, number)
    review, fields = _review(pull, review_id), body()
    if viewer() is not review.author:
        raise not_found()
    submit_review(pull, review, event=text(fields, "event"), body=text(fields, "body", ""))
    return review_json(pull, review)


@pulls.put(f"{_P}/reviews/<int:review_id>/dismissals")
def dismiss(owner: str, name: str, number: int, review_id: int) -> Json:
    """Dismiss a review, with a message."""
    pull = pull_for(owner, name, number, Level.WRITE)
    review = _review(pull, review_id)
    text(body(), "message")
    dismiss_review(pull, review, viewer())
    return review_json(pull, review)
