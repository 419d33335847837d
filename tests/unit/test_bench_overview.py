"""The benchmark's own honesty: it looks at every app. How fast that is is not judged here."""

from pathlib import Path

from tests.bench.overview import measure


def test_every_place_is_looked_at(tmp_path: Path) -> None:
    assert set(measure(tmp_path, 5)) == {"seconds", "own_cpu_seconds"}
