"""Holds a build up for as long as a test likes, in its last moment: when the registry is to take the manifest."""

import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE_SECONDS = 60.0


class Gate:
    """In front of the registry: takes no manifest, and so lets no build end, before it is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self._reached = threading.Event()

    def open(self) -> None:
        """Let them end."""
        self._open.set()

    def reached(self) -> bool:
        """Whether a build waits before it, or did."""
        return self._reached.is_set()

    def __call__(self, application: WSGIApplication) -> WSGIApplication:
        def gated(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] == "PUT" and "/manifests/" in environ["PATH_INFO"]:
                self._reached.set()
                self._open.wait(PATIENCE_SECONDS)
            return application(environ, start)

        return gated
