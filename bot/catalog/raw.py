"""``slipway.yaml`` as people write it: every key, its shape, its default, and what it means.

The descriptions are what an editor shows (``python -m bot schema``). What one value alone cannot tell (names used
twice, manifests that two environments share) is looked at in ``checks``.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from bot.catalog import shapes
from bot.catalog.freeze import EXAMPLES, FreezeWindow


class Gate(StrEnum):
    """How a release enters an environment."""

    COMMIT = "commit"
    PULL_REQUEST = "pull-request"


class Rollback(StrEnum):
    """Who goes back when a rollout fails."""

    AUTO = "auto"
    MANUAL = "manual"


Name = Annotated[
    str,
    AfterValidator(shapes.name),
    Field(json_schema_extra={"pattern": f"^{shapes.NAME.pattern}$", "maxLength": shapes.LONGEST_NAME}),
]
Namespace = Annotated[
    str,
    AfterValidator(shapes.namespace),
    Field(json_schema_extra={"pattern": f"^{shapes.NAMESPACE.pattern}$", "maxLength": shapes.LONGEST_NAME}),
]
Manifests = Annotated[
    list[Annotated[str, AfterValidator(shapes.manifest)]],
    BeforeValidator(shapes.one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]
Freeze = Annotated[FreezeWindow, PlainValidator(shapes.freeze), WithJsonSchema({"type": "string"})]
RelativePath = Annotated[str, AfterValidator(shapes.relative)]
ValuesKey = Annotated[str, AfterValidator(shapes.values_key)]


class Raw(BaseModel):
    """What the parts of a catalog have in common: unknown keys are refused and nothing is converted."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        use_attribute_docstrings=True,
        model_title_generator=lambda model: model.__name__.removeprefix("Raw"),
    )


class RawEnvironment(Raw):
    """A place where apps run, and how a release gets in. Releases travel in the order of this list."""

    name: Annotated[Name, Field(examples=["staging"])]
    """Fills `{environment}` in paths and addresses, and names branches, statuses and commits."""

    cluster: Annotated[str, AfterValidator(shapes.one_line), Field(examples=["staging"])]
    """The context of the kubeconfig that leads to the cluster."""

    namespace: Annotated[Namespace, Field(examples=["staging"])]
    """The namespace for objects whose manifest names none. Fills `{namespace}`."""

    gate: Annotated[Gate, Field(strict=False, examples=["pull-request"])]
    """How a release gets in: `commit` (straight to the config branch) or `pull-request` (people approve)."""

    url: Annotated[str, AfterValidator(shapes.url)] | None = Field(default=None, examples=["https://staging.{app}"])
    """Where an app can be seen. `{app}`, `{environment}` and `{namespace}` are filled in."""

    approvals: int = Field(default=1, ge=1, examples=[2])
    """How many people must approve. Only with `gate: pull-request`."""

    approvers: list[Annotated[str, AfterValidator(shapes.approver)]] | None = Field(
        default=None, min_length=1, examples=[["@octocat", "@org/web-team"]]
    )
    """Who may approve: logins and teams. Without this key, whoever may push to the config repo. Only with
    `gate: pull-request`."""

    freeze: list[Freeze] = Field(default=[], examples=[list(EXAMPLES)])
    """When no release may get in: weekly or by date, each with its time zone."""

    rollback: Annotated[Rollback, Field(strict=False, examples=["manual"])] = Rollback.AUTO
    """Who goes back when a rollout fails: `auto` (the bot, to the last healthy image) or `manual`."""

    self_approval: bool = Field(default=False, examples=[True])
    """Whether the author of the change counts as an approver. Only with `gate: pull-request`."""

    require_approval_on_merge: bool = Field(default=True, examples=[False])
    """A person's Merge counts as that person's approval. Where the rule is still not met, `true` has the bot revert
    the merge and say so; `false` takes the merge as it is. Only with `gate: pull-request`."""

    self_heal: bool = Field(default=False, examples=[True])
    """Whether changes made to the cluster by hand are undone, not only shown."""

    prune: bool = Field(default=False, examples=[True])
    """Whether objects that left the manifests are deleted from the cluster. Only what the bot applied is."""

    shared: list[Annotated[str, AfterValidator(shapes.shared)]] = Field(
        default=[], examples=[["shared/namespaces.yaml", "{environment}/ingress"]]
    )
    """Files and folders of the config repo that belong to this environment and to no app: namespaces, ingresses.
    `{environment}` and `{namespace}` are filled in."""

    notify: list[Annotated[str, AfterValidator(shapes.notify)]] = Field(default=[], examples=[["$OPERATORS_CHAT"]])
    """Whom to tell of every app's news in this environment, as `notify` of an app."""


class RawHelm(Raw):
    """How an app's manifests are rendered by Helm. `manifests` then names values files, in their order."""

    chart: Annotated[str, AfterValidator(shapes.in_config_repo), Field(examples=["charts/site"])]
    """The folder of the chart, in the config repo."""

    repository: ValuesKey = Field(default="image.repository", examples=["web.image.repository"])
    """The key of the values file that holds the image's repository."""

    tag: ValuesKey = Field(default="image.tag", examples=["web.image.tag"])
    """The key of the values file that holds the image's tag."""

    digest: ValuesKey = Field(default="image.digest", examples=["web.image.digest"])
    """The key of the values file that holds the image's digest."""


class RawApp(Raw):
    """One deployable site or service."""

    name: Annotated[Name, Field(examples=["shop"])]
    """Fills `{app}` in paths and addresses, and names branches and commits."""

    source: Annotated[str, AfterValidator(shapes.source), Field(examples=["example-web/shop"])]
    """The source repository on GitHub, as `owner/repository`."""

    branch: Annotated[str, AfterValidator(shapes.branch)] | None = Field(default=None, examples=["main"])
    """The branch whose every new commit is released. Without this key, the repository's default branch."""

    image: Annotated[str, AfterValidator(shapes.image), Field(examples=["ghcr.io/example-web/shop"])]
    """The image repository to push to, without tag or digest: those are what a release sets."""

    manifests: Manifests = Field(default=["{environment}/{app}.yaml"], min_length=1, examples=[["{environment}/{app}"]])
    """The app's manifests in the config repo: a file, a folder, a kustomization, Helm values, or a list of them.
    `{environment}`, `{app}` and `{namespace}` are filled in."""

    dockerfile: RelativePath | None = Field(default=None, examples=["docker/Dockerfile"])
    """The Dockerfile, from the root of the source repository. Without this key, `Dockerfile` in the `context`."""

    context: RelativePath = Field(default=".", examples=["web"])
    """The folder that the build may see, from the root of the source repository."""

    platform: Annotated[str, AfterValidator(shapes.platform)] | None = Field(default=None, examples=["linux/amd64"])
    """The platform to build for. Without this key, the Docker engine's own."""

    paths: list[Annotated[str, AfterValidator(shapes.pattern)]] = Field(default=[], examples=[["web/**", "!*.md"]])
    """Which changed files of the source repository call for a release, as patterns like `.gitignore` has them;
    `!` takes back. Without this key, all."""

    quote_logs: bool | None = Field(default=None, examples=[True])
    """Whether lines of build and pod logs may be quoted on GitHub. Without this key, only where the source
    repository is private."""

    notify: list[Annotated[str, AfterValidator(shapes.notify)]] = Field(
        default=[], examples=[["mailto://mail.example.com?to=web-team@example.com"]]
    )
    """Whom to tell in chat or by mail: apprise addresses. One with a token in it does not belong in Git: name the
    worker's variable that holds it, as `$NAME`."""

    helm: RawHelm | None = Field(default=None, examples=[{"chart": "charts/site"}])
    """Where the app is a Helm chart: which one, and which of its values hold the image."""

    @property
    def dockerfile_path(self) -> str:
        """The Dockerfile to build, from the root of the source repository."""
        return self.dockerfile or ("Dockerfile" if self.context == "." else f"{self.context}/Dockerfile")


class RawCatalog(Raw):
    """Slipway's catalog: which apps there are, and through which environments their releases travel."""

    environments: list[RawEnvironment] = Field(min_length=1)
    """The environments, in the order a release travels."""

    apps: list[RawApp]
    """The apps that are released."""


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``slipway.yaml``, for editors."""
    generated = RawCatalog.model_json_schema(schema_generator=_ForEditors)
    return {"$schema": _ForEditors.schema_dialect, **generated}


class _ForEditors(GenerateJsonSchema):
    """Pydantic's schema less what only makes hovers longer: titles, and null beside what may be left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base class's signature
        return False
