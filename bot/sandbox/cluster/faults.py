"""How the Kubernetes stand-in can be told to fail, in words of its own over the stand-ins' shared ``Faults``."""

import json
from dataclasses import dataclass
from typing import Any

from bot.sandbox.faults import Answer, Delay, Drop


@dataclass(frozen=True, slots=True)
class LateAnswer(Answer):
    """Carry the request out, then answer like this: a gateway that gave up waiting."""


def status(code: int, body: Any = "") -> Answer:
    """Answer with this status and body (JSON, or text where it is a string) and do nothing."""
    return Answer(code, _headers(body), _bytes(body))


def perform_then_status(code: int, body: Any = "") -> LateAnswer:
    """Carry the request out, then answer with this status."""
    return LateAnswer(code, _headers(body), _bytes(body))


def perform_then_drop() -> Drop:
    """Carry the request out, then close the connection without an answer."""
    return Drop(done=True)


def drop() -> Drop:
    """Close the connection without an answer and do nothing."""
    return Drop()


def delay(seconds: float) -> Delay:
    """Wait, then answer as usual."""
    return Delay(seconds)


def _headers(body: Any) -> dict[str, str]:
    return {"Content-Type": "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"}


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
