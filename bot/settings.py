"""The environment variables of the design, read once, refused all at once.

Credentials are ``SecretStr``: printing the settings shows stars.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from bot.errors import Permanent


class SettingsError(Permanent):
    """One or more variables are missing or wrong; the message names every one."""


def _base_url(value: object) -> object:
    if isinstance(value, str):
        value = value.rstrip("/")
        if not value.startswith(("https://", "http://")):
            raise ValueError("must be a URL that starts with https:// or http://")
        if "@" in value.partition("://")[2]:
            raise ValueError("must not hold a user name or a password; use GITHUB_TOKEN")
    return value


def _database_url(value: object) -> object:
    if isinstance(value, str) and not value.startswith(("sqlite:///", "postgres://", "postgresql://")):
        raise ValueError("must start with sqlite:///, postgres:// or postgresql://")
    return value


BaseUrl = Annotated[str, BeforeValidator(_base_url)]

DEFAULT_DATABASE_URL = "sqlite:///var/slipway.db"


class _Variables(BaseModel):
    """A set of variables, each field aliased to its variable's name."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; empty ones count as not set.

        Raises:
            SettingsError: naming every variable that is missing or wrong.
        """
        variables = {name: value for name, value in environment.items() if value.strip()}
        lines = [f"  {line}" for line in cls.missing_together(variables)]
        try:
            read = cls.model_validate(variables)
        except ValidationError as error:
            lines += [f"  {_name(problem)}: {_reason(problem)}" for problem in error.errors()]
        if lines:
            raise SettingsError("The environment is not complete:\n" + "\n".join(lines))
        return read

    @classmethod
    def missing_together(cls, _variables: Mapping[str, str]) -> list[str]:
        """What is asked for of several variables together, a line each."""
        return []


def _name(problem: Mapping[str, object]) -> str:
    location = problem["loc"]
    return str(location[0]) if isinstance(location, tuple) else ""


def _reason(problem: Mapping[str, object]) -> str:
    if problem["type"] == "missing":
        return "is missing"
    return str(problem["msg"]).removeprefix("Value error, ")


class WebSettings(_Variables):
    """What the web process needs: it verifies, stores and answers; it never calls GitHub."""

    webhook_secret: SecretStr = Field(alias="GITHUB_WEBHOOK_SECRET")
    database_url: Annotated[str, BeforeValidator(_database_url)] = Field(DEFAULT_DATABASE_URL, alias="DATABASE_URL")


class Settings(_Variables):
    """What the worker and the commands need."""

    config_repo: str = Field(alias="CONFIG_REPO", pattern=r"^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$")
    config_branch: str | None = Field(None, alias="CONFIG_BRANCH")
    github_url: BaseUrl = Field("https://github.com", alias="GITHUB_URL")
    github_api_url: BaseUrl = Field("https://api.github.com", alias="GITHUB_API_URL")
    github_token: SecretStr | None = Field(None, alias="GITHUB_TOKEN")
    github_app_id: int | None = Field(None, alias="GITHUB_APP_ID")
    github_app_private_key: SecretStr | None = Field(None, alias="GITHUB_APP_PRIVATE_KEY")
    github_app_private_key_file: Path | None = Field(None, alias="GITHUB_APP_PRIVATE_KEY_FILE")
    database_url: Annotated[str, BeforeValidator(_database_url)] = Field(DEFAULT_DATABASE_URL, alias="DATABASE_URL")
    kubeconfig: str | None = Field(None, alias="KUBECONFIG")
    worker_id: str | None = Field(None, alias="WORKER_ID")
    reconcile_seconds: float = Field(120, alias="RECONCILE_SECONDS", gt=0)
    rollout_timeout_seconds: float = Field(600, alias="ROLLOUT_TIMEOUT_SECONDS", gt=0)
    public_url: BaseUrl | None = Field(None, alias="SLIPWAY_URL")
    state_folder: Path = Field(Path("var"), alias="SLIPWAY_STATE")
    builder: str = Field("docker", alias="SLIPWAY_BUILDER", pattern="^(docker|sandbox)$")

    @classmethod
    def missing_together(cls, variables: Mapping[str, str]) -> list[str]:
        """One identity: a token, or a GitHub App."""
        key = variables.keys() & {"GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_PRIVATE_KEY_FILE"}
        if "GITHUB_TOKEN" in variables or ("GITHUB_APP_ID" in variables and key):
            return []
        line = (
            "identity: set GITHUB_TOKEN (a machine user's token), or GITHUB_APP_ID together with "
            "GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE"
        )
        return [line]

    def app_private_key(self) -> str | None:
        """The GitHub App's private key (PEM), read from its file where a file is named.

        Raises:
            SettingsError: the file cannot be read.
        """
        if self.github_app_private_key is not None:
            return self.github_app_private_key.get_secret_value()
        if self.github_app_private_key_file is None:
            return None
        try:
            return self.github_app_private_key_file.read_text()
        except OSError as error:
            raise SettingsError(
                f"GITHUB_APP_PRIVATE_KEY_FILE: {self.github_app_private_key_file} cannot be read ({error.strerror})."
            ) from None

    def secrets(self) -> tuple[str, ...]:
        """Every credential among the settings, for the redaction of logs."""
        values = (self.github_token, self.github_app_private_key)
        return tuple(value.get_secret_value() for value in values if value is not None)
