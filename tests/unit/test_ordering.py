import pytest

from bot.facts import Comparison
from bot.ordering import Order, order


def compared(status: str) -> Comparison:
    return Comparison(status, 0, ())


@pytest.mark.parametrize(
    ("new", "reachable", "expected"),
    [
        ("ahead", None, Order.FORWARD),
        ("identical", None, Order.SAME),
        ("behind", "ahead", Order.BACKWARD),
        ("behind", "identical", Order.BACKWARD),
        ("diverged", "ahead", Order.BACKWARD),
        ("diverged", "diverged", Order.FORWARD),
        ("behind", "behind", Order.FORWARD),
        ("behind", None, Order.FORWARD),
        (None, None, Order.FORWARD),
    ],
)
def test_a_release_goes_forward_or_past_a_force_push(new: str | None, reachable: str | None, expected: Order) -> None:
    comparison = compared(new) if new else None
    assert order(comparison, compared(reachable) if reachable else None, same=False) is expected


def test_the_same_commit_is_the_same_without_asking() -> None:
    assert order(None, None, same=True) is Order.SAME
