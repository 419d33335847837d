"""How step results, inputs and errors are written into the database: JSON, tagged where JSON has no word for it.

Pickle would run whatever a database row says, and would break with the first renamed module. Here a row can name
nothing but a frozen dataclass, a ``StrEnum`` or an error of this project, and every field is checked against its
annotation when it is read: what a newer version cannot read is ``UnreadableRecord``, and the run starts afresh.

A tag is an object with the key ``$``; an object of the user's own with that key is itself tagged.
"""

import dataclasses
import functools
import importlib
import json
import math
import re
import typing
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import pydantic
from dbos import Serializer
from dbos._error import DBOSException, DBOSWorkflowIDInUseError

from bot.errors import Permanent, SlipwayError

NAME = "slipway_json"

_TAG = "$"

_TYPE_NAME = re.compile(r"(bot(?:\.[A-Za-z_][A-Za-z0-9_]*)+):([A-Za-z_][A-Za-z0-9_.]*)")


class NotStorableError(TypeError):
    """A value of a kind that is not written into the database; the message says where it sits and what it is."""


class UnreadableRecord(Exception):
    """A stored value that this version of the code has no place for."""


class ForeignError(Permanent):
    """An error of a library, as it was recorded."""


class JsonSerializer(Serializer):
    """What DBOS is given as its serializer, in workers and clients alike."""

    def name(self) -> str:
        """The name that rows carry in their ``serialization`` column."""
        return NAME

    def serialize(self, data: Any) -> str:
        """JSON text of a value.

        Raises:
            NotStorableError: there is none.
        """
        return json.dumps(encode(data), separators=(",", ":"), allow_nan=False)

    def deserialize(self, serialized_data: str) -> Any:
        """The value again, equal to what was written.

        Raises:
            UnreadableRecord: the code has changed since.
        """
        return decode(json.loads(serialized_data))


def read_record(text: object) -> Any:
    """A stored value for those who only look; None where there is none, or another version wrote it."""
    try:
        return None if text is None else JsonSerializer().deserialize(str(text))
    except UnreadableRecord:
        return None


def storable(value: Any) -> Any:
    """The value as a replay would read it.

    Raises:
        NotStorableError: a replay could not.
    """
    try:
        return decode(encode(value))
    except UnreadableRecord as error:
        raise NotStorableError(str(error)) from None


# ---------------------------------------------------------------- writing


def encode(value: Any, where: str = "the value") -> Any:
    """A value as JSON. ``where`` is named in the error."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float and math.isfinite(value):
        return value
    if isinstance(value, BaseException):
        return _encode_error(value)
    if isinstance(value, StrEnum):
        return _tagged("enum", value.value, _type_name(value, where))
    if isinstance(value, datetime):
        return _tagged("datetime", value.isoformat())
    return _encode_compound(value, where)


def _encode_compound(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return _encode_items(value, where)
    if type(value) is tuple:  # a named tuple would come back as a plain one
        return _tagged("tuple", _encode_items(value, where))
    if isinstance(value, frozenset):
        return _tagged("frozenset", sorted(_encode_items(value, where), key=json.dumps))
    if isinstance(value, Mapping):
        return _encode_mapping(value, where)
    if dataclasses.is_dataclass(type(value)):
        return _encode_dataclass(value, where)
    raise NotStorableError(f"{where} is a {_python_name(type(value))}, which is not stored")


def _encode_items(items: Any, where: str) -> list[Any]:
    return [encode(item, f"{where}[{index}]") for index, item in enumerate(items)]


def _encode_mapping(value: Mapping[Any, Any], where: str) -> Any:
    for key in value:
        if type(key) is not str:
            raise NotStorableError(f"{where} has the key {key!r}, and only strings are stored as keys")
    content = {key: encode(item, f"{where}[{key!r}]") for key, item in value.items()}
    return _tagged("object", content) if _TAG in content else content


def _encode_dataclass(value: Any, where: str) -> Any:
    if not type(value).__dataclass_params__.frozen:
        raise NotStorableError(f"{where} is a {_python_name(type(value))}, which is not frozen")
    fields = {
        field.name: encode(getattr(value, field.name), f"{where}.{field.name}") for field in dataclasses.fields(value)
    }
    return _tagged("data", fields, _type_name(value, where))


def _encode_error(error: BaseException) -> Any:
    """Never fails: an outcome that cannot be recorded would be tried for ever."""
    if isinstance(error, DBOSWorkflowIDInUseError):
        return _tagged("in-use", [error.workflow_id, error.workflow_status, error.workflow_name])
    if isinstance(error, NotStorableError):
        return _tagged("not-storable", str(error))
    if isinstance(error, SlipwayError):
        content = {"message": str(error)}
        try:
            return _tagged("error", content | {"attributes": encode(vars(error))}, _type_name(error, "the error"))
        except NotStorableError:
            base = next(base for base in type(error).__mro__ if base.__module__ == SlipwayError.__module__)
            return _tagged("error", content | {"attributes": {}}, f"{base.__module__}:{base.__qualname__}")
    # A library's message may quote anything, a credential too.
    text = str(error) if isinstance(error, DBOSException) else "an error inside Slipway"
    return _tagged("foreign", f"{type(error).__name__}: {text}")


def _tagged(kind: str, value: Any, type_name: str | None = None) -> dict[str, Any]:
    named = {} if type_name is None else {"type": type_name}
    return {_TAG: kind, **named, "value": value}


def _type_name(value: Any, where: str) -> str:
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if not _TYPE_NAME.fullmatch(name):
        raise NotStorableError(f"{where} is a {_python_name(type(value))}, which is not a type of this project")
    return name


def _python_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


# ---------------------------------------------------------------- reading


def decode(data: Any) -> Any:
    """The value of some JSON that ``encode`` made."""
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    if _TAG not in data:
        return {key: decode(item) for key, item in data.items()}
    reader = _READERS.get(data[_TAG])
    if reader is None:
        raise UnreadableRecord(f"a value tagged {data[_TAG]!r}")
    return reader(data)


def _decode_enum(data: dict[str, Any]) -> StrEnum:
    kind = _find_type(data["type"], StrEnum)
    try:
        return typing.cast("StrEnum", kind(data["value"]))
    except ValueError:
        raise UnreadableRecord(f"{data['type']} has no {data['value']!r}") from None


def _decode_dataclass(data: dict[str, Any]) -> Any:
    kind = _find_type(data["type"], object)
    if not dataclasses.is_dataclass(kind):
        raise UnreadableRecord(f"{data['type']} is no dataclass")
    values = {name: decode(item) for name, item in data["value"].items()}
    for name, adapter in _adapters(kind).items():
        if adapter is not None and name in values:
            _check(adapter, values[name], f"{data['type']}.{name}")
    try:
        return kind(**values)
    except TypeError as error:
        raise UnreadableRecord(f"{data['type']}: {error}") from None


def _check(adapter: "pydantic.TypeAdapter[Any]", value: Any, where: str) -> None:
    try:
        adapter.validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        raise UnreadableRecord(f"{where}: {error.errors(include_input=False)[0]['msg']}") from None


@functools.cache
def _adapters(kind: type) -> "dict[str, pydantic.TypeAdapter[Any] | None]":
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: _adapter(hints[field.name]) for field in dataclasses.fields(kind)}


def _adapter(hint: Any) -> "pydantic.TypeAdapter[Any] | None":
    """None for an annotation that pydantic has no check for, such as a protocol."""
    try:
        return pydantic.TypeAdapter(hint)
    except pydantic.errors.PydanticSchemaGenerationError:
        return None


def _decode_error(data: dict[str, Any]) -> SlipwayError:
    kind = _find_type(data["type"], SlipwayError)
    error: SlipwayError = Exception.__new__(kind)
    error.args = (data["value"]["message"],)
    vars(error).update(decode(data["value"]["attributes"]))
    return error


def _find_type(name: str, base: type) -> type[Any]:
    """The class of that name, defined in this project and derived from ``base``."""
    match = _TYPE_NAME.fullmatch(name)
    if match is None:
        raise UnreadableRecord(f"{name} is not a type of this project")
    try:
        kind: object = functools.reduce(getattr, match[2].split("."), importlib.import_module(match[1]))
    except (ImportError, AttributeError):
        raise UnreadableRecord(f"{name} is gone") from None
    if not isinstance(kind, type) or kind.__module__ != match[1] or not issubclass(kind, base):
        raise UnreadableRecord(f"{name} is another thing now")
    return kind


_READERS: dict[Any, Callable[[dict[str, Any]], Any]] = {
    "enum": _decode_enum,
    "datetime": lambda data: datetime.fromisoformat(data["value"]),
    "tuple": lambda data: tuple(decode(data["value"])),
    "frozenset": lambda data: frozenset(decode(data["value"])),
    "object": lambda data: {key: decode(item) for key, item in data["value"].items()},
    "data": _decode_dataclass,
    "error": _decode_error,
    "in-use": lambda data: DBOSWorkflowIDInUseError(*data["value"]),
    "not-storable": lambda data: NotStorableError(data["value"]),
    "foreign": lambda data: ForeignError(data["value"]),
}
