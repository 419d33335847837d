from bot.approval import Approved, Blocked, Owners, Policy, Verdict, Waiting, decide
from bot.facts import Review, ReviewState
from bot.releases import Person

HEAD, OLD = "b" * 40, "a" * 40
POLICY = Policy(needed=1, allowed=frozenset({"Ann", "bob"}), excluded=frozenset({"slipway"}))


def review(login: str, state: ReviewState, commit: str = HEAD, *, number: int = 1) -> Review:
    return Review(number, Person(login), state, commit, f"2026-11-24T10:00:{number:02d}Z")


def verdict(*reviews: Review, policy: Policy = POLICY, merged_by: str | None = None) -> Verdict:
    return decide(reviews, head=HEAD, policy=policy, merged_by=merged_by)


def test_an_approval_of_the_head_by_somebody_allowed_is_enough() -> None:
    assert verdict(review("ann", ReviewState.APPROVED)) == Approved(("ann",))


def test_nobody_has_reviewed_yet() -> None:
    assert verdict() == Waiting((), 1)


def test_an_approval_of_an_older_head_is_stale() -> None:
    assert verdict(review("ann", ReviewState.APPROVED, OLD)) == Waiting((), 1, stale=("ann",))


def test_an_approval_by_somebody_who_may_not_is_named_and_not_counted() -> None:
    assert verdict(review("eve", ReviewState.APPROVED)) == Waiting((), 1, ignored=("eve",))


def test_the_excluded_never_count_even_where_they_are_allowed() -> None:
    policy = Policy(needed=1, allowed=frozenset({"ann"}), excluded=frozenset({"ANN"}))
    assert verdict(review("ann", ReviewState.APPROVED), policy=policy) == Waiting((), 1, ignored=("ann",))


def test_a_comment_after_an_approval_does_not_take_it_back() -> None:
    reviews = (review("ann", ReviewState.APPROVED), review("ann", ReviewState.COMMENTED, number=2))
    assert verdict(*reviews) == Approved(("ann",))


def test_a_dismissed_approval_does_not_count() -> None:
    assert verdict(review("ann", ReviewState.DISMISSED)) == Waiting((), 1)


def test_changes_requested_block_whichever_head_they_are_about() -> None:
    reviews = (review("ann", ReviewState.CHANGES_REQUESTED, OLD), review("bob", ReviewState.APPROVED, number=2))
    assert verdict(*reviews) == Blocked(("ann",))


def test_changes_requested_by_somebody_who_may_not_approve_do_not_block() -> None:
    reviews = (review("eve", ReviewState.CHANGES_REQUESTED), review("bob", ReviewState.APPROVED, number=2))
    assert verdict(*reviews) == Approved(("bob",))


def test_a_later_approval_takes_the_request_for_changes_back() -> None:
    reviews = (review("ann", ReviewState.CHANGES_REQUESTED), review("ann", ReviewState.APPROVED, number=2))
    assert verdict(*reviews) == Approved(("ann",))


def test_reviews_count_in_the_order_of_their_time_however_they_are_listed() -> None:
    reviews = (review("ann", ReviewState.APPROVED, number=2), review("ann", ReviewState.CHANGES_REQUESTED))
    assert verdict(*reviews) == Approved(("ann",))


def test_two_approvals_come_from_two_people() -> None:
    policy = Policy(needed=2, allowed=frozenset({"ann", "bob"}))
    twice = (review("ann", ReviewState.APPROVED), review("ann", ReviewState.APPROVED, number=2))
    assert verdict(*twice, policy=policy) == Waiting(("ann",), 2)
    both = (*twice, review("bob", ReviewState.APPROVED, number=3))
    assert verdict(*both, policy=policy) == Approved(("ann", "bob"))


def test_pressing_merge_counts_as_an_approval_of_those_who_may() -> None:
    assert verdict(merged_by="bob") == Approved(("bob",))
    assert verdict(merged_by="eve") == Waiting((), 1, ignored=("eve",))


def test_pressing_merge_takes_back_ones_own_request_for_changes() -> None:
    assert verdict(review("bob", ReviewState.CHANGES_REQUESTED), merged_by="bob") == Approved(("bob",))


def test_one_person_who_approves_and_merges_is_one_approval() -> None:
    policy = Policy(needed=2, allowed=frozenset({"ann", "bob"}))
    assert verdict(review("bob", ReviewState.APPROVED), policy=policy, merged_by="bob") == Waiting(("bob",), 2)


OWNED = Policy(needed=1, allowed=frozenset({"ann", "bob"}), owners=(Owners(("acme/web",), frozenset({"Olga"})),))


def test_a_code_owner_must_approve_beside_the_number() -> None:
    assert verdict(review("ann", ReviewState.APPROVED), policy=OWNED) == Waiting(("ann",), 1, owners=(("acme/web",),))
    assert verdict(review("olga", ReviewState.APPROVED), policy=OWNED) == Waiting((), 1)
    both = (review("ann", ReviewState.APPROVED), review("olga", ReviewState.APPROVED, number=2))
    assert verdict(*both, policy=OWNED) == Approved(("ann", "olga"))


def test_an_owner_who_may_approve_is_both_at_once() -> None:
    policy = Policy(needed=1, allowed=frozenset({"ann"}), owners=(Owners(("ann",), frozenset({"ann"})),))
    assert verdict(review("ann", ReviewState.APPROVED), policy=policy) == Approved(("ann",))
    assert verdict(merged_by="ann", policy=policy) == Approved(("ann",))


def test_an_owner_s_approval_of_an_older_head_is_stale_and_the_author_s_own_does_not_count() -> None:
    old = (review("ann", ReviewState.APPROVED), review("olga", ReviewState.APPROVED, OLD, number=2))
    assert verdict(*old, policy=OWNED) == Waiting(("ann",), 1, stale=("olga",), owners=(("acme/web",),))
    own = Policy(1, frozenset({"ann"}), frozenset({"olga"}), OWNED.owners)
    both = (review("ann", ReviewState.APPROVED), review("olga", ReviewState.APPROVED, number=2))
    assert verdict(*both, policy=own) == Waiting(("ann",), 1, ignored=("olga",), owners=(("acme/web",),))


def test_a_code_owner_s_request_for_changes_blocks() -> None:
    reviews = (review("ann", ReviewState.APPROVED), review("olga", ReviewState.CHANGES_REQUESTED, number=2))
    assert verdict(*reviews, policy=OWNED) == Blocked(("olga",))
