"""Git plumbing on the stand-in's bare repositories: no work tree, no library, only the git CLI.

Functions that are given commit ids are pure, since a commit never changes; the expensive ones are cached.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from bot.sandbox.forge.diff import FileChange, parse_diff

ZERO = "0" * 40
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # git knows this tree without it being stored

_CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
\thooksPath = {hooks}
[gc]
\tauto = 0
[maintenance]
\tauto = false
[receive]
\tautogc = false
\thideRefs = refs/pull
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
[http]
\treceivepack = true
"""

_SHA = re.compile("[0-9a-f]{40}")
_FORMAT = "%H%n%T%n%P%n%an%n%ae%n%at%n%cn%n%ce%n%ct%n%B"


class GitError(Exception):
    """A git command failed; the text is what git said."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who and when, as git stores it; the time is in UTC."""

    name: str
    email: str
    at: datetime

    def line(self) -> str:
        """The form that ``GIT_AUTHOR_*`` and fast-import take: ``Name <email> seconds +0000``."""
        return f"{self.name} <{self.email}> {int(self.at.timestamp())} +0000"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, parsed."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str

    @property
    def subject(self) -> str:
        """The first line of the message."""
        return self.message.partition("\n")[0]

    @property
    def body(self) -> str:
        """What follows the first line, without the blank line between."""
        return self.message.partition("\n")[2].strip("\n")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a folder: ``kind`` is git's blob, tree or commit (a submodule)."""

    name: str
    kind: str
    sha: str
    size: int


def git_environment() -> dict[str, str]:
    """The environment of every git process: nothing of the machine's or the person's git configuration."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "LC_ALL": "C",
    }


@dataclass(frozen=True, slots=True)
class GitRepo:
    """A bare repository at ``path``."""

    path: Path

    def create(self, default_branch: str, hooks: Path) -> None:
        """Make the empty repository, served whole: any object may be fetched, nothing is ever collected."""
        for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
            (self.path / folder).mkdir(parents=True)
        (self.path / "HEAD").write_text(f"ref: refs/heads/{default_branch}\n", encoding="ascii")
        (self.path / "config").write_text(_CONFIG.format(hooks=hooks), encoding="utf-8")

    def run(self, *args: str, feed: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run git and return what it printed; ``GitError`` when it fails."""
        done = self._run(args, feed, env)
        if done.returncode:
            raise GitError(f"git {args[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode("utf-8", "replace")

    def ask(self, *args: str) -> str | None:
        """Run git and return what it printed, or None when it fails: for questions."""
        done = self._run(args, None, None)
        return None if done.returncode else done.stdout.decode("utf-8", "replace")

    def _run(
        self, args: Sequence[str], feed: str | None, env: Mapping[str, str] | None
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", "--git-dir", str(self.path), *args],
            input=(feed or "").encode(),
            capture_output=True,
            env=git_environment() | dict(env or {}),
            check=False,
        )

    # ------------------------------------------------------------ refs

    def resolve(self, name: str) -> str | None:
        """The commit that a branch, tag, ref or (short) commit id names, or None."""
        if not name or name.startswith("-"):
            return None
        known = (name,) if _SHA.fullmatch(name) else (f"refs/heads/{name}", f"refs/tags/{name}", name)
        for candidate in known:
            found = self.ask("rev-parse", "--verify", "--quiet", f"{candidate}^{{commit}}")
            if found:
                return found.strip()
        return None

    def ref(self, name: str) -> str | None:
        """What a full ref (``refs/heads/x``) points to, or None."""
        if not name.startswith("refs/") or ".." in name:
            return None
        with suppress(OSError):
            # Most refs lie about loose, and this is asked all the time: spare the process.
            text = (self.path / name).read_text(encoding="ascii").strip()
            if _SHA.fullmatch(text):
                return text
        found = self.ask("rev-parse", "--verify", "--quiet", name)
        return found.strip() if found else None

    def refs(self, prefix: str) -> dict[str, tuple[str, str]]:
        """Full ref names below a prefix -> (object type, object id), sorted by name."""
        lines = self.run("for-each-ref", "--format=%(refname) %(objecttype) %(objectname)", prefix).splitlines()
        parts = (line.split(" ") for line in lines)
        return {name: (kind, sha) for name, kind, sha in parts}

    def update_ref(self, name: str, new: str, old: str) -> bool:
        """Compare-and-swap; ``ZERO`` as old: must not exist, as new: delete. False when it was not ``old``."""
        return self.ask("update-ref", name, new, old) is not None

    def is_valid_ref(self, name: str) -> bool:
        """Whether git would take this as a ref's name."""
        return name.startswith("refs/") and self.ask("check-ref-format", name) is not None

    # ------------------------------------------------------------ history

    def rev_list(self, *args: str) -> list[str]:
        """Commit ids, newest first unless told otherwise."""
        return self.run("rev-list", *args).split()

    def commits(self, shas: Iterable[str]) -> list[Commit]:
        """Exactly these commits, in this order."""
        return [_commit(self.path, sha) for sha in shas]

    def commit(self, sha: str) -> Commit:
        """One commit."""
        return _commit(self.path, sha)

    def between(self, base: str, head: str) -> tuple[str, ...]:
        """The commits of head that base lacks, oldest first."""
        return _between(self.path, base, head)

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor, or None for unrelated histories."""
        return _merge_base(self.path, one, other)

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether newer contains older."""
        return self.ask("merge-base", "--is-ancestor", older, newer) is not None

    def changes(self, old: str, new: str) -> tuple[FileChange, ...]:
        """What differs between two commits or trees, with patches."""
        return _changes(self.path, old, new)

    def changes_of(self, commit: Commit) -> tuple[FileChange, ...]:
        """What a commit changed against its first parent."""
        return _changes(self.path, commit.parents[0] if commit.parents else EMPTY_TREE, commit.sha)

    def notes(self, sha: str) -> dict[str, str]:
        """The notes on a commit: short ref name -> text."""
        found = {ref: self.ask("notes", f"--ref={ref}", "show", sha) for ref in self.refs("refs/notes")}
        return {ref.removeprefix("refs/notes/"): text for ref, text in found.items() if text}

    # ------------------------------------------------------------ writing

    def merge_tree(self, ours: str, theirs: str) -> str | None:
        """The tree of a true merge, or None on a conflict."""
        merged = self.ask("merge-tree", "--write-tree", ours, theirs)
        return merged.split("\n", 1)[0] if merged else None

    def commit_tree(
        self, tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature
    ) -> str:
        """Store a commit and return its id; no ref moves."""
        flags = [flag for parent in parents for flag in ("-p", parent)]
        return self.run("commit-tree", tree, *flags, feed=message, env=_identity(author, committer)).strip()

    def transplant(self, base: str, changed: str, onto: str) -> str | None:
        """The tree of ``onto`` with what changed from ``base`` to ``changed``, or None on a conflict.

        The three-way merge of cherry-pick, and (with the ends swapped) of revert. git 2.39's ``merge-tree``
        takes no merge base, so both sides are wrapped in commits whose parent is the base.
        """
        author = self.commit(base).author
        ours, theirs = (
            self.commit_tree(self.commit(side).tree, [base], "side", author, author) for side in (onto, changed)
        )
        return self.merge_tree(ours, theirs)

    def write(
        self, branch: str, parent: str | None, files: Mapping[str, str | None], message: str, who: Signature
    ) -> str:
        """Commit text files (None deletes one) on a branch, with one ``fast-import``; returns the commit id."""
        lines = [f"commit refs/heads/{branch}", "mark :1", f"committer {who.line()}", _data(message)]
        if parent:
            lines.append(f"from {parent}")
        for path, text in files.items():
            lines += [f"D {path}"] if text is None else [f"M 100644 inline {path}", _data(text)]
        lines.append("get-mark :1\n")
        return self.run("fast-import", "--quiet", feed="\n".join(lines)).strip()

    # ------------------------------------------------------------ files

    def entry(self, commit: str, path: str) -> Entry | None:
        """What a path is in a commit, or None; the empty path is the root folder."""
        if not path:
            return Entry("", "tree", self.commit(commit).tree, 0)
        listed = self.run("ls-tree", "-z", "--long", commit, "--", path)
        return _entry(listed.rstrip("\0")) if listed else None

    def listing(self, tree: str) -> list[Entry]:
        """A folder's entries."""
        return [_entry(line) for line in self.run("ls-tree", "-z", "--long", tree).split("\0") if line]

    def blob(self, sha: str) -> bytes:
        """A file's bytes."""
        done = self._run(("cat-file", "blob", sha), None, None)
        if done.returncode:
            raise GitError(done.stderr.decode(errors="replace").strip())
        return done.stdout


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def _identity(author: Signature, committer: Signature) -> dict[str, str]:
    return {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_AUTHOR_DATE": f"{int(author.at.timestamp())} +0000",
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
        "GIT_COMMITTER_DATE": f"{int(committer.at.timestamp())} +0000",
    }


def _entry(line: str) -> Entry:
    facts, _, path = line.partition("\t")
    _, kind, sha, size = facts.split()
    return Entry(path.rpartition("/")[2], kind, sha, 0 if size == "-" else int(size))


@lru_cache(maxsize=4096)
def _commit(path: Path, sha: str) -> Commit:
    text = GitRepo(path).run("log", "-1", f"--format={_FORMAT}", sha)
    tree_sha, tree, parents, *people, message = text.split("\n", 9)
    author, committer = (
        Signature(name, email, datetime.fromtimestamp(int(seconds), UTC))
        for name, email, seconds in (people[:3], people[3:])
    )
    return Commit(tree_sha, tree, tuple(parents.split()), author, committer, message.rstrip("\n"))


@lru_cache(maxsize=1024)
def _between(path: Path, base: str, head: str) -> tuple[str, ...]:
    return tuple(GitRepo(path).rev_list("--reverse", "--topo-order", f"{base}..{head}"))


@lru_cache(maxsize=1024)
def _merge_base(path: Path, one: str, other: str) -> str | None:
    found = GitRepo(path).ask("merge-base", one, other)
    return found.strip() if found else None


@lru_cache(maxsize=256)
def _changes(path: Path, old: str, new: str) -> tuple[FileChange, ...]:
    repo = GitRepo(path)
    facts = repo.run("diff-tree", "-r", "-M", "-z", "--no-abbrev", "--raw", "--numstat", old, new)
    return parse_diff(facts, repo.run("diff-tree", "-r", "-M", "-p", old, new))
