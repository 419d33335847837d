"""What was tried, and what went wrong: the counts that the suite prints, each with the sentences behind it."""

from dataclasses import dataclass, field

WRONGS = ("lost", "stuck", "doubled", "backwards", "secrets_found")
"""The counts that must be 0."""


@dataclass(slots=True)
class Tally:
    """The counts so far. Each wrong is a list of sentences, so that whoever reads a 1 learns what it was."""

    releases: int = 0
    kills: int = 0
    webhooks_dropped: int = 0
    webhooks_repeated: int = 0
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    backwards: list[str] = field(default_factory=list)
    secrets_found: list[str] = field(default_factory=list)
    takeover_seconds_max: float = 0.0

    def took_over(self, seconds: float) -> None:
        """A dead worker's work was taken over after so long."""
        self.takeover_seconds_max = max(self.takeover_seconds_max, round(seconds, 1))

    def wrongs(self) -> list[str]:
        """Everything that went wrong, a sentence each."""
        return [f"{name}: {sentence}" for name in WRONGS for sentence in getattr(self, name)]

    @property
    def failed(self) -> bool:
        """Whether anything went wrong."""
        return bool(self.wrongs())

    def counts(self) -> dict[str, float]:
        """The figures, in the order of the interface."""
        wrongs = {name: len(getattr(self, name)) for name in WRONGS}
        return {
            "releases": self.releases,
            "kills": self.kills,
            "webhooks_dropped": self.webhooks_dropped,
            "webhooks_repeated": self.webhooks_repeated,
            **wrongs,
            "takeover_seconds_max": self.takeover_seconds_max,
        }
