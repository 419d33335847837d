"""A GitHub for demos and tests: real bare git repositories behind real HTTP, people in memory.

The real PyGithub and the real git command work on it, webhooks come from it, and its pages have the buttons
that people press. What it answers is held to GitHub's own OpenAPI description by the contract tests.

    with Forge(tmp_path) as forge:
        token = forge.create_user("ann")
        forge.create_repo("org/site", collaborators={"ann": "write"})
        forge.commit("org/site", "master", {"README.md": "Hello"}, "First", "ann")

It listens on loopback only and asks nobody for a password: never a server for anything but a sandbox.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from bot.sandbox.forge.api import API, LockedFlask, RateLimit, install
from bot.sandbox.forge.events import emit_ping
from bot.sandbox.forge.faults import Faults
from bot.sandbox.forge.git import ZERO, GitRepo
from bot.sandbox.forge.hookshot import Hookshot
from bot.sandbox.forge.http import git, write_hooks
from bot.sandbox.forge.merge import merge_pull, revert_pull
from bot.sandbox.forge.oauth import oauth
from bot.sandbox.forge.pages import pages
from bot.sandbox.forge.pulls import add_comment, dismiss_review, edit_pull, find_pull, open_pull, review_pull
from bot.sandbox.forge.pushes import after_push
from bot.sandbox.forge.records import App, Delivery, Hook, Level, OAuthApp, Protection, Repo, Team, User, now
from bot.sandbox.forge.routes_hooks import hooks
from bot.sandbox.forge.routes_issues import issues
from bot.sandbox.forge.routes_people import people
from bot.sandbox.forge.routes_pulls import pulls
from bot.sandbox.forge.routes_repos import repos
from bot.sandbox.forge.routes_statuses import statuses
from bot.sandbox.forge.state import Store


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request that was answered; ``status`` is 0 where a fault broke the connection."""

    method: str
    path: str
    status: int


class _Handler(WSGIRequestHandler):
    """HTTP/1.1, which git's chunked uploads need; silent, since ``requests_log`` has it all."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing."""

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:  # noqa: ARG002 - werkzeug's signature
        """A fault broke the connection, or the client did: wait for no further request on it."""
        self.close_connection = True


class Forge:
    """The stand-in. Start and stop it as often as you like: it keeps its port and its memory."""

    def __init__(
        self,
        root: Path,
        *,
        port: int = 0,
        rate_limit: int = 5000,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        """Keep the repositories below ``root``; ``middleware`` sees the undisturbed exchanges."""
        self.faults = Faults()
        self.requests_log: list[LoggedRequest] = []
        self._store = Store(root)
        self._port = port
        self._server: BaseWSGIServer | None = None
        self._thread: threading.Thread | None = None
        self._hookshot: Hookshot | None = None
        app = application(self._store, rate_limit)
        self._wsgi = self._logged(self.faults.wrap(middleware(app) if middleware else app))
        write_hooks(root / "hooks")
        self._store.add_user("web-flow", "GitHub Web Flow", "User")

    # ------------------------------------------------------------ running

    def start(self) -> Self:
        """Listen on 127.0.0.1."""
        self._server = make_server("127.0.0.1", self._port, self._wsgi, threaded=True, request_handler=_Handler)
        self._port = self._server.port
        self._store.web = f"http://127.0.0.1:{self._port}"
        self._store.api = self._store.web + API
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="forge", daemon=True)
        self._thread.start()
        self._hookshot = Hookshot(self._store, self.faults)
        self._hookshot.start()
        return self

    def stop(self) -> None:
        """Close the port. Repositories and memory stay; webhooks that wait are lost."""
        if self._server and self._thread and self._hookshot:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._hookshot.stop()
        self._server = self._thread = self._hookshot = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Base of pages and clones: ``GITHUB_URL``."""
        return self._store.web

    @property
    def api_url(self) -> str:
        """Base of the REST API: ``GITHUB_API_URL``."""
        return self._store.api

    def _logged(self, app: WSGIApplication) -> WSGIApplication:
        def logged(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            status = 0
            try:
                response = Response.from_app(app, environ)
                status = response.status_code
            finally:
                record = LoggedRequest(environ["REQUEST_METHOD"], environ["PATH_INFO"], status)
                self.requests_log.append(record)
            return response(environ, start_response)

        return logged

    # ------------------------------------------------------------ setting the scene

    def create_user(
        self,
        login: str,
        name: str | None = None,
        *,
        type: Literal["User", "Organization", "Bot"] = "User",  # noqa: A002 - GitHub's word
    ) -> str:
        """Create somebody and return a token of theirs."""
        with self._store.lock:
            return self._store.issue_token(self._store.add_user(login, name, type))

    def email(self, login: str) -> str:
        """The address GitHub writes into commits it makes for somebody."""
        return self._store.known_user(login).email

    def create_repo(
        self,
        full_name: str,
        *,
        private: bool = False,
        default_branch: str = "master",
        collaborators: Mapping[str, str] | None = None,
    ) -> Path:
        """Create an empty repository and return its bare git directory.

        An owner who does not exist becomes an organization. Collaborators are logins with one of read, triage,
        write, maintain, admin.
        """
        login, _, name = full_name.partition("/")
        with self._store.lock:
            owner = self._store.user(login) or self._store.add_user(login, login, "Organization")
            path = self._store.root / login / f"{name}.git"
            git_repo = GitRepo(path)
            git_repo.create(default_branch, self._store.root / "hooks")
            self._store.repos[full_name.lower()] = Repo(
                store=self._store,
                id=self._store.next_id(),
                owner=owner,
                name=name,
                private=private,
                default_branch=default_branch,
                git=git_repo,
                created_at=now(),
                pushed_at=now(),
                collaborators={who.lower(): Level[role.upper()] for who, role in (collaborators or {}).items()},
            )
        return path

    def configure_repo(
        self,
        full_name: str,
        *,
        merge_methods: Iterable[str] | None = None,
        delete_branch_on_merge: bool | None = None,
    ) -> None:
        """Change a repository's merge settings (merge, squash, rebase; all by default)."""
        with self._store.lock:
            repo = self._store.known_repo(full_name)
            if merge_methods is not None:
                repo.merge_methods = set(merge_methods)
            if delete_branch_on_merge is not None:
                repo.delete_branch_on_merge = delete_branch_on_merge

    def set_permission(self, full_name: str, login: str, role: str | None) -> None:
        """Let somebody do more or less in a repository; None takes all away."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            repo.collaborators[person.login.lower()] = Level[role.upper()] if role else Level.NONE

    def protect(self, full_name: str, branch: str, *, approvals: int = 1, strict: bool = False) -> None:
        """Protect a branch: merges need approvals, and with ``strict`` an up-to-date head. Pushes stay free."""
        with self._store.lock:
            self._store.known_repo(full_name).protections[branch] = Protection(approvals, strict)

    def create_team(self, org: str, slug: str, members: Iterable[str]) -> None:
        """Create a team of an organization."""
        with self._store.lock:
            owner = self._store.user(org) or self._store.add_user(org, org, "Organization")
            people_ = [self._store.known_user(login) for login in members]
            team = Team(self._store.next_id(), owner, slug, people_, now())
            self._store.teams[org.lower(), slug] = team

    def create_app(self, slug: str, public_key: str, repos: Sequence[str]) -> int:
        """Create a GitHub App (its RSA public key as PEM), installed on repositories of one owner; its id.

        Its bot may write there, as ``slug[bot]``.
        """
        with self._store.lock:
            found = [self._store.known_repo(name) for name in repos]
            bot = self._store.add_user(f"{slug}[bot]", None, "Bot")
            for repo in found:
                repo.collaborators[bot.login.lower()] = Level.WRITE
            number = self._store.next_id()
            names = frozenset(repo.full_name for repo in found)
            installation = self._store.next_id()
            app = App(number, slug, public_key, bot, found[0].owner, installation, names, now())
            self._store.apps[number] = app
            return number

    def create_oauth_app(self, name: str, callback: str) -> tuple[str, str]:
        """Register an OAuth app; its client id and secret."""
        with self._store.lock:
            app = OAuthApp(f"Ov23li{secrets.token_hex(7)}", secrets.token_hex(20), name, callback)
            self._store.oauth_apps[app.client_id] = app
            return app.client_id, app.secret

    def add_webhook(
        self,
        full_name: str,
        url: str,
        secret: str | None,
        events: Sequence[str] = ("*",),
        content_type: Literal["json", "form"] = "json",
    ) -> int:
        """Add a webhook, which gets its ping at once, and return its id."""
        with self._store.lock:
            repo = self._store.known_repo(full_name)
            hook = Hook(self._store.next_id(), url, secret, tuple(events), content_type, now())
            repo.hooks[hook.id] = hook
            emit_ping(repo, hook, repo.owner)
            return hook.id

    # ------------------------------------------------------------ acting as a person

    def commit(
        self, full_name: str, branch: str, files: Mapping[str, str | None], message: str, author_login: str
    ) -> str:
        """Commit and push files (None deletes one) as somebody; a new branch starts at the default branch."""
        with self._store.lock:
            repo, author = self._scene(full_name, author_login)
            old = repo.git.ref(f"refs/heads/{branch}")
            parent = old or repo.git.ref(f"refs/heads/{repo.default_branch}")
            new = repo.git.write(branch, parent, files, message, author.signature())
            after_push(repo, [(f"refs/heads/{branch}", old or ZERO, new)], author)
            return new

    def delete_branch(self, full_name: str, branch: str, login: str) -> None:
        """Delete a branch as somebody; an open pull request from it closes."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            ref = f"refs/heads/{branch}"
            old = repo.git.ref(ref)
            if old is None or not repo.git.update_ref(ref, ZERO, old):
                raise KeyError(f"{full_name} has no branch {branch!r}.")
            after_push(repo, [(ref, old, ZERO)], person)

    def move_branch(self, full_name: str, branch: str, sha: str, login: str) -> None:
        """Force-push a branch to a commit that is there already, as somebody."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            ref = f"refs/heads/{branch}"
            old = repo.git.ref(ref) or ZERO
            if not repo.git.update_ref(ref, sha, old):
                raise KeyError(f"{full_name} has no commit {sha}.")
            after_push(repo, [(ref, old, sha)], person)

    def head(self, full_name: str, branch: str) -> str | None:
        """The commit a branch points to, or None."""
        return self._store.known_repo(full_name).git.ref(f"refs/heads/{branch}")

    def open_pull_request(
        self, full_name: str, head: str, base: str, title: str, *, author: str, body: str = ""
    ) -> int:
        """Open a pull request and return its number."""
        with self._store.lock:
            repo, person = self._scene(full_name, author)
            return open_pull(repo, person, head=head, base=base, title=title, body=body or None).number

    def merge_pull_request(
        self,
        full_name: str,
        number: int,
        login: str,
        method: Literal["merge", "squash", "rebase"] = "merge",
    ) -> str:
        """Press Merge as somebody; the base's new tip. Raises ``state.ApiError`` as the button would."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            return merge_pull(find_pull(repo, number), person, method=method)

    def revert_pull_request(self, full_name: str, number: int, login: str) -> int:
        """Press Revert as somebody; the number of the new pull request."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            return revert_pull(find_pull(repo, number), person).number

    def close_pull_request(self, full_name: str, number: int, login: str) -> None:
        """Close without merging."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            edit_pull(find_pull(repo, number), person, {"state": "closed"})

    def edit_pull_request(self, full_name: str, number: int, login: str, **fields: str) -> None:
        """Change title, body or base, or reopen it (``state="open"``), as somebody."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            edit_pull(find_pull(repo, number), person, fields)

    def review(
        self,
        full_name: str,
        number: int,
        login: str,
        state: Literal["APPROVE", "REQUEST_CHANGES", "COMMENT"],
        body: str = "",
    ) -> int:
        """Review the head as somebody and return the review's id."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            pull = find_pull(repo, number)
            review = review_pull(pull, person, event=state, body=body, commit_id=None)
            return review.id

    def dismiss_review(self, full_name: str, number: int, review_id: int, login: str) -> None:
        """Take the weight from a review as somebody."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            pull = find_pull(repo, number)
            dismiss_review(pull, next(review for review in pull.reviews if review.id == review_id), person)

    def comment(self, full_name: str, number: int, login: str, body: str) -> int:
        """Comment as somebody and return the comment's id."""
        with self._store.lock:
            repo, person = self._scene(full_name, login)
            return add_comment(find_pull(repo, number), person, body).id

    def _scene(self, full_name: str, login: str) -> tuple[Repo, User]:
        return self._store.known_repo(full_name), self._store.known_user(login)

    # ------------------------------------------------------------ looking behind the scenes

    def deliveries(self, full_name: str, hook_id: int) -> list[Delivery]:
        """What was sent to a hook, oldest first."""
        with self._store.lock:
            return list(self._store.known_repo(full_name).hooks[hook_id].deliveries)

    def wait_for_deliveries(self, timeout: float = 30.0) -> bool:
        """Wait until every queued webhook was sent or given up; False when that takes too long."""
        outbox = self._store.outbox
        with outbox.all_tasks_done:
            return outbox.all_tasks_done.wait_for(lambda: not outbox.unfinished_tasks, timeout)


def application(store: Store, rate_limit: int) -> LockedFlask:
    """The stand-in without its server."""
    app = LockedFlask("bot.sandbox.forge", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions |= {"forge": store, "forge-rate-limit": RateLimit(rate_limit)}
    install(app)
    for routes in (repos, pulls, issues, statuses, people, hooks):
        app.register_blueprint(routes, url_prefix=API)
    app.register_blueprint(oauth)
    app.register_blueprint(git)
    app.register_blueprint(pages)
    return app
