from pathlib import Path

import pytest

from bot.settings import AccessSettings, Settings, SettingsError, WebSettings

GOOD = {"CONFIG_REPO": "acme/config", "GITHUB_TOKEN": "ghp_0123456789abcdef0123", "HOME": "/root"}


def test_the_design_s_defaults_stand() -> None:
    settings = Settings.read(GOOD)
    assert settings.database_url == "sqlite:///var/slipway.db"
    assert (settings.github_url, settings.github_api_url) == ("https://github.com", "https://api.github.com")
    assert (settings.reconcile_seconds, settings.rollout_timeout_seconds) == (120, 600)
    assert settings.config_branch is None


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.read(
            {
                "CONFIG_REPO": "config",
                "GITHUB_URL": "github.com",
                "DATABASE_URL": "mysql://x",
                "RECONCILE_SECONDS": "soon",
                "ROLLOUT_TIMEOUT_SECONDS": "0",
            }
        )
    text = str(error.value)
    for name in (
        "identity",
        "CONFIG_REPO",
        "GITHUB_URL",
        "DATABASE_URL",
        "RECONCILE_SECONDS",
        "ROLLOUT_TIMEOUT_SECONDS",
    ):
        assert f"\n  {name}: " in text


def test_an_identity_is_asked_for() -> None:
    with pytest.raises(SettingsError, match="set GITHUB_TOKEN"):
        Settings.read({"CONFIG_REPO": "acme/config"})
    with pytest.raises(SettingsError, match="GITHUB_APP_PRIVATE_KEY"):
        Settings.read({"CONFIG_REPO": "acme/config", "GITHUB_APP_ID": "17"})


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.read({**GOOD, "CONFIG_BRANCH": "", "GITHUB_URL": " "}).github_url == "https://github.com"
    with pytest.raises(SettingsError, match="CONFIG_REPO: is missing"):
        Settings.read({**GOOD, "CONFIG_REPO": ""})


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.read({**GOOD, "GITHUB_URL": "https://me:hunter2@github.example.com"})
    assert "GITHUB_TOKEN" in str(error.value)
    assert "hunter2" not in str(error.value)


def test_printing_the_settings_shows_no_credential() -> None:
    assert GOOD["GITHUB_TOKEN"] not in repr(Settings.read(GOOD))
    assert "s3cret" not in repr(WebSettings.read({"GITHUB_WEBHOOK_SECRET": "s3cret"}))


def test_the_private_key_is_read_from_its_file(tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    variables = {"CONFIG_REPO": "acme/config", "GITHUB_APP_ID": "17", "GITHUB_APP_PRIVATE_KEY_FILE": str(key)}
    with pytest.raises(SettingsError, match=r"key\.pem cannot be read"):
        Settings.read(variables).app_private_key()
    key.write_text("PEM")
    assert Settings.read(variables).app_private_key() == "PEM"


def test_the_web_process_refuses_to_start_without_its_secret() -> None:
    with pytest.raises(SettingsError, match="GITHUB_WEBHOOK_SECRET: is missing"):
        WebSettings.read({})


def test_one_key_signs_and_its_file_can_be_read(tmp_path: Path) -> None:
    key = tmp_path / "key"
    with pytest.raises(SettingsError, match=r"GIT_SIGNING_KEY_FILE: .*key cannot be read \(No such file"):
        Settings.read({**GOOD, "GIT_SIGNING_KEY_FILE": str(key)})
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert Settings.read({**GOOD, "GIT_SIGNING_KEY_FILE": str(key)}).git_signing_key_file == key
    with pytest.raises(SettingsError, match="GIT_SIGNING_KEY: is set beside GIT_SIGNING_KEY_FILE"):
        Settings.read({**GOOD, "GIT_SIGNING_KEY_FILE": str(key), "GIT_SIGNING_KEY": "ABCD"})


ACCESS = {"GITHUB_WEBHOOK_SECRET": "s" * 20}
SIGN_IN = {
    **ACCESS,
    "GITHUB_OAUTH_CLIENT_ID": "Iv1.0",
    "GITHUB_OAUTH_CLIENT_SECRET": "hush",
    "SLIPWAY_MEMBERS": "@acme, other/web-team",
    "SLIPWAY_URL": "https://slipway.example/",
}


def test_whoever_may_see_the_pages_is_read_from_the_variables() -> None:
    found = AccessSettings.read({**SIGN_IN, "SLIPWAY_AS": "@dora"})
    assert (found.members, found.local_login, found.public_url) == (
        ("acme", "other/web-team"), "dora", "https://slipway.example",
    )  # fmt: skip
    proxy = {"SLIPWAY_PROXY_HEADER": "X-User", "SLIPWAY_PROXY_ADDRESSES": "10.0.0.7, fd00::/8"}
    assert [str(one) for one in AccessSettings.read({**ACCESS, **proxy}).proxy_addresses] == ["10.0.0.7/32", "fd00::/8"]
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({**ACCESS, "SLIPWAY_PROXY_HEADER": "X-User"}, "SLIPWAY_PROXY_ADDRESSES: is missing"),
        ({**ACCESS, "SLIPWAY_PROXY_ADDRESSES": "10.0.0.7"}, "SLIPWAY_PROXY_HEADER: is missing"),
        ({**ACCESS, "SLIPWAY_PROXY_ADDRESSES": "proxy", "SLIPWAY_PROXY_HEADER": "X-User"}, "must be addresses"),
        ({**ACCESS, "SLIPWAY_PROXY_ADDRESSES": "10.0.0.7/24", "SLIPWAY_PROXY_HEADER": "X-User"}, "must be addresses"),
        ({**ACCESS, "SLIPWAY_PROXY_ADDRESSES": "10.0.0.7", "SLIPWAY_PROXY_HEADER": "X User"}, "name of a header"),
        ({**SIGN_IN, "SLIPWAY_MEMBERS": ""}, "SLIPWAY_MEMBERS: is missing"),
        ({**SIGN_IN, "SLIPWAY_MEMBERS": "a/b/c"}, "must be organisations and teams"),
        ({**SIGN_IN, "SLIPWAY_URL": ""}, "SLIPWAY_URL: is missing"),
        ({**SIGN_IN, "GITHUB_OAUTH_CLIENT_ID": ""}, "GITHUB_OAUTH_CLIENT_ID: is missing"),
    ],
)
def test_half_a_rule_is_refused(variables: dict[str, str], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        AccessSettings.read(variables)
