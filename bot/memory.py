"""What a worker has seen and need not look at again. It saves work and decides nothing: it may be gone at any time."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.catalog import App

Place = tuple[str, str]
"""App (empty: the shared files) and environment."""


@dataclass(frozen=True, slots=True)
class ConfigLook:
    """A look at the whole config branch: at which head, and by which commit each place was changed last by then."""

    head: str
    changes: Mapping[Place, str]


@dataclass(slots=True)
class Memory:
    """One for each process, used by many threads; each entry is written whole.

    Attributes:
        waiting: place -> the config commit that changed it last, the app as it was then, and whether the place waits
            for a first release.
        looked: the newest look after a push whose findings have all been started.
    """

    waiting: dict[Place, tuple[str, App, bool]] = field(default_factory=dict)
    looked: ConfigLook | None = None
