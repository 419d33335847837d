"""REST: pull requests, their reviews, and merging them."""

from flask import Blueprint, request

from bot.sandbox.forge_api import body, choice, page_of, repo_for, store, text, token, viewer
from bot.sandbox.forge_json import commit_json, file_json
from bot.sandbox.forge_json_pulls import base_tip, pull_json, pull_simple_json, review_json
from bot.sandbox.forge_merge import merge_pull, mergeability
from bot.sandbox.forge_pulls import (
    dismiss_review,
    edit_pull,
    find_pull,
    open_pull,
    review_pull,
    submit_review,
)
from bot.sandbox.forge_state import ApiError, Json, Level, Pull, Repo, Review, not_found

pulls = Blueprint("pulls", __name__)

_R = "/repos/<owner>/<name>/pulls"
_P = f"{_R}/<int:number>"


def _shown(repo: Repo, pull: Pull) -> Json:
    mergeable, state = mergeability(store(), repo, pull)
    return pull_json(store(), repo, pull, mergeable=mergeable, mergeable_state=state)


@pulls.get(_R)
def list_pulls(owner: str, name: str) -> list[Json]:
    """Pull requests: open ones, newest first, unless asked otherwise."""
    repo = repo_for(owner, name)
    wanted = choice(request.args.get("state", "open"), ("open", "closed", "all"), "state")
    found = [pull for pull in repo.pulls.values() if wanted in ("all", pull.state) and _matches(repo, pull)]
    sort = request.args.get("sort", "created")
    newest_first = request.args.get("direction", "desc" if sort == "created" else "asc") == "desc"
    by_time = {"updated": lambda p: (p.updated_at, p.number)}.get(sort, lambda p: (p.created_at, p.number))
    found.sort(key=by_time, reverse=newest_first)
    return [pull_simple_json(store(), repo, pull) for pull in page_of(found)]


def _matches(repo: Repo, pull: Pull) -> bool:
    """``head`` is owner:branch; GitHub ignores a head without the owner."""
    head, base = request.args.get("head", ""), request.args.get("base")
    owner, colon, branch = head.partition(":")
    if colon and (owner.lower() != repo.owner.login.lower() or branch != pull.head_ref):
        return False
    return base in (None, "", pull.base_ref)


@pulls.post(_R)
def create_pull(owner: str, name: str) -> tuple[Json, int]:
    """Open a pull request between two branches."""
    repo = repo_for(owner, name, Level.WRITE)
    fields = body()
    pull = open_pull(
        store(),
        repo,
        viewer(),
        head=text(fields, "head"),
        base=text(fields, "base"),
        title=text(fields, "title"),
        body=fields.get("body"),
        draft=bool(fields.get("draft")),
    )
    return _shown(repo, pull), 201


@pulls.get(_P)
def get_pull(owner: str, name: str, number: int) -> Json:
    """One pull request."""
    repo = repo_for(owner, name)
    return _shown(repo, find_pull(repo, number))


@pulls.patch(_P)
def patch_pull(owner: str, name: str, number: int) -> Json:
    """Edit, close or reopen; its author may, and whoever may write."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    if viewer() is not pull.author:
        repo_for(owner, name, Level.WRITE)
    fields = body()
    if "state" in fields:
        choice(text(fields, "state"), ("open", "closed"), "state")
    edit_pull(store(), repo, pull, viewer(), fields)
    return _shown(repo, pull)


@pulls.get(f"{_P}/commits")
def pull_commits(owner: str, name: str, number: int) -> list[Json]:
    """Its commits, oldest first; GitHub shows 250 at most."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    shas = page_of(repo.git.between(base_tip(repo, pull), pull.head_sha)[:250])
    return [commit_json(store(), repo, commit) for commit in repo.git.commits(shas)]


@pulls.get(f"{_P}/files")
def pull_files(owner: str, name: str, number: int) -> list[Json]:
    """What it changes since it left the base."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    base = base_tip(repo, pull)
    changes = repo.git.changes(repo.git.merge_base(base, pull.head_sha) or base, pull.head_sha)
    return [file_json(store(), repo, pull.head_sha, change) for change in page_of(changes)]


# ---------------------------------------------------------------- merging


@pulls.get(f"{_P}/merge")
def is_merged(owner: str, name: str, number: int) -> tuple[str, int]:
    """204 when merged, 404 when not."""
    if find_pull(repo_for(owner, name), number).merged_at is None:
        raise not_found()
    return "", 204


@pulls.put(f"{_P}/merge")
def merge(owner: str, name: str, number: int) -> Json:
    """Merge it."""
    repo = repo_for(owner, name, Level.WRITE)
    pull = find_pull(repo, number)
    fields = body()
    sha = merge_pull(
        store(),
        repo,
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
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    caller = token()
    visible = [r for r in pull.reviews if r.state != "PENDING" or (caller and caller.user is r.author)]
    return [review_json(store(), repo, pull, review) for review in page_of(visible)]


@pulls.post(f"{_P}/reviews")
def create_review(owner: str, name: str, number: int) -> Json:
    """Review it. On a public repository anybody may."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    fields = body()
    if fields.get("comments"):
        raise ApiError(501, "The stand-in has no inline review comments.")
    review = review_pull(
        store(),
        repo,
        pull,
        viewer(),
        event=fields.get("event"),
        body=text(fields, "body", ""),
        commit_id=fields.get("commit_id"),
    )
    return review_json(store(), repo, pull, review)


def _review(pull: Pull, number: int) -> Review:
    for review in pull.reviews:
        if review.id == number:
            return review
    raise not_found()


@pulls.get(f"{_P}/reviews/<int:review_id>")
def get_review(owner: str, name: str, number: int, review_id: int) -> Json:
    """One review."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    return review_json(store(), repo, pull, _review(pull, review_id))


@pulls.post(f"{_P}/reviews/<int:review_id>/events")
def submit(owner: str, name: str, number: int, review_id: int) -> Json:
    """Submit a pending review."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    review, fields = _review(pull, review_id), body()
    if viewer() is not review.author:
        raise not_found()
    submit_review(store(), repo, pull, review, event=text(fields, "event"), body=text(fields, "body", ""))
    return review_json(store(), repo, pull, review)


@pulls.put(f"{_P}/reviews/<int:review_id>/dismissals")
def dismiss(owner: str, name: str, number: int, review_id: int) -> Json:
    """Dismiss a review, with a message."""
    repo = repo_for(owner, name, Level.WRITE)
    pull = find_pull(repo, number)
    review = _review(pull, review_id)
    text(body(), "message")
    dismiss_review(store(), repo, pull, review, viewer())
    return review_json(store(), repo, pull, review)
