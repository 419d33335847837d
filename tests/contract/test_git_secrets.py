"""Where a token could show, it does not; and nobody's git configuration reaches the bot's git."""

import base64
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from git.cmd import Git

from bot.adapters.git.source_repos import GitSourceRepos
from bot.errors import Permanent, SlipwayError
from tests.git_stage import CONFIG, TOKEN, GitStage, bump, stage

__all__ = ["stage"]

SECRETS = (TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode())


def arguments_of_all_processes() -> Iterator[str]:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def use_everything(stage: GitStage) -> None:
    with stage.open("used") as repo:
        head = repo.fetch()
        repo.make(bump("a", 2))
        repo.propose("slipway/production/a", bump("a", 2, "production"))
        repo.add_note(head, "x")
        repo.delete_branch("slipway/production/a")
    source = GitSourceRepos(stage.folder / "sources", base_url=stage.server.url, token=lambda repo: TOKEN)
    assert source.branch_head(CONFIG, "main") == stage.tip()
    with source.checkout(CONFIG, head):
        pass


def test_the_token_is_in_no_process_s_arguments(stage: GitStage) -> None:
    seen: set[str] = set()
    stage.server.watch = lambda: seen.update(arguments_of_all_processes())

    use_everything(stage)

    assert any("remote-http" in line for line in seen)
    assert any("receive-pack" in line or "push" in line for line in seen)
    assert not [line for line in seen for secret in SECRETS if secret in line]


def test_the_token_is_in_no_file(stage: GitStage) -> None:
    use_everything(stage)

    files = [file for file in stage.folder.rglob("*") if file.is_file()]
    assert len(files) > 20
    assert not [file for file in files for secret in SECRETS if secret.encode() in file.read_bytes()]


def test_the_token_is_in_no_log_however_git_is_traced(
    stage: GitStage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name in ("GIT_TRACE", "GIT_TRACE_CURL", "GIT_CURL_VERBOSE", "GIT_TRACE2", "GIT_TRACE2_EVENT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("GIT_TRACE_REDACT", "0")
    monkeypatch.setenv("GIT_TRACE2_CONFIG_PARAMS", "http.*")
    monkeypatch.setenv("GIT_TRACE2_ENV_VARS", "GIT_CONFIG_VALUE_7,GIT_CONFIG_VALUE_8,GIT_CONFIG_VALUE_9")
    monkeypatch.setattr(Git, "GIT_PYTHON_TRACE", "full")
    caplog.set_level(logging.DEBUG)

    use_everything(stage)
    stage.server.status = 500
    with pytest.raises(SlipwayError) as failure:
        use_everything(stage)

    out, err = capfd.readouterr()
    assert "Popen(['git', 'push'" in caplog.text
    for secret in SECRETS:
        assert secret not in caplog.text + out + err + str(failure.value)


def test_a_server_that_repeats_the_token_does_not_get_it_into_a_message(stage: GitStage) -> None:
    hook = stage.bare() / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'rule 7: " + " and ".join(SECRETS) + "' >&2\nexit 1\n")
    hook.chmod(0o755)

    with pytest.raises(Permanent, match=r"rule 7: \*\*\* and \*\*\*") as failure:
        stage.open().make(bump("a", 2))

    chain: BaseException | None = failure.value
    while chain is not None:
        assert not [secret for secret in SECRETS if secret in repr(chain)]
        chain = chain.__cause__ or chain.__context__


@pytest.mark.parametrize("url", ["http://user:pw@127.0.0.1/o/c.git", "https://pw@example.org/o/c.git"])
def test_a_credential_in_the_address_is_refused_and_not_repeated(stage: GitStage, url: str) -> None:
    with pytest.raises(Permanent, match="GITHUB_TOKEN") as failure:
        stage.open(url=url)
    assert "pw" not in str(failure.value)

    with pytest.raises(Permanent, match="GITHUB_TOKEN"):
        GitSourceRepos(stage.folder / "sources", base_url=url, token=lambda repo: None)


def test_nobody_s_configuration_changes_what_git_does(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("pre-push", "reference-transaction", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran-{name}\nexit 1\n")
        (hooks / name).chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {hooks}\n\tautocrlf = true\n[push]\n\tgpgSign = true\n"
        f'[url "http://nowhere.invalid/"]\n\tinsteadOf = {stage.server.url}/\n'
        f'[credential]\n\thelper = "!touch {tmp_path}/ran-helper; false"\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_ASKPASS", str(hooks / "pre-push"))

    use_everything(stage)
    stage.server.token = "another"
    with pytest.raises(Permanent):
        use_everything(stage)

    assert not list(tmp_path.glob("ran-*"))


def test_a_git_around_the_bot_does_not_lead_it_astray(
    stage: GitStage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_NAMESPACE", "elsewhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.proxy")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "http://127.0.0.1:1")

    use_everything(stage)

    assert not (tmp_path / "elsewhere").exists()
