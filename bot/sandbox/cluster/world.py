"""What the stand-in's controllers share: a work queue with a clock, their settings, and short ways to write."""

import copy
import heapq
import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from bot.sandbox.cluster.admission import micro_now, now
from bot.sandbox.cluster.objects import Objects, Target, WriteOptions
from bot.sandbox.cluster.resources import Resource, built_in
from bot.sandbox.cluster.store import Obj, key_of

SCHEDULER = "default-scheduler"
KUBELET = "kubelet"
_MANAGERS = {SCHEDULER: "kube-scheduler", KUBELET: KUBELET}

Work = tuple[str, str, str]
"""Kind, namespace and name of what a controller has to look at."""

FailReason = Literal[
    "ImagePullBackOff",
    "ErrImagePull",
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "Unschedulable",
    "never ready",
]


@dataclass(frozen=True, slots=True)
class Failure:
    """How containers fail whose image matches. Empty ``message`` and ``log``: what a real node would say."""

    image: re.Pattern[str]
    reason: FailReason
    message: str = ""
    log: str = ""


@dataclass(slots=True)
class Settings:
    """What tests turn: speeds in seconds, and who fails. ``time_scale`` shortens deadlines and back-offs."""

    rollout_seconds: float = 0.3
    time_scale: float = 1.0
    failures: list[Failure] = field(default_factory=list)
    known_images: Callable[[str], bool] | None = None
    logs: list[tuple[re.Pattern[str], str]] = field(default_factory=list)
    _pulled: set[str] = field(default_factory=set)

    @property
    def pod_seconds(self) -> float:
        """From a pod's start to its readiness; a rolling update of three pods takes about five of them."""
        return self.rollout_seconds / 5

    @property
    def settle_seconds(self) -> float:
        """From a change of a workload to its controller's first look: until then the old status stands."""
        return self.rollout_seconds / 15

    def failure_of(self, image: str) -> Failure | None:
        """How a container with that image fails, if it does."""
        for failure in reversed(self.failures):
            if failure.image.search(image):
                return failure
        if self.known_images is None or image in self._pulled:
            return None
        if not self.known_images(image):
            return Failure(re.compile(re.escape(image)), "ImagePullBackOff")
        self._pulled.add(image)
        return None


class Queue:
    """Work to look at, each item once, at the earliest time that somebody asked for."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._heap: list[tuple[float, int, Work]] = []
        self._due: dict[Work, float] = {}
        self._order = itertools.count()
        self._busy = False
        self._paused = False
        self._closed = False

    def add(self, work: Work, delay: float = 0.0) -> None:
        """Have it looked at after ``delay`` seconds, or earlier where that is already planned."""
        due = time.monotonic() + delay
        with self._ready:
            if due >= self._due.get(work, float("inf")):
                return
            self._due[work] = due
            heapq.heappush(self._heap, (due, next(self._order), work))
            self._ready.notify_all()

    def take(self) -> Work | None:
        """Wait for the next item that is due; None once the queue is closed."""
        with self._ready:
            self._busy = False
            self._ready.notify_all()
            while not self._closed:
                self._drop_stale()
                wait = self._heap[0][0] - time.monotonic() if self._heap and not self._paused else None
                if wait is None or wait > 0:
                    self._ready.wait(wait)
                    continue
                _, _, work = heapq.heappop(self._heap)
                del self._due[work]
                self._busy = True
                return work
        return None

    def _drop_stale(self) -> None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)

    def pause(self, *, paused: bool) -> None:
        """Hand nothing out while paused; what was handed out before is done when this returns."""
        with self._ready:
            self._paused = paused
            self._ready.notify_all()
            self._ready.wait_for(lambda: not (paused and self._busy))

    def close(self) -> None:
        """Let the worker go."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()


class World:
    """The cluster as controllers see and change it."""

    def __init__(self, objects: Objects, settings: Settings) -> None:
        self.objects = objects
        self.store = objects.store
        self.settings = settings
        self.queue = Queue()
        self._event_names: dict[tuple[str, str, str], str] = {}
        self._event_number = itertools.count(int(time.time() * 1e6))

    def get(self, plural: str, namespace: str, name: str) -> Obj | None:
        """One object of a built-in kind."""
        return self.store.get(key_of(built_in(plural)), namespace, name)

    def owned(self, plural: str, owner: Obj) -> list[Obj]:
        """The objects that this one controls, oldest first."""
        uid = owner["metadata"]["uid"]
        found = [
            obj
            for obj in self.store.all(key_of(built_in(plural)), owner["metadata"]["namespace"])
            if any(ref["uid"] == uid and ref.get("controller") for ref in obj["metadata"].get("ownerReferences", ()))
        ]
        return sorted(found, key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]))

    def create(self, plural: str, namespace: str, body: Obj, owner: Obj) -> Obj:
        """Create an object that ``owner`` controls."""
        meta = owner["metadata"]
        reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": meta["name"], "uid": meta["uid"]}
        reference |= {"controller": True, "blockOwnerDeletion": True}
        owned = copy.deepcopy(body)
        owned["metadata"]["ownerReferences"] = [reference]
        return self.objects.create(Target(built_in(plural), namespace), owned, WriteOptions())

    def create_alone(self, plural: str, namespace: str, body: Obj) -> Obj:
        """Create an object that nobody owns."""
        return self.objects.create(Target(built_in(plural), namespace), body, WriteOptions())

    def replace(self, plural: str, obj: Obj) -> Obj:
        """Write an object's spec and metadata."""
        meta = obj["metadata"]
        return self.objects.replace(Target(built_in(plural), meta["namespace"], meta["name"]), obj, WriteOptions())

    def write_status(self, plural: str, obj: Obj, status: Obj, annotations: Obj | None = None) -> Obj:
        """Write an object's status."""
        return self.objects.write_status(built_in(plural), obj, status, annotations)

    def remove(self, resource: Resource, obj: Obj) -> None:
        """Delete for good, whatever holds it."""
        self.store.remove(key_of(resource), obj["metadata"].get("namespace", ""), obj["metadata"]["name"])

    def event(self, obj: Obj, reason: str, message: str, *, warning: bool = False, component: str) -> None:
        """Record an event about an object; one that repeats is counted up."""
        meta, events = obj["metadata"], built_in("events")
        said = (meta["uid"], reason, message)
        if known := self.store.get(key_of(events), meta["namespace"], self._event_names.get(said, "")):
            repeated = {"count": known["count"] + 1, "lastTimestamp": now()} if "count" in known else {}
            self.store.put(key_of(events), {**known, **repeated})
            return
        self._event_names[said] = f"{meta['name']}.{next(self._event_number):016x}"
        about = {"kind": obj["kind"], "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
        about |= {"apiVersion": obj["apiVersion"], "resourceVersion": meta["resourceVersion"]}
        body = {
            "metadata": {"name": self._event_names[said]},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": "Warning" if warning else "Normal",
            **_reported_by(component),
        }
        manager = _MANAGERS.get(component, "kube-controller-manager")
        self.objects.create(Target(events, meta["namespace"]), body, WriteOptions(manager))


def _reported_by(component: str) -> Obj:
    """Who says it and when. The scheduler writes events of the newer kind: no count, and no time but its own."""
    if component == SCHEDULER:
        return {
            "source": {},
            "firstTimestamp": None,
            "lastTimestamp": None,
            "eventTime": micro_now(),
            "action": "Binding",
            "reportingComponent": component,
            "reportingInstance": f"{component}-vm",
        }
    return {
        "source": {"component": component},
        "firstTimestamp": now(),
        "lastTimestamp": now(),
        "eventTime": None,
        "count": 1,
        "reportingComponent": component,
        "reportingInstance": "",
    }


def is_ready(pod: Obj) -> bool:
    """Whether a pod serves: its Ready condition holds and nobody deletes it."""
    conditions = pod["status"].get("conditions", ())
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def is_active(pod: Obj) -> bool:
    """Whether a pod counts for its owner: neither finished nor being deleted."""
    return pod["status"]["phase"] not in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]
