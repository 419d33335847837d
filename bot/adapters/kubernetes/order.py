"""In which order objects are applied: what others stand on comes first (pure)."""

_RANKS = (
    ("Namespace", "CustomResourceDefinition"),
    ("PriorityClass", "StorageClass", "IngressClass", "PersistentVolume"),
    ("ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount"),
    ("ClusterRole", "Role"),
    ("ClusterRoleBinding", "RoleBinding"),
    ("ConfigMap", "Secret", "PersistentVolumeClaim"),
    ("Service",),
    ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"),
    ("HorizontalPodAutoscaler", "PodDisruptionBudget"),
    ("Ingress",),
)
_RANK_OF = {kind: rank for rank, kinds in enumerate(_RANKS) for kind in kinds}


def rank(kind: str) -> int:
    """Where a kind stands in line; kinds unknown here come last. Sort by it: equal ranks keep their order."""
    return _RANK_OF.get(kind, len(_RANKS))
