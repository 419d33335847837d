"""Where on GitHub a thing can be seen. Pure; the base is ``GITHUB_URL``."""

from dataclasses import dataclass
from urllib.parse import quote

from bot.releases import Merge


@dataclass(frozen=True, slots=True)
class Links:
    """Web addresses.

    Attributes:
        github: base of the web pages, without a slash at its end.
        config_repo: the config repo, ``owner/name``.
        config_branch: its config branch.
    """

    github: str
    config_repo: str
    config_branch: str

    def repo(self, name: str) -> str:
        """A repository."""
        return f"{self.github}/{quote(name)}"

    def config_commit(self, sha: str) -> str:
        """A commit of the config repo."""
        return f"{self.repo(self.config_repo)}/commit/{sha}"

    def config_pull_request(self, number: int) -> str:
        """A pull request of the config repo."""
        return f"{self.repo(self.config_repo)}/pull/{number}"

    def promotion(self, branch: str) -> str:
        """What a promotion's branch would change; GitHub leads from there to its open pull request."""
        return f"{self.repo(self.config_repo)}/compare/{quote(self.config_branch)}...{quote(branch)}"

    def source_commit(self, merge: Merge) -> str:
        """The commit that was released."""
        return f"{self.repo(merge.source)}/commit/{merge.sha}"

    def source_pull_request(self, merge: Merge) -> str | None:
        """The pull request that brought it; None for a direct push."""
        return f"{self.repo(merge.source)}/pull/{merge.pull_request}" if merge.pull_request else None
