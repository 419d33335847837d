"""Web and worker as one process group: what one Ctrl-C or one SIGTERM stops, and what ends when one of them ends."""

import signal
import subprocess
import sys
import time
from types import FrameType

GRACE_SECONDS = 20.0
"""How long both may take to stop; the worker waits 15 s for its running steps."""


WEB = [sys.executable, "-m", "gunicorn", "--config", "python:webhooks.gunicorn_conf", "webhooks.app:create_app()"]
WORKER = [sys.executable, "-m", "bot", "worker"]
"""The two programs, as the Procfile starts them. gunicorn reads PORT by itself (127.0.0.1:8000 without it)."""


def run_together() -> int:
    """Start both, wait until one ends or a signal comes, stop both; returns the exit code."""
    stopping = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    processes = [subprocess.Popen(command) for command in (WEB, WORKER)]
    while not stopping and all(process.poll() is None for process in processes):
        time.sleep(0.1)
    failed = [process.returncode for process in processes if process.returncode]
    _stop(processes)
    return 1 if failed and not stopping else 0


def _stop(processes: list["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
