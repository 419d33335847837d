"""What a step says while it runs: bounded, without secrets, and no trouble for the step."""

import time
from collections.abc import Callable

from bot.errors import Transient
from bot.logs import HIDDEN, Redactor
from bot.progress import Output
from bot.step_log import LONGEST_LINE, MOST_CHARACTERS, MOST_LINES, StepLog
from tests.config_fake import FakeJournal

KEY = ["-----BEGIN OPENSSH PRIVATE KEY-----", *(f"c2VjcmV0{number:02}" for number in range(40))]
KEY_END = "-----END OPENSSH PRIVATE KEY-----"
REDACT = Redactor(["hunter2"])


def told(*lines: str, redact: Callable[[str], str] = REDACT) -> Output:
    """What stands in the journal when the step is over."""
    journal = FakeJournal()
    with StepLog(journal, "build/x/1", "build", redact) as log:
        for line in lines:
            log(line)
    job, output = journal.noted[-1]
    assert job == "build/x/1"
    return output


def test_the_last_lines_are_kept_and_the_others_counted() -> None:
    output = told(*(f"line {number}" for number in range(1000)))
    lines = output.text.split("\n")
    assert (lines[0], lines[-1], len(lines)) == ("line 800", "line 999", MOST_LINES)
    assert output.left_out == 1000 - MOST_LINES


def test_long_lines_are_cut_and_many_long_ones_stay_within_the_bound() -> None:
    assert told("x" * 5000).text == "x" * LONGEST_LINE + " …"
    output = told(*("y" * 900 for _ in range(500)))
    assert len(output.text) <= MOST_CHARACTERS
    assert output.left_out + output.text.count("\n") + 1 == 500


def test_secrets_are_hidden_also_those_of_many_lines_and_those_in_a_cut_line() -> None:
    output = told("the password is hunter2", *KEY, KEY_END, "x" * 995 + "hunter2", "done")
    assert output.text.split("\n") == [f"the password is {HIDDEN}", HIDDEN, "x" * 995 + HIDDEN[:5] + " …", "done"]


def test_a_key_whose_first_line_has_scrolled_out_stays_hidden() -> None:
    output = told(*KEY, KEY_END, *(f"line {number}" for number in range(MOST_LINES - 20)))
    assert "c2VjcmV0" not in output.text
    assert output.text.endswith(f"line {MOST_LINES - 21}")


def test_what_would_break_the_page_is_left_out() -> None:
    assert told("a\x1b[2Kb\x00c\u202ed\ttab é").text == "a [2Kb c d\ttab é"


def test_it_is_written_while_the_step_runs_but_not_for_each_line() -> None:
    journal = FakeJournal()
    with StepLog(journal, "build/x/1", "build", str) as log:
        for number in range(500):
            log(f"line {number}")
        deadline = time.monotonic() + 30
        while not any("line 499" in output.text for _, output in journal.noted) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "line 499" in journal.noted[-1][1].text
        assert len(journal.noted) <= 5
    assert len({output.began for _, output in journal.noted}) == 1


def test_a_journal_that_cannot_be_written_does_not_disturb_the_step() -> None:
    class Away(FakeJournal):
        def note(self, job: str, output: Output) -> None:
            raise Transient(f"{job} {output.step}: no database")

    with StepLog(Away(), "build/x/1", "build", str) as log:
        log("a line")
    assert log.last(5) == ("a line",)


def test_a_step_that_says_nothing_leaves_nothing() -> None:
    journal = FakeJournal()
    with StepLog(journal, "build/x/1", "build", str) as log:
        assert log.last(3) == ()
    assert journal.noted == []
