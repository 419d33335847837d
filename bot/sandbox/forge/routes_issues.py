"""REST: the conversation of a pull request. In this stand-in every issue is a pull request."""

from flask import Blueprint

from bot.sandbox.forge.api import any_body, body, choice, page_of, pull_for, repo_for, store, text, viewer
from bot.sandbox.forge.errors import ApiError, not_found
from bot.sandbox.forge.pulls import add_comment, delete_comment, edit_comment
from bot.sandbox.forge.records import Comment, Json, Level, Pull, Repo
from bot.sandbox.forge.shapes_people import node_id, user_json
from bot.sandbox.forge.shapes_pulls import REACTIONS, comment_json, issue_json, label_json

issues = Blueprint("issues", __name__)

_R = "/repos/<owner>/<name>/issues"


@issues.get(f"{_R}/<int:number>")
def get_issue(owner: str, name: str, number: int) -> Json:
    """A pull request, seen as an issue."""
    return issue_json(pull_for(owner, name, number))


@issues.get(f"{_R}/<int:number>/labels")
def list_labels(owner: str, name: str, number: int) -> list[Json]:
    """Its labels."""
    pull = pull_for(owner, name, number)
    return [label_json(pull.repo, label) for label in page_of(pull.labels)]


@issues.post(f"{_R}/<int:number>/labels")
def add_labels(owner: str, name: str, number: int) -> list[Json]:
    """Add labels; what the repository does not have yet is made."""
    pull = pull_for(owner, name, number, Level.TRIAGE)
    sent = any_body()
    for label in sent["labels"] if isinstance(sent, dict) else sent:
        given = label["name"] if isinstance(label, dict) else label
        if given not in pull.labels:
            pull.labels.append(given)
    return [label_json(pull.repo, label) for label in pull.labels]


@issues.get(f"{_R}/<int:number>/comments")
def list_comments(owner: str, name: str, number: int) -> list[Json]:
    """Comments, oldest first."""
    pull = pull_for(owner, name, number)
    return [comment_json(pull, comment) for comment in page_of(pull.comments)]


@issues.post(f"{_R}/<int:number>/comments")
def create_comment(owner: str, name: str, number: int) -> tuple[Json, int]:
    """Comment. Whoever may read may."""
    pull = pull_for(owner, name, number)
    author = viewer()
    return comment_json(pull, add_comment(pull, author, _said())), 201


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


def _own_comment(owner: str, name: str, number: int) -> tuple[Pull, Comment]:
    """A comment that the caller may change: their own, or any with push access."""
    repo = repo_for(owner, name)
    pull, comment = _comment(repo, number)
    if viewer() is not comment.author:
        repo_for(owner, name, Level.WRITE)
    return pull, comment


@issues.get(f"{_R}/comments/<int:number>")
def get_comment(owner: str, name: str, number: int) -> Json:
    """One comment."""
    return comment_json(*_comment(repo_for(owner, name), number))


@issues.patch(f"{_R}/comments/<int:number>")
def patch_comment(owner: str, name: str, number: int) -> Json:
    """Edit a comment."""
    pull, comment = _own_comment(owner, name, number)
    edit_comment(pull, comment, viewer(), _said())
    return comment_json(pull, comment)


@issues.delete(f"{_R}/comments/<int:number>")
def remove_comment(owner: str, name: str, number: int) -> tuple[str, int]:
    """Delete a comment."""
    pull, comment = _own_comment(owner, name, number)
    delete_comment(pull, comment, viewer())
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
