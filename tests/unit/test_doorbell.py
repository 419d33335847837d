"""The bell that wakes the queues' threads, and the word that a job has ended."""

import threading

from bot.adapters.dbos.doorbell import QUEUE_THREAD, Awaited, Doorbell, Doorbells

AN_HOUR = 3600.0


def waiting(event: threading.Event, queue: str) -> tuple[threading.Thread, list[bool]]:
    """A thread of that queue which waits for the event, and what it was told."""
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(event.wait(AN_HOUR)), name=QUEUE_THREAD + queue, daemon=True)
    thread.start()
    return thread, told


def test_a_ring_wakes_the_threads_of_its_queue_and_is_no_stop() -> None:
    bells, event = Doorbells(), threading.Event()
    bells.append(event)
    thread, told = waiting(event, "builds")
    bells.ring(["builds"])
    thread.join()
    assert told == [False]


def test_a_ring_of_one_queue_leaves_the_others_asleep() -> None:
    event = threading.Event()
    Doorbell.attach(event)
    assert isinstance(event, Doorbell)
    (asleep, nothing), (awake, _) = waiting(event, "syncs"), waiting(event, "builds")
    event.ring(["builds"])
    awake.join()
    assert asleep.is_alive()
    assert nothing == []
    event.set()
    asleep.join()


def test_a_ring_while_nobody_waits_is_heard_by_the_next_wait() -> None:
    event = threading.Event()
    Doorbell.attach(event)
    assert isinstance(event, Doorbell)
    event.ring(["builds"])
    event.ring(["builds"])
    thread, told = waiting(event, "builds")
    thread.join()
    assert told == [False], "it must not wait"


def test_no_wait_is_shorter_than_the_bells_pause() -> None:
    bells, event = Doorbells(AN_HOUR), threading.Event()
    bells.append(event)
    told: list[bool] = []
    thread = threading.Thread(target=lambda: told.append(event.wait(0.001)), daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive()
    event.set()
    thread.join()
    assert told == [True]


def test_asking_without_waiting_does_not_wait() -> None:
    bells, event = Doorbells(AN_HOUR), threading.Event()
    bells.append(event)
    assert event.wait(0) is False


def test_it_still_stops() -> None:
    event = threading.Event()
    Doorbell.attach(event)
    event.set()
    assert event.wait(AN_HOUR) is True


def test_whoever_waits_for_the_end_of_a_job_is_told_and_nobody_else() -> None:
    awaited = Awaited()
    with awaited.end_of("build/a") as one, awaited.end_of("build/a") as other, awaited.end_of("build/b") as apart:
        assert sorted(awaited.ids()) == ["build/a", "build/b"]
        awaited.tell(["build/a", "build/c"])
        assert one.is_set()
        assert other.is_set()
        assert not apart.is_set()
    assert awaited.ids() == ()
