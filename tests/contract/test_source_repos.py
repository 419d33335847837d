"""Source repositories over real git and HTTP: the head of a branch, and the tree of exactly one commit."""

import os
import random
from pathlib import Path

import pytest

from bot.adapters.git.command import Patience
from bot.adapters.git.source_repos import GitSourceRepos
from bot.errors import Permanent, SlipwayError, Transient
from tests.git_stage import TOKEN, GitStage, stage

__all__ = ["stage"]

SITE = "org/site"
FILES = {"Dockerfile": "FROM scratch\n", "src/app.py": "print()\n"}
UNKNOWN = "0123456789" * 4


@pytest.fixture
def sources(stage: GitStage) -> GitSourceRepos:
    stage.create(SITE)
    stage.commit(FILES, "First", repo=SITE)
    return GitSourceRepos(stage.folder / "sources", base_url=stage.server.url, token=lambda repo: TOKEN)


def push(stage: GitStage, *lines: bytes) -> str:
    """A commit of fast-import's file commands."""
    head = b"commit refs/heads/main\ncommitter P <p@x> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    stage.git("fast-import", "--quiet", repo=SITE, stdin=head + b"\n".join(lines) + b"\n")
    return stage.tip(repo=SITE) or ""


def link(path: str, target: str) -> bytes:
    return f"M 120000 inline {path}\ndata {len(target)}\n{target}".encode()


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_the_head_of_a_branch_is_what_the_server_says_now(stage: GitStage, sources: GitSourceRepos) -> None:
    first = stage.tip(repo=SITE)
    assert sources.branch_head(SITE, "main") == first

    second = stage.commit({"x": "1"}, repo=SITE)

    assert sources.branch_head(SITE, "main") == second


def test_a_branch_that_is_gone_has_no_head(stage: GitStage, sources: GitSourceRepos) -> None:
    stage.git("tag", "release", "main", repo=SITE)
    stage.commit({"x": "1"}, branch="feature/main", base=stage.tip(repo=SITE), repo=SITE)

    assert sources.branch_head(SITE, "nope") is None
    assert sources.branch_head(SITE, "release") is None
    assert sources.branch_head(SITE, "feature") is None
    assert sources.branch_head(SITE, "*") is None


def test_a_checkout_is_the_tree_of_that_commit_and_nothing_else(stage: GitStage, sources: GitSourceRepos) -> None:
    first = stage.tip(repo=SITE) or ""
    stage.commit({"src/app.py": "later\n", "new": "1"}, repo=SITE)

    with sources.checkout(SITE, first) as folder:
        assert files_below(folder) == sorted(FILES)
        assert (folder / "src/app.py").read_text() == "print()\n"


def test_a_checkout_is_gone_afterwards_also_after_a_failure(stage: GitStage, sources: GitSourceRepos) -> None:
    first = stage.tip(repo=SITE) or ""
    with sources.checkout(SITE, first) as folder:
        (folder / "src" / "built").mkdir()
    assert not folder.exists()

    with pytest.raises(RuntimeError, match="build"), sources.checkout(SITE, first):
        raise RuntimeError("the build failed")
    assert list((stage.folder / "sources").iterdir()) == []


def test_checkouts_that_a_killed_process_left_are_removed_at_the_start(
    stage: GitStage, sources: GitSourceRepos
) -> None:
    left = stage.folder / "sources" / "slipway-checkout-x" / "tree"
    left.mkdir(parents=True)
    other = stage.folder / "sources" / "mine"
    other.mkdir()

    GitSourceRepos(stage.folder / "sources", base_url=stage.server.url, token=lambda repo: TOKEN)

    assert not left.exists()
    assert other.exists()


def test_one_commit_is_fetched_and_not_the_history(stage: GitStage, sources: GitSourceRepos) -> None:
    stage.commit({"big": random.Random(1).randbytes(300_000).hex()}, repo=SITE)
    stage.commit({"big": None}, repo=SITE)

    with sources.checkout(SITE, stage.tip(repo=SITE) or "") as folder:
        assert files_below(folder) == sorted(FILES)
    assert stage.server.bytes_sent < 100_000


def test_a_server_that_serves_no_commits_by_hash_is_asked_for_the_branches(
    stage: GitStage, sources: GitSourceRepos
) -> None:
    first = stage.tip(repo=SITE) or ""
    stage.commit({"x": "1"}, repo=SITE)
    stage.server.protocol = "version=0"

    with sources.checkout(SITE, first) as folder:
        assert files_below(folder) == sorted(FILES)
    assert stage.server.count("GET refs") == len(["for the commit", "for the branches"])


@pytest.mark.parametrize("protocol", ["version=0", None])
def test_a_commit_that_was_force_pushed_away_is_named(
    stage: GitStage, sources: GitSourceRepos, protocol: str | None
) -> None:
    stage.server.protocol = protocol

    with pytest.raises(Permanent, match=rf"{UNKNOWN} is not in org/site any more.*force-pushed"):  # noqa: SIM117
        with sources.checkout(SITE, UNKNOWN):
            pass


@pytest.mark.parametrize("sha", ["main", "HEAD", "--upload-pack=x", "0123"])
def test_only_full_hashes_are_checked_out(sources: GitSourceRepos, sha: str) -> None:
    with pytest.raises(Permanent, match="40 hex digits"), sources.checkout(SITE, sha):
        pass


def test_modes_and_links_inside_the_checkout_are_real(stage: GitStage, sources: GitSourceRepos) -> None:
    sha = push(
        stage,
        b"M 755 inline run.sh\ndata 2\n#!",
        link("src/link", "../Dockerfile"),
        link("folder", "src"),
        link("dangling", "src/nowhere"),
    )

    with sources.checkout(SITE, sha) as folder:
        assert os.access(folder / "run.sh", os.X_OK)
        assert (folder / "src/link").is_symlink()
        assert (folder / "src/link").read_text() == "FROM scratch\n"
        assert (folder / "folder/app.py").read_text() == "print()\n"
        assert (folder / "dangling").is_symlink()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("secret", "/etc/passwd"),
        ("src/up", "../../git/config"),
        ("src/far", "../../../../../../../../etc/passwd"),
        ("host", "/"),
        ("nowhere", "/nowhere/at/all"),
    ],
)
def test_a_link_that_leads_out_of_the_checkout_is_refused_by_name(
    stage: GitStage, sources: GitSourceRepos, path: str, target: str
) -> None:
    sha = push(stage, link(path, target))

    with pytest.raises(Permanent, match=f"{path} in org/site .*symbolic link to {target}"):  # noqa: SIM117
        with sources.checkout(SITE, sha):
            pass
    assert list((stage.folder / "sources").iterdir()) == []


def test_a_link_that_leads_out_by_way_of_another_is_refused(stage: GitStage, sources: GitSourceRepos) -> None:
    sha = push(stage, link("src/one", ".."), link("two", "src/one/../../x"))

    with pytest.raises(Permanent, match="two in org/site"), sources.checkout(SITE, sha):
        pass


def test_filters_hooks_and_submodules_do_not_run(
    stage: GitStage, sources: GitSourceRepos, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, ran = stage.folder / "home", stage.folder / "ran"
    home.mkdir()
    (home / "post-checkout").write_text(f"#!/bin/sh\ntouch {ran}\n")
    (home / "post-checkout").chmod(0o755)
    smudge = f'[filter "lfs"]\n\tsmudge = "touch {ran}; cat"\n\trequired = true\n'
    (home / ".gitconfig").write_text(f"{smudge}[core]\n\thooksPath = {home}\n[submodule]\n\trecurse = true\n")
    monkeypatch.setenv("HOME", str(home))
    pointer = "version https://git-lfs.github.com/spec/v1\n"
    modules = f'[submodule "x"]\n\tpath = theirs\n\turl = {stage.server.url}/org/config.git\n'
    attributes = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
    stage.commit({".gitattributes": attributes, "big.bin": pointer, ".gitmodules": modules}, repo=SITE)
    sha = push(stage, b"M 160000 %s theirs" % (stage.tip() or "").encode())

    with sources.checkout(SITE, sha) as folder:
        assert (folder / "big.bin").read_text() == pointer
        assert not list((folder / "theirs").iterdir())
    assert not ran.exists()
    assert stage.server.count("GET refs") == 1


@pytest.mark.parametrize(("status", "kind"), [(401, Permanent), (403, Permanent), (404, Permanent), (502, Transient)])
def test_the_server_s_refusals_are_told_apart(
    stage: GitStage, sources: GitSourceRepos, status: int, kind: type[SlipwayError]
) -> None:
    stage.server.status = status

    with pytest.raises(kind, match="org/site"):
        sources.branch_head(SITE, "main")
    with pytest.raises(kind, match="org/site"), sources.checkout(SITE, UNKNOWN):
        pass


def test_a_token_that_has_run_out_is_renewed(stage: GitStage, sources: GitSourceRepos) -> None:
    tokens = iter(["old", TOKEN])
    fresh = GitSourceRepos(
        stage.folder / "more",
        base_url=stage.server.url + "/",
        token=lambda repo: next(tokens),
        renew=lambda repo, token: token == "old",
        patience=Patience(look=20),
    )

    assert fresh.branch_head(SITE, "main") == stage.tip(repo=SITE)


def test_a_folder_that_cannot_be_made_is_told_with_its_place(stage: GitStage, sources: GitSourceRepos) -> None:
    folder = stage.folder / "sources"
    folder.rmdir()
    folder.write_text("a file is in the way")
    with pytest.raises(Transient, match="SLIPWAY_STATE names the place") as caught, sources.checkout(SITE, UNKNOWN):
        pass
    assert f"no folder can be made in {folder} (Not a directory)" in str(caught.value)
