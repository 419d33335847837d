"""The real git command against the stand-in: who may read and push, and what a push brings about."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.sandbox.forge.git import git_environment
from tests.forge_stage import REPO, Stage, stage


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Clone:
    """A work tree of somebody's."""

    folder: Path
    url: str

    def git(self, *args: str, check: bool = True, **config: str) -> "subprocess.CompletedProcess[str]":
        settings = [flag for key, value in config.items() for flag in ("-c", f"http.{key}={value}")]
        done = subprocess.run(
            ["git", *settings, *args],
            cwd=self.folder,
            env=git_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    def commit(self, path: str, text: str, message: str = "Change") -> str:
        (self.folder / path).write_text(text)
        self.git("add", "-A")
        self.git("-c", "user.name=Somebody", "-c", "user.email=somebody@example.org", "commit", "-qm", message)
        return self.git("rev-parse", "HEAD").stdout.strip()


def clone(scene: Stage, login: str | None, name: str = REPO, *, folder: str = "clone") -> Clone:
    """Clone as somebody, the token given as GitHub's documentation says."""
    tree = Clone(scene.root / folder, _url(scene, login, name))
    tree.folder.mkdir()
    tree.git("clone", "-q", tree.url, ".")
    return tree


def _url(scene: Stage, login: str | None, name: str = REPO) -> str:
    credentials = f"x-access-token:{scene.tokens[login]}@" if login else ""
    return scene.forge.url.replace("http://", f"http://{credentials}") + f"/{name}.git"


def test_anybody_reads_a_public_repository_and_writers_push(scene: Stage) -> None:
    stranger = clone(scene, None)
    stranger.commit("colour.txt", "pink\n")
    refused = stranger.git("push", "origin", "master", check=False)
    assert refused.returncode != 0
    assert "could not read Username" in refused.stderr
    carl = stranger.git("push", _url(scene, "carl"), "master", check=False)
    assert "403" in carl.stderr
    stranger.git("push", "-q", _url(scene, "ann"), "master")
    assert scene.forge.head(REPO, "master") == stranger.git("rev-parse", "HEAD").stdout.strip()


def test_a_private_repository_is_not_there_for_strangers(scene: Stage) -> None:
    scene.forge.create_repo("org/secret", private=True, collaborators={"ann": "read"})
    scene.forge.commit("org/secret", "master", {"a": "b"}, "First", "ann")
    ann = clone(scene, "ann", "org/secret")
    assert "not found" in ann.git("ls-remote", _url(scene, "carl", "org/secret"), check=False).stderr
    assert "not found" in ann.git("ls-remote", _url(scene, "carl", "org/never-was"), check=False).stderr
    wrong = ann.url.replace(scene.tokens["ann"], "ghp_wrong")
    assert "Authentication failed" in ann.git("ls-remote", wrong, check=False).stderr
    assert "403" in ann.git("push", "origin", "HEAD:topic", check=False).stderr


def test_an_address_without_git_at_its_end_works_too(scene: Stage) -> None:
    tree = clone(scene, None)
    assert "refs/heads/master" in tree.git("ls-remote", f"{scene.forge.url}/{REPO}").stdout


def test_one_commit_is_fetched_by_its_id(scene: Stage) -> None:
    first = scene.forge.head(REPO, "master")
    scene.forge.commit(REPO, "master", {"a": "b"}, "Second", "ann")
    tree = Clone(scene.root / "shallow", _url(scene, "slipway-bot"))
    tree.folder.mkdir()
    tree.git("init", "-q")
    tree.git("fetch", "-q", "--depth=1", "--filter=blob:none", tree.url, str(first))
    assert tree.git("rev-list", "--count", "FETCH_HEAD").stdout.strip() == "1"


def test_large_and_compressed_uploads_arrive(scene: Stage) -> None:
    """A small post buffer makes git send chunks; many wants make it compress its request."""
    tree = clone(scene, "ann")
    pushed = tree.commit("large.txt", "".join(f"{number * 7919}\n" for number in range(300_000)))
    tree.git("push", "-q", "origin", "master", postBuffer="65536")
    assert scene.forge.head(REPO, "master") == pushed
    other = clone(scene, "bob", folder="other")
    tips = [other.commit("n", str(number)) for number in range(30)]
    other.git("push", "-q", "origin", *(f"{tip}:refs/heads/branch-{number}" for number, tip in enumerate(tips)))
    tree.git("fetch", "-q", "origin")
    assert len(tree.git("branch", "-r").stdout.splitlines()) >= 31


def test_a_push_that_is_not_a_fast_forward_is_refused_unless_forced(scene: Stage) -> None:
    tree = clone(scene, "ann")
    scene.forge.commit(REPO, "master", {"a": "b"}, "Meanwhile", "bob")
    mine = tree.commit("mine.txt", "x")
    assert "rejected" in tree.git("push", "origin", "master", check=False).stderr
    tree.git("push", "-q", "--force", "origin", "master")
    assert scene.forge.head(REPO, "master") == mine


def test_a_push_to_the_head_is_told_and_keeps_old_reviews(scene: Stage) -> None:
    number = scene.pull_request()
    approved = scene.pull(number).head.sha
    scene.forge.review(REPO, number, "bob", "APPROVE")
    hook = scene.forge.add_webhook(REPO, "http://127.0.0.1:9", None, ["pull_request"])
    tree = clone(scene, "ann")
    tree.git("checkout", "-q", "topic")
    pushed = tree.commit("colour.txt", "navy\n")
    tree.git("push", "-q", "origin", "topic")
    pull = scene.pull(number)
    assert pull.head.sha == pushed
    assert [(review.state, review.commit_id) for review in pull.get_reviews()] == [("APPROVED", approved)]
    scene.forge.wait_for_deliveries()
    event = scene.forge.deliveries(REPO, hook)[-1].payload
    assert (event["action"], event["before"], event["after"]) == ("synchronize", approved, pushed)
    assert event["sender"]["login"] == "ann"


def test_deleting_the_head_branch_closes_the_pull_request(scene: Stage) -> None:
    number = scene.pull_request()
    clone(scene, "ann").git("push", "-q", "origin", "--delete", "topic")
    pull = scene.pull(number)
    assert (pull.state, pull.merged) == ("closed", False)
    assert scene.repo().get_commit(pull.head.sha).sha == pull.head.sha


@pytest.mark.parametrize("flag", ["--ff-only", "--no-ff"])
def test_a_head_that_lands_in_its_base_counts_as_merged(scene: Stage, flag: str) -> None:
    number = scene.pull_request()
    tree = clone(scene, "bob")
    identity = ("-c", "user.name=Bob", "-c", "user.email=bob@example.org")
    tree.git(*identity, "merge", "-q", flag, "-m", "Merge by hand", "origin/topic")
    tree.git("push", "-q", "origin", "master")
    pull = scene.pull(number)
    assert (pull.state, pull.merged, pull.merged_by.login) == ("closed", True, "bob")
    assert pull.merge_commit_sha == scene.forge.head(REPO, "master")
    assert [found.number for found in scene.repo().get_commit("master").get_pulls()] == [number]


def test_notes_are_pushed_and_shown_without_an_event(scene: Stage) -> None:
    hook = scene.forge.add_webhook(REPO, "http://127.0.0.1:9", None)
    tree = clone(scene, "slipway-bot")
    identity = ("-c", "user.name=Bot", "-c", "user.email=bot@example.org")
    tree.git(*identity, "notes", "--ref=slipway", "add", "-m", '{"outcome": "healthy"}', "HEAD")
    tree.git("push", "-q", "origin", "refs/notes/slipway")
    assert "refs/notes/slipway" in tree.git("ls-remote", "origin").stdout
    scene.forge.wait_for_deliveries()
    assert [delivery.event for delivery in scene.forge.deliveries(REPO, hook)] == ["ping"]


def test_nobody_pushes_to_the_refs_of_pull_requests(scene: Stage) -> None:
    number = scene.pull_request()
    tree = clone(scene, "ann")
    assert f"refs/pull/{number}/head" in tree.git("ls-remote", "origin").stdout
    assert tree.git("push", "origin", f"HEAD:refs/pull/{number}/head", check=False).returncode != 0


def test_a_dozen_people_push_at_once_and_each_push_is_told_once(scene: Stage) -> None:
    hook = scene.forge.add_webhook(REPO, "http://127.0.0.1:9", None, ["push"])
    trees = [clone(scene, "ann", folder=f"clone-{number}") for number in range(12)]
    heads = {f"branch-{number}": tree.commit(f"{number}", "x") for number, tree in enumerate(trees)}

    def push(number: int) -> int:
        return trees[number].git("push", "-q", "origin", f"HEAD:branch-{number}", check=False).returncode

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(push, range(12))) == {0}
    assert {branch: scene.forge.head(REPO, branch) for branch in heads} == heads
    scene.forge.wait_for_deliveries()
    pushes = [delivery.payload for delivery in scene.forge.deliveries(REPO, hook) if delivery.event == "push"]
    assert sorted((push["ref"].removeprefix("refs/heads/"), push["after"]) for push in pushes) == sorted(heads.items())
