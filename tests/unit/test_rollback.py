"""Whether an environment goes back, and to what."""

from dataclasses import replace

import pytest

from bot.catalog import Rollback
from bot.releases import Merge, Outcome, Release
from bot.rollback import GoBack, Past, Refusal, Stay, Why, brought_by, decide, last_healthy, taken_back, wished

HEALTHY, FAILED, UNKNOWN, SUPERSEDED = Outcome.HEALTHY, Outcome.FAILED, Outcome.UNKNOWN, Outcome.SUPERSEDED


def bumped(number: int, *outcomes: Outcome) -> Past:
    """Release ``number`` arrived; its source commit is ``1111…``, its bump ``1000…``."""
    sha, image = str(number) * 40, f"r.example.com/site:{number}@sha256:{str(number) * 64}"
    release = Release("site", image, Merge("acme/site", sha, "A change", None, None))
    return Past(f"{number}{'0' * 39}", (image,), release, forward=True, outcomes=outcomes)


def by_hand(like: Past, commit: str, *outcomes: Outcome) -> Past:
    """A person's change that leaves, or puts back, what ``like`` ran."""
    return replace(like, commit=commit * 40, forward=False, outcomes=outcomes)


def back(like: Past, commit: str, *outcomes: Outcome) -> Past:
    return replace(by_hand(like, commit, *outcomes), rollback=True)


ONE, TWO, THREE = bumped(1, HEALTHY), bumped(2, FAILED), bumped(3, FAILED)


def automatic(*pasts: Past, policy: Rollback = Rollback.AUTO, carried: tuple[str, ...] | None = None) -> GoBack | Stay:
    return decide(pasts, pasts[0].images if carried is None else carried, policy)


def test_a_failed_release_goes_back_to_the_healthy_one_before() -> None:
    assert automatic(TWO, ONE) == GoBack(ONE)


@pytest.mark.parametrize(
    ("pasts", "why"),
    [
        ((replace(TWO, outcomes=(UNKNOWN,)), ONE), Why.NOT_FAILED),
        ((replace(TWO, outcomes=(FAILED, UNKNOWN)), ONE), Why.NOT_FAILED),
        ((replace(TWO, outcomes=()), ONE), Why.NOT_FAILED),
        ((back(ONE, "a", FAILED), TWO, ONE), Why.ROLLBACK_FAILED),
        ((by_hand(ONE, "a", FAILED), TWO, ONE), Why.BY_HAND),
        ((by_hand(ONE, "a", FAILED), ONE), Why.BY_HAND),
        ((replace(TWO, outcomes=(HEALTHY, FAILED)), ONE), Why.WAS_HEALTHY),
        ((replace(TWO, applied=False), ONE), Why.REFUSED),
        ((TWO,), Why.NOTHING_HEALTHY),
        ((TWO, replace(ONE, outcomes=(FAILED,))), Why.NOTHING_HEALTHY),
        ((TWO, replace(ONE, outcomes=(HEALTHY, FAILED))), Why.NOTHING_HEALTHY),
        ((TWO, replace(ONE, outcomes=(UNKNOWN,))), Why.NOTHING_HEALTHY),
        ((TWO, replace(ONE, release=None)), Why.NOTHING_HEALTHY),
        ((TWO, replace(ONE, images=(*ONE.images, "r.example.com/site:old"))), Why.NOTHING_HEALTHY),
    ],
)
def test_what_is_left_as_it_is_has_a_reason(pasts: tuple[Past, ...], why: Why) -> None:
    decision = automatic(*pasts)
    assert isinstance(decision, Stay)
    assert decision.why is why


def test_where_the_branch_carries_something_else_by_now_nothing_is_done() -> None:
    assert automatic(TWO, ONE, carried=THREE.images) == Stay(Why.MOVED_ON)
    assert automatic(TWO, ONE, carried=(*TWO.images, *ONE.images)) == Stay(Why.MOVED_ON)


def test_manual_is_told_what_it_could_go_back_to() -> None:
    assert automatic(TWO, ONE, policy=Rollback.MANUAL) == Stay(Why.MANUAL, ONE)


def test_a_failed_rollback_stops_whatever_the_policy() -> None:
    assert automatic(back(ONE, "a", FAILED), TWO, ONE, policy=Rollback.MANUAL) == Stay(Why.ROLLBACK_FAILED)


def test_what_is_not_proven_is_passed_over() -> None:
    assert automatic(THREE, TWO, ONE) == GoBack(ONE)
    assert automatic(THREE, replace(TWO, outcomes=(SUPERSEDED,)), ONE) == GoBack(ONE)


def test_a_cluster_that_was_away_later_does_not_make_an_image_unproven() -> None:
    assert automatic(TWO, replace(ONE, outcomes=(HEALTHY, UNKNOWN))) == GoBack(
        replace(ONE, outcomes=(HEALTHY, UNKNOWN))
    )


def test_a_person_s_change_beside_the_image_does_not_make_it_unproven() -> None:
    more_pods = by_hand(ONE, "a", UNKNOWN)
    assert automatic(TWO, more_pods, ONE) == GoBack(more_pods)


def test_a_person_s_change_that_made_it_fail_does() -> None:
    zero = replace(bumped(0, HEALTHY))
    assert automatic(TWO, by_hand(ONE, "a", FAILED), ONE, zero) == GoBack(zero)


def test_what_was_taken_back_is_not_gone_back_to() -> None:
    reverted, failed = bumped(2, HEALTHY), THREE
    assert automatic(failed, by_hand(ONE, "a", SUPERSEDED), reverted, ONE) == GoBack(by_hand(ONE, "a", SUPERSEDED))
    assert last_healthy((back(ONE, "b", HEALTHY), reverted, ONE, bumped(0, HEALTHY))) == bumped(0, HEALTHY)


def test_taken_back_is_what_gave_way_to_nothing_newer() -> None:
    assert taken_back((TWO, ONE)) == frozenset()
    assert taken_back((back(ONE, "b"), TWO, ONE)) == {TWO.images}
    assert taken_back((THREE, by_hand(ONE, "b"), TWO, ONE)) == {TWO.images}
    assert taken_back((by_hand(TWO, "c"), by_hand(ONE, "b"), TWO, ONE)) == {ONE.images}
    assert taken_back(()) == frozenset()


def test_what_brought_an_image_lies_below_what_people_changed_since() -> None:
    assert brought_by((by_hand(TWO, "b"), by_hand(TWO, "a"), TWO, ONE)) == 2
    assert brought_by((TWO, ONE)) == 0


LIVE = (bumped(3, HEALTHY), TWO, ONE)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        (None, ONE),
        ("1111", ONE),
        ("1" * 40, ONE),
        ("1000", ONE),
        ("3333", Refusal.RUNS_ALREADY),
        ("2222", Refusal.NOT_PROVEN),
        ("4444", Refusal.NO_SUCH),
        ("1", ONE),
    ],
)
def test_a_person_names_a_commit_of_the_source_or_of_the_config_repo(to: str | None, expected: Past | Refusal) -> None:
    assert wished(LIVE, to) == expected


def test_a_person_is_refused_by_name() -> None:
    assert wished((TWO,), None) is Refusal.NOTHING_HEALTHY
    assert wished((replace(TWO, release=None), ONE), None) is Refusal.NO_RELEASE
    twin = replace(ONE, commit="1" * 40, images=("r.example.com/site:other",))
    assert wished((TWO, twin, ONE), "1") is Refusal.AMBIGUOUS


def test_a_person_may_undo_a_rollback_by_name() -> None:
    two = bumped(2, HEALTHY)
    assert wished((back(ONE, "a", HEALTHY), two, ONE), "2222") == two
