"""Refusals, in GitHub's words and forms."""

from typing import Any

DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """A refusal, in GitHub's words. ``errors`` is the list of a 422, strings or objects."""

    def __init__(self, status: int, message: str, errors: list[Any] | None = None, docs: str = DOCS) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.docs = docs


def not_found() -> ApiError:
    """GitHub's answer for what is not there, and for what the caller may not see."""
    return ApiError(404, "Not Found")


def invalid(resource: str, field_name: str, code: str = "invalid", message: str | None = None) -> ApiError:
    """GitHub's 422 about one field."""
    error = {"resource": resource, "field": field_name, "code": code} | ({"message": message} if message else {})
    return ApiError(422, "Validation Failed", [error])
