"""From a kubeconfig's context to a client of its API server, as kubectl finds it.

The only module that imports the ``kubernetes`` package. No message here repeats what that package says about a
kubeconfig: its exceptions quote whole entries, tokens included.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
import yaml
from kubernetes.client import ApiClient, Configuration
from kubernetes.config import ConfigException
from kubernetes.config.incluster_config import InClusterConfigLoader
from kubernetes.config.kube_config import KubeConfigLoader, KubeConfigMerger

from bot.adapters.hurry import hurry
from bot.errors import Permanent
from bot.wording import did_you_mean, listed, quoted

DEFAULT_KUBECONFIG = "~/.kube/config"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a pod's credentials."""

CONNECTIONS = 256
"""Kept open to one API server; further ones are opened and thrown away."""

_RETRIES = urllib3.Retry(
    total=2,
    connect=0,
    read=1,
    redirect=False,
    status=0,
    other=0,
    respect_retry_after_header=False,
    raise_on_status=False,
)
"""Only a read on a connection that had gone stale is repeated here; all else is for ``bot.errors.Transient``."""


class Client:
    """The HTTP of one context: its server, its certificates, its credentials.

    Args:
        configuration: of the ``kubernetes`` package, loaded.
    """

    def __init__(self, configuration: Configuration) -> None:
        configuration.retries = _RETRIES
        configuration.connection_pool_maxsize = CONNECTIONS
        self._api: Any = ApiClient(configuration)
        self._api.user_agent = "slipway"
        hurry(self._api.rest_client.pool_manager)
        self.server = urlsplit(configuration.host).netloc.rpartition("@")[2]

    def send(
        self,
        method: str,
        path: str,
        query: Sequence[tuple[str, str]],
        body: Any,
        content_type: str,
        timeout: tuple[float, float],
    ) -> urllib3.BaseHTTPResponse:
        """One request; the body of the answer is not read yet. ``timeout``: seconds to connect, and between bytes."""
        headers = {"Accept": "application/json, */*", **({"Content-Type": content_type} if body is not None else {})}
        request = self._api.param_serialize(
            method, path, query_params=list(query), header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        response: urllib3.BaseHTTPResponse = self._api.call_api(*request, _request_timeout=timeout).response
        return response

    def close(self) -> None:
        """Close idle connections."""
        self._api.close()


class Kubeconfig:
    """The contexts that there are, read anew for each client: files and tokens change under a running worker.

    Args:
        files: one path or several with ``:`` between them, as in KUBECONFIG; None: kubectl's default file, and
            where there is none, the credentials of the pod that this runs in.
        environment: where Kubernetes tells a pod its API server.
        service_account: the folder of the pod's credentials.
    """

    def __init__(
        self,
        files: str | None,
        *,
        environment: Mapping[str, str] = os.environ,
        service_account: Path = SERVICE_ACCOUNT,
    ) -> None:
        self._files = files or None
        self._environment = environment
        self._service_account = service_account

    def client(self, context: str) -> Client:
        """A client for a context.

        Raises:
            Permanent: there is no such context, or its entry cannot be used.
        """
        files = self._files or DEFAULT_KUBECONFIG
        merged = _read(files)
        if merged is not None:
            return _of_context(merged, context, files)
        if self._in_pod():
            return self._of_pod(context)
        raise Permanent(
            f"The cluster context {quoted(context)} cannot be used: there is no kubeconfig at {quoted(files)}. "
            f"Set KUBECONFIG to a file that holds this context."
        )

    def contexts(self) -> tuple[str, ...] | None:
        """The names of all contexts; None where the pod's own credentials serve every one.

        Raises:
            Permanent: the kubeconfig cannot be read.
        """
        merged = _read(self._files or DEFAULT_KUBECONFIG)
        if merged is None and self._in_pod():
            return None
        return tuple(_names(merged, "contexts")) if merged is not None else ()

    def _in_pod(self) -> bool:
        return self._files is None and (self._service_account / "token").is_file()

    def _of_pod(self, context: str) -> Client:
        configuration = Configuration()
        loader = _untyped(InClusterConfigLoader)(
            str(self._service_account / "token"), str(self._service_account / "ca.crt"), environ=self._environment
        )
        try:
            loader.load_and_set(configuration)
        except (ConfigException, OSError) as error:
            raise Permanent(
                f"The cluster context {quoted(context)} cannot be used: there is no kubeconfig, and the credentials of "
                f"this pod are not complete ({type(error).__name__} at {self._service_account})."
            ) from None
        return Client(configuration)


def _read(files: str) -> Any:
    """The merged kubeconfig of the package, or None where no file exists."""
    try:
        merger = _untyped(KubeConfigMerger)(files)
    except yaml.MarkedYAMLError as error:
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        raise Permanent(f"The kubeconfig {quoted(files)} is not valid YAML{line}. Correct it.") from None
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise Permanent(
            f"The kubeconfig {quoted(files)} cannot be read ({type(error).__name__}). See to it that every file is a "
            f"kubeconfig and readable for this user."
        ) from None
    return merger.config


def _of_context(merged: Any, context: str, files: str) -> Client:
    known = _names(merged, "contexts")
    if context not in known:
        there = f"it has {listed(known)}" if known else "it has no contexts"
        raise Permanent(
            f"The kubeconfig {quoted(files)} has no context {quoted(context)}{did_you_mean(context, known)} "
            f"({there}). Correct `cluster` in slipway.yaml, or add the context."
        )
    configuration = Configuration()
    try:
        loader = _untyped(KubeConfigLoader)(merged, active_context=context, config_base_path=None)
        loader.load_and_set(configuration)
    except (ConfigException, OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise Permanent(_unusable(context, files, error)) from None
    if getattr(loader, "host", None) is None:
        raise Permanent(
            f"The cluster of the context {quoted(context)} in the kubeconfig {quoted(files)} has no `server`."
        )
    if "exec" in _user(loader) and not configuration.api_key and not configuration.cert_file:
        raise Permanent(
            f"The credential plugin of the context {quoted(context)} in the kubeconfig {quoted(files)} gave no "
            f"credentials; its own words are in the log. Run it by hand as this user to see why."
        )
    return Client(configuration)


def _untyped(part: Any) -> Any:
    """A part of the package that has no annotations."""
    return part


def _names(merged: Any, section: str) -> list[str]:
    entries = merged.value.get(section) or []
    values = [getattr(entry, "value", entry) for entry in entries]
    return [str(value["name"]) for value in values if isinstance(value, dict) and "name" in value]


def _user(loader: Any) -> Mapping[str, Any]:
    user = getattr(loader, "_user", None)
    return getattr(user, "value", user) or {}


def _unusable(context: str, files: str, error: Exception) -> str:
    """Only a missing file is told in the package's own words: they name the file and nothing else."""
    said = str(error) if str(error).startswith("File does not exist") else type(error).__name__
    return (
        f"The context {quoted(context)} of the kubeconfig {quoted(files)} cannot be used ({said}). See to it that its "
        f"cluster and user are in there, and that the files they name exist."
    )
