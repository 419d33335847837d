"""What a pull request would leave behind: its head, merged with the config branch in memory, and what that changes."""

from bot.adapters.config_repo.mirror import Mirror
from bot.adapters.git.errors import GitFailure, explain

CONFLICTS = 1
"""Git's exit status where both sides changed the same lines (https://git-scm.com/docs/git-merge-tree)."""


class Trees:
    """Trees that no branch points to."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def fetch_pull_request(self, number: int) -> None:
        """See ``ConfigRepo.fetch_pull_request``. No ref is kept: whoever opens pull requests cannot fill the mirror."""
        mirror = self._mirror
        options = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        try:
            mirror.git.remote(
                *(mirror.url, mirror.name, *options, mirror.url, f"refs/pull/{number}/head"),
                timeout=mirror.git.patience.fetch,
            )
        except GitFailure as failure:
            raise explain(failure, f"fetching pull request #{number} of", mirror.name) from failure

    def merged(self, base: str, head: str) -> str | None:
        """See ``ConfigRepo.merged_tree``."""
        try:
            written = self._mirror.git.local("merge-tree", "--write-tree", "--allow-unrelated-histories", base, head)
        except GitFailure as failure:
            if failure.status == CONFLICTS:
                return None
            raise
        return written.decode().split("\n", 1)[0]

    def changed(self, before: str, after: str) -> tuple[str, ...]:
        """See ``ConfigRepo.differing_paths``."""
        names = self._mirror.git.local("diff-tree", "-r", "-z", "--no-renames", "--name-only", before, after)
        return tuple(sorted(name.decode("utf-8", "surrogateescape") for name in names.split(b"\0") if name))
