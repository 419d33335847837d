"""The environment variables of the design, read once, refused all at once.

Credentials are ``SecretStr``: printing the settings shows stars.
"""

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

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


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _networks(value: object) -> object:
    try:
        return tuple(ip_network(word) for word in value.replace(",", " ").split()) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be addresses or networks, like 10.0.0.7 or 10.0.0.0/24, parted by commas") from None


def _members(value: object) -> object:
    words = _words(value)
    if isinstance(words, tuple) and not all(_MEMBERS.fullmatch(word) for word in words):
        raise ValueError("must be organisations and teams, like @org or @org/team, parted by commas")
    return tuple(word.removeprefix("@") for word in words) if isinstance(words, tuple) else words


_MEMBERS = re.compile(r"@?[A-Za-z0-9-]+(/[A-Za-z0-9_.-]+)?")

Network = IPv4Network | IPv6Network
Networks = Annotated[tuple[Network, ...], BeforeValidator(_networks)]
Members = Annotated[tuple[str, ...], BeforeValidator(_members)]
Login = Annotated[str, BeforeValidator(lambda value: value.removeprefix("@") if isinstance(value, str) else value)]

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
        if problems := cls.problems(environment):
            raise SettingsError(not_complete(problems))
        return cls.model_validate(_set(environment))

    @classmethod
    def problems(cls, environment: Mapping[str, str]) -> list[str]:
        """Every variable that is missing or wrong, a line each."""
        variables = _set(environment)
        lines = cls.wrong_together(variables)
        try:
            cls.model_validate(variables)
        except ValidationError as error:
            lines += [f"{problem['loc'][0]}: {_reason(problem)}" for problem in error.errors()]
        return lines

    @classmethod
    def wrong_together(cls, _variables: Mapping[str, str]) -> list[str]:
        """What is asked for of several variables together, or of what they name, a line each."""
        return []


HELP = "The README tells what each is for, `python -m bot doctor` checks them, and `python -m bot demo` needs none."


def not_complete(problems: Iterable[str]) -> str:
    """The paragraph that names every problem once, a line each, and what helps."""
    lines = "".join(f"\n  {line}" for line in dict.fromkeys(problems))
    return f"The environment is not complete:{lines}\n{HELP}"


def _set(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if value.strip()}


_WANTED = {
    "missing": "is missing",
    "greater_than": "must be more than {gt}",
    "float_parsing": "must be a number of seconds",
    "int_parsing": "must be a whole number",
}
"""By pydantic's error type. Values are not repeated: a credential may stand in the wrong variable."""


def _reason(problem: ErrorDetails) -> str:
    if problem["type"] == "string_pattern_mismatch":
        return _FORMS[str(problem["loc"][0])]
    wanted = _WANTED.get(problem["type"])
    return wanted.format(**problem.get("ctx", {})) if wanted else problem["msg"].removeprefix("Value error, ")


_FORMS = {
    "CONFIG_REPO": "must be `owner/name`, as in github.com/owner/name",
    "SLIPWAY_PROXY_HEADER": "must be the name of a header, like X-Forwarded-User",
    "SLIPWAY_BUILDER": "must be docker or sandbox",
    "WORKER_ID": "may have up to 100 letters, digits, dots, dashes and underscores",
}
"""What a variable with a pattern must look like."""


class WebSettings(_Variables):
    """What the web process needs: it verifies, stores and answers; it never calls GitHub."""

    webhook_secret: SecretStr = Field(alias="GITHUB_WEBHOOK_SECRET")
    database_url: Annotated[str, BeforeValidator(_database_url)] = Field(DEFAULT_DATABASE_URL, alias="DATABASE_URL")


class AccessSettings(_Variables):
    """Who may see the pages of the web process, and under which name; without any of it, the machine itself may."""

    webhook_secret: SecretStr = Field(alias="GITHUB_WEBHOOK_SECRET")
    local_login: Login | None = Field(None, alias="SLIPWAY_AS")
    proxy_header: str | None = Field(None, alias="SLIPWAY_PROXY_HEADER", pattern=r"^[A-Za-z0-9-]+$")
    proxy_addresses: Networks = Field((), alias="SLIPWAY_PROXY_ADDRESSES")
    oauth_client_id: str | None = Field(None, alias="GITHUB_OAUTH_CLIENT_ID")
    oauth_client_secret: SecretStr | None = Field(None, alias="GITHUB_OAUTH_CLIENT_SECRET")
    members: Members = Field((), alias="SLIPWAY_MEMBERS")
    public_url: BaseUrl | None = Field(None, alias="SLIPWAY_URL")
    github_url: BaseUrl = Field("https://github.com", alias="GITHUB_URL")
    github_api_url: BaseUrl = Field("https://api.github.com", alias="GITHUB_API_URL")

    @classmethod
    def wrong_together(cls, variables: Mapping[str, str]) -> list[str]:
        """A header counts from certain addresses only; a sign-in needs an application, members and a way back."""
        wanted = [
            ("SLIPWAY_PROXY_HEADER", ("SLIPWAY_PROXY_ADDRESSES",)),
            ("SLIPWAY_PROXY_ADDRESSES", ("SLIPWAY_PROXY_HEADER",)),
            ("GITHUB_OAUTH_CLIENT_ID", ("GITHUB_OAUTH_CLIENT_SECRET", "SLIPWAY_MEMBERS", "SLIPWAY_URL")),
            ("GITHUB_OAUTH_CLIENT_SECRET", ("GITHUB_OAUTH_CLIENT_ID",)),
            ("SLIPWAY_MEMBERS", ("GITHUB_OAUTH_CLIENT_ID",)),
        ]
        return [
            f"{other}: is missing, and {name} is set"
            for name, others in wanted
            if name in variables
            for other in others
            if other not in variables
        ]


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
    git_signing_key: str | None = Field(None, alias="GIT_SIGNING_KEY")
    git_signing_key_file: Path | None = Field(None, alias="GIT_SIGNING_KEY_FILE")
    database_url: Annotated[str, BeforeValidator(_database_url)] = Field(DEFAULT_DATABASE_URL, alias="DATABASE_URL")
    kubeconfig: str | None = Field(None, alias="KUBECONFIG")
    worker_id: str | None = Field(None, alias="WORKER_ID", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    reconcile_seconds: float = Field(120, alias="RECONCILE_SECONDS", gt=0)
    rollout_timeout_seconds: float = Field(600, alias="ROLLOUT_TIMEOUT_SECONDS", gt=0)
    build_timeout_seconds: float = Field(1800, alias="BUILD_TIMEOUT_SECONDS", gt=0)
    public_url: BaseUrl | None = Field(None, alias="SLIPWAY_URL")
    state_folder: Path = Field(Path("var"), alias="SLIPWAY_STATE")
    builder: str = Field("docker", alias="SLIPWAY_BUILDER", pattern="^(docker|sandbox)$")

    @classmethod
    def wrong_together(cls, variables: Mapping[str, str]) -> list[str]:
        """One identity: a token, or a GitHub App, whose key can be read; and one key to sign with, or none."""
        return [*cls._wrong_identity(variables), *cls._wrong_signing_key(variables)]

    @classmethod
    def _wrong_signing_key(cls, variables: Mapping[str, str]) -> list[str]:
        if "GIT_SIGNING_KEY_FILE" not in variables:
            return []
        if "GIT_SIGNING_KEY" in variables:
            return ["GIT_SIGNING_KEY: is set beside GIT_SIGNING_KEY_FILE; keep one of them"]
        return _unreadable("GIT_SIGNING_KEY_FILE", variables)

    @classmethod
    def _wrong_identity(cls, variables: Mapping[str, str]) -> list[str]:
        key = variables.keys() & {"GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_PRIVATE_KEY_FILE"}
        if "GITHUB_TOKEN" not in variables and not ("GITHUB_APP_ID" in variables and key):
            line = (
                "identity: set GITHUB_TOKEN (a machine user's token), or GITHUB_APP_ID together with "
                "GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_FILE"
            )
            return [line]
        if key != {"GITHUB_APP_PRIVATE_KEY_FILE"}:
            return []
        return _unreadable("GITHUB_APP_PRIVATE_KEY_FILE", variables)

    def app_private_key(self) -> str | None:
        """The GitHub App's private key (PEM), read from its file where a file is named."""
        if self.github_app_private_key is not None:
            return self.github_app_private_key.get_secret_value()
        if self.github_app_private_key_file is None:
            return None
        return self.github_app_private_key_file.read_text(encoding="utf-8")

    def secrets(self) -> tuple[str, ...]:
        """Every credential among the settings, for the redaction of logs."""
        values = (self.github_token, self.github_app_private_key)
        return tuple(value.get_secret_value() for value in values if value is not None)


def _unreadable(name: str, variables: Mapping[str, str]) -> list[str]:
    key_file = Path(variables[name])
    try:
        key_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        return [f"{name}: {key_file} cannot be read ({why})"]
    return []
