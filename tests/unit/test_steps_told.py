"""A job's steps as people read them."""

from bot.facts import Rollout, RolloutState
from bot.progress import Output, Progress, StepDone
from bot.steps.rollout import Look
from bot.steps_told import StepTold, told_steps

T = 1795168800.0  # 2026-11-20T10:00:00Z


def look(at: float, detail: str, state: RolloutState = RolloutState.PROGRESSING, name: str = "watch") -> StepDone:
    return StepDone(name, T + at, T + at + 5, result=Look(Rollout(state, detail), at, "", None))


def test_steps_have_their_times_and_waiting_is_none_of_them() -> None:
    progress = Progress((StepDone("apply", T, T + 1.5), StepDone("sleep", T + 2, T + 2), StepDone("result of x", T, T)))
    assert told_steps(progress, str, runs=False) == (StepTold("apply", "2026-11-20T10:00:00.000Z", 1.5),)


def test_the_looks_at_a_rollout_are_one_step_that_tells_what_changed() -> None:
    looks = (look(0, "0 of 2 ready"), look(5, "0 of 2 ready"), look(10, "1 of 2 ready"))
    (running,) = told_steps(Progress(looks), str, runs=True)
    assert (running.state, running.seconds) == ("now", None)
    assert running.log == "10:00:05  0 of 2 ready\n10:00:15  1 of 2 ready"
    done = (*looks, look(15, "2 of 2 ready", RolloutState.COMPLETE), StepDone("say live", T + 21, T + 22))
    watched, after = told_steps(Progress(done), str, runs=True)
    assert (watched.state, watched.seconds, watched.log.splitlines()[-1]) == ("done", 20, "10:00:20  2 of 2 ready")
    assert (after.name, after.state) == ("say live", "done")


def test_what_a_step_says_stands_beside_it_or_as_the_step_that_runs() -> None:
    output = Output("build", "COPY . /", 3, T + 10, T + 12)
    ended = StepDone("build", T, T + 5, failed=True)
    first, now = told_steps(Progress((ended,), output), str, runs=True)
    assert (first.state, first.log) == ("failed", "")
    assert (now.name, now.state, now.log, now.left_out) == ("build", "now", "COPY . /", 3)
    again = StepDone("build (attempt 2)", T + 10, T + 15)
    both = told_steps(Progress((ended, again), output), str, runs=True)
    assert [(step.name, step.state, step.log) for step in both] == [
        ("build", "failed", ""),
        ("build (attempt 2)", "done", "COPY . /"),
    ]
    (_, cut_off) = told_steps(Progress((ended,), output), str, runs=False)
    assert cut_off.state == "cut off"


def test_what_is_told_is_redacted_once_more() -> None:
    progress = Progress((look(0, "token=abc"),), Output("build", "token=abc", 0, T, T))
    assert [step.log[-9:] for step in told_steps(progress, lambda text: text.replace("abc", "***"), runs=True)] == [
        "token=***",
        "token=***",
    ]
