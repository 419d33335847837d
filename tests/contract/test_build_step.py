"""The build step when something goes wrong: what is told, that the registry got nothing, and that no image stays.

Real git, a registry stand-in, and the Docker adapter on an engine that answers from a list.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.docker.engine import DockerEngine
from bot.adapters.git.source_repos import GitSourceRepos
from bot.adapters.registry.images import HttpRegistry
from bot.clock import SystemClock
from bot.errors import Permanent, SlipwayError, Transient
from bot.logs import Redactor
from bot.sandbox.registry import Registry
from bot.services import Services
from bot.steps.build import REVISION, BuildResult, build_image
from tests.config_fake import FakeConfig, FakeJournal
from tests.contract.test_registry_adapter import Site
from tests.git_stage import TOKEN, GitStage, stage
from tests.scripted_http import Answer, ScriptedServer

__all__ = ["stage"]

VERSION = Answer(body={"ApiVersion": "1.41", "Os": "linux"})
REMOVED = [VERSION, Answer(body=[])]
SITE = "org/site"
CATALOG = """\
environments:
  - {{name: live, cluster: live, namespace: live, gate: commit}}
apps:
  - {{name: site, source: org/site, image: {image}, dockerfile: {dockerfile}, context: {context}}}
"""


def stream(*answers: Mapping[str, Any], cut: bool = False) -> Answer:
    return Answer(body="".join(json.dumps(answer) + "\r\n" for answer in answers), chunked=True, cut=cut)


def fails(words: str, *lines: str) -> Answer:
    """A build or push that prints lines and ends with an error."""
    return stream(*({"stream": f"{line}\n"} for line in lines), {"errorDetail": {"message": words}, "error": words})


BUILT = [VERSION, VERSION, stream({"stream": "Successfully built\n"})]


@dataclass
class Bench:
    """A source repo, an engine and a registry, and the step between them."""

    stage: GitStage
    engine: ScriptedServer
    registry: Registry
    seconds: float = 30
    journal: FakeJournal = field(default_factory=FakeJournal)

    @property
    def image(self) -> str:
        return f"{self.registry.host}/site"

    def build(self, sha: str, *, dockerfile: str = "Dockerfile", context: str = ".") -> BuildResult:
        config = FakeConfig()
        config.edit({"slipway.yaml": CATALOG.format(image=self.image, dockerfile=dockerfile, context=context)})
        unused: Any = None
        services = Services(
            forge=unused,
            deliveries=unused,
            sources=GitSourceRepos(self.stage.folder / "src", base_url=self.stage.server.url, token=lambda _: TOKEN),
            config=config,
            registry=HttpRegistry(),
            builder=DockerEngine(build_seconds=self.seconds),
            clusters=unused,
            renderer=unused,
            chat=unused,
            clock=SystemClock(),
            queue=unused,
            journal=self.journal,
            config_name="org/config",
            github_url=self.stage.server.url,
            rollout_timeout=1,
            dashboard_url=None,
            redact=Redactor(["hunter2-hunter2"]),
        )
        return build_image(services, "site", sha, f"build/site/{sha}/1")

    def failure(self, sha: str, **places: str) -> SlipwayError | BuildResult:
        """How it ended: an error that passes by itself, or the result that says what somebody has to mend."""
        try:
            result = self.build(sha, **places)
        except SlipwayError as error:
            return error
        assert result.image is None
        return result

    def is_clean(self, sha: str) -> bool:
        """Nothing of this commit is in the registry, its local image was removed, and no checkout stays."""
        removed = f"DELETE /v1.41/images/{self.image}:{sha[:7]}"
        in_registry = HttpRegistry().find(self.image, sha[:7])
        return in_registry is None and self.engine.lines[-1] == removed and not list(self.stage.folder.glob("src/*"))


@pytest.fixture
def bench(stage: GitStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """There is git on PATH and no ``docker``, so the classic builder builds."""
    stage.create(SITE)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(shutil.which("git") or "")
    with ScriptedServer() as engine, Registry(tmp_path / "registry") as registry:
        monkeypatch.setenv("DOCKER_HOST", engine.url.replace("http", "tcp"))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        yield Bench(stage, engine, registry)


def committed(bench: Bench, files: Mapping[str, str] | None = None) -> str:
    bench.stage.commit(files or {"Dockerfile": "FROM scratch\nCOPY . /\n"}, repo=SITE)
    return bench.stage.tip(repo=SITE) or ""


STEP = "The command '/bin/sh -c npm ci' returned a non-zero code: 1"


@pytest.mark.parametrize(
    ("answers", "kind", "words"),
    [
        ([VERSION, VERSION, fails(STEP, "npm error 404")], BuildResult, f"failed: {STEP}"),
        (
            [VERSION, VERSION, fails("write /var/lib/docker/tmp/x: no space left on device")],
            Transient,
            "a disk is full (write /var/lib/docker/tmp/x: no space left on device). Whoever runs the bot makes room",
        ),
        (
            [VERSION, VERSION, Answer(500, {"message": "no space left on device"})],
            Transient,
            "a disk is full (no space",
        ),
        ([*BUILT, VERSION, fails("unauthorized: authentication required")], BuildResult, "Run docker login 127.0.0.1:"),
        (
            [*BUILT, VERSION, fails("tag invalid: The image tag '3f2c1ab' already exists and is immutable")],
            BuildResult,
            "already exists and is immutable",
        ),
        ([*BUILT, VERSION, fails("blob upload: no space left on device")], Transient, "or of the registry; Slipway"),
        ([*BUILT, VERSION, stream({"status": "Pushing"}, cut=True)], Transient, "Could not push 127.0.0.1:"),
        ([*BUILT, VERSION, fails("received unexpected HTTP status: 502 Bad Gateway")], Transient, "502 Bad Gateway"),
    ],
)
def test_what_goes_wrong_is_told_and_the_local_image_is_removed(
    bench: Bench, answers: list[Answer], kind: type[BuildResult | SlipwayError], words: str
) -> None:
    sha = committed(bench)
    bench.engine.script(*answers, *REMOVED)
    ended = bench.failure(sha)
    assert isinstance(ended, kind)
    assert words in (ended.reason if isinstance(ended, BuildResult) else str(ended))
    assert bench.is_clean(sha)


def test_the_last_lines_of_a_failing_build_are_kept_without_secrets(bench: Bench) -> None:
    sha = committed(bench)
    lines = [f"line {number}" for number in range(50)]
    secrets = ["fetching https://robot:hunter2-hunter2@npm.example.com", "NPM_TOKEN=npm_0123456789"]
    words = "The command '/bin/sh -c curl -H hunter2-hunter2' returned a non-zero code: 22"
    bench.engine.script(VERSION, VERSION, fails(words, *lines, *secrets), *REMOVED)
    ended = bench.failure(sha)
    assert isinstance(ended, BuildResult)
    assert ended.reason.endswith("'/bin/sh -c curl -H [redacted]' returned a non-zero code: 22")
    assert "\n" not in ended.reason
    assert "line 49" in ended.evidence
    assert "line 5" not in ended.evidence
    assert [secret for secret in ("hunter2", "npm_0123") if secret in "".join(ended.evidence) + ended.reason] == []


def test_a_build_that_hangs_is_stopped_and_names_the_variable(bench: Bench) -> None:
    sha = committed(bench)
    bench.seconds = 0.5
    bench.engine.script(VERSION, VERSION, Answer(delay=20), *REMOVED)
    ended = bench.failure(sha)
    assert isinstance(ended, BuildResult)
    assert "was stopped after 0.5 seconds" in ended.reason
    assert "BUILD_TIMEOUT_SECONDS" in ended.reason
    assert bench.is_clean(sha)


@pytest.mark.parametrize(
    ("files", "places", "words"),
    [
        ({"README": "x"}, {}, "there is no Dockerfile in this commit (context '.', dockerfile 'Dockerfile')"),
        (
            {"Dockerfile": "FROM scratch\n"},
            {"context": "web"},
            "there is no context folder in this commit (context 'web', dockerfile 'Dockerfile')",
        ),
    ],
)
def test_a_place_that_is_not_there_is_named_before_the_engine_is_asked(
    bench: Bench, files: Mapping[str, str], places: Mapping[str, str], words: str
) -> None:
    sha = committed(bench, files)
    bench.engine.script(*REMOVED)
    ended = bench.failure(sha, **places)
    assert isinstance(ended, BuildResult)
    assert words in ended.reason
    assert "Mend the app's entry in slipway.yaml, or add what is missing." in ended.reason
    assert [line for line in bench.engine.lines if "build" in line] == []
    assert bench.is_clean(sha)


def test_a_context_that_is_a_link_out_of_the_repository_is_refused_by_name(bench: Bench) -> None:
    committed(bench)
    head = b"commit refs/heads/main\ncommitter P <p@x> 1700000000 +0000\ndata 1\nx\nfrom refs/heads/main^0\n"
    bench.stage.git("fast-import", "--quiet", repo=SITE, stdin=head + b"M 120000 inline web\ndata 4\n/etc\n\n")
    sha = bench.stage.tip(repo=SITE) or ""
    bench.engine.script(*REMOVED)
    ended = bench.failure(sha, context="web")
    assert isinstance(ended, BuildResult)
    assert f"web in org/site at {sha[:7]} is a symbolic link to /etc, outside the repository" in ended.reason
    assert bench.is_clean(sha)


def test_tags_that_hold_another_commit_are_left_alone_and_named(bench: Bench) -> None:
    sha = committed(bench)
    site = Site(HttpRegistry(), bench.registry.host, "site")
    theirs = {tag: site.put_image(tag, labels={REVISION: "0" * 40}) for tag in (sha[:7], sha)}
    with pytest.raises(Permanent, match="is in the registry with another revision label than that commit") as caught:
        bench.build(sha)
    assert f"{bench.image}:{sha}" in str(caught.value)
    assert "delete that tag, or give the app an image repository of its own" in str(caught.value)
    assert {tag: HttpRegistry().find(bench.image, tag).digest for tag in theirs} == theirs  # type: ignore[union-attr]
    assert bench.engine.lines == []
