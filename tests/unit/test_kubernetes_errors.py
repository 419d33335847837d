"""What a person reads when a cluster refuses: every recorded refusal, and the ones that real clusters add."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.kubernetes.connection import Cause, Refusal
from bot.adapters.kubernetes.errors import RULE_VERBS, explained, immutable, in_full
from bot.errors import Permanent, Transient

RECORDED = json.loads((Path(__file__).parents[1] / "contract/recordings/errors.json").read_text(encoding="utf-8"))


def refusal(code: int, message: str = "", **more: Any) -> Refusal:
    return Refusal("staging", "PATCH", "/apis/apps/v1/namespaces/web/deployments/blog", code, message=message, **more)


def recorded(step: str) -> Refusal:
    """A recorded answer, as the connection hands it on."""
    found = next(one for one in RECORDED["steps"] if one["step"] == step)
    body = found["response"]["body"]
    if not isinstance(body, dict):
        return refusal(found["response"]["status"], body.strip())
    details = body.get("details") or {}
    return refusal(
        found["response"]["status"],
        body["message"],
        reason=body.get("reason", ""),
        kind=details.get("kind", ""),
        name=details.get("name", ""),
        causes=tuple(Cause(c["reason"], c["message"], c["field"]) for c in details.get("causes", ())),
    )


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("unknown field", "`spec.nonsense` is no field of this kind: correct or remove it"),
        ("wrong type", "`spec.replicas`: expected numeric (int or float), got string"),
        (
            "changed selector",
            (
                "`spec.template.metadata.labels`: `selector` does not match template `labels`; `spec.selector`: it "
                "cannot change (field is immutable): keep it, or delete the object on the cluster first"
            ),
        ),
        ("missing namespace", "the namespace `absent` does not exist: create it, or add it to the manifests"),
        ("get missing", "deployments `absent` does not exist"),
        (
            "forbidden: no RBAC grant",
            (
                "the user `deploybot` may not patch `deployments` in namespace `recordings`. Add to the rules of a "
                'Role of this user `- {apiGroups: ["apps"], resources: ["deployments"], verbs: ["get", "list", '
                '"watch", "create", "patch"]}`'
            ),
        ),
        ("unauthorized: unknown token", "the credentials of the context `staging` are not accepted (401). Renew them"),
        ("stale resourceVersion in the body", "metadata.managedFields must be nil (400)"),
        (
            "other manager, no force: conflict",
            (
                "the fields `spec.progressDeadlineSeconds` and "
                '`spec.template.spec.containers[name="snapcraft-io"].image` belong to `slipway`: take them out of the '
                "manifest"
            ),
        ),
    ],
)
def test_a_recorded_refusal_says_what_to_do(step: str, text: str) -> None:
    error = explained(recorded(step))
    assert isinstance(error, Permanent)
    assert str(error) == text


def test_an_error_that_stands_alone_names_cluster_and_request() -> None:
    assert str(in_full(recorded("get missing"))) == (
        "The cluster `staging` refuses PATCH /apis/apps/v1/namespaces/web/deployments/blog: deployments `absent` does "
        "not exist."
    )


def test_several_unknown_fields_are_all_named() -> None:
    message = (
        "failed to create typed patch object (web/blog; apps/v1, Kind=Deployment): errors:\n"
        "  .spec.nonsense: field not declared in schema\n"
        '  .spec.template.spec.containers[name="web"].imag: field not declared in schema'
    )
    text = str(explained(refusal(500, message)))
    assert "`spec.nonsense` is no field" in text
    assert '`spec.template.spec.containers[name="web"].imag` is no field' in text


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_by_itself_is_tried_again(code: int) -> None:
    error = explained(refusal(code, "the server is currently unable to handle the request", retry_after=7.0))
    assert isinstance(error, Transient)
    assert error.retry_after == 7.0


def test_a_version_that_moved_on_is_tried_again() -> None:
    message = 'Operation cannot be fulfilled on deployments.apps "blog": the object has been modified'
    assert isinstance(explained(refusal(409, message, reason="Conflict")), Transient)


@pytest.mark.parametrize(
    "message",
    [
        'pods "once" is forbidden: error looking up service account web/default: serviceaccount "default" not found',
        'configmaps "m" is forbidden: unable to create new content in namespace web because it is being terminated',
    ],
)
def test_a_namespace_that_is_coming_or_going_is_waited_for(message: str) -> None:
    assert isinstance(explained(refusal(403, message, reason="Forbidden")), Transient)


def test_a_kind_that_discovery_knows_and_the_server_does_not_serve_yet_is_waited_for() -> None:
    assert isinstance(explained(recorded("old API group of 2018: extensions/v1beta1")), Transient)


def test_a_full_quota_is_told_by_its_name_and_numbers() -> None:
    message = (
        'pods "once" is forbidden: exceeded quota: small, requested: limits.memory=1Gi, used: limits.memory=512Mi, '
        "limited: limits.memory=1Gi"
    )
    text = str(explained(refusal(403, message, reason="Forbidden")))
    assert text.startswith("it would exceed the quota `small` (requested: limits.memory=1Gi, used: ")


def test_a_webhook_that_denies_is_quoted_with_its_name() -> None:
    message = 'admission webhook "policy.example.com" denied the request: images must come from our registry'
    assert str(explained(refusal(400, message))) == (
        "the admission webhook `policy.example.com` denies it: images must come from our registry"
    )


def test_a_refusal_without_causes_is_told_in_the_clusters_words() -> None:
    message = 'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'
    assert str(explained(refusal(403, message, reason="Forbidden"))) == f"{message} (403)"


def test_a_cluster_wide_permission_goes_into_a_cluster_role() -> None:
    message = (
        'namespaces "web" is forbidden: User "bot" cannot delete resource "namespaces" in API group "" at the cluster '
        "scope"
    )
    text = str(explained(refusal(403, message)))
    assert "cluster-wide. Add to the rules of a ClusterRole of this user" in text
    (rule,) = yaml.safe_load(text.split("`")[-2])
    assert rule == {"apiGroups": [""], "resources": ["namespaces"], "verbs": [*RULE_VERBS, "delete"]}


def test_a_whole_pod_template_is_not_repeated() -> None:
    value = '{"ObjectMeta":{"Name":"","Labels":{"a":"b: c"}},"Spec":{}}'
    cause = Cause("FieldValueInvalid", f"Invalid value: {value}: field is immutable", "spec.template")
    error = refusal(422, f"Job.batch is invalid: spec.template: Invalid value: {value}: field is immutable")
    assert immutable(error)
    other = Cause("FieldValueInvalid", f"Invalid value: {value}: is wrong", "spec.template")
    assert str(explained(refusal(422, "x", causes=(cause, other)))) == (
        "`spec.template`: it cannot change (field is immutable): keep it, or delete the object on the cluster first; "
        "`spec.template`: is wrong"
    )


@pytest.mark.parametrize(
    "answer",
    [
        refusal(500, "failed to create typed patch object (web/s; v1): .data.key: expected string, got hunter2"),
        refusal(422, "x", causes=(Cause("FieldValueInvalid", 'Invalid value: "hunter2": no', "data[key]"),)),
        refusal(400, 'Secret in version "v1" cannot be handled: illegal base64 data: hunter2'),
        refusal(400, 'admission webhook "w" denied the request: hunter2 is weak'),
        refusal(503, "cannot store hunter2"),
    ],
)  # fmt: skip
def test_the_value_of_a_secret_is_never_repeated(answer: Refusal) -> None:
    assert "hunter2" in f"{answer.message} {answer.causes}"
    assert "hunter2" not in str(explained(answer, secret=True))
