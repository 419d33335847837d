"""The bars of a chart fit into their drawing."""

from webhooks.charts import HEIGHT, LEAST, WIDTH, bars


def test_the_highest_value_is_as_high_as_the_drawing_and_each_stands_in_its_place() -> None:
    low, high = bars([1, None, 4, 0], ["a", "b", "c", "d"])
    assert (high.y, high.height, high.told) == (0, HEIGHT, "c")
    assert (low.height, low.y) == (HEIGHT / 4, HEIGHT * 3 / 4)
    assert (low.x, high.x) == (0, WIDTH / 2)
    assert high.x + high.width <= WIDTH


def test_the_least_value_is_seen() -> None:
    assert bars([0.001, 1000], ["a", "b"])[0].height == LEAST


def test_nothing_is_drawn_of_nothing() -> None:
    assert bars([None, 0], ["a", "b"]) == ()
    assert bars([], []) == ()
