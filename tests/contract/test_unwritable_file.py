"""An SQLite file that cannot be written for a while: connections that were opened meanwhile are not kept."""

from contextlib import closing
from pathlib import Path

import pytest

from bot.adapters.dbos.database import migrate
from bot.adapters.dbos.queue import DbosQueue
from bot.errors import Transient
from bot.facts import Job
from tests.small_disk import small_disk


def test_a_connection_that_was_opened_meanwhile_is_not_used_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk.img", 16) as disk:
        url = f"sqlite:///{disk.folder}/slipway.db"
        migrate(url)
        with (
            closing(DbosQueue(url, {"story": "stories"})) as other,
            closing(DbosQueue(url, {"story": "stories"})) as queue,
        ):
            other.check_writable()  # keeps the log beside the file
            files = [disk.folder / "slipway.db", disk.folder / "slipway.db-wal"]
            disk.freeze(*files, on=True)
            for _ in range(3):
                with pytest.raises(Transient, match="cannot be written"):
                    queue.check_writable()
            disk.freeze(*files, on=False)
            queue.check_writable()
            assert queue.enqueue(Job("story", "story/1", "lane", {}))
