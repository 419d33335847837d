"""The values an API server fills in where a manifest leaves them out.

Facts: the API reference of each kind, and the recordings of a 1.36 control plane.
"""

import base64
from collections.abc import Callable
from typing import Any

from bot.sandbox.cluster.store import Obj

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_DEFAULT_MODE = 0o644


def apply_defaults(obj: Obj) -> None:
    """Fill in the defaults of one object, in place."""
    for fill in _BY_KIND.get(obj["kind"], ()):
        fill(obj)


def _fill(target: Obj, **defaults: Any) -> None:
    for name, value in defaults.items():
        if target.get(name) is None:
            target[name] = value


def image_pull_policy(image: str) -> str:
    """``Always`` for ``latest`` or no tag, unless a digest pins the image."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def pod_spec(spec: Obj, *, restart_policy: str = "Always") -> None:
    """Defaults of a pod's spec, wherever it is embedded."""
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        _container(container)
    for volume in spec.get("volumes", ()):
        _volume(volume)
    _fill(
        spec,
        restartPolicy=restart_policy,
        terminationGracePeriodSeconds=30,
        dnsPolicy="ClusterFirst",
        securityContext={},
        schedulerName="default-scheduler",
    )
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        _fill(spec, serviceAccountName=account, serviceAccount=account)


def _container(container: Obj) -> None:
    _fill(
        container,
        resources={},
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
        imagePullPolicy=image_pull_policy(str(container.get("image", ""))),
    )
    for port in container.get("ports", ()):
        _fill(port, protocol="TCP")
    for variable in container.get("env", ()):
        if field := variable.get("valueFrom", {}).get("fieldRef"):
            _fill(field, apiVersion="v1")
    for name in _PROBES:
        if container.get(name) is not None:
            _probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        if isinstance(hook, dict) and hook.get("httpGet"):
            _fill(hook["httpGet"], scheme="HTTP", path="/")


def _probe(probe: Obj) -> None:
    if probe.get("httpGet"):
        _fill(probe["httpGet"], scheme="HTTP", path="/")
    if probe.get("grpc"):
        _fill(probe["grpc"], service="")
    _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)


def _volume(volume: Obj) -> None:
    for kind in ("configMap", "secret", "projected", "downwardAPI"):
        if volume.get(kind) is not None:
            _fill(volume[kind], defaultMode=_DEFAULT_MODE)
    if volume.get("hostPath") is not None:
        _fill(volume["hostPath"], type="")
    for source in volume.get("projected", {}).get("sources", ()):
        if source.get("serviceAccountToken") is not None:
            _fill(source["serviceAccountToken"], expirationSeconds=3600)
    if set(volume) == {"name"}:
        volume["emptyDir"] = {}


def _template(obj: Obj) -> None:
    template = obj["spec"].setdefault("template", {})
    _fill(template, metadata={}, spec={})
    pod_spec(template["spec"])


def _deployment(obj: Obj) -> None:
    spec = obj["spec"]
    _fill(spec, replicas=1, strategy={}, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    _fill(spec["strategy"], type="RollingUpdate")
    if spec["strategy"]["type"] == "RollingUpdate":
        _fill(spec["strategy"], rollingUpdate={})
        _fill(spec["strategy"]["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _replica_set(obj: Obj) -> None:
    _fill(obj["spec"], replicas=1)


def _stateful_set(obj: Obj) -> None:
    spec = obj["spec"]
    _fill(
        spec,
        replicas=1,
        podManagementPolicy="OrderedReady",
        updateStrategy={},
        revisionHistoryLimit=10,
        persistentVolumeClaimRetentionPolicy={},
    )
    _fill(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
    _fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _fill(spec["updateStrategy"], rollingUpdate={})
        _fill(spec["updateStrategy"]["rollingUpdate"], partition=0)
    for claim in spec.get("volumeClaimTemplates", ()):
        _fill(claim, apiVersion="v1", kind="PersistentVolumeClaim", spec={}, status={"phase": "Pending"})
        _fill(claim["spec"], volumeMode="Filesystem")


def _daemon_set(obj: Obj) -> None:
    spec = obj["spec"]
    _fill(spec, updateStrategy={}, revisionHistoryLimit=10)
    _fill(spec["updateStrategy"], type="RollingUpdate")
    if spec["updateStrategy"]["type"] == "RollingUpdate":
        _fill(spec["updateStrategy"], rollingUpdate={})
        _fill(spec["updateStrategy"]["rollingUpdate"], maxUnavailable=1, maxSurge=0)


def _job_spec(spec: Obj) -> None:
    template = spec.setdefault("template", {})
    _fill(template, metadata={}, spec={})
    pod_spec(template["spec"])


def _job(obj: Obj) -> None:
    spec = obj["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _fill(
        spec,
        parallelism=1,
        backoffLimit=6,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed",
    )
    _job_spec(spec)


def _cron_job(obj: Obj) -> None:
    spec = obj["spec"]
    _fill(
        spec,
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
        jobTemplate={},
    )
    _fill(spec["jobTemplate"], metadata={}, spec={})
    _job_spec(spec["jobTemplate"]["spec"])


def _pod(obj: Obj) -> None:
    spec = obj["spec"]
    for container in [*spec.get("containers", ()), *spec.get("initContainers", ())]:
        limits = container.get("resources", {}).get("limits", {})
        if limits:
            requests = container["resources"].setdefault("requests", {})
            _fill(requests, **limits)
    pod_spec(spec)
    _fill(spec, enableServiceLinks=True)


def _service(obj: Obj) -> None:
    spec = obj["spec"]
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    for port in spec.get("ports", ()):
        _fill(port, protocol="TCP", targetPort=port.get("port"))
    if spec["type"] != "ExternalName":
        _fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _fill(spec, externalTrafficPolicy="Cluster")


def _secret(obj: Obj) -> None:
    _fill(obj, type="Opaque")
    for name, text in obj.pop("stringData", {}).items():
        obj.setdefault("data", {})[name] = base64.b64encode(text.encode()).decode()


def _claim(obj: Obj) -> None:
    _fill(obj["spec"], volumeMode="Filesystem")


def _autoscaler(obj: Obj) -> None:
    _fill(obj["spec"], minReplicas=1)


def _namespace(obj: Obj) -> None:
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]
    _fill(obj["spec"], finalizers=["kubernetes"])


def _with_spec(obj: Obj) -> None:
    _fill(obj, spec={})


_BY_KIND: dict[str, tuple[Callable[[Obj], None], ...]] = {
    "Deployment": (_with_spec, _template, _deployment),
    "ReplicaSet": (_with_spec, _template, _replica_set),
    "StatefulSet": (_with_spec, _template, _stateful_set),
    "DaemonSet": (_with_spec, _template, _daemon_set),
    "Job": (_with_spec, _job),
    "CronJob": (_with_spec, _cron_job),
    "Pod": (_with_spec, _pod),
    "Service": (_with_spec, _service),
    "Secret": (_secret,),
    "PersistentVolumeClaim": (_with_spec, _claim),
    "HorizontalPodAutoscaler": (_with_spec, _autoscaler),
    "Namespace": (_with_spec, _namespace),
}
