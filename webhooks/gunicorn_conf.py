"""gunicorn's settings (https://docs.gunicorn.org/en/stable/settings.html), given by the Procfile.

The address is gunicorn's own business: ``PORT`` on every interface, or 127.0.0.1:8000.
"""

import errno
import os
import socket
import struct
import sys
import time
from typing import Any

from webhooks.front import allow_connections
from webhooks.live import Stopping

worker_class = "webhooks.front.Front"  # gunicorn's gthread, with time limits for slow senders
workers = 1  # the metrics live in one process; storing a delivery waits for the disk, not for the processor
threads = 16
timeout = 30
graceful_timeout = 15
keepalive = 15
control_socket_disable = True
proc_name = "slipway-web"

PORT_SECONDS = 5
"""How long an address may be taken at the start: the process before this one may be on its way out."""

STALLED_SECONDS = 10
"""Where gunicorn itself speaks TLS (``webhooks.front`` does not see requests then), a sender that sends nothing for so
long in the middle of a request loses its thread and its connection."""


SWITCH_SECONDS = 0.0005
"""How long a thread that makes a page may keep one that stores a delivery waiting; Python's own 5 ms add up there."""


def on_starting(server: Any) -> None:
    """Say in one paragraph that the address is taken, where gunicorn would say it in ten lines of its log."""
    if os.environ.keys() & {"LISTEN_FDS", "GUNICORN_FD"}:
        return  # the sockets are there already, from systemd or from the process that this one replaces
    for address in server.cfg.address:
        if isinstance(address, tuple) and (reason := _taken(address)):
            sys.stderr.write(
                f"Error: The web process cannot listen on {address[0]}:{address[1]}: {reason}. Stop what listens "
                "there, or give another port in PORT.\n"
            )
            sys.exit(1)


def _taken(address: tuple[str, int]) -> str | None:
    """Why the address cannot be had, once there is no more hope; None where it can."""
    deadline = time.monotonic() + PORT_SECONDS
    while (error := _refusal(address)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
            return "another process uses it" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
        time.sleep(0.2)
    return None


def _refusal(address: tuple[str, int]) -> OSError | None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address[:2])
        except OSError as error:
            return error
    return None


def post_fork(_server: Any, worker: Any) -> None:
    """Bound every read, and let listeners go when the process ends.

    Connections inherit the option from the socket that accepts them (socket(7), Linux).
    """
    allow_connections(worker)
    sys.setswitchinterval(SWITCH_SECONDS)
    Stopping.asked = lambda: not worker.alive
    for listener in worker.sockets:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", STALLED_SECONDS, 0))
