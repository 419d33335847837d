"""The whole bot's benchmark measures what it says it does."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bot import events
from tests.bench.acks import PUSH, RATE, acks, p99
from tests.bench.cycle import Cycle


def test_the_delivery_that_is_sent_is_one_that_is_stored() -> None:
    assert isinstance(events.parse("push", PUSH), events.Pushed)


def test_the_overhead_is_what_neither_building_nor_git_nor_the_cluster_take() -> None:
    assert Cycle(to_staging=2.0, build=0.5, floor=0.25, rest_calls=1, rest_creates=1).overhead == 1.25


def test_the_99th_percentile_of_a_hundred_is_the_last_but_one() -> None:
    assert 98 <= p99([float(number) for number in range(100)]) <= 99


@pytest.mark.parametrize("status", [http.client.ACCEPTED, http.client.SERVICE_UNAVAILABLE])
def test_a_delivery_that_is_not_accepted_ends_the_measurement(status: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            if status == http.client.ACCEPTED:
                assert len(acks(server.server_port, "secret", 0.1)) == RATE // 10
            else:
                with pytest.raises(RuntimeError, match="answered with 503"):
                    acks(server.server_port, "secret", 0.1)
        finally:
            server.shutdown()
