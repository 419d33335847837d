"""REST: commit statuses and deployments."""

from flask import Blueprint, request

from bot.sandbox.forge.api import body, choice, commit_of, page_of, repo_for, store, text, viewer
from bot.sandbox.forge.errors import DOCS, ApiError, not_found
from bot.sandbox.forge.records import Deployment, DeploymentStatus, Json, Level, Repo, Status, now
from bot.sandbox.forge.shapes_pulls import (
    combined_status_json,
    deployment_json,
    deployment_status_json,
    status_json,
)

statuses = Blueprint("statuses", __name__)

_R = "/repos/<owner>/<name>"
_STATES = ("error", "failure", "pending", "success")
_DEPLOYMENT_STATES = ("error", "failure", "inactive", "in_progress", "queued", "pending", "success")
_MAX_STATUSES = 1000  # of one commit and context


@statuses.post(f"{_R}/statuses/<sha>")
def create_status(owner: str, name: str, sha: str) -> tuple[Json, int]:
    """Add a status to a commit."""
    repo = repo_for(owner, name, Level.WRITE)
    fields = body()
    commit = commit_of(repo, sha)
    status = Status(
        id=store().next_id(),
        sha=commit,
        state=choice(text(fields, "state"), _STATES, "state"),
        context=text(fields, "context", "default"),
        description=_description(fields),
        target_url=fields.get("target_url"),
        creator=viewer(),
        created_at=now(),
    )
    if sum(s.context == status.context for s in repo.statuses_of(commit)) >= _MAX_STATUSES:
        raise ApiError(
            422,
            "Validation Failed",
            [
                {
                    "resource": "Status",
                    "code": "custom",
                    "message": "This SHA and context has reached the maximum number of statuses.",
                }
            ],
        )
    repo.statuses.append(status)
    return status_json(repo, status), 201


def _description(fields: Json) -> str | None:
    """GitHub refuses descriptions above 140 characters."""
    found = fields.get("description")
    if found and len(found) > 140:  # noqa: PLR2004 - GitHub's limit
        message = "description is too long (maximum is 140 characters)"
        raise ApiError(
            422,
            "Validation Failed",
            [{"resource": "Status", "code": "custom", "field": "description", "message": message}],
        )
    return str(found) if found is not None else None


@statuses.get(f"{_R}/statuses/<path:ref>")  # the legacy address, which PyGithub uses
@statuses.get(f"{_R}/commits/<path:ref>/statuses")
def list_statuses(owner: str, name: str, ref: str) -> list[Json]:
    """All statuses of a commit, newest first."""
    repo = repo_for(owner, name)
    found = repo.statuses_of(commit_of(repo, ref))
    return [status_json(repo, status) for status in page_of(found)]


@statuses.get(f"{_R}/commits/<path:ref>/status")
def combined_status(owner: str, name: str, ref: str) -> Json:
    """The newest status of each context, and what they come to."""
    repo = repo_for(owner, name)
    sha = commit_of(repo, ref)
    return combined_status_json(repo, sha, list(page_of(repo.latest_statuses(sha))))


# ---------------------------------------------------------------- deployments


@statuses.post(f"{_R}/deployments")
def create_deployment(owner: str, name: str) -> tuple[Json, int]:
    """Record a deployment. ``auto_merge`` is taken as false: the stand-in never merges for it."""
    repo = repo_for(owner, name, Level.WRITE)
    fields = body()
    ref = text(fields, "ref")
    sha = repo.git.resolve(ref)
    if sha is None:
        raise ApiError(422, f"No ref found for: {ref}")
    _check_contexts(repo, sha, ref, fields.get("required_contexts"))
    environment, when = text(fields, "environment", "production"), now()
    deployment = Deployment(
        id=store().next_id(),
        sha=sha,
        ref=ref,
        task=text(fields, "task", "deploy"),
        environment=environment,
        description=fields.get("description") or None,
        payload=fields.get("payload") or {},
        transient=bool(fields.get("transient_environment", False)),
        production=bool(fields.get("production_environment", environment == "production")),
        creator=viewer(),
        created_at=when,
        updated_at=when,
    )
    repo.deployments[deployment.id] = deployment
    return deployment_json(repo, deployment), 201


def _check_contexts(repo: Repo, sha: str, ref: str, required: list[str] | None) -> None:
    """Unless told which contexts count, GitHub wants every status of the commit to be green."""
    latest = {status.context: status.state for status in repo.latest_statuses(sha)}
    wanted = list(latest) if required is None else required
    bad = [context for context in wanted if latest.get(context) != "success"]
    if bad:
        error = {"contexts": bad, "resource": "Deployment", "field": "required_contexts", "code": "invalid"}
        docs = f"{DOCS}/deployments/deployments#create-a-deployment"
        raise ApiError(409, f"Conflict: Commit status checks failed for {ref}.", [error], docs)


@statuses.get(f"{_R}/deployments")
def list_deployments(owner: str, name: str) -> list[Json]:
    """Deployments, newest first, filtered by sha, ref, task, environment."""
    repo = repo_for(owner, name)
    wanted = {key: request.args[key] for key in ("sha", "ref", "task", "environment") if key in request.args}
    found = [
        deployment
        for deployment in reversed(repo.deployments.values())
        if all(getattr(deployment, key) == value for key, value in wanted.items())
    ]
    return [deployment_json(repo, deployment) for deployment in page_of(found)]


def _deployment(repo: Repo, number: int) -> Deployment:
    if found := repo.deployments.get(number):
        return found
    raise not_found()


@statuses.get(f"{_R}/deployments/<int:number>")
def get_deployment(owner: str, name: str, number: int) -> Json:
    """One deployment."""
    repo = repo_for(owner, name)
    return deployment_json(repo, _deployment(repo, number))


@statuses.post(f"{_R}/deployments/<int:number>/statuses")
def create_deployment_status(owner: str, name: str, number: int) -> tuple[Json, int]:
    """Say how a deployment goes. A success makes the environment's older successes inactive."""
    repo = repo_for(owner, name, Level.WRITE)
    deployment, fields = _deployment(repo, number), body()
    status = DeploymentStatus(
        id=store().next_id(),
        state=choice(text(fields, "state"), _DEPLOYMENT_STATES, "state"),
        creator=viewer(),
        description=text(fields, "description", ""),
        environment=text(fields, "environment", deployment.environment),
        environment_url=text(fields, "environment_url", ""),
        log_url=text(fields, "log_url", "") or text(fields, "target_url", ""),
        created_at=now(),
    )
    deployment.statuses.append(status)
    deployment.updated_at = status.created_at
    if status.state == "success" and fields.get("auto_inactive", True):
        _retire_older(repo, deployment, status)
    return deployment_status_json(repo, deployment, status), 201


def _retire_older(repo: Repo, current: Deployment, status: DeploymentStatus) -> None:
    for other in repo.deployments.values():
        same_place = other.environment == current.environment and not (other.transient or other.production)
        if other is not current and same_place and other.statuses and other.statuses[-1].state == "success":
            retired = DeploymentStatus(
                id=store().next_id(),
                state="inactive",
                creator=status.creator,
                description="",
                environment=other.environment,
                environment_url="",
                log_url="",
                created_at=status.created_at,
            )
            other.statuses.append(retired)


@statuses.get(f"{_R}/deployments/<int:number>/statuses")
def list_deployment_statuses(owner: str, name: str, number: int) -> list[Json]:
    """A deployment's statuses, newest first."""
    repo = repo_for(owner, name)
    deployment = _deployment(repo, number)
    found = page_of(list(reversed(deployment.statuses)))
    return [deployment_status_json(repo, deployment, status) for status in found]
