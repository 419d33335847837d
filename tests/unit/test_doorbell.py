"""The bell that wakes the queue's threads."""

import threading

from bot.adapters.dbos.doorbell import Doorbell, Doorbells

AN_HOUR = 3600.0


def test_a_ring_wakes_whoever_waits_and_is_no_stop() -> None:
    bells, heard = Doorbells(), threading.Event()
    event = threading.Event()
    bells.append(event)

    def wait() -> None:
        assert event.wait(AN_HOUR) is False
        heard.set()

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    while not heard.wait(0.01):
        bells.ring()
    thread.join()


def test_a_ring_while_nobody_waits_is_heard_by_the_next_wait() -> None:
    event = threading.Event()
    Doorbell.attach(event)
    assert isinstance(event, Doorbell)
    event.ring()
    event.ring()
    assert event.wait(AN_HOUR) is False, "it must not wait"


def test_it_still_stops() -> None:
    event = threading.Event()
    Doorbell.attach(event)
    event.set()
    assert event.wait(AN_HOUR) is True
