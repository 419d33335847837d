"""Everything a workflow or a step may touch, in one frozen bundle; ``wiring`` fills it, tests fill it with theirs."""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.memory import Memory
from bot.ports import (
    Chat,
    Clock,
    Clusters,
    ConfigRepo,
    Deliveries,
    Forge,
    ImageBuilder,
    Journal,
    Queue,
    Registry,
    Renderer,
    SourceRepos,
)


@dataclass(frozen=True, slots=True)
class Services:
    """The ports, and the few settings that steps read.

    Attributes:
        config_name: the config repo, ``owner/name``.
        github_url: base of web links and clone URLs.
        rollout_timeout: seconds a rollout may take.
        dashboard_url: base of links to the dashboard, or None where it has no public address.
        redact: hides secrets in text that came from a build or a pod.
        reconcile_seconds: the interval of reconcile.
        memory: what this process need not find out twice.
    """

    forge: Forge
    deliveries: Deliveries
    sources: SourceRepos
    config: ConfigRepo
    registry: Registry
    builder: ImageBuilder
    clusters: Clusters
    renderer: Renderer
    chat: Chat
    clock: Clock
    queue: Queue
    journal: Journal
    config_name: str
    github_url: str
    rollout_timeout: float
    dashboard_url: str | None
    redact: Callable[[str], str]
    reconcile_seconds: float = 120.0
    memory: Memory = field(default_factory=Memory)

    def commit_url(self, sha: str) -> str:
        """The web page of a config repo commit."""
        return f"{self.github_url}/{self.config_name}/commit/{sha}"
