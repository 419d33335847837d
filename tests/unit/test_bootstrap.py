"""The set-up of a fresh clone, on real virtual environments, with a package of our own and no network."""

import ast
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from bot import bootstrap

SOURCE = Path(bootstrap.__file__)


def wheel(folder: Path, name: str, version: str) -> None:
    """A package of one module, as pip installs it."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(path, text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with ``python3 -m program`` and one requirement that only this folder has."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "slipway_probe", version)
    require(folder, "1.0")
    (folder / "program.py").write_text(
        "import sys\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(SOURCE.parent.parent)!r})\n"
        "from bot.bootstrap import ensure_environment\n"
        "ensure_environment(Path('requirements.txt'), announce=lambda line: print(line, file=sys.stderr))\n"
        "import slipway_probe\n"
        "print(slipway_probe.VERSION, sys.argv[1:])\n"
    )
    return folder


def require(checkout: Path, version: str) -> None:
    wheels = checkout.parent / "wheels"
    text = f"--no-index\n--find-links {wheels}\nslipway-probe=={version}  # ours\n"
    (checkout / "requirements.txt").write_text(text)


def run(checkout: Path, *, python: str | Path = sys.executable, environment: Mapping[str, str] | None = None) -> str:
    """What the program says, progress first."""
    done = subprocess.run(
        [python, "-m", "program", "--flag", "a b"],
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.stdout


def make_bare(checkout: Path) -> None:
    """A virtual environment without pip, which takes a tenth of the time."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(checkout / ".venv")], check=True)


def stamp(checkout: Path) -> Path:
    return checkout / ".venv" / bootstrap.STAMP


def packages(checkout: Path) -> Path:
    [found] = checkout.glob(".venv/lib/python*/site-packages")
    return found


# ---------------------------------------------------------------- the whole way


def test_a_fresh_clone_sets_itself_up_and_goes_on_with_the_same_command(checkout: Path) -> None:
    first = run(checkout)
    assert first.splitlines()[0].startswith("Making a virtual environment in .venv")
    assert first.splitlines()[-1] == "1.0 ['--flag', 'a b']"
    assert run(checkout) == "1.0 ['--flag', 'a b']\n"

    require(checkout, "2.0")
    renewed = run(checkout, python=checkout / ".venv" / "bin" / "python")
    assert "Making" not in renewed
    assert renewed.splitlines()[-1] == "2.0 ['--flag', 'a b']"

    stamp(checkout).write_text(bootstrap.INSTALLING)
    mended = run(checkout)
    assert mended.splitlines()[0] == ".venv was left half made: making it again"
    assert mended.splitlines()[-1] == "2.0 ['--flag', 'a b']"


def test_two_starts_at_once_replace_a_broken_environment_once(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    said = ["", ""]

    def start(number: int) -> None:
        said[number] = run(checkout)

    threads = [threading.Thread(target=start, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [text.splitlines()[-1] for text in said] == ["1.0 ['--flag', 'a b']"] * 2
    assert "".join(said).count("Making a virtual environment") == 1


def test_an_environment_without_pip_is_filled_by_the_pip_outside(checkout: Path) -> None:
    make_bare(checkout)
    assert run(checkout).splitlines()[-1] == "1.0 ['--flag', 'a b']"


def test_a_package_that_was_taken_away_is_installed_again(checkout: Path) -> None:
    make_bare(checkout)
    run(checkout)
    [info] = packages(checkout).glob("slipway_probe-*.dist-info")
    shutil.rmtree(info)
    again = run(checkout, python=checkout / ".venv" / "bin" / "python")
    assert again.splitlines()[-1] == "1.0 ['--flag', 'a b']"


# ---------------------------------------------------------------- what goes wrong


def test_a_package_index_out_of_reach_is_explained(checkout: Path) -> None:
    make_bare(checkout)
    require(checkout, "3.0")
    said = run(checkout)
    assert f"pip could not install requirements.txt into {checkout / '.venv'}" in said
    assert "No matching distribution found for slipway-probe==3.0" in said
    assert "Traceback" not in said
    assert stamp(checkout).read_text() == bootstrap.INSTALLING


def test_an_import_path_that_hides_the_packages_does_not_start_again_for_ever(checkout: Path) -> None:
    make_bare(checkout)
    run(checkout)
    hidden = "import sys; sys.path[:] = [p for p in sys.path if 'site-packages' not in p]; import program"
    python = checkout / ".venv" / "bin" / "python"
    done = subprocess.run([python, "-c", hidden], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not see the packages installed there" in done.stderr


def test_a_checkout_that_cannot_be_written_to_is_explained(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("slipway-probe==1.0\n")
    (tmp_path / ".venv").write_text("a file is in the way")
    with pytest.raises(SystemExit) as refused:
        bootstrap.prepare(tmp_path / ".venv", tmp_path / "requirements.txt", lambda _: None)
    assert str(refused.value).startswith(f"Cannot set up {tmp_path / '.venv'}: ")
    assert f"-m pip install -r {tmp_path / 'requirements.txt'}" in str(refused.value)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "there is no git on PATH"),
        ("echo git version 2.37.9", "git 2.38 or newer, and the git on PATH says: git version 2.37.9."),
        ("exit 1", "the git on PATH says: nothing."),
    ],
)
def test_a_missing_or_old_git_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, words: str
) -> None:
    if script:
        (tmp_path / "git").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit) as refused:
        bootstrap.require_git(bootstrap.DEMO_GIT)
    assert words in str(refused.value)


def test_the_git_here_will_do() -> None:
    bootstrap.require_git(bootstrap.DEMO_GIT)


def test_an_old_python_can_read_it_far_enough_to_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ast.parse(SOURCE.read_text(), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 8, 18, "final", 0))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, and this is Python 3\.8\.18"):
        bootstrap.require_python()


# ---------------------------------------------------------------- looking


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text(
        "# a comment\n\nPsycopg[binary] == 3.3.9 ; python_version > '3'\nruamel.yaml==0.19.1\n"
    )
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\npytest==9.2.0  # tests\nunpinned\n")
    return tmp_path / "requirements-dev.txt"


def test_pins_are_read_with_extras_markers_comments_and_includes(requirements: Path) -> None:
    assert list(bootstrap.pins(requirements)) == [
        ("pytest", "9.2.0"),
        ("psycopg", "3.3.9"),
        ("ruamel-yaml", "0.19.1"),
    ]


def test_only_what_is_not_there_in_that_version_is_missing(requirements: Path, tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    for name in ("psycopg-3.3.9.dist-info", "ruamel_yaml-0.19.0.dist-info", "pytest-9.2.0.dist-info"):
        (folder / name).mkdir(parents=True)
    path = [str(folder), str(tmp_path / "nowhere"), str(requirements)]
    assert bootstrap.missing(requirements, path) == ["ruamel-yaml==0.19.1"]


def test_what_runs_these_tests_has_everything(pytestconfig: pytest.Config) -> None:
    assert bootstrap.missing(pytestconfig.rootpath / "requirements-dev.txt", sys.path) == []


def test_development_and_runtime_requirements_share_one_environment(checkout: Path) -> None:
    (checkout / "requirements-dev.txt").write_text("-r requirements.txt\n")
    make_bare(checkout)
    said: list[str] = []
    bootstrap.prepare(checkout / ".venv", checkout / "requirements-dev.txt", said.append)
    assert said
    said.clear()
    bootstrap.prepare(checkout / ".venv", checkout / "requirements.txt", said.append)
    assert said == []
    require(checkout, "2.0")
    bootstrap.prepare(checkout / ".venv", checkout / "requirements.txt", said.append)
    assert said
    assert len(list(packages(checkout).glob("slipway_probe-2.0.dist-info"))) == 1
    said.clear()
    bootstrap.prepare(checkout / ".venv", checkout / "requirements-dev.txt", said.append)
    assert said == []
