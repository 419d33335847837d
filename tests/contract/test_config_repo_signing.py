"""Signed commits, verified by git itself with the public key."""

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bot.adapters.git.signing import SigningKey, try_key
from bot.doctor import signing
from bot.errors import Permanent
from bot.findings import State
from bot.settings import Settings
from tests.engines import GPG, SSH_KEYGEN, require
from tests.git_stage import BOT, HERMETIC, GitStage, bump, made, stage, together

__all__ = ["stage"]

Verify = Callable[[GitStage, str], None]


def ssh_key(folder: Path) -> Path:
    file = folder / "key"
    command = [require(SSH_KEYGEN), "-q", "-t", "ed25519", "-N", "", "-C", "bot", "-f", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file


def ssh(folder: Path) -> tuple[SigningKey, Verify]:
    key, allowed = ssh_key(folder), folder / "allowed"
    allowed.write_text(f"{BOT.email} {key.with_suffix('.pub').read_text()}")

    def verify(stage: GitStage, commit: str) -> None:
        stage.git("-c", f"gpg.ssh.allowedSignersFile={allowed}", "verify-commit", commit)

    return SigningKey.ssh(key), verify


def gpg(folder: Path) -> tuple[SigningKey, Verify]:
    identity = f"Slipway <{BOT.email}>"
    generate = ["--batch", "--passphrase", "", "--quick-generate-key", identity, "ed25519", "sign", "never"]
    subprocess.run([require(GPG), *generate], check=True, capture_output=True)

    def verify(stage: GitStage, commit: str) -> None:
        environment = {**HERMETIC, "GNUPGHOME": os.environ["GNUPGHOME"]}
        subprocess.run(["git", "verify-commit", commit], cwd=stage.bare(), env=environment, check=True)

    return SigningKey.gpg(BOT.email), verify


@pytest.fixture
def keyring(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for gpg, whose agent ends with the test."""
    home = tmp_path_factory.mktemp("g")
    home.chmod(0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    yield home
    subprocess.run(["gpgconf", "--kill", "all"], check=False, capture_output=True)


@pytest.mark.parametrize("make_key", [ssh, gpg])
@pytest.mark.usefixtures("keyring")
def test_every_commit_of_a_batch_and_of_a_promotion_is_signed(
    make_key: Callable[[Path], tuple[SigningKey, Verify]], stage: GitStage, tmp_path: Path
) -> None:
    key, verify = make_key(tmp_path)
    repo = stage.open(signing=key)

    together([partial(repo.make, bump(f"app{n}", 2)) for n in range(4)])
    proposed = made(repo.propose("slipway/production/a", bump("a", 2, "production")))

    commits = stage.git("log", "--format=%H", "main", "^main~4").split()
    assert len(commits) == 4
    for commit in (*commits, proposed.sha):
        verify(stage, commit)
        assert stage.git("log", "-1", "--format=%an %ae %cn %ce", commit) == (
            f"Ann Onymous 7+ann@users.noreply.github.com {BOT.login} {BOT.email}"
        )
    assert stage.tip("slipway/production/a") == proposed.sha
    assert repo.fetch() == stage.tip()
    assert {stage.show(f"staging/app{n}.yaml") for n in range(4)} == {f"image: app{n}:2" for n in range(4)}
    assert made(repo.make(bump("app0", 2))).sha in commits
    with pytest.raises(subprocess.CalledProcessError):
        verify(stage, stage.git("rev-parse", "main~4"))


def test_a_signed_commit_lands_on_top_of_a_competitor_s(stage: GitStage, tmp_path: Path) -> None:
    key, verify = ssh(tmp_path)
    repo = stage.open(signing=key)
    repo.fetch()
    rounds = iter(range(2))

    def compete() -> None:
        if (n := next(rounds, None)) is not None:
            stage.commit({f"people/{n}": "x"}, f"Competitor {n}")

    stage.server.meddle = compete
    commit = made(repo.make(bump("a", 2)))

    assert stage.subjects() == ["a: 2 to staging", "Competitor 1", "Competitor 0", "First"]
    verify(stage, commit.sha)


def test_a_key_that_cannot_sign_is_told_and_nothing_is_committed(stage: GitStage, tmp_path: Path) -> None:
    broken = tmp_path / "key"
    broken.write_text("no key at all\n")
    broken.chmod(0o600)
    repo = stage.open(signing=SigningKey.ssh(broken))
    before = repo.fetch()

    with pytest.raises(Permanent, match=r"cannot be signed \(.+\)\. Correct GIT_SIGNING_KEY"):
        repo.make(bump("a", 2))
    with pytest.raises(Permanent, match=r"cannot be signed \(.+\)\. Correct GIT_SIGNING_KEY"):
        repo.propose("slipway/production/a", bump("a", 2, "production"))

    assert repo.fetch() == before == stage.tip()
    assert stage.tip("slipway/production/a") is None


@pytest.mark.parametrize("make_key", [ssh, gpg])
@pytest.mark.usefixtures("keyring")
def test_a_key_is_tried_without_a_repository(
    make_key: Callable[[Path], tuple[SigningKey, Verify]], tmp_path: Path
) -> None:
    try_key(make_key(tmp_path)[0], BOT)
    with pytest.raises(Permanent, match=r"cannot be signed \(.+\)\. Correct GIT_SIGNING_KEY"):
        try_key(SigningKey.gpg("nobody@example.com"), BOT)


def test_doctor_tries_the_key_that_the_variables_name(tmp_path: Path) -> None:
    variables = {"CONFIG_REPO": "acme/config", "GITHUB_TOKEN": "t"}
    assert list(signing(Settings.read(variables))) == []
    file = ssh_key(tmp_path)
    (found,) = signing(Settings.read({**variables, "GIT_SIGNING_KEY_FILE": str(file)}))
    assert (found.part, found.state) == ("signing key", State.OK)
    file.write_text("no key at all\n")
    with pytest.raises(Permanent, match="Correct GIT_SIGNING_KEY or GIT_SIGNING_KEY_FILE"):
        list(signing(Settings.read({**variables, "GIT_SIGNING_KEY_FILE": str(file)})))
