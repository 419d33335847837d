"""Setting up: ``python3 -m bot`` works in a fresh clone, with nothing installed first.

Where the running interpreter lacks a pinned package, a virtual environment ``.venv`` is made beside the
requirements, filled with pip, and the same command starts again inside it. Once that is done it costs a listing
of the import path's folders. Only the standard library is used, and only what Python 3.8 can read and
load: otherwise it would die of a ``SyntaxError`` before it could say which Python is needed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

MINIMUM_PYTHON = (3, 11)
DEMO_GIT = (2, 38)
"""The first git with ``git merge-tree --write-tree``, by which the GitHub stand-in merges."""

STAMP = "slipway-requirements"
"""The file in the environment that says for which requirements it is complete, and that it is."""

INSTALLING = "installing"
"""The stamp's content while pip works: found later, it means that the work was cut off half way."""

_PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(\[[^\]]*\])?\s*==\s*(?P<version>[^\s;#]+)")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(?P<file>\S+)")
_DIST_INFO = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)\.dist-info")


def ensure_environment(requirements: Path, *, announce: Callable[[str], None]) -> None:
    """Return if every pinned package is there; otherwise set up ``.venv`` and start the same command in it.

    Args:
        requirements: a file with ``name==version`` lines and ``-r`` includes.
        announce: takes one line at a time on what is being done.

    Raises:
        SystemExit: this Python is too old, or the environment cannot be made; the text says what to do.
    """
    require_python()
    if not missing(requirements, sys.path):
        return
    environment = requirements.resolve().parent / ".venv"
    if _complete(environment, requirements) and Path(sys.prefix).resolve() == environment.resolve():
        raise SystemExit(
            f"This Python runs in {environment}, and does not see the packages installed there. Was it started with "
            f"-I, -S or a PYTHONPATH that hides them? Start it without, or remove {environment} to have it made again."
        )
    prepare(environment, requirements, announce)
    _start_again_in(environment)


def require_python() -> None:
    """Refuse a Python that Slipway's packages do not support."""
    if sys.version_info[:2] < MINIMUM_PYTHON:
        raise SystemExit(
            f"Slipway needs Python {_dotted(MINIMUM_PYTHON)} or newer, and this is Python "
            f"{_dotted(sys.version_info[:3])} ({sys.executable}). Install a newer one and start the command with "
            f"it, as in: python{_dotted(MINIMUM_PYTHON)} -m bot demo"
        )


def require_git(minimum: tuple[int, int]) -> None:
    """Refuse to go on without git, or with one older than ``minimum``."""
    import subprocess  # noqa: PLC0415 - costs 10 ms that a start without this question should not pay

    if shutil.which("git") is None:
        raise SystemExit(
            f"Slipway works through git, and there is no git on PATH. Install git {_dotted(minimum)} or newer "
            "(on Debian and Ubuntu: apt install git) and try again."
        )
    said = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < minimum:
        raise SystemExit(
            f"This needs git {_dotted(minimum)} or newer, and the git on PATH says: {said.strip() or 'nothing'}. "
            "Install a newer git and try again."
        )


# ---------------------------------------------------------------- what is there


def missing(requirements: Path, path: Iterable[str]) -> list[str]:
    """The pinned packages that the folders of an import path do not hold in exactly that version.

    The ``NAME-VERSION.dist-info`` folders are listed, as importlib.metadata would; its import alone takes longer.
    """
    there = set(_installed(path))
    return [f"{name}=={version}" for name, version in pins(requirements) if (name, version) not in there]


def pins(requirements: Path) -> Iterator[tuple[str, str]]:
    """The (normalised name, version) pairs of a requirements file and the files it includes."""
    for file in _closure(requirements):
        for line in file.read_text(encoding="utf-8").splitlines():
            if pin := _PIN.match(line.strip()):
                yield _normal(pin["name"]), pin["version"]


def _closure(requirements: Path) -> Iterator[Path]:
    """The requirements file and every file it includes by ``-r``."""
    yield requirements
    for line in requirements.read_text(encoding="utf-8").splitlines():
        if include := _INCLUDE.match(line.strip()):
            yield from _closure(requirements.parent / include["file"])


def _installed(path: Iterable[str]) -> Iterator[tuple[str, str]]:
    for folder in path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - names are enough, and three times as fast
        except OSError:  # a zip, or a folder that is not there: both are usual in an import path
            continue
        for name in names:
            if info := _DIST_INFO.fullmatch(name):
                yield _normal(info["name"]), info["version"]


def _normal(name: str) -> str:
    """A package's name as PyPI compares names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


# ---------------------------------------------------------------- making it


def prepare(environment: Path, requirements: Path, announce: Callable[[str], None]) -> None:
    """Have ``environment`` hold everything in ``requirements``; quick where it does.

    Safe when two starts do it at once: the second waits, and finds the work done.

    Raises:
        SystemExit: it cannot be made; the text says what to do.
    """
    if _complete(environment, requirements):
        return
    try:
        with _alone(environment.parent, announce):
            if not _complete(environment, requirements):
                _make(environment, requirements, announce)
    except OSError as error:
        raise SystemExit(
            f"Cannot set up {environment}: {error}. Slipway installs its packages there when the running Python "
            f"({sys.executable}) does not have them. Make the folder writable, or install them yourself: "
            f"python3 -m pip install -r {requirements}"
        ) from None
    except KeyboardInterrupt:
        raise SystemExit("Stopped while installing. The next start begins the installation anew.") from None


def _complete(environment: Path, requirements: Path) -> bool:
    """Whether the stamp names these very requirements, and nobody took the Python or a package away since."""
    try:
        stamped = (environment / STAMP).read_text(encoding="utf-8").split("\n")
    except OSError:
        return False
    intact = _python(environment).exists() and not missing(requirements, _packages(environment))
    return intact and set(_fingerprints(requirements)) <= set(stamped)


def _make(environment: Path, requirements: Path, announce: Callable[[str], None]) -> None:
    if _unusable(environment):
        announce(f"{environment.name} was left half made: making it again")
        shutil.rmtree(environment)
    stamp = environment / STAMP
    known = stamp.read_text(encoding="utf-8").split("\n") if stamp.exists() else []
    environment.mkdir(exist_ok=True)
    stamp.write_text(INSTALLING, encoding="utf-8")
    if not _python(environment).exists():
        announce(f"Making a virtual environment in {environment.name} (Python {_dotted(sys.version_info[:3])})")
        _make_empty(environment)
    _install(environment, requirements, announce)
    # Other files' lines stay: runtime and development requirements share one environment.
    names = {file.name for file in _closure(requirements)}
    kept = [line for line in known if line and line.partition(" ")[0] not in names]
    stamp.write_text("\n".join([*kept, *_fingerprints(requirements)]), encoding="utf-8")


def _unusable(environment: Path) -> bool:
    """Whether what is there was cut off half way, or lost the Python it was made from."""
    if not environment.exists():
        return False
    stamp = environment / STAMP
    cut_off = stamp.exists() and stamp.read_text(encoding="utf-8") == INSTALLING
    return cut_off or not _python(environment).exists()


def _make_empty(environment: Path) -> None:
    """Run ``venv``; without ensurepip (Debian splits it off) leave pip out, if this Python's own pip can do it."""
    import importlib.util  # noqa: PLC0415 - only a first start pays for it

    command = [_base_python(), "-m", "venv"]
    if not importlib.util.find_spec("ensurepip"):
        if not importlib.util.find_spec("pip"):
            raise SystemExit(
                f"This Python ({sys.executable}) has neither ensurepip nor pip, so a virtual environment cannot be "
                f"filled. On Debian and Ubuntu: apt install python3-venv. Then try again."
            )
        command.append("--without-pip")
    code, output = _run([*command, str(environment)], lambda _: None)
    if code:
        raise SystemExit(
            f"Making the virtual environment {environment} did not work: {_tail(output)}. "
            "On Debian and Ubuntu, `apt install python3-venv` is what is missing most often."
        )


def _install(environment: Path, requirements: Path, announce: Callable[[str], None]) -> None:
    wanted = sum(1 for _ in pins(requirements))
    announce(
        f"Installing {requirements.name} ({wanted} packages and what they need) into {environment.name}, only once"
    )
    python = _python(environment)
    if any(environment.glob("lib/python*/site-packages/pip")):
        pip = [str(python), "-m", "pip"]
    else:
        pip = [_base_python(), "-m", "pip", "--python", str(python)]
    command = [*pip, "install", "--no-input", "--disable-pip-version-check", "-r", str(requirements)]
    code, output = _run(command, _progress(announce))
    if code:
        raise SystemExit(
            f"pip could not install {requirements} into {environment}: {_tail(output)}. The first start needs a "
            "package index (PyPI, or the one your pip is configured for); try again once it can be reached."
        )
    if lacking := missing(requirements, _packages(environment)):
        raise SystemExit(
            f"pip reported success, and yet {environment} lacks {', '.join(lacking)}. A pip setting such as "
            f"`target` or `user` may send packages elsewhere (see: python3 -m pip config list)."
        )


def _progress(announce: Callable[[str], None]) -> Callable[[str], None]:
    """Turn pip's output into an announcement every few seconds, so that nobody wonders whether it hangs."""
    import time  # noqa: PLC0415 - only a first start pays for it

    fetched = 0
    last = time.monotonic()

    def line(text: str) -> None:
        nonlocal fetched, last
        if text.startswith("Collecting "):
            fetched += 1
        elif not text.startswith("Installing "):
            return
        if text.startswith("Installing ") or time.monotonic() - last > 3:  # noqa: PLR2004 - seconds
            last = time.monotonic()
            announce(f"{fetched} packages fetched" + (", unpacking them" if text.startswith("Installing ") else ""))

    return line


def _run(command: list[str], each_line: Callable[[str], None]) -> tuple[int, list[str]]:
    import subprocess  # noqa: PLC0415 - only a first start pays for it

    output: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            output.append(line.strip())
            each_line(output[-1])
    return process.returncode, output


def _tail(output: list[str]) -> str:
    """What pip or venv said last; a paragraph has room for three lines."""
    return " / ".join([line for line in output if line][-3:]) or "it said nothing"


def _fingerprints(requirements: Path) -> list[str]:
    """One ``NAME HASH`` line for the requirements file and each file it includes."""
    import hashlib  # noqa: PLC0415 - a start inside the environment does not need it

    return [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in _closure(requirements)]


@contextmanager
def _alone(folder: Path, announce: Callable[[str], None]) -> Iterator[None]:
    """Hold the checkout's lock: on the folder itself, so that no lock file is left behind.

    The lock goes with the process, however it ends.
    """
    import fcntl  # noqa: PLC0415 - only a first start pays for it

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce("Another start is installing the packages; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# ---------------------------------------------------------------- starting again


def _start_again_in(environment: Path) -> None:
    python = _python(environment)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(python, [str(python), *sys.orig_argv[1:]])  # noqa: S606 - the same command, no shell


def _python(environment: Path) -> Path:
    return environment / "bin" / "python"


def _packages(environment: Path) -> list[str]:
    """The folder that the environment's packages are in, in a list like an import path."""
    return [str(folder) for folder in environment.glob("lib/python*/site-packages")]


def _base_python() -> str:
    """The Python outside every virtual environment: the one that runs may be in the very one that is made again."""
    return str(getattr(sys, "_base_executable", sys.executable))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
