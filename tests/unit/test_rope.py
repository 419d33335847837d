"""The rope of the doorbell: whoever pulls it is heard at once, and pulling it never harms."""

import stat
import threading
from pathlib import Path

from bot.adapters.dbos.rope import Rope, pull

AN_HOUR = 3600.0


def database(folder: Path) -> Path:
    file = folder / "slipway.db"
    file.touch()
    file.chmod(0o660)
    return file


def test_a_pull_wakes_every_worker_that_waits(tmp_path: Path) -> None:
    file = database(tmp_path)
    ropes = [Rope(file), Rope(file)]
    threads = [threading.Thread(target=rope.wait, args=(AN_HOUR,), daemon=True) for rope in ropes]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        pull(file)
        threads[0].join(0.01)
    for rope in ropes:
        rope.close()


def test_a_pull_before_the_wait_is_heard(tmp_path: Path) -> None:
    file = database(tmp_path)
    rope = Rope(file)
    pull(file)
    pull(file)
    rope.wait(AN_HOUR)
    rope.close()


def test_who_may_use_the_database_may_pull(tmp_path: Path) -> None:
    file = database(tmp_path)
    Rope(file).close()
    assert stat.S_IMODE((tmp_path / "slipway.db.bell").stat().st_mode) == 0o660


def test_without_a_worker_a_pull_does_nothing(tmp_path: Path) -> None:
    file = database(tmp_path)
    pull(file)
    assert list(tmp_path.iterdir()) == [file]
    Rope(file).close()
    pull(file)


def test_a_rope_that_nobody_takes_in_does_not_keep_who_pulls_it(tmp_path: Path) -> None:
    file = database(tmp_path)
    rope = Rope(file)
    for _ in range(70_000):
        pull(file)
    rope.wait(AN_HOUR)
    rope.close()


def test_a_file_in_its_place_is_left_as_it_is(tmp_path: Path) -> None:
    file = database(tmp_path)
    (tmp_path / "slipway.db.bell").write_text("mine")
    rope = Rope(file)
    pull(file)
    rope.wait(0)
    rope.close()
    assert (tmp_path / "slipway.db.bell").read_text() == "mine"
