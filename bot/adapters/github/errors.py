"""What GitHub's refusals and silences mean: every foreign error becomes one of ``bot.errors``, in words.

Sources: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api and
https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import github
import requests
import urllib3.exceptions

from bot.adapters.github.advice import advice
from bot.errors import Permanent, SlipwayError, Transient, UnknownOutcome

FOREIGN = (
    github.GithubException,
    github.BadAttributeException,
    urllib3.exceptions.HTTPError,
    OSError,  # the base of every error of requests, and of sockets
    # An answer that is no JSON, is shaped like no answer of GitHub's, or links to another server: PyGithub
    # raises whatever it stumbles over.
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""Everything a call through PyGithub may raise."""

UNAVAILABLE = frozenset(
    {
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.METHOD_NOT_ALLOWED,
        HTTPStatus.CONFLICT,  # a rule of the repository about deployments
        HTTPStatus.GONE,
        HTTPStatus.UNPROCESSABLE_ENTITY,  # the commit has a thousand statuses, or is gone
        HTTPStatus.NOT_IMPLEMENTED,
    }
)
"""Answers that mean: on without it."""

SECONDARY_LIMIT_PAUSE = 60.0
"""Seconds to wait where GitHub names a secondary limit but no time (its documentation asks for a minute)."""


def translate(error: Exception, doing: str, repo: str, *, write: bool) -> SlipwayError:
    """The error for a person.

    Args:
        error: one of ``FOREIGN``.
        doing: what was being done, as in "merge pull request #7 of owner/name".
        repo: the repository (or organisation) that was asked about.
        write: whether the call would have changed something.
    """
    match error:
        case github.GithubException():
            return _refused(error, doing, repo, write=write)
        case requests.exceptions.RetryError():
            return Permanent(
                f"Could not {doing}: GitHub redirects {repo} elsewhere, so it was renamed or moved. "
                f"Write its new name where slipway.yaml or CONFIG_REPO says {repo}."
            )
        case urllib3.exceptions.HTTPError() | OSError():
            return _silent(error, doing, write=write)
    answer = f"Could not {doing}: the answer is not one of GitHub's REST API ({type(error).__name__}). "
    hint = "GITHUB_API_URL must be the REST base: https://api.github.com, or https://HOST/api/v3 on GitHub Enterprise."
    return UnknownOutcome(answer + hint) if write else Permanent(answer + hint)


def status_of(error: BaseException | None) -> int | None:
    """The HTTP status behind a translated error, None where there was no answer."""
    cause = error.__cause__ if isinstance(error, SlipwayError) else error
    return cause.status if isinstance(cause, github.GithubException) else None


def is_unavailable(error: SlipwayError) -> bool:
    """Whether GitHub will not have this here, however often it is asked. A rate limit has such a status and passes."""
    return status_of(error) in UNAVAILABLE and getattr(error, "retry_after", None) is None


def words_of(error: SlipwayError) -> str:
    """GitHub's own words behind a translated error; empty where it said nothing."""
    cause = error.__cause__
    return message_of(cause) if isinstance(cause, github.GithubException) else ""


def _refused(error: github.GithubException, doing: str, repo: str, *, write: bool) -> SlipwayError:
    headers = {name.lower(): str(value) for name, value in (error.headers or {}).items()}
    words = message_of(error)
    wait = _asked_to_wait(error, headers)
    if wait is not None:
        until = f"{datetime.fromtimestamp(time.time() + wait, UTC):%H:%M:%S}"
        text = f"GitHub's rate limit is reached ({words}). Slipway waits until {until} UTC and goes on by itself."
        return Transient(f"Could not {doing} yet: {text}", wait)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        text = f"Could not {doing}: GitHub answered {error.status} ({words})."
        return UnknownOutcome(text) if write else Transient(text)
    return Permanent(f"Could not {doing}: {_explain(error.status, headers, words, repo)}")


def _explain(status: int, headers: Mapping[str, str], words: str, repo: str) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return (
                f"GitHub refused the credentials ({words}). Give the bot a valid GITHUB_TOKEN, or the id and the "
                "private key of its GitHub App, and start it again."
            )
        case HTTPStatus.FORBIDDEN:
            return (
                f"the bot's credentials do not allow it on {repo} ({words}). {advice(words, repo) or _grant(headers)}"
            )
        case HTTPStatus.NOT_FOUND:
            return (
                f"GitHub knows no such thing in {repo}, or hides it from the bot ({words}). Check the name, and that "
                "the bot's account or GitHub App has access to it."
            )
    advised = advice(words, repo)
    return f"GitHub refused it on {repo} with {status}: {words}." + (f" {advised}" if advised else "")


def _grant(headers: Mapping[str, str]) -> str:
    """Which permission to give, where GitHub says so: ``pull_requests=write``, or several."""
    where = "in the settings of the token, or of the GitHub App, whose owners then accept the change"
    if permissions := headers.get("x-accepted-github-permissions"):
        return f"Grant it `{permissions}` {where}."
    if scopes := headers.get("x-accepted-oauth-scopes"):
        return f"Give the token one of these scopes: {scopes}."
    return f"Grant the permission {where}."


def _asked_to_wait(error: github.GithubException, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait where this is a rate limit, else None."""
    if error.status not in {HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}:
        return None
    if (seconds := _number(headers.get("retry-after"))) is not None:
        return max(seconds, 0.0)
    reset = _number(headers.get("x-ratelimit-reset"))
    if headers.get("x-ratelimit-remaining") == "0" and reset is not None:
        return max(reset - time.time(), 1.0)
    if isinstance(error, github.RateLimitExceededException) or error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return SECONDARY_LIMIT_PAUSE
    return None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def message_of(error: github.GithubException) -> str:
    """GitHub's own words: the message, and what it says about single fields."""
    data: Any = error.data
    if not isinstance(data, dict):
        return "no explanation"
    message = str(data.get("message") or "").strip().rstrip(".")
    problems = data.get("errors")
    details = [_problem(item) for item in problems] if isinstance(problems, list) else []
    return "; ".join(part for part in (message, *details) if part) or "no explanation"


def _problem(item: object) -> str:
    if not isinstance(item, dict):
        return str(item).rstrip(".")
    if message := item.get("message"):
        return str(message).rstrip(".")
    return " ".join(str(item[key]) for key in ("resource", "field", "code") if item.get(key))


def _silent(error: Exception, doing: str, *, write: bool) -> SlipwayError:
    """No whole answer came. Only a connection that was never made proves that nothing was done."""
    causes = tuple(_causes(error))
    if any("WRONG_VERSION_NUMBER" in str(cause) for cause in causes):
        return Permanent(f"Could not {doing}: what answers at GITHUB_API_URL does not speak HTTPS. Correct the URL.")
    if any("CERTIFICATE_VERIFY_FAILED" in str(cause) for cause in causes):
        return Permanent(
            f"Could not {doing}: GitHub's certificate is not trusted here. Where a private authority signs it, name "
            "its certificates in REQUESTS_CA_BUNDLE."
        )
    if _never_sent(causes):
        return Transient(f"Could not {doing}: GitHub cannot be reached.")
    late = isinstance(error, requests.Timeout)
    why = "no answer came in time" if late else "the connection broke"
    if write:
        text = f"Asked GitHub to {doing}, but {why}: it may or may not have happened."
        return UnknownOutcome(text, unfinished=not late)  # who waited in vain waited longer than GitHub works
    return Transient(f"Could not {doing}: {why}.")


def _never_sent(causes: tuple[BaseException, ...]) -> bool:
    unsent = (requests.ConnectTimeout, urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return any(isinstance(cause, unsent) for cause in causes)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what urllib3 wrapped in it (its ``reason``), outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        inner = getattr(seen, "reason", None) or next(iter(seen.args), None)
        seen = inner if isinstance(inner, BaseException) else None
