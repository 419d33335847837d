"""Which adapter serves which port in a worker. It knows both sides and decides nothing."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from bot.adapters.chat import AppriseChat
from bot.adapters.config_repo import GitConfigRepo
from bot.adapters.dbos.database import migrate
from bot.adapters.dbos.engine import QueueSpec, Worker, WorkflowSpec
from bot.adapters.dbos.journal import DbosJournal
from bot.adapters.dbos.queue import DbosQueue
from bot.adapters.docker.engine import DockerEngine
from bot.adapters.git.signing import SigningKey
from bot.adapters.git.source_repos import GitSourceRepos
from bot.adapters.github.credentials import AppCredentials, Credentials, TokenCredentials
from bot.adapters.github.deliveries import GitHubDeliveries
from bot.adapters.github.forge import GitHubForge
from bot.adapters.kubernetes.clusters import KubernetesClusters
from bot.adapters.registry.images import HttpRegistry
from bot.adapters.render.commands import CommandRenderer
from bot.clock import SystemClock
from bot.config_mirror import BOT
from bot.logs import Redactor
from bot.ports import ImageBuilder, Queue, Run
from bot.reconcile_timer import ReconcileTimer
from bot.releases import Person
from bot.services import Services
from bot.settings import Settings, SettingsError
from bot.wiring import QUEUES
from bot.workflows import WORKFLOWS

SWITCH_SECONDS = 0.001
"""How long a thread that reads manifests may keep one waiting that has an answer to deal with; Python's own 5 ms add up
over a release's answers."""


def queue_specs() -> tuple[QueueSpec, ...]:
    """How many jobs of each queue one worker runs side by side: builds as many as cores, waiting syncs do not count."""
    return (
        QueueSpec("deliveries", worker_concurrency=8),
        QueueSpec("releases", worker_concurrency=64),
        QueueSpec("builds", worker_concurrency=os.cpu_count() or 1),
        QueueSpec("approvals", worker_concurrency=8),
        QueueSpec("syncs", worker_concurrency=256),
        QueueSpec("looks", worker_concurrency=8),
        QueueSpec("rollbacks", worker_concurrency=64),
        QueueSpec("messages", worker_concurrency=8),
    )


def credentials(settings: Settings) -> Credentials:
    """The bot's identity on GitHub: a GitHub App, or a token."""
    key = settings.app_private_key()
    if settings.github_app_id is not None and key is not None:
        return AppCredentials(settings.github_app_id, key, settings.github_api_url)
    if settings.github_token is None:
        raise SettingsError("Set GITHUB_TOKEN, or GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY.")
    return TokenCredentials(settings.github_token.get_secret_value())


def services(settings: Settings, queue: Queue, *, slot: str) -> Services:
    """Every port, served for real.

    Args:
        settings: the environment.
        queue: the durable queue.
        slot: the worker's id; it keeps the mirror of one process apart from another's.
    """
    identity = credentials(settings)
    forge = GitHubForge(settings.github_api_url, identity)
    bot = forge.identity() or BOT
    return Services(
        forge=forge,
        deliveries=GitHubDeliveries(settings.github_api_url, identity),
        sources=GitSourceRepos(
            settings.state_folder / "checkouts" / slot,
            base_url=settings.github_url,
            token=identity.token,
            renew=identity.renew,
        ),
        config=_config_repo(settings, identity, bot, slot),
        registry=HttpRegistry(),
        builder=_builder(settings),
        clusters=KubernetesClusters(settings.kubeconfig),
        renderer=CommandRenderer(),
        chat=AppriseChat(),
        clock=SystemClock(),
        queue=queue,
        journal=DbosJournal(settings.database_url),
        config_name=settings.config_repo,
        github_url=settings.github_url,
        rollout_timeout=settings.rollout_timeout_seconds,
        dashboard_url=settings.public_url,
        redact=Redactor(settings.secrets()),
        reconcile_seconds=settings.reconcile_seconds,
    )


def _config_repo(settings: Settings, identity: Credentials, bot: Person, slot: str) -> GitConfigRepo:
    return GitConfigRepo(
        settings.state_folder / "mirrors" / slot / "config.git",
        url=f"{settings.github_url}/{settings.config_repo}.git",
        name=settings.config_repo,
        branch=settings.config_branch,
        committer=bot,
        token=identity.token,
        renew=identity.renew,
        signing=signing_key(settings),
    )


def signing_key(settings: Settings) -> SigningKey | None:
    """What commits are signed with; None where they are not."""
    if settings.git_signing_key_file is not None:
        return SigningKey.ssh(settings.git_signing_key_file)
    return SigningKey.gpg(settings.git_signing_key) if settings.git_signing_key is not None else None


def _builder(settings: Settings) -> ImageBuilder:
    if settings.builder == "sandbox":
        from bot.sandbox.builder import SandboxImageBuilder  # noqa: PLC0415 - the stand-in is for the demo only

        return SandboxImageBuilder(settings.state_folder / "images")
    return DockerEngine(build_seconds=settings.build_timeout_seconds)


class WorkerProcess:
    """A worker with its ports and its reconcile timer: what ``python -m bot worker`` runs.

    Args:
        settings: the environment. The database is migrated.
    """

    def __init__(self, settings: Settings) -> None:
        migrate(settings.database_url)
        self._queue = DbosQueue(settings.database_url, QUEUES)
        self._worker = Worker(settings.database_url, settings.worker_id, self._specs(), queue_specs())
        self._services = services(settings, self._queue, slot=self._worker.worker_id)
        self._timer = ReconcileTimer(self._queue, settings.reconcile_seconds)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        sys.setswitchinterval(SWITCH_SECONDS)
        self._timer.start()
        self._worker.run()

    def _specs(self) -> dict[str, WorkflowSpec]:
        """The ports come after the worker's lock, whose id names their folders: they are looked up at each run."""

        def bound(name: str) -> Callable[[Run, Mapping[str, Any]], Any]:
            return lambda run, values: WORKFLOWS[name](run, self._services, values)

        return {name: WorkflowSpec(bound(name), QUEUES[name]) for name in WORKFLOWS}
