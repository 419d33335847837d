"""The shapes GitHub shows, part two: pull requests and what hangs on them, statuses, deployments, hooks."""

from bot.sandbox.forge.diff import FileChange
from bot.sandbox.forge.records import (
    Comment,
    Delivery,
    Deployment,
    DeploymentStatus,
    Hook,
    Json,
    Pull,
    Repo,
    Review,
    Status,
)
from bot.sandbox.forge.shapes import association, repo_api, repo_json, repo_web
from bot.sandbox.forge.shapes_people import node_id, optional_user_json, user_json

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


def base_tip(pull: Pull) -> str:
    """What the pull request is compared with: the base branch now, or the commit it was merged onto."""
    tip = None if pull.merged_at else pull.repo.git.ref(f"refs/heads/{pull.base_ref}")
    return tip or pull.base_sha


def pull_changes(pull: Pull) -> tuple[FileChange, ...]:
    """What the pull request changes since it left its base."""
    git, base = pull.repo.git, base_tip(pull)
    return git.changes(git.merge_base(base, pull.head_sha) or base, pull.head_sha)


def label_json(repo: Repo, name: str) -> Json:
    """GitHub's ``label``."""
    number = repo.labels.setdefault(name, repo.store.next_id())
    return {
        "id": number,
        "node_id": node_id("Label", number),
        "url": f"{repo_api(repo)}/labels/{name}",
        "name": name,
        "description": "",
        "color": "ededed",
        "default": False,
    }


def pull_simple_json(pull: Pull) -> Json:
    """GitHub's ``pull-request-simple``, as in lists."""
    api, web = repo_api(pull.repo), repo_web(pull.repo)
    url, html, issue = (f"{api}/pulls/{pull.number}", f"{web}/pull/{pull.number}", f"{api}/issues/{pull.number}")
    links = {
        "self": url,
        "html": html,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{api}/statuses/{pull.head_sha}",
    }
    return {
        "url": url,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        "issue_url": issue,
        "number": pull.number,
        "state": pull.state,
        "locked": False,
        "active_lock_reason": None,
        "title": pull.title,
        "user": user_json(pull.repo.store, pull.author),
        "body": pull.body,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "closed_at": pull.closed_at,
        "merged_at": pull.merged_at,
        "merge_commit_sha": pull.merge_commit_sha,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [],
        "requested_teams": [],
        "labels": [label_json(pull.repo, name) for name in pull.labels],
        "milestone": None,
        "draft": pull.draft,
        **{f"{name}_url": links[name] for name in _SHOWN_LINKS},
        "head": _side_json(pull.repo, pull.head_ref, pull.head_sha),
        "base": _side_json(pull.repo, pull.base_ref, pull.base_sha),
        "_links": {name: {"href": link} for name, link in links.items()},
        "author_association": association(pull.repo, pull.author),
        "auto_merge": None,
    }


_SHOWN_LINKS = ("commits", "review_comments", "review_comment", "comments", "statuses")


def _side_json(repo: Repo, ref: str, sha: str) -> Json:
    return {
        "label": f"{repo.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user_json(repo.store, repo.owner),
        "repo": repo_json(repo),
    }


def pull_json(pull: Pull, *, mergeable: bool | None, mergeable_state: str) -> Json:
    """GitHub's ``pull-request``. Whether it can be merged is asked of ``pulls.mergeability``."""
    base = base_tip(pull)
    commits = pull.repo.git.between(base, pull.head_sha)
    changes = pull_changes(pull)
    return {
        **pull_simple_json(pull),
        "merged": pull.merged_at is not None,
        "mergeable": mergeable,
        "rebaseable": mergeable,
        "mergeable_state": mergeable_state,
        "merged_by": optional_user_json(pull.repo.store, pull.merged_by),
        "comments": len(pull.comments),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(commits),
        "additions": sum(change.additions for change in changes),
        "deletions": sum(change.deletions for change in changes),
        "changed_files": len(changes),
    }


def issue_json(pull: Pull) -> Json:
    """GitHub's ``issue``: the other face of a pull request."""
    api = repo_api(pull.repo)
    url, pull_url = f"{api}/issues/{pull.number}", f"{api}/pulls/{pull.number}"
    html = f"{repo_web(pull.repo)}/pull/{pull.number}"
    return {
        "url": url,
        "repository_url": api,
        "labels_url": f"{url}/labels{{/name}}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "timeline_url": f"{url}/timeline",
        "html_url": html,
        "id": pull.id,
        "node_id": node_id("PullRequest", pull.id),
        "number": pull.number,
        "title": pull.title,
        "user": user_json(pull.repo.store, pull.author),
        "labels": [label_json(pull.repo, name) for name in pull.labels],
        "state": pull.state,
        "locked": False,
        "active_lock_reason": None,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": len(pull.comments),
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "closed_at": pull.closed_at,
        "closed_by": optional_user_json(pull.repo.store, pull.closed_by),
        "author_association": association(pull.repo, pull.author),
        "draft": pull.draft,
        "pull_request": {
            "url": pull_url,
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "merged_at": pull.merged_at,
        },
        "body": pull.body,
        "performed_via_github_app": None,
    }


def review_json(pull: Pull, review: Review) -> Json:
    """GitHub's ``pull-request-review``. A pending one has no ``submitted_at``."""
    html = f"{repo_web(pull.repo)}/pull/{pull.number}#pullrequestreview-{review.id}"
    url = f"{repo_api(pull.repo)}/pulls/{pull.number}"
    return {
        "id": review.id,
        "node_id": node_id("PullRequestReview", review.id),
        "user": user_json(pull.repo.store, review.author),
        "body": review.body,
        "state": review.state,
        "html_url": html,
        "pull_request_url": url,
        "author_association": association(pull.repo, review.author),
        "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        **({"submitted_at": review.submitted_at} if review.submitted_at else {}),
        "commit_id": review.commit_id,
    }


def comment_json(pull: Pull, comment: Comment) -> Json:
    """GitHub's ``issue-comment``."""
    url = f"{repo_api(pull.repo)}/issues/comments/{comment.id}"
    given = [content for _, content in comment.reactions]
    return {
        "url": url,
        "html_url": f"{repo_web(pull.repo)}/pull/{pull.number}#issuecomment-{comment.id}",
        "issue_url": f"{repo_api(pull.repo)}/issues/{pull.number}",
        "id": comment.id,
        "node_id": node_id("IssueComment", comment.id),
        "user": user_json(pull.repo.store, comment.author),
        "created_at": comment.created_at,
        "updated_at": comment.updated_at,
        "author_association": association(pull.repo, comment.author),
        "body": comment.body,
        "reactions": {
            "url": f"{url}/reactions",
            "total_count": len(given),
            **{content: given.count(content) for content in REACTIONS},
        },
        "performed_via_github_app": None,
    }


def status_json(repo: Repo, status: Status) -> Json:
    """GitHub's ``status``; without ``creator`` it is the ``simple-commit-status`` of the combined one."""
    return {
        "url": f"{repo_api(repo)}/statuses/{status.sha}",
        "avatar_url": f"{repo.store.web}/avatars/{status.creator.id}",
        "id": status.id,
        "node_id": node_id("StatusContext", status.id),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": status.created_at,
        "updated_at": status.created_at,
        "creator": user_json(repo.store, status.creator),
    }


def combined_status_json(repo: Repo, sha: str, shown: list[Status]) -> Json:
    """GitHub's ``combined-commit-status``; ``shown`` is the page of statuses asked for."""
    api = repo_api(repo)
    slim = [{k: v for k, v in status_json(repo, s).items() if k != "creator"} for s in shown]
    return {
        "state": repo.combined_state(sha),
        "statuses": slim,
        "sha": sha,
        "total_count": len(repo.latest_statuses(sha)),
        "repository": repo_json(repo),
        "commit_url": f"{api}/commits/{sha}",
        "url": f"{api}/commits/{sha}/status",
    }


def deployment_json(repo: Repo, deployment: Deployment) -> Json:
    """GitHub's ``deployment``."""
    url = f"{repo_api(repo)}/deployments/{deployment.id}"
    return {
        "url": url,
        "id": deployment.id,
        "node_id": node_id("Deployment", deployment.id),
        "sha": deployment.sha,
        "ref": deployment.ref,
        "task": deployment.task,
        "payload": deployment.payload,
        "original_environment": deployment.environment,
        "environment": deployment.environment,
        "description": deployment.description,
        "creator": user_json(repo.store, deployment.creator),
        "created_at": deployment.created_at,
        "updated_at": deployment.updated_at,
        "statuses_url": f"{url}/statuses",
        "repository_url": repo_api(repo),
        "transient_environment": deployment.transient,
        "production_environment": deployment.production,
    }


def deployment_status_json(repo: Repo, parent: Deployment, status: DeploymentStatus) -> Json:
    """GitHub's ``deployment-status``."""
    url = f"{repo_api(repo)}/deployments/{parent.id}"
    return {
        "url": f"{url}/statuses/{status.id}",
        "id": status.id,
        "node_id": node_id("DeploymentStatus", status.id),
        "state": status.state,
        "creator": user_json(repo.store, status.creator),
        "description": status.description,
        "environment": status.environment,
        "target_url": status.log_url,
        "created_at": status.created_at,
        "updated_at": status.created_at,
        "deployment_url": url,
        "repository_url": repo_api(repo),
        "environment_url": status.environment_url,
        "log_url": status.log_url,
    }


def hook_json(repo: Repo, hook: Hook) -> Json:
    """GitHub's ``hook``; the secret is never shown."""
    url = f"{repo_api(repo)}/hooks/{hook.id}"
    last = hook.deliveries[-1] if hook.deliveries else None
    config = {"content_type": hook.content_type, "insecure_ssl": "0", "url": hook.url}
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": True,
        "events": list(hook.events),
        "config": config | ({"secret": "********"} if hook.secret else {}),
        "updated_at": hook.created_at,
        "created_at": hook.created_at,
        "url": url,
        "test_url": f"{url}/test",
        "ping_url": f"{url}/pings",
        "deliveries_url": f"{url}/deliveries",
        "last_response": {
            "code": last.status_code if last else None,
            "status": ("active" if last.status == "OK" else "misconfigured") if last else "unused",
            "message": last.status if last else None,
        },
    }


def delivery_json(hook: Hook, delivery: Delivery, *, full: bool) -> Json:
    """GitHub's ``hook-delivery-item``; with ``full``, its request and response too."""
    whole = {
        "url": hook.url,
        "request": {"headers": delivery.request_headers, "payload": delivery.payload},
        "response": {"headers": delivery.response_headers, "payload": delivery.response_body},
    }
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": delivery.delivered_at,
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": None,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
        **(whole if full else {}),
    }
