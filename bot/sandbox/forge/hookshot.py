"""Sends webhooks as GitHub does: once, within 10 seconds, signed, and logged; never again by itself."""

import hashlib
import hmac
import json
import queue
import threading
import time
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode

import requests

from bot.sandbox.forge.faults import Faults
from bot.sandbox.forge.records import Delivery, Hook, now
from bot.sandbox.forge.state import Store

_TIMEOUT_SECONDS = 10
_GLANCE_SECONDS = 0.1  # how often a held thread looks whether it should stop


class Hookshot:
    """The thread that empties ``Store.outbox``."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._thread = threading.Thread(target=self._work, name="forge-hookshot", daemon=True)
        self._stopping = threading.Event()
        self._session = requests.Session()
        self._session.trust_env = False  # hooks go to loopback, never through a proxy

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the delivery under way; what waits behind it is lost."""
        self._stopping.set()
        self._store.outbox.put(None)
        self._thread.join()
        self._session.close()

    def _work(self) -> None:
        outbox = self._store.outbox
        while not self._stopping.is_set():
            waiting = self._gather()
            for hook, delivery in self._faults.webhooks.apply([item for item in waiting if item]):
                if not self._stopping.is_set():
                    self._send(hook, replace(delivery, id=self._store.next_id()))
            for _ in waiting:
                outbox.task_done()

    def _gather(self) -> list[tuple[Hook, Delivery] | None]:
        """The next delivery; or, to have something to shuffle, all that wait."""
        waiting = [self._store.outbox.get()]
        while not self._faults.wait_while_held(_GLANCE_SECONDS) and not self._stopping.is_set():
            pass
        if self._faults.webhooks.shuffle:
            with suppress(queue.Empty):
                while True:
                    waiting.append(self._store.outbox.get_nowait())
        return waiting

    def _send(self, hook: Hook, delivery: Delivery) -> None:
        body = json.dumps(delivery.payload, separators=(",", ":")).encode()
        if hook.content_type == "form":
            body = urlencode({"payload": body}).encode()
        delivery.request_headers = _headers(hook, delivery, body)
        started = time.monotonic()
        try:
            answer = self._session.post(
                hook.url,
                data=body,
                headers=delivery.request_headers,
                timeout=_TIMEOUT_SECONDS,
                allow_redirects=False,
            )
        except requests.Timeout:
            delivery.status, delivery.status_code = "timed out", 504
        except requests.RequestException:
            delivery.status, delivery.status_code = "failed to connect to host", 502
        else:
            delivery.status_code = answer.status_code
            delivery.status = "OK" if answer.ok else f"Invalid HTTP Response: {answer.status_code}"
            delivery.response_headers = dict(answer.headers)
            delivery.response_body = answer.text
        delivery.delivered_at, delivery.duration = now(), round(time.monotonic() - started, 2)
        with self._store.lock:
            hook.deliveries.append(delivery)


def _headers(hook: Hook, delivery: Delivery, body: bytes) -> dict[str, str]:
    kind = "application/json" if hook.content_type == "json" else "application/x-www-form-urlencoded"
    headers = {
        "Accept": "*/*",
        "Content-Type": kind,
        "User-Agent": f"GitHub-Hookshot/{delivery.guid[:7]}",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(delivery.repository_id),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
    }
    if hook.secret:
        for name, digest in (("X-Hub-Signature", hashlib.sha1), ("X-Hub-Signature-256", hashlib.sha256)):
            mac = hmac.new(hook.secret.encode(), body, digest).hexdigest()
            headers[name] = f"{digest().name}={mac}"
    return headers
