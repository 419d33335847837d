"""The pages people see: repositories, pull requests, commits, and the buttons to approve and merge.

There are no passwords: whoever opens the page acts as any of the stand-in's people. That is safe only because
the server listens on loopback, answers only when addressed as such, and takes a button's POST from none but
its own pages (so no foreign site can press one through the visitor's browser).
"""

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, redirect, render_template, request
from markupsafe import Markup
from werkzeug.wrappers import Response as BaseResponse

from bot.sandbox.forge.api import store
from bot.sandbox.forge.errors import ApiError
from bot.sandbox.forge.markdown import render
from bot.sandbox.forge.merge import merge_pull, mergeability, revert_pull
from bot.sandbox.forge.pulls import add_comment, edit_pull, review_pull
from bot.sandbox.forge.records import Level, Pull, Repo, Review, User
from bot.sandbox.forge.shapes_pulls import base_tip, pull_changes

pages = Blueprint("pages", __name__)

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_COMMITS_SHOWN = 30
_VERDICTS = {
    "APPROVED": "approved these changes",
    "CHANGES_REQUESTED": "requested changes",
    "COMMENTED": "reviewed",
    "DISMISSED": "reviewed; the review was dismissed",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One entry of a pull request's history."""

    at: str
    who: User
    what: str
    kind: str
    text: str = ""
    anchor: str = ""


@pages.before_request
def refuse_strangers() -> None:
    """Answer to loopback names only (against DNS rebinding), and take POSTs from our own pages only."""
    if urlsplit(f"//{request.host}").hostname not in _LOOPBACK:
        abort(403, "The stand-in's pages answer on 127.0.0.1 only.")
    if request.method == "POST":
        origin = request.headers.get("Origin") or request.headers.get("Referer") or ""
        if urlsplit(origin).netloc != request.host:
            abort(403, "This button was pressed from somewhere else than the stand-in's own page.")


@pages.after_request
def forbid_the_rest(response: Response) -> Response:
    """No scripts, no frames around our buttons, nothing from elsewhere."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    )
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@pages.app_template_filter("markdown")
def markdown(text: str, repo: Repo) -> Markup:
    """A text as HTML, its references leading to this stand-in's pages."""

    def link_to(name: str, number: str) -> str:
        return f"/{name or repo.full_name}/pull/{number}"

    return render(text, link_to)


# ---------------------------------------------------------------- looking


@pages.get("/")
def home() -> str:
    """All repositories."""
    shown = sorted(store().repos.values(), key=lambda repo: repo.full_name)
    return render_template("forge_home.html", repos=shown)


def _repo(owner: str, name: str) -> Repo:
    found = store().repo(f"{owner}/{name}")
    if found is None:
        abort(404)
    return found


def _pull(owner: str, name: str, number: int) -> Pull:
    found = _repo(owner, name).pulls.get(number)
    if found is None:
        abort(404)
    return found


@pages.get("/<owner>/<name>")
def repository(owner: str, name: str) -> str:
    """A repository's pull requests and newest commits."""
    repo = _repo(owner, name)
    tip = repo.git.ref(f"refs/heads/{repo.default_branch}")
    newest = repo.git.rev_list(f"--max-count={_COMMITS_SHOWN}", tip) if tip else []
    pulls = sorted(repo.pulls.values(), key=lambda pull: (pull.state == "closed", -pull.number))
    environments = {one.environment: one for one in repo.deployments.values()}  # the newest of each
    return render_template(
        "forge_repo.html", repo=repo, pulls=pulls, environments=environments, commits=repo.git.commits(newest)
    )


@pages.get("/<owner>/<name>/commit/<sha>")
def commit(owner: str, name: str, sha: str) -> str:
    """A commit, its notes and its diff."""
    repo = _repo(owner, name)
    found = repo.git.resolve(sha)
    if found is None:
        abort(404)
    shown = repo.git.commit(found)
    return render_template(
        "forge_commit.html",
        repo=repo,
        commit=shown,
        changes=repo.git.changes_of(shown),
        notes=repo.git.notes(found),
        author=store().user_by_email(shown.author.email),
    )


@pages.get("/<owner>/<name>/compare/<path:span>")
def compare(owner: str, name: str, span: str) -> str:
    """What one commit has and another has not."""
    repo = _repo(owner, name)
    base, head = (repo.git.resolve(end) for end in (span.split("...", 1) if "..." in span else ("", "")))
    common = repo.git.merge_base(base, head) if base and head else None
    if base is None or head is None or common is None:
        abort(404)
    return render_template(
        "forge_compare.html",
        repo=repo,
        span=span,
        commits=repo.git.commits(repo.git.between(base, head)),
        changes=repo.git.changes(common, head),
    )


@pages.get("/<owner>/<name>/pull/<int:number>")
def pull_request(owner: str, name: str, number: int) -> str:
    """A pull request, with the buttons."""
    return _pull_page(_pull(owner, name, number), request.args.get("as"))


def _pull_page(pull: Pull, actor: str | None, problem: str = "") -> str:
    repo = pull.repo
    commits = repo.git.commits(repo.git.between(base_tip(pull), pull.head_sha))
    if pull.state == "open":
        mergeability(pull)  # the first question only starts GitHub's background work
    return render_template(
        "forge_pull.html",
        repo=repo,
        pull=pull,
        commits=commits,
        changes=pull_changes(pull),
        statuses=repo.latest_statuses(pull.head_sha),
        history=_history(pull),
        people=_people(repo),
        actor=actor or _likely_actor(pull),
        mergeable=mergeability(pull),
        problem=problem,
    )


def _people(repo: Repo) -> list[tuple[User, Level]]:
    """Everybody a visitor may act as: people who can see the repository, those with most rights first."""
    found = [(user, store().level(repo, user)) for user in store().users.values() if user.type == "User"]
    seen = [(user, level) for user, level in found if level >= Level.READ and user.login != "web-flow"]
    return sorted(seen, key=lambda pair: (-pair[1], pair[0].login))


def _likely_actor(pull: Pull) -> str:
    """Somebody who could approve: not the author, nor whoever merely owns the place."""
    others = [user.login for user, level in _people(pull.repo) if user is not pull.author and level >= Level.WRITE]
    return others[0] if others else ""


def _history(pull: Pull) -> list[Moment]:
    moments = [
        Moment(c.created_at, c.author, "commented", "comment", c.body, f"issuecomment-{c.id}") for c in pull.comments
    ]
    moments += [_review_moment(review) for review in pull.reviews if review.submitted_at]
    if pull.closed_at and pull.closed_by:
        what = f"merged this as {(pull.merge_commit_sha or '')[:7]}" if pull.merged_at else "closed this"
        moments.append(Moment(pull.closed_at, pull.closed_by, what, "merged" if pull.merged_at else "closed"))
    return sorted(moments, key=lambda moment: moment.at)


def _review_moment(review: Review) -> Moment:
    what = f"{_VERDICTS[review.state]} at {review.commit_id[:7]}"
    return Moment(
        review.submitted_at or "",
        review.author,
        what,
        review.state.lower(),
        review.body,
        f"pullrequestreview-{review.id}",
    )


# ---------------------------------------------------------------- acting


@pages.post("/<owner>/<name>/pull/<int:number>")
def act(owner: str, name: str, number: int) -> BaseResponse | tuple[str, int]:
    """A button was pressed."""
    pull = _pull(owner, name, number)
    login = request.form.get("login", "")
    try:
        number = _press(pull, _actor(pull.repo, login), request.form.get("action", ""))
    except ApiError as error:
        problem = "; ".join(str(entry) for entry in error.errors or [error.message])
        return _pull_page(pull, login, problem), error.status
    return redirect(f"/{pull.repo.full_name}/pull/{number}?{urlencode({'as': login})}", 303)


def _actor(repo: Repo, login: str) -> User:
    for user, _ in _people(repo):
        if user.login == login:
            return user
    raise ApiError(422, "Choose who presses the button.")


def _press(pull: Pull, user: User, action: str) -> int:
    """Do what the button says, for the commit that the page showed; the number of the page to show next."""
    seen, text = request.form.get("sha", ""), request.form.get("body", "").strip()
    match action:
        case "APPROVE" | "REQUEST_CHANGES":
            review_pull(pull, user, event=action, body=text, commit_id=seen)
        case "comment" if text:
            add_comment(pull, user, text)
        case "merge" | "squash" | "rebase":
            _need_write(pull, user)
            merge_pull(pull, user, method=action, sha=seen)
        case "closed" | "open":
            _need_write(pull, user)
            edit_pull(pull, user, {"state": action})
        case "revert":
            _need_write(pull, user)
            return revert_pull(pull, user).number
        case _:
            raise ApiError(422, "Nothing to do: write something, or choose a button.")
    return pull.number


def _need_write(pull: Pull, user: User) -> None:
    if user is not pull.author and store().level(pull.repo, user) < Level.WRITE:
        raise ApiError(403, f"{user.login} may not do that here: it takes write permission.")


# ---------------------------------------------------------------- looks


@pages.get("/assets/forge.css")
def stylesheet() -> Response:
    """The looks."""
    return Response(render_template("forge.css"), mimetype="text/css")


@pages.get("/favicon.ico")
def icon() -> tuple[str, int]:
    """None; browsers always ask."""
    return "", 204


@pages.get("/avatars/<int:number>")
def avatar(number: int) -> Response:
    """A disc with an initial."""
    user = next((user for user in store().users.values() if user.id == number), None)
    if user is None:
        abort(404)
    hue = sum(map(ord, user.login)) * 47 % 360
    return Response(
        render_template("forge_avatar.svg", hue=hue, initial=user.login[0].upper()), mimetype="image/svg+xml"
    )
