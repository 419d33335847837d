"""Logs: one JSON object a line (or colours on a terminal), events as constants, secrets never.

Redaction is the last line of defence, not the first: adapters keep credentials out of argv, URLs and errors.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[redacted]"

SHORTEST_SECRET = 4
"""Characters; replacing anything shorter would blot out ordinary words."""

_TOKEN_SHAPES = re.compile(
    r"gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}"  # GitHub tokens
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in a URL
    r"|(?i:(?<=bearer )|(?<=basic )|(?<=token ))[A-Za-z0-9._~+/=-]{16,}"  # Authorization header values
    r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"  # JSON web tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|AKIA[0-9A-Z]{16}"  # AWS access key ids
)
_ASSIGNMENT = re.compile(
    r"(?i)\b([A-Z0-9_.-]*(?:password|passwd|secret|token|api[_-]?key|private[_-]?key)[A-Z0-9_.-]*)"
    r"(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;]+)"
)


class Redactor:
    """Hides known secrets and anything shaped like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(
            sorted((secret for secret in secrets if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)
        )

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _TOKEN_SHAPES.sub(HIDDEN, text)
        return _ASSIGNMENT.sub(rf"\1\2{HIDDEN}", text)


def hide_in_lines(redact: Callable[[str], str], lines: Sequence[str]) -> tuple[str, ...]:
    """Lines without secrets, those of many lines (keys) among them; a key that is hidden leaves one line."""
    return tuple(redact("\n".join(lines)).split("\n")) if lines else ()


def configure(redact: Redactor, *, terminal: bool | None = None, level: int = logging.INFO) -> None:
    """Set up structlog and the standard library's logging on standard error.

    Args:
        redact: applied to every string value of every event, tracebacks included.
        terminal: colours for a person instead of JSON; None asks standard error.
        level: as in ``logging``.
    """
    terminal = sys.stderr.isatty() if terminal is None else terminal

    def hide(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: redact(value) if isinstance(value, str) else value for key, value in event.items()}

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide,
    ]
    renderer: Processor = structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("dbos", "urllib3", "git", "github", "werkzeug", "kubernetes"):
        logging.getLogger(noisy).setLevel(max(level, logging.WARNING))
