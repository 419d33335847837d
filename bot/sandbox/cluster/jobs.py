"""Jobs: pods that run to their end, again where they fail, until the job is complete or gives up."""

import copy
import time

from bot.sandbox.cluster.admission import now
from bot.sandbox.cluster.deletion import delete
from bot.sandbox.cluster.objects import Target
from bot.sandbox.cluster.resources import built_in
from bot.sandbox.cluster.store import Obj
from bot.sandbox.cluster.world import World, is_active, is_ready

_GIVEN_UP = {
    "BackoffLimitExceeded": "Job has reached the specified backoff limit",
    "DeadlineExceeded": "Job was active longer than specified deadline",
}


class Jobs:
    """The Job controller. Deadlines count from the first look, in the cluster's ``time_scale``."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._begun: dict[str, float] = {}

    def look(self, namespace: str, name: str) -> None:
        """Start the pods that are missing, or write down how it ended."""
        job = self._world.get("jobs", namespace, name)
        if job is None or "deletionTimestamp" in job["metadata"]:
            return
        if _finished(job):
            self._expire(job)
            return
        begun = self._begun.setdefault(job["metadata"]["uid"], time.monotonic())
        pods = self._world.owned("pods", job)
        succeeded = sum(pod["status"]["phase"] == "Succeeded" for pod in pods)
        failed = sum(pod["status"]["phase"] == "Failed" for pod in pods)
        active = [pod for pod in pods if is_active(pod)]
        ending = self._ending(job, begun, succeeded, failed + sum(map(_restarts, active)))
        if ending == "" and not job["spec"]["suspend"]:
            wanted = min(job["spec"]["parallelism"], job["spec"].get("completions", 1) - succeeded)
            for _ in range(wanted - len(active)):
                self._create_pod(job)
        elif ending != "Complete":
            for pod in active:
                meta = pod["metadata"]
                delete(self._world.objects, Target(built_in("pods"), namespace, meta["name"]), {})
        self._report(job, ending, succeeded, failed)

    def _ending(self, job: Obj, begun: float, succeeded: int, failed: int) -> str:
        """How the job ends now; empty while it goes on."""
        if succeeded >= job["spec"].get("completions", 1):
            return "Complete"
        if failed > job["spec"]["backoffLimit"]:
            return "BackoffLimitExceeded"
        seconds = job["spec"].get("activeDeadlineSeconds")
        if seconds is None:
            return ""
        left = begun + seconds * self._world.settings.time_scale - time.monotonic()
        if left <= 0:
            return "DeadlineExceeded"
        self._world.queue.add(("Job", job["metadata"]["namespace"], job["metadata"]["name"]), left)
        return ""

    def _create_pod(self, job: Obj) -> None:
        meta = job["metadata"]
        pod = copy.deepcopy(job["spec"]["template"])
        pod["metadata"]["generateName"] = f"{meta['name']}-"
        created = self._world.create("pods", meta["namespace"], pod, job)
        message = f"Created pod: {created['metadata']['name']}"
        self._world.event(job, "SuccessfulCreate", message, component="job-controller")

    def _report(self, job: Obj, ending: str, succeeded: int, failed: int) -> None:
        active = [pod for pod in self._world.owned("pods", job) if is_active(pod)]
        status: Obj = {"startTime": job["status"].get("startTime") or now(), "terminating": 0}
        status |= {"ready": sum(is_ready(pod) for pod in active), "uncountedTerminatedPods": {}}
        numbers = {"active": len(active), "succeeded": succeeded, "failed": failed}
        status |= {name: number for name, number in numbers.items() if number}
        if ending == "Complete":
            status["completionTime"] = now()
            reason, message = "CompletionsReached", "Reached expected number of succeeded pods"
            status["conditions"] = [_condition(kind, reason, message) for kind in ("SuccessCriteriaMet", "Complete")]
            self._world.event(job, "Completed", "Job completed", component="job-controller")
        elif ending:
            message = _GIVEN_UP[ending]
            status["conditions"] = [_condition(kind, ending, message) for kind in ("FailureTarget", "Failed")]
            self._world.event(job, ending, message, warning=True, component="job-controller")
        elif job["spec"]["suspend"]:
            status["conditions"] = job["status"].get("conditions") or [
                _condition("Suspended", "JobSuspended", "Job suspended")
            ]
        if status != job["status"]:
            self._world.write_status("jobs", job, status)

    def _expire(self, job: Obj) -> None:
        """``ttlSecondsAfterFinished``."""
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None:
            return
        meta = job["metadata"]
        due = self._begun.setdefault("ttl " + meta["uid"], time.monotonic() + seconds * self._world.settings.time_scale)
        if due > time.monotonic():
            self._world.queue.add(("Job", meta["namespace"], meta["name"]), due - time.monotonic())
            return
        delete(self._world.objects, Target(built_in("jobs"), meta["namespace"], meta["name"]), {})


def _restarts(pod: Obj) -> int:
    return sum(status["restartCount"] for status in pod["status"].get("containerStatuses", ()))


def _finished(job: Obj) -> bool:
    conditions = job["status"].get("conditions", ())
    return any(c["type"] in ("Complete", "Failed") and c["status"] == "True" for c in conditions)


def _condition(kind: str, reason: str, message: str) -> Obj:
    time_now = now()
    times = {"lastProbeTime": time_now, "lastTransitionTime": time_now}
    return {"type": kind, "status": "True", **times, "reason": reason, "message": message}
