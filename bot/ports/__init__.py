"""What workflows and steps may ask of the outside world.

Every method either returns, or raises one of ``bot.errors``: ``Transient`` (nothing was done), ``Permanent``
(somebody must act) or ``UnknownOutcome`` (a write was sent, no answer came). Nothing foreign leaks out.
"""

from bot.ports.chat import Chat
from bot.ports.clusters import Clusters, Renderer
from bot.ports.git import ConfigHistory, ConfigRepo, SourceRepos
from bot.ports.github import Deliveries, Forge
from bot.ports.images import ImageBuilder, Registry
from bot.ports.work import Clock, Journal, Queue, Run

__all__ = [
    "Chat",
    "Clock",
    "Clusters",
    "ConfigHistory",
    "ConfigRepo",
    "Deliveries",
    "Forge",
    "ImageBuilder",
    "Journal",
    "Queue",
    "Registry",
    "Renderer",
    "Run",
    "SourceRepos",
]
