"""Webhook payloads: what is told to a repository's hooks, in the shapes GitHub sends.

``emit`` only puts deliveries into the outbox; ``hookshot`` sends them. A payload is built when the thing
happens, so it shows the state of that moment however late it is sent.
"""

import uuid
from datetime import UTC, datetime

from bot.sandbox.forge.git import ZERO, Commit, Signature
from bot.sandbox.forge.records import Comment, Delivery, Hook, Json, Pull, Repo, Review, User
from bot.sandbox.forge.shapes import repo_json, repo_web
from bot.sandbox.forge.shapes_people import user_json
from bot.sandbox.forge.shapes_pulls import comment_json, hook_json, issue_json, pull_json, review_json
from bot.sandbox.forge.shapes_pulls import pull_simple_json as simple
from bot.sandbox.forge.state import Store

_COMMITS_IN_A_PUSH = 2048  # GitHub's limit


def emit(repo: Repo, event: str, payload: Json, actor: User) -> None:
    """Queue an event for every hook of the repository that wants it."""
    for hook in _listeners(repo, event):
        _queue(repo, hook, event, payload, actor)


def _listeners(repo: Repo, event: str) -> list[Hook]:
    """Who wants to hear of it; where nobody does, the costly payloads are not built."""
    return [hook for hook in repo.hooks.values() if hook.wants(event)]


def emit_ping(repo: Repo, hook: Hook, actor: User) -> None:
    """Greet a new hook."""
    payload = {
        "zen": "Keep it logically awesome.",
        "hook_id": hook.id,
        "hook": hook_json(repo, hook),
    }
    _queue(repo, hook, "ping", payload, actor)


def redeliver(store: Store, hook: Hook, old: Delivery) -> None:
    """Send the same again, as somebody asked; the GUID stays, the delivery is a new one."""
    again = Delivery(
        store.next_id(), old.guid, old.event, old.action, old.payload, redelivery=True, repository_id=old.repository_id
    )
    store.outbox.put((hook, again))


def _queue(repo: Repo, hook: Hook, event: str, payload: Json, actor: User) -> None:
    whole = {"repository": repo_json(repo)} | payload | {"sender": user_json(repo.store, actor)}
    if repo.owner.type == "Organization":
        whole["organization"] = user_json(repo.store, repo.owner)
    delivery = Delivery(
        repo.store.next_id(),
        str(uuid.uuid4()),
        event,
        payload.get("action"),
        whole,
        redelivery=False,
        repository_id=repo.id,
    )
    repo.store.outbox.put((hook, delivery))


def pull_request_event(pull: Pull, action: str, actor: User, **more: object) -> None:
    """``pull_request``: opened, synchronize (with before and after), closed, reopened, edited (with changes)."""
    if not _listeners(pull.repo, "pull_request"):
        return
    shown = pull_json(pull, mergeable=None, mergeable_state="unknown")
    payload = {"action": action, "number": pull.number, "pull_request": shown, **more}
    emit(pull.repo, "pull_request", payload, actor)


def review_event(pull: Pull, review: Review, action: str, actor: User) -> None:
    """``pull_request_review``: submitted or dismissed. States are in lower case here, unlike in REST."""
    shown = review_json(pull, review)
    shown |= {"state": review.state.lower(), "body": review.body or None}
    payload = {"action": action, "review": shown, "pull_request": simple(pull)}
    emit(pull.repo, "pull_request_review", payload, actor)


def comment_event(pull: Pull, comment: Comment, action: str, actor: User, **more: object) -> None:
    """``issue_comment``: created, edited (with changes) or deleted."""
    payload = {
        "action": action,
        "issue": issue_json(pull),
        "comment": comment_json(pull, comment),
        **more,
    }
    emit(pull.repo, "issue_comment", payload, actor)


def push_event(repo: Repo, ref: str, old: str, new: str, actor: User) -> None:
    """``push`` of a branch or a tag. Its repository is the odd one out: times are numbers there."""
    if not _listeners(repo, "push"):
        return
    commits = _pushed(repo, ref, old, new)
    shown = [_commit_json(repo, commit) for commit in repo.git.commits(commits[-_COMMITS_IN_A_PUSH:])]
    tip = None if new == ZERO else repo.git.resolve(new)
    web = repo_web(repo)
    span = ref.split("/", 2)[2] if ZERO in (old, new) else f"{old[:12]}...{new[:12]}"
    payload = {
        "ref": ref,
        "before": old,
        "after": new,
        "repository": _push_repo_json(repo),
        "pusher": {"name": actor.login, "email": actor.email},
        "created": old == ZERO,
        "deleted": new == ZERO,
        "forced": ZERO not in (old, new) and not repo.git.is_ancestor(old, new),
        "base_ref": None,
        "compare": f"{web}/compare/{span}",
        "commits": shown,
        "head_commit": _commit_json(repo, repo.git.commit(tip)) if tip else None,
    }
    emit(repo, "push", payload, actor)


def _pushed(repo: Repo, ref: str, old: str, new: str) -> list[str]:
    """The commits a push brought, oldest first: those no other branch had where the branch is new."""
    if new == ZERO or not ref.startswith("refs/heads/"):
        return []
    if old != ZERO:
        return list(repo.git.between(old, new))
    return repo.git.rev_list("--reverse", "--topo-order", new, "--not", f"--exclude={ref}", "--glob=refs/heads")


def _push_repo_json(repo: Repo) -> Json:
    shown = repo_json(repo)
    shown["owner"] |= {"name": repo.owner.login, "email": None}
    return shown | {
        "created_at": _seconds(repo.created_at),
        "pushed_at": _seconds(repo.pushed_at),
        "stargazers": 0,
        "master_branch": repo.default_branch,
    }


def _seconds(when: str) -> int:
    return int(datetime.fromisoformat(when).astimezone(UTC).timestamp())


def _commit_json(repo: Repo, commit: Commit) -> Json:
    changes = repo.git.changes_of(commit)
    by_status = {
        key: [change.path for change in changes if change.status == status]
        for key, status in (("added", "added"), ("removed", "removed"))
    }
    touched = [path for paths in by_status.values() for path in paths]
    return {
        "id": commit.sha,
        "tree_id": commit.tree,
        "distinct": True,
        "message": commit.message,
        "timestamp": commit.committer.at.isoformat(timespec="seconds"),
        "url": f"{repo_web(repo)}/commit/{commit.sha}",
        "author": _person(repo.store, commit.author),
        "committer": _person(repo.store, commit.committer),
        **by_status,
        "modified": [change.path for change in changes if change.path not in touched],
    }


def _person(store: Store, who: Signature) -> Json:
    user = store.user_by_email(who.email)
    return {"name": who.name, "email": who.email} | ({"username": user.login} if user else {})
