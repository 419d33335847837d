"""REST: the conversation of a pull request. In this stand-in every issue is a pull request."""

from flask import Blueprint

from bot.sandbox.forge_api import body, choice, page_of, repo_for, store, text, viewer
from bot.sandbox.forge_json import node_id, user_json
from bot.sandbox.forge_json_pulls import REACTIONS, comment_json, issue_json, label_json
from bot.sandbox.forge_pulls import add_comment, delete_comment, edit_comment, find_pull
from bot.sandbox.forge_state import ApiError, Comment, Json, Level, Pull, Repo, not_found

issues = Blueprint("issues", __name__)

_R = "/repos/<owner>/<name>/issues"


@issues.get(f"{_R}/<int:number>")
def get_issue(owner: str, name: str, number: int) -> Json:
    """A pull request, seen as an issue."""
    repo = repo_for(owner, name)
    return issue_json(store(), repo, find_pull(repo, number))


@issues.get(f"{_R}/<int:number>/labels")
def list_labels(owner: str, name: str, number: int) -> list[Json]:
    """Its labels."""
    repo = repo_for(owner, name)
    return [label_json(store(), repo, label) for label in page_of(find_pull(repo, number).labels)]


@issues.post(f"{_R}/<int:number>/labels")
def add_labels(owner: str, name: str, number: int) -> list[Json]:
    """Add labels; what the repository does not have yet is made."""
    repo = repo_for(owner, name, Level.TRIAGE)
    pull = find_pull(repo, number)
    for label in body().get("labels", []):
        given = label["name"] if isinstance(label, dict) else label
        if given not in pull.labels:
            pull.labels.append(given)
    return [label_json(store(), repo, label) for label in pull.labels]


@issues.get(f"{_R}/<int:number>/comments")
def list_comments(owner: str, name: str, number: int) -> list[Json]:
    """Comments, oldest first."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    return [comment_json(store(), repo, pull, comment) for comment in page_of(pull.comments)]


@issues.post(f"{_R}/<int:number>/comments")
def create_comment(owner: str, name: str, number: int) -> tuple[Json, int]:
    """Comment. Whoever may read may."""
    repo = repo_for(owner, name)
    pull = find_pull(repo, number)
    author = viewer()
    return comment_json(store(), repo, pull, add_comment(store(), repo, pull, author, _said())), 201


def _said() -> str:
    said = text(body(), "body")
    if not said.strip():
        raise ApiError(
            422, "Validation Failed", [{"resource": "IssueComment", "code": "missing_field", "field": "body"}]
        )
    return said


def _comment(repo: Repo, number: int) -> tuple[Pull, Comment]:
    for pull in repo.pulls.values():
        for comment in pull.comments:
            if comment.id == number:
                return pull, comment
    raise not_found()


def _own_comment(owner: str, name: str, number: int) -> tuple[Repo, Pull, Comment]:
    """A comment that the caller may change: their own, or any with push access."""
    repo = repo_for(owner, name)
    pull, comment = _comment(repo, number)
    if viewer() is not comment.author:
        repo_for(owner, name, Level.WRITE)
    return repo, pull, comment


@issues.get(f"{_R}/comments/<int:number>")
def get_comment(owner: str, name: str, number: int) -> Json:
    """One comment."""
    repo = repo_for(owner, name)
    return comment_json(store(), repo, *_comment(repo, number))


@issues.patch(f"{_R}/comments/<int:number>")
def patch_comment(owner: str, name: str, number: int) -> Json:
    """Edit a comment."""
    repo, pull, comment = _own_comment(owner, name, number)
    edit_comment(store(), repo, pull, comment, viewer(), _said())
    return comment_json(store(), repo, pull, comment)


@issues.delete(f"{_R}/comments/<int:number>")
def remove_comment(owner: str, name: str, number: int) -> tuple[str, int]:
    """Delete a comment."""
    repo, pull, comment = _own_comment(owner, name, number)
    delete_comment(store(), repo, pull, comment, viewer())
    return "", 204


@issues.post(f"{_R}/comments/<int:number>/reactions")
def react(owner: str, name: str, number: int) -> tuple[Json, int]:
    """React: 201 the first time, 200 when it was there."""
    repo = repo_for(owner, name)
    _, comment = _comment(repo, number)
    content = choice(text(body(), "content"), REACTIONS, "content")
    key = (viewer().login, content)
    is_new = key not in comment.reactions
    number = comment.reactions.setdefault(key, store().next_id())
    shown = {
        "id": number,
        "node_id": node_id("Reaction", number),
        "user": user_json(store(), viewer()),
        "content": content,
        "created_at": comment.updated_at,
    }
    return shown, 201 if is_new else 200
