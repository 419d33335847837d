"""What goes into the database comes out equal, and nothing else can be made to come out."""

import json
from dataclasses import dataclass
from datetime import UTC
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.dbos.serializer import (
    ForeignError,
    JsonSerializer,
    NotStorableError,
    UnreadableRecord,
    storable,
)
from bot.errors import Permanent, SlipwayError, Transient, UnknownOutcome
from bot.events import MalformedPayload
from bot.facts import Comparison, PullRequest, RemoteImage, Review, ReviewState, Rollout, RolloutState
from bot.releases import Merge, Outcome, Person, Release

SERIALIZER = JsonSerializer()

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.datetimes(timezones=st.none() | st.just(UTC))
    | st.sampled_from([*Outcome, *ReviewState])
    | st.builds(Person)
    | st.builds(Merge)
    | st.builds(Release)
    | st.builds(PullRequest)
    | st.builds(Review)
    | st.builds(Comparison)
    | st.builds(Rollout)
    | st.builds(RemoteImage, st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
    | st.frozensets(st.text() | st.integers(), max_size=3)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.just("$"), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(values)
def test_a_value_comes_back_equal_and_of_the_same_type(value: object) -> None:
    text = SERIALIZER.serialize(value)
    again = SERIALIZER.deserialize(text)
    assert again == value
    assert type(again) is type(value)
    assert "\0" not in text


def test_tuples_within_dataclasses_stay_tuples() -> None:
    comparison = Comparison("ahead", 0, ())
    assert storable([comparison]) == [comparison]
    assert type(storable(comparison).commits) is tuple


def test_a_mapping_of_any_kind_comes_back_as_a_dict() -> None:
    assert storable(MappingProxyType({"a": (1,)})) == {"a": (1,)}


def round_trip(error: BaseException) -> Any:
    return SERIALIZER.deserialize(SERIALIZER.serialize(error))


@pytest.mark.parametrize(
    "error", [Permanent("so"), UnknownOutcome("?"), Transient("later", 2.5), MalformedPayload("no"), SlipwayError("x")]
)
def test_errors_keep_their_type_message_and_facts(error: SlipwayError) -> None:
    again = round_trip(error)
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)


def test_an_error_with_facts_that_cannot_be_stored_keeps_its_kind_and_message() -> None:
    error = Transient("later")
    error.add_note("a note")
    error.retry_after = object()  # type: ignore[assignment]
    again = round_trip(error)
    assert type(again) is Transient
    assert str(again) == "later"


def test_an_error_of_a_library_is_named_but_not_quoted() -> None:
    again = round_trip(KeyError("hunter2"))
    assert isinstance(again, ForeignError)
    assert str(again) == "KeyError: an error inside Slipway"


@dataclass
class Thawed:
    number: int


@dataclass(frozen=True)
class Elsewhere:
    number: int


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": [1, object()]}, r"the value\['a'\]\[1\] is a builtins.object"),
        (Thawed(1), "Thawed, which is not frozen"),
        (Elsewhere(1), "Elsewhere, which is not a type of this project"),
        (float("nan"), "float"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        ({1: "a"}, "the key 1"),
        (Rollout(RolloutState.FAILED, b"detail"), r"the value\.detail is a builtins.bytes"),  # type: ignore[arg-type]
        (Rollout(RolloutState.FAILED, 1), r"bot\.facts:Rollout\.detail"),  # type: ignore[arg-type]
        (lambda: None, "function"),
    ],
)
def test_what_cannot_be_stored_is_named(value: object, named: str) -> None:
    with pytest.raises(NotStorableError, match=named):
        storable(value)


def stored(kind: str, type_name: str, value: object) -> str:
    return json.dumps({"$": kind, "type": type_name, "value": value})


@pytest.mark.parametrize(
    "text",
    [
        stored("data", "os:system", {}),
        stored("data", "subprocess:Popen", {"args": "true"}),
        stored("data", "bot.logs:Redactor", {}),
        stored("data", "bot.facts:Person", {"login": "a"}),
        stored("data", "bot.facts:re.compile", {}),
        stored("data", "bot.releases:release_id", {}),
        stored("data", "bot.releases:Person", {"login": "a", "shoe_size": 9}),
        stored("data", "bot.releases:Person", {}),
        stored("data", "bot.releases:Person", {"login": 7}),
        stored("data", "bot.releases:Person.__init__", {}),
        stored("data", "bot.nowhere:Person", {}),
        stored("data", "bot.releases:Outcome", {}),
        stored("enum", "bot.releases:Outcome", "splendid"),
        stored("enum", "bot.releases:Person", "healthy"),
        stored("error", "bot.releases:Person", {"message": "", "attributes": {}}),
        stored("error", "builtins:SystemExit", {"message": "", "attributes": {}}),
        stored("pickle", "bot.releases:Person", "gASVAAAA"),
    ],
)
def test_a_row_cannot_name_anything_but_a_value_of_this_project(text: str) -> None:
    with pytest.raises(UnreadableRecord):
        SERIALIZER.deserialize(text)
