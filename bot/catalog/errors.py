"""What pydantic finds wrong with a catalog, said to the person who wrote it."""

import json
import re
import types
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.catalog.document import Location
from bot.wording import did_you_mean, listed, quoted

_WANTED = {
    "string_type": "must be text",
    "bool_type": "must be `true` or `false`",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "model_type": "must be a mapping of keys to values",
    "greater_than_equal": "must be at least {ge}",
    "too_short": "must have at least one entry",
}
"""By pydantic's error type (https://docs.pydantic.dev/latest/errors/validation_errors/)."""


def explain(model: type[BaseModel], value: object) -> Iterator[tuple[Location, str]]:
    """Where a value does not fit a model, and what to write instead."""
    try:
        model.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield details["loc"], _sentence(model, details)


def _sentence(model: type[BaseModel], details: ErrorDetails) -> str:
    context = details.get("ctx", {})
    value = details["input"]
    *around, last = details["loc"] or ("",)
    match details["type"]:
        case "extra_forbidden":
            known = _model_at(model, around).model_fields
            return f"is not a key{did_you_mean(last, known) or f'; the keys here are {listed(known)}'}"
        case "missing":
            example = (_model_at(model, around).model_fields[str(last)].examples or [None])[0]
            return "is missing" + (f"; add it, like `{last}: {example}`" if example else "")
        case "enum":
            options = re.findall("'(.+?)'", context["expected"])
            close = did_you_mean(value, options) if isinstance(value, str) else ""
            return f"must be {listed(options, last='or')}, not {quoted(value)}{close}"
        case "value_error":
            return str(context["error"])
        case kind if kind in _WANTED:
            return _WANTED[kind].format(**context) + _instead_of(kind, value)
    return details["msg"]


def _instead_of(kind: str, value: object) -> str:
    match kind, value:
        case "string_type", bool() | int() | float():
            return "; write it in quotes"
        case (("int_type" | "bool_type"), str()) if value.isdecimal() or value in ("true", "false"):
            return "; write it without quotes"
        case "list_type", str():
            return f", like `[{json.dumps(quoted(value).strip('`'))}]`"
        case "too_short", _:
            return ""
        case _:
            return f", not {quoted(value)}"


def _model_at(model: type[BaseModel], location: list[str | int]) -> type[BaseModel]:
    """The model that a location leads to, by the annotations of the fields on the way."""
    for step in location:
        if isinstance(step, str):
            model = _model_in(model.model_fields[step].annotation)
    return model


def _model_in(annotation: Any) -> type[BaseModel]:
    """The model inside ``Model``, ``list[Model]`` or ``Model | None``."""
    if isinstance(annotation, types.GenericAlias | types.UnionType):
        return next(_model_in(part) for part in typing.get_args(annotation) if part is not type(None))
    found: type[BaseModel] = annotation
    return found
