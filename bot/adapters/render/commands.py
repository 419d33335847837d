"""``bot.ports.Renderer`` over the real ``kubectl kustomize`` and ``helm template``.

Both run in a temporary folder that holds nothing but the files they are given, without this process's environment:
no kubeconfig, no credential, no plug-in, no proxy but one that leads nowhere. Whatever they would fetch, they cannot.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from bot.errors import Permanent, Transient

SECONDS = 120.0
"""How long one rendering may take."""

_NOWHERE = "http://127.0.0.1:9"
_MOST_ERROR_TEXT = 2000

_INSTALL = {
    "kubectl": "kubectl is not installed here, or not on PATH: install it beside the worker, as apps with a "
    "kustomization are rendered with `kubectl kustomize`.",
    "helm": "helm is not installed here, or not on PATH: install it beside the worker, as apps with a chart are "
    "rendered with `helm template`.",
}


def missing(tool: str) -> str | None:
    """What to do about a tool that is not here; None where it is."""
    return None if shutil.which(tool) else _INSTALL[tool]


def version(tool: str) -> str:
    """What a tool says about itself, on one line.

    Raises:
        Transient: it is not here.
        Permanent: it does not say.
    """
    arguments = {"kubectl": ("version", "--client"), "helm": ("version", "--short")}[tool]
    with tempfile.TemporaryDirectory(prefix="slipway-render-") as folder:
        return " ".join(_run(tool, arguments, Path(folder), "ask for the version").split())


class CommandRenderer:
    """See the module."""

    def kustomize(self, files: Mapping[str, bytes], folder: str) -> str:
        """See ``bot.ports``."""
        with _materialised(files) as root:
            return _run("kubectl", ("kustomize", folder), Path(root), f"render the kustomization in {folder}")

    def helm(
        self, files: Mapping[str, bytes], chart: str, values: Sequence[str], *, release: str, namespace: str
    ) -> str:
        """See ``bot.ports``."""
        layers = [argument for path in values for argument in ("--values", path)]
        options = ("--namespace", namespace, "--include-crds", "--skip-tests", "--no-hooks")
        with _materialised(files) as root:
            # "./" keeps a chart's folder from being taken for a chart of a repository
            arguments = ("template", release, f"./{chart}", *options, *layers)
            return _run("helm", arguments, Path(root), f"render the chart {chart}")


def _materialised(files: Mapping[str, bytes]) -> tempfile.TemporaryDirectory[str]:
    """The files in a folder that is gone afterwards."""
    folder = tempfile.TemporaryDirectory(prefix="slipway-render-")
    root = Path(folder.name).resolve()
    for path, content in files.items():
        if ".." in PurePosixPath(path).parts:
            raise ValueError(f"{path} leads out of the folder")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)
    return folder


def _run(tool: str, arguments: Sequence[str], root: Path, action: str) -> str:
    """What the tool printed.

    Raises:
        Transient: it is not here, or does not end.
        Permanent: it refuses; in its words.
    """
    home = root / ".home"
    home.mkdir()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(root),
        "HTTP_PROXY": _NOWHERE,
        "HTTPS_PROXY": _NOWHERE,
        "GIT_ALLOW_PROTOCOL": "none",
        "KUBECONFIG": os.devnull,
    }
    try:
        process = subprocess.Popen(
            [tool, *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise Transient(_INSTALL[tool]) from None
    with process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise Transient(f"To {action}, {tool} took over {SECONDS:.0f} s. It is tried again.") from None
    if process.returncode:
        raise Permanent(f"{tool} cannot {action}: {_said(err, root)}")
    return out.decode("utf-8", "replace")


def _said(error: bytes, root: Path) -> str:
    """The tool's own words, with paths as they are in the config repo."""
    text = error.decode("utf-8", "replace").replace(f"{root}/", "").replace(str(root), ".")
    words = " ".join(text.removeprefix("error: ").removeprefix("Error: ").split())
    return words[:_MOST_ERROR_TEXT] or "it gave no reason."
