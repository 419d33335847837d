"""A GitHub stand-in with people and a repository in it, for the tests of the stand-in itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from github import Auth, Github
from github.PullRequest import PullRequest
from github.Repository import Repository

from bot.sandbox.forge import Forge
from bot.sandbox.forge.git import GitRepo
from tests.openapi import Recorder, description

REPO = "org/site"


@dataclass(slots=True)
class Stage:
    """Ann and Bob may write, Olga owns nothing but may administer, Carl is a stranger, the bot may write."""

    forge: Forge
    root: Path
    recorder: Recorder
    tokens: dict[str, str]
    clients: list[Github] = field(default_factory=list)

    def hub(self, login: str | None = "slipway-bot") -> Github:
        """PyGithub as somebody, or anonymous; without its pauses and its retries."""
        client = Github(
            auth=Auth.Token(self.tokens[login]) if login else None,
            base_url=self.forge.api_url,
            seconds_between_requests=0,
            seconds_between_writes=0,
            retry=None,
        )
        self.clients.append(client)
        return client

    def repo(self, login: str | None = "slipway-bot", name: str = REPO) -> Repository:
        """A repository, as somebody."""
        return self.hub(login).get_repo(name)

    def call(
        self, method: str, path: str, login: str | None = "slipway-bot", json: object = None, **headers: str
    ) -> requests.Response:
        """A request that PyGithub has no method for."""
        if login:
            headers["Authorization"] = f"Bearer {self.tokens[login]}"
        url = self.forge.api_url + path
        return requests.request(method, url, json=json, headers=headers, timeout=10, allow_redirects=False)

    def send(self, method: str, path: str, text: str) -> requests.Response:
        """A request of the bot's with any text as its body."""
        headers = {"Authorization": f"Bearer {self.tokens['slipway-bot']}"}
        return requests.request(method, self.forge.api_url + path, data=text, headers=headers, timeout=10)

    def git(self, *args: str) -> str:
        """Git in the bare repository itself, behind the stand-in's back."""
        identity = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org")
        return GitRepo(self.root / "forge" / f"{REPO}.git").run(*identity, *args)

    def pull_request(self, branch: str = "topic", *, author: str = "ann", title: str = "Paint it blue") -> int:
        """A pull request of one commit."""
        self.forge.commit(REPO, branch, {"colour.txt": "blue\n"}, "Paint it blue\n\nRed hurts the eyes.", author)
        return self.forge.open_pull_request(REPO, branch, "master", title, author=author, body="Please.")

    def pull(self, number: int, login: str = "slipway-bot") -> PullRequest:
        """A pull request, read afresh."""
        return self.repo(login).get_pull(number)

    def judge(self) -> None:
        """Hold every exchange so far to GitHub's description, in both directions."""
        assert self.recorder.exchanges
        for exchange in self.recorder.exchanges:
            description().check(exchange)


@contextmanager
def stage(root: Path, *, rate_limit: int = 5000) -> Iterator[Stage]:
    """Set the scene; everything is gone afterwards."""
    recorder = Recorder()
    with Forge(root / "forge", middleware=recorder.wrap, rate_limit=rate_limit) as forge:
        tokens = {login: forge.create_user(login, login.title()) for login in ("ann", "bob", "carl", "olga")}
        tokens["slipway-bot"] = forge.create_user("slipway-bot")
        writers = dict.fromkeys(("ann", "bob", "slipway-bot"), "write")
        forge.create_repo(REPO, collaborators=writers | {"olga": "admin"})
        forge.commit(REPO, "master", {"colour.txt": "red\n", "docs/read me.md": "# Site\n"}, "First", "ann")
        found = Stage(forge, root, recorder, tokens)
        try:
            yield found
        finally:
            for client in found.clients:
                client.close()
