"""A Kubernetes API in this process: server-side apply, watches, and rollouts that can be told to fail.

It listens on 127.0.0.1 over plain http and speaks the real protocol, so the real clients drive it. Its answers are
held to recordings of a 1.36 control plane (``tests/contract``). Pods are records here: nothing runs.
"""

import base64
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import yaml

from bot.sandbox.cluster.controllers import Controllers
from bot.sandbox.cluster.http import Front, Logged
from bot.sandbox.cluster.objects import Objects, Target, WriteOptions
from bot.sandbox.cluster.pods import NODES, log_of, register_node
from bot.sandbox.cluster.resources import Resource
from bot.sandbox.cluster.router import Answer, Denial, Request, Router
from bot.sandbox.cluster.store import Obj, Store, key_of
from bot.sandbox.cluster.tls import make_certificate
from bot.sandbox.cluster.world import FailReason, Failure, Settings, World
from bot.sandbox.faults import Faults

_HISTORY = 20_000

Answerer = Callable[[Request], Answer]
"""What answers one request."""


class Cluster:
    """One cluster: its state, its API server, its controllers. Use it as a context manager, or start and stop it."""

    def __init__(
        self,
        name: str = "cluster",
        *,
        namespaces: Sequence[str] = (),
        user: str = "deploybot",
        rollout_seconds: float = 0.3,
        known_images: Callable[[str], bool] | None = None,
        tls: bool = False,
        history_limit: int = _HISTORY,
        middleware: Callable[[Answerer], Answerer] | None = None,
    ) -> None:
        """``rollout_seconds``: what a rolling update of a few pods takes. ``known_images``: what can be pulled.

        ``tls``: serve https with a certificate of its own; kubectl sends its token no other way. ``middleware`` sees
        the exchanges that no fault disturbs.
        """
        self.name = name
        self.user = user
        self.token = secrets.token_urlsafe(24)
        self.faults = Faults()
        self._store = Store(history_limit)
        self._objects = Objects(self._store)
        self._settings = Settings(rollout_seconds=rollout_seconds, known_images=known_images)
        self._world = World(self._objects, self._settings)
        self._controllers = Controllers(self._world)
        self._router = Router(self._objects, {self.token: user}, lambda pod, name: log_of(self._world, pod, name))
        self._certificate = make_certificate() if tls else None
        context = self._certificate.server_context() if self._certificate else None
        answer = middleware(self._router.answer) if middleware else self._router.answer
        self._front = Front(answer, self.faults, context)
        for node in NODES:
            register_node(self._world, node)
        for namespace in ("default", "kube-system", "kube-public", *namespaces):
            self.create_namespace(namespace)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def start(self) -> None:
        """Listen; after ``stop``, on the same port."""
        self._front.start()
        self._controllers.start()
        self._router.address = f"127.0.0.1:{self._front.port}"

    def stop(self) -> None:
        """Be unreachable: the port refuses connections. State and controllers go on."""
        self._front.stop()

    def close(self) -> None:
        """Stop for good, controllers too."""
        self.stop()
        self._controllers.stop()

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"{'https' if self._certificate else 'http'}://127.0.0.1:{self._front.port}"

    @property
    def kubeconfig_entry(self) -> dict[str, str]:
        """The ``cluster`` part of a kubeconfig."""
        if self._certificate is None:
            return {"server": self.url}
        authority = base64.b64encode(self._certificate.certificate).decode()
        return {"server": self.url, "certificate-authority-data": authority}

    @property
    def requests_log(self) -> list[Logged]:
        """Every request so far, oldest first."""
        return self._front.log

    @property
    def running_watches(self) -> int:
        """How many watches are open now."""
        return len(self._front.watches)

    def create_namespace(self, name: str) -> None:
        """Have a namespace; a no-op where it exists."""
        resource = self._resource("Namespace")
        if self._store.get(key_of(resource), "", name) is None:
            body = {"metadata": {"name": name}}
            self._objects.create(Target(resource, "", ""), body, WriteOptions(manager="kube-apiserver"))

    def get(self, kind: str, namespace: str, name: str) -> Obj | None:
        """One object as it is now, or None; not to be changed. ``namespace`` is empty for cluster-wide kinds."""
        return self._store.get(key_of(self._resource(kind)), namespace, name)

    def list(self, kind: str, namespace: str = "") -> list[Obj]:
        """All objects of a kind, in one namespace or in all."""
        return self._store.all(key_of(self._resource(kind)), namespace)

    def forbid(self, verb: str, resource: str, namespace: str | None = None) -> None:
        """Answer 403 to a verb (``*``: any) on a resource by its plural name (``*``: any), as without an RBAC grant."""
        self._router.denials.append(Denial(verb, resource, namespace))

    def permit_all(self) -> None:
        """Take every ``forbid`` back."""
        self._router.denials.clear()

    def fail_image(self, regex: str, reason: FailReason, *, message: str = "", log: str = "") -> None:
        """From now on containers whose image matches fail like this; later rules win. Running ones go on."""
        self._settings.failures.append(Failure(re.compile(regex), reason, message, log))

    def heal(self) -> None:
        """Forget every ``fail_image``; pods that were failing come up."""
        self._settings.failures.clear()
        for pod in self.list("Pod"):
            self._world.queue.add(("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def set_log(self, image_regex: str, text: str) -> None:
        """What containers with a matching image have written to their log."""
        self._settings.logs.append((re.compile(image_regex), text))

    @property
    def time_scale(self) -> float:
        """Factor on ``progressDeadlineSeconds`` and other deadlines: 0.01 turns ten minutes into six seconds."""
        return self._settings.time_scale

    @time_scale.setter
    def time_scale(self, factor: float) -> None:
        self._settings.time_scale = factor

    @contextmanager
    def controllers_paused(self) -> Iterator[None]:
        """Within, no controller, scheduler or node acts: statuses stand still."""
        self._world.queue.pause(paused=True)
        try:
            yield
        finally:
            self._world.queue.pause(paused=False)

    def expire_history(self) -> None:
        """Make every resourceVersion so far too old to watch from: running watches end with 410, too."""
        self._store.forget_history()

    def close_watches(self) -> None:
        """End running watches without a word, as servers do at their timeout."""
        self._front.close_watches()

    def _resource(self, kind: str) -> Resource:
        for resource in self._objects.resources():
            if resource.kind == kind:
                return resource
        raise LookupError(f"the cluster {self.name!r} serves no kind {kind!r}")


def write_kubeconfig(path: Path, clusters: Mapping[str, Cluster]) -> None:
    """A kubeconfig whose contexts are the given names; the first is the current one."""
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "current-context": next(iter(clusters), ""),
        "clusters": [{"name": n, "cluster": c.kubeconfig_entry} for n, c in clusters.items()],
        "users": [{"name": n, "user": {"token": c.token}} for n, c in clusters.items()],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in clusters],
    }
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
