"""Signs commits with a GPG or an SSH key.

``git fast-import`` does not sign, so a commit that it wrote is written once more by ``git commit-tree``, with the same
tree and text. That costs a process or two for each.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bot.adapters.git.command import GitCommand, Login
from bot.adapters.git.errors import GitFailure
from bot.errors import Permanent
from bot.facts import ConfigCommit
from bot.releases import Person

_LEFT_OUT = str.maketrans("", "", "<>\n\r\0")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What to sign with: ``format`` and ``key`` are git's ``gpg.format`` and ``user.signingKey``."""

    format: str
    key: str

    @classmethod
    def gpg(cls, key_id: str) -> "SigningKey":
        """A key of the keyring that ``gpg`` finds here (``GNUPGHOME``), by its fingerprint or id."""
        return cls("openpgp", key_id)

    @classmethod
    def ssh(cls, private_key: Path) -> "SigningKey":
        """An SSH private key without a passphrase."""
        return cls("ssh", str(private_key.absolute()))


def sign(git: GitCommand, key: SigningKey, commit: ConfigCommit, parent: str, committer: Person) -> str:
    """The hash of a signed commit that says what ``commit`` does, on top of ``parent``.

    Raises:
        Permanent: the key cannot sign; in the words of gpg or ssh-keygen.
    """
    config = {
        "author.name": commit.author_name.translate(_LEFT_OUT),
        "author.email": commit.author_email,
        "committer.name": commit.committer_name.translate(_LEFT_OUT),
        "committer.email": committer.email,
    }
    return _signed(git, key, config, commit.message, "-p", parent, f"{commit.sha}^{{tree}}")


def try_key(key: SigningKey, bot: Person) -> None:
    """Sign an empty commit in a folder that is gone afterwards.

    Raises:
        Permanent: the key cannot sign; in the words of gpg or ssh-keygen.
    """
    with TemporaryDirectory(prefix="slipway-signing-") as folder:
        git = GitCommand(Path(folder, "probe.git"), Login(lambda _repo: None))
        git.local("init", "--quiet", "--bare")
        tree = git.local("mktree", stdin=b"").decode().strip()
        _signed(git, key, {"user.name": bot.login, "user.email": bot.email}, "Try the key", tree)


def _signed(git: GitCommand, key: SigningKey, config: Mapping[str, str], message: str, *commit: str) -> str:
    signing = {"gpg.format": key.format, "user.signingKey": key.key, **config}
    options = [argument for name, value in signing.items() for argument in ("-c", f"{name}={value}")]
    try:
        return git.local(*options, "commit-tree", "-S", *commit, stdin=message.encode()).decode().strip()
    except GitFailure as failure:
        words = " ".join(failure.stderr.split()) or "no reason was given"
        raise Permanent(
            f"A commit cannot be signed ({words}). Correct GIT_SIGNING_KEY or GIT_SIGNING_KEY_FILE: a GPG key in the "
            "worker's keyring, or the file of an SSH private key, without a passphrase, that only the worker can read."
        ) from failure
