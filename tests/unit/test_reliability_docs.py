"""docs/reliability.md names tests and parts of the fault suite: each must be there, under that name."""

import re
from pathlib import Path

from tests.faults.suite import PARTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text()


def test_every_test_that_the_page_names_is_one() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    source = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    assert [name for name in sorted(named) if f"def {name}(" not in source] == []


def test_the_page_names_every_part_of_the_suite() -> None:
    assert re.findall(r"^\| `([a-z ]+)` \|", PAGE, flags=re.MULTILINE) == list(PARTS)
