"""A server that takes its time: its answer comes byte by byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def dribbling(answer: bytes) -> Iterator[str]:
    """A server that sends its answer's headers at once and then a byte every fifth of a second; its URL."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    at_once, slowly = (head + separator, body) if separator else (answer[:20], answer[20:])
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(at_once)
            for byte in slowly:
                if done.wait(0.2):
                    return
                connection.sendall(bytes([byte]))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
