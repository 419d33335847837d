"""REST: repositories, branches, refs, commits, comparisons, contents."""

import base64
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from bot.sandbox.forge.api import body, commit_of, level_of, page_of, repo_for, text, viewer
from bot.sandbox.forge.errors import ApiError, not_found
from bot.sandbox.forge.git import ZERO, Entry
from bot.sandbox.forge.pushes import after_push
from bot.sandbox.forge.records import Json, Level, Pull, Repo
from bot.sandbox.forge.shapes import commit_json, file_json, full_repo_json, ref_json, repo_api, repo_web
from bot.sandbox.forge.shapes_pulls import pull_simple_json

repos = Blueprint("repos", __name__)

_R = "/repos/<owner>/<name>"
_MAX_FILES = 300


@repos.get(_R)
def get_repo(owner: str, name: str) -> Json:
    """The repository."""
    repo = repo_for(owner, name)
    return full_repo_json(repo, level_of(repo))


# ---------------------------------------------------------------- branches and refs


@repos.get(f"{_R}/branches")
def list_branches(owner: str, name: str) -> list[Json]:
    """All branches, by name."""
    repo = repo_for(owner, name)
    found = page_of(list(repo.git.refs("refs/heads").items()))
    return [_short_branch(repo, ref.removeprefix("refs/heads/"), sha) for ref, (_, sha) in found]


def _short_branch(repo: Repo, branch: str, sha: str) -> Json:
    api = repo_api(repo)
    return {
        "name": branch,
        "commit": {"sha": sha, "url": f"{api}/commits/{sha}"},
        "protected": branch in repo.protections,
        "protection": _protection_summary(repo, branch),
        "protection_url": f"{api}/branches/{branch}/protection",
    }


def _protection_summary(repo: Repo, branch: str) -> Json:
    level = "non_admins" if branch in repo.protections else "off"
    checks = {"enforcement_level": level, "contexts": [], "checks": []}
    return {"enabled": branch in repo.protections, "required_status_checks": checks}


@repos.get(f"{_R}/branches/<path:branch>")
def get_branch(owner: str, name: str, branch: str) -> Json:
    """One branch, with its newest commit."""
    repo = repo_for(owner, name)
    sha = repo.git.ref(f"refs/heads/{branch}")
    if sha is None:
        raise ApiError(404, "Branch not found")
    links = {
        "self": f"{repo_api(repo)}/branches/{branch}",
        "html": f"{repo_web(repo)}/tree/{branch}",
    }
    commit = commit_json(repo, repo.git.commit(sha))
    return _short_branch(repo, branch, sha) | {"commit": commit, "_links": links}


@repos.get(f"{_R}/branches/<path:branch>/protection")
def get_protection(owner: str, name: str, branch: str) -> Json:
    """A branch's protection, which only administrators see."""
    repo = repo_for(owner, name, Level.ADMIN, hidden=True)
    protection = repo.protections.get(branch)
    if protection is None:
        raise ApiError(404, "Branch not protected")
    url = f"{repo_api(repo)}/branches/{branch}/protection"
    checks = {
        "url": f"{url}/required_status_checks",
        "strict": protection.strict,
        "contexts": [],
        "contexts_url": f"{url}/required_status_checks/contexts",
        "checks": [],
    }
    reviews = {
        "url": f"{url}/required_pull_request_reviews",
        "dismiss_stale_reviews": False,
        "require_code_owner_reviews": False,
        "require_last_push_approval": False,
        "required_approving_review_count": protection.approvals,
    }
    admins = {"url": f"{url}/enforce_admins", "enabled": False}
    return {
        "url": url,
        "required_status_checks": checks,
        "required_pull_request_reviews": reviews,
        "enforce_admins": admins,
    }


@repos.get(f"{_R}/rules/branches/<path:branch>")
def get_rules(owner: str, name: str, branch: str) -> list[Json]:
    """Rulesets' rules for a branch: the stand-in has none."""
    repo_for(owner, name)
    del branch
    return []


@repos.get(f"{_R}/git/ref/<path:ref>")
def get_ref(owner: str, name: str, ref: str) -> Json:
    """One ref."""
    repo = repo_for(owner, name)
    full = f"refs/{ref}"
    found = repo.git.refs(full).get(full)
    if found is None:
        raise not_found()
    return ref_json(repo, full, *found)


@repos.get(f"{_R}/git/matching-refs/<path:ref>")
def matching_refs(owner: str, name: str, ref: str) -> list[Json]:
    """All refs that begin like that."""
    repo = repo_for(owner, name)
    all_refs = repo.git.refs("refs/").items()
    return [ref_json(repo, n, *found) for n, found in all_refs if n.startswith(f"refs/{ref}")]


@repos.post(f"{_R}/git/refs")
def create_ref(owner: str, name: str) -> tuple[Json, int]:
    """Make a branch or tag of an existing commit."""
    repo = repo_for(owner, name, Level.WRITE)
    fields = body()
    ref, sha = text(fields, "ref"), text(fields, "sha")
    if ref.count("/") < 2 or not repo.git.is_valid_ref(ref):  # noqa: PLR2004 - refs/heads/x
        raise ApiError(422, "Reference name must start with 'refs/' and contain at least two slashes.")
    _known_object(repo, sha)
    if repo.git.ref(ref) or not repo.git.update_ref(ref, sha, ZERO):
        raise ApiError(422, "Reference already exists")
    after_push(repo, [(ref, ZERO, sha)], viewer())
    return ref_json(repo, ref, "commit", sha), 201


def _known_object(repo: Repo, sha: str) -> None:
    if repo.git.resolve(sha) != sha:
        raise ApiError(422, "Object does not exist")


@repos.patch(f"{_R}/git/refs/<path:ref>")
def update_ref(owner: str, name: str, ref: str) -> Json:
    """Move a ref; backwards only with ``force``."""
    repo = repo_for(owner, name, Level.WRITE)
    fields = body()
    full, sha = f"refs/{ref}", text(fields, "sha")
    old = repo.git.ref(full)
    if old is None:
        raise ApiError(422, "Reference does not exist")
    _known_object(repo, sha)
    forward = repo.git.is_ancestor(old, sha)
    if not (forward or fields.get("force")) or not repo.git.update_ref(full, sha, old):
        raise ApiError(422, "Update is not a fast forward")
    after_push(repo, [(full, old, sha)], viewer())
    return ref_json(repo, full, "commit", sha)


@repos.delete(f"{_R}/git/refs/<path:ref>")
def delete_ref(owner: str, name: str, ref: str) -> tuple[str, int]:
    """Delete a ref."""
    repo = repo_for(owner, name, Level.WRITE)
    full = f"refs/{ref}"
    old = repo.git.ref(full)
    if old is None or not repo.git.update_ref(full, ZERO, old):
        raise ApiError(422, "Reference does not exist")
    after_push(repo, [(full, old, ZERO)], viewer())
    return "", 204


# ---------------------------------------------------------------- commits


@repos.get(f"{_R}/commits")
def list_commits(owner: str, name: str) -> list[Json]:
    """Commits, newest first, of a branch (``sha``), perhaps of one ``path``."""
    repo = repo_for(owner, name)
    if not repo.git.refs("refs/heads"):
        raise ApiError(409, "Git Repository is empty.")
    tip = repo.git.resolve(request.args.get("sha") or repo.default_branch)
    if tip is None:
        raise not_found()
    limits = [f"--{key}={request.args[key]}" for key in ("since", "until", "author") if key in request.args]
    path = ["--", request.args["path"]] if request.args.get("path") else []
    shas = page_of(repo.git.rev_list(*limits, tip, *path))
    return [commit_json(repo, commit) for commit in repo.git.commits(shas)]


@repos.get(f"{_R}/commits/<path:ref>")
def get_commit(owner: str, name: str, ref: str) -> Json:
    """One commit, with its diff."""
    repo = repo_for(owner, name)
    return commit_json(repo, repo.git.commit(commit_of(repo, ref)), files=True)


@repos.get(f"{_R}/commits/<sha>/pulls")
def pulls_of_commit(owner: str, name: str, sha: str) -> list[Json]:
    """The merged pull requests that brought a commit, and the open ones that hold it."""
    repo = repo_for(owner, name)
    commit = commit_of(repo, sha)
    found = [pull for pull in repo.pulls.values() if _holds(pull, commit)]
    return [pull_simple_json(pull) for pull in page_of(found)]


def _holds(pull: Pull, sha: str) -> bool:
    if pull.state == "closed" and not pull.merged_at:
        return False
    if sha in {pull.merge_commit_sha, *pull.landed}:
        return pull.merged_at is not None
    return sha in pull.repo.git.between(pull.base_sha, pull.head_sha)


@repos.get(f"{_R}/compare/<path:basehead>")
def compare(owner: str, name: str, basehead: str) -> Json:
    """How two commits stand to each other. ``commits`` is oldest first, and paged."""
    repo = repo_for(owner, name)
    base_name, _, head_name = basehead.partition("...")
    base, head = repo.git.resolve(base_name), repo.git.resolve(head_name)
    if base is None or head is None:
        raise not_found()
    common = repo.git.merge_base(base, head)
    if common is None:
        raise ApiError(404, f"No common ancestor between {base_name} and {head_name}.")
    ahead, behind = repo.git.between(base, head), repo.git.between(head, base)
    web, span = repo_web(repo), f"{base_name}...{head_name}"
    return {
        "url": f"{repo_api(repo)}/compare/{span}",
        "html_url": f"{web}/compare/{span}",
        "permalink_url": f"{web}/compare/{base}...{head}",
        "diff_url": f"{web}/compare/{span}.diff",
        "patch_url": f"{web}/compare/{span}.patch",
        "base_commit": commit_json(repo, repo.git.commit(base)),
        "merge_base_commit": commit_json(repo, repo.git.commit(common)),
        "status": _standing(len(ahead), len(behind)),
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "commits": [commit_json(repo, c) for c in repo.git.commits(_compare_page(ahead))],
        **_compare_files(repo, common, head),
    }


def _standing(ahead: int, behind: int) -> str:
    if ahead and behind:
        return "diverged"
    return "ahead" if ahead else "behind" if behind else "identical"


def _compare_page(commits: tuple[str, ...]) -> Any:
    """Without paging GitHub shows the newest 250."""
    return page_of(commits) if {"page", "per_page"} & set(request.args) else commits[-250:]


def _compare_files(repo: Repo, common: str, head: str) -> Json:
    """Only the first page shows files."""
    if request.args.get("page", "1") != "1":
        return {}
    changes = repo.git.changes(common, head)[:_MAX_FILES]
    return {"files": [file_json(repo, head, change) for change in changes]}


# ---------------------------------------------------------------- contents


@repos.get(f"{_R}/contents/", defaults={"path": ""})
@repos.get(f"{_R}/contents/<path:path>")
def get_contents(owner: str, name: str, path: str) -> Json | list[Json] | Response:
    """A file (JSON with base64, or raw) or a folder's listing."""
    repo = repo_for(owner, name)
    ref = request.args.get("ref") or repo.default_branch
    commit = repo.git.resolve(ref)
    if commit is None:
        raise ApiError(404, f"No commit found for the ref {ref}")
    entry = repo.git.entry(commit, path.strip("/"))
    if entry is None:
        raise not_found()
    if entry.kind == "tree":
        folder = f"{path.strip('/')}/" if path.strip("/") else ""
        return [_entry_json(repo, ref, folder + item.name, item) for item in repo.git.listing(entry.sha)]
    data = repo.git.blob(entry.sha)
    if "raw" in request.headers.get("Accept", ""):
        return Response(data, mimetype="application/vnd.github.raw")
    content = base64.encodebytes(data).decode()
    return _entry_json(repo, ref, path.strip("/"), entry) | {"encoding": "base64", "content": content}


def _entry_json(repo: Repo, ref: str, path: str, entry: Entry) -> Json:
    api, web = repo_api(repo), repo_web(repo)
    words = {"blob": ("file", "blob"), "tree": ("dir", "tree")}
    word, page = words.get(entry.kind, ("submodule", "tree"))
    links = {
        "self": f"{api}/contents/{quote(path)}?ref={quote(ref)}",
        "git": f"{api}/git/{entry.kind}s/{entry.sha}",
        "html": f"{web}/{page}/{quote(ref)}/{quote(path)}",
    }
    return {
        "type": word,
        "name": entry.name,
        "path": path,
        "sha": entry.sha,
        "size": entry.size,
        "url": links["self"],
        "git_url": links["git"],
        "html_url": links["html"],
        "download_url": f"{web}/raw/{quote(ref)}/{quote(path)}" if word == "file" else None,
        "_links": links,
    }
