"""gunicorn's settings (https://docs.gunicorn.org/en/stable/settings.html), given by the Procfile.

The address is gunicorn's own business: ``PORT`` on every interface, or 127.0.0.1:8000.
"""

import socket
import struct
import sys
from typing import Any

worker_class = "gthread"
workers = 1  # the metrics live in one process; storing a delivery waits for the disk, not for the processor
threads = 16
timeout = 30
graceful_timeout = 15
keepalive = 15
control_socket_disable = True
proc_name = "slipway-web"

STALLED_SECONDS = 10
"""A sender that sends nothing for so long in the middle of a request loses its thread and its connection."""


SWITCH_SECONDS = 0.0005
"""How long a thread that makes a page may keep one that stores a delivery waiting; Python's own 5 ms add up there."""


def post_fork(_server: Any, worker: Any) -> None:
    """Bound every read. Connections inherit the option from the socket that accepts them (socket(7), Linux)."""
    sys.setswitchinterval(SWITCH_SECONDS)
    for listener in worker.sockets:
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", STALLED_SECONDS, 0))
