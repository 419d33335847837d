"""The shapes GitHub shows: repositories and commits.

Keys and forms follow GitHub's OpenAPI description; the contract tests hold every answer to it.
"""

from urllib.parse import quote

from bot.sandbox.forge.diff import FileChange
from bot.sandbox.forge.git import Commit, Signature
from bot.sandbox.forge.records import Json, Level, Repo, User, stamp
from bot.sandbox.forge.shapes_people import node_id, optional_user_json, permissions_json, user_json

_REPO_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_NO_SIGNATURE = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


def repo_api(repo: Repo) -> str:
    """The base of a repository's REST addresses."""
    return f"{repo.store.api}/repos/{repo.full_name}"


def repo_web(repo: Repo) -> str:
    """A repository's page."""
    return f"{repo.store.web}/{repo.full_name}"


def repo_json(repo: Repo) -> Json:
    """GitHub's ``repository``, as in pull requests and webhooks."""
    url, web = repo_api(repo), repo_web(repo)
    open_pulls = sum(pull.state == "open" for pull in repo.pulls.values())
    return {
        "id": repo.id,
        "node_id": node_id("Repository", repo.id),
        "name": repo.name,
        "full_name": repo.full_name,
        "private": repo.private,
        "owner": user_json(repo.store, repo.owner),
        "html_url": web,
        "description": None,
        "fork": False,
        "url": url,
        **{key: url + tail for key, tail in _REPO_LINKS.items()},
        "git_url": f"{web}.git",
        "ssh_url": f"{web}.git",
        "clone_url": f"{web}.git",
        "svn_url": web,
        "homepage": None,
        "mirror_url": None,
        "language": None,
        "license": None,
        "topics": [],
        **dict.fromkeys(("size", "forks", "forks_count", "stargazers_count", "watchers", "watchers_count"), 0),
        "open_issues": open_pulls,
        "open_issues_count": open_pulls,
        "default_branch": repo.default_branch,
        "visibility": "private" if repo.private else "public",
        **dict.fromkeys(("has_issues", "has_projects", "has_wiki", "has_downloads", "allow_forking"), True),
        **dict.fromkeys(("has_pages", "has_discussions", "archived", "disabled", "is_template"), False),
        "web_commit_signoff_required": False,
        "pushed_at": repo.pushed_at,
        "created_at": repo.created_at,
        "updated_at": repo.pushed_at,
    }


def full_repo_json(repo: Repo, level: Level) -> Json:
    """GitHub's ``full-repository``; ``level`` is the caller's. Merge settings are shown to writers only."""
    settings = {
        "allow_merge_commit": "merge" in repo.merge_methods,
        "allow_squash_merge": "squash" in repo.merge_methods,
        "allow_rebase_merge": "rebase" in repo.merge_methods,
        "allow_auto_merge": False,
        "allow_update_branch": False,
        "delete_branch_on_merge": repo.delete_branch_on_merge,
        "squash_merge_commit_title": "COMMIT_OR_PR_TITLE",
        "squash_merge_commit_message": "COMMIT_MESSAGES",
        "merge_commit_title": "MERGE_MESSAGE",
        "merge_commit_message": "PR_TITLE",
    }
    return {
        **repo_json(repo),
        "permissions": permissions_json(level),
        "subscribers_count": 0,
        "network_count": 0,
        **(settings if level >= Level.WRITE else {}),
        **({"organization": user_json(repo.store, repo.owner)} if repo.owner.type == "Organization" else {}),
    }


def association(repo: Repo, user: User) -> str:
    """GitHub's ``author_association``."""
    if user is repo.owner:
        return "OWNER"
    if user in repo.store.members(repo.owner):
        return "MEMBER"
    if user.login.lower() in repo.collaborators:
        return "COLLABORATOR"
    return "CONTRIBUTOR" if any(p.author is user and p.merged_at for p in repo.pulls.values()) else "NONE"


def commit_json(repo: Repo, commit: Commit, *, files: bool = False) -> Json:
    """GitHub's ``commit``; with ``files``, its statistics and diff to the first parent too."""
    url, web = repo_api(repo), repo_web(repo)
    shown: Json = {
        "sha": commit.sha,
        "node_id": node_id("Commit", commit.sha),
        "commit": {
            "author": _git_user(commit.author),
            "committer": _git_user(commit.committer),
            "message": commit.message,
            "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
            "url": f"{url}/git/commits/{commit.sha}",
            "comment_count": 0,
            "verification": _NO_SIGNATURE,
        },
        "url": f"{url}/commits/{commit.sha}",
        "html_url": f"{web}/commit/{commit.sha}",
        "comments_url": f"{url}/commits/{commit.sha}/comments",
        "author": optional_user_json(repo.store, repo.store.user_by_email(commit.author.email)),
        "committer": optional_user_json(repo.store, repo.store.user_by_email(commit.committer.email)),
        "parents": [
            {"sha": parent, "url": f"{url}/commits/{parent}", "html_url": f"{web}/commit/{parent}"}
            for parent in commit.parents
        ],
    }
    if files:
        changes = repo.git.changes_of(commit)
        added, removed = sum(c.additions for c in changes), sum(c.deletions for c in changes)
        shown["stats"] = {"total": added + removed, "additions": added, "deletions": removed}
        shown["files"] = [file_json(repo, commit.sha, change) for change in changes]
    return shown


def _git_user(who: Signature) -> Json:
    return {"name": who.name, "email": who.email, "date": stamp(who.at)}


def file_json(repo: Repo, sha: str, change: FileChange) -> Json:
    """GitHub's ``diff-entry``."""
    web = repo_web(repo)
    path = quote(change.path)
    optional = {"patch": change.patch, "previous_filename": change.previous}
    return {
        "sha": change.blob,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{web}/blob/{sha}/{path}",
        "raw_url": f"{web}/raw/{sha}/{path}",
        "contents_url": f"{repo_api(repo)}/contents/{path}?ref={sha}",
        **{key: value for key, value in optional.items() if value is not None},
    }


def ref_json(repo: Repo, name: str, kind: str, sha: str) -> Json:
    """GitHub's ``git-ref``."""
    url = repo_api(repo)
    return {
        "ref": name,
        "node_id": node_id("Ref", f"{repo.id}:{name}"),
        "url": f"{url}/git/{name}",
        "object": {"type": kind, "sha": sha, "url": f"{url}/git/{kind}s/{sha}"},
    }
