"""What one value of ``slipway.yaml`` must look like, and what is said where it does not.

Each function takes the text as written, and returns it the way the rest of Slipway wants it or raises a
``ValueError`` that names what was meant. A text that may hold a credential is not repeated.
"""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from bot.catalog.freeze import EXAMPLES, FreezeWindow, parse_freeze
from bot.images import MAX_REPOSITORY_LENGTH, ImageReference
from bot.wording import closest, listed, quoted

PLACEHOLDERS = ("environment", "app", "namespace")
LONGEST_NAME = 63
"""Letters of a DNS label, and of a Kubernetes label's value."""

NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")
NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_OWNER = r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?"
_SOURCE = re.compile(rf"{_OWNER}/[A-Za-z0-9._-]+")
_APPROVER = re.compile(rf"{_OWNER}(?:/[A-Za-z0-9._-]+)?")
_LOGIN = re.compile(r"//[^/]*@")
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9]+(?:/[a-z0-9]+)?")
_VALUES_KEY = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.ASCII)
_VARIABLE = re.compile(r"\$[A-Z][A-Z0-9_]*")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")


def expand(template: str, values: Mapping[str, str]) -> str:
    """A template with its placeholders filled in."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


def name(text: str) -> str:
    """A name that can be a DNS label's worth of text and a part of a branch name (git-check-ref-format)."""
    if not NAME.fullmatch(text) or ".." in text or text.endswith(".lock"):
        raise ValueError(
            f"{quoted(text)} cannot be a name; use a-z, 0-9, `-` and `.`, with a letter or digit at both ends"
        )
    if len(text) > LONGEST_NAME:
        raise ValueError(f"{quoted(text)} has {len(text)} letters; {LONGEST_NAME} are the most")
    return text


def namespace(text: str) -> str:
    """A Kubernetes namespace: a DNS label."""
    if not NAMESPACE.fullmatch(text) or len(text) > LONGEST_NAME:
        raise ValueError(f"{quoted(text)} cannot be a namespace; use a-z, 0-9 and `-`, at most {LONGEST_NAME} letters")
    return text


def one_line(text: str) -> str:
    """Some text, but not none, and without what an editor does not show."""
    if not text or text != text.strip() or not text.isprintable():
        raise ValueError(f"{quoted(text)} must be text on one line, without spaces around it")
    return text


def source(text: str) -> str:
    """A repository of GitHub. The address that a browser or git shows is refused with what was meant."""
    text = _LOGIN.sub("//", text)
    meant = re.sub(r"^(?:[a-z+]+://|git@)[^/:]+[/:]|\.git$|/$", "", text)
    if not _SOURCE.fullmatch(text) or meant != text or PurePosixPath(text).name in (".", ".."):
        hint = f"; did you mean `{meant}`?" if meant != text and _SOURCE.fullmatch(meant) else ""
        raise ValueError(f"{quoted(text)} is no `owner/repository` of GitHub{hint}")
    return text


def branch(text: str) -> str:
    """A branch name, by the rules of git-check-ref-format(1) that people run into."""
    one_line(text)
    meant = text.removeprefix("refs/heads/")
    parts = text.split("/")
    broken = any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    if meant != text or broken or re.search(r"[ ~^:?*\[\\]|\.\.|@\{|\.$|^-", text):
        hint = f"; did you mean `{meant}`?" if meant != text else ""
        raise ValueError(f"{quoted(text)} is no branch name{hint}")
    return text


def image(text: str) -> str:
    """An image repository. A tag or digest is refused: those are what a release sets."""
    if len(text) > MAX_REPOSITORY_LENGTH:
        raise ValueError(f"{quoted(text)} is too long for an image repository")
    reference = ImageReference.parse(text)
    if reference.suffix:
        raise ValueError(
            f"{quoted(text)} has a tag or digest, which a release sets; did you mean `{reference.repository}`?"
        )
    return text


def relative(text: str) -> str:
    """A path below the root of its repo, in its shortest spelling."""
    if not text.strip() or not text.isprintable() or "\\" in text:
        raise ValueError(f"{quoted(text)} is no path, like `sites/shop`")
    if text.startswith(("/", "~")):
        raise ValueError(f"{quoted(text)} must be relative to the root of the repo")
    if ".." in PurePosixPath(text).parts:
        raise ValueError(f"{quoted(text)} leads out of the repo; `..` is refused")
    return str(PurePosixPath(text))


def in_config_repo(text: str) -> str:
    """A path that may hold manifests: not the root, the catalog, or Slipway's own folder."""
    path = relative(text)
    first = PurePosixPath(path).parts[:1]
    if path == "slipway.yaml" or first in ((), (".git",), (".slipway",)):
        raise ValueError(f"{quoted(text)} cannot hold manifests; name a file or folder of their own")
    return path


def _placeholders(text: str, known: tuple[str, ...] = PLACEHOLDERS) -> str:
    filled_in = f"; {listed(f'{{{name}}}' for name in known)} are filled in"
    for name in _PLACEHOLDER.findall(text):
        if name not in known:
            near = closest(name, known)
            hint = f"; did you mean `{{{near}}}`?" if near else filled_in
            raise ValueError(f"{quoted(f'{{{name}}}')} means nothing here{hint}")
    if re.search(r"[{}]", _PLACEHOLDER.sub("", text)):
        raise ValueError(f"{quoted(text)} has a brace without its partner{filled_in}")
    return text


def manifest(text: str) -> str:
    """A path of the config repo, made for each app and environment."""
    return in_config_repo(_placeholders(text))


def shared(text: str) -> str:
    """A path of the config repo, made for each environment."""
    return in_config_repo(_placeholders(text, ("environment", "namespace")))


def url(text: str) -> str:
    """A web address, made for each app and environment. A login in it is refused: the catalog is in Git."""
    parts = urlsplit(_placeholders(text))
    if parts.scheme not in ("http", "https") or not parts.netloc or not text.isprintable() or " " in text:
        raise ValueError(f"{quoted(text)} is no web address, like `https://staging.{{app}}`")
    if "@" in parts.netloc:
        raise ValueError("a web address with a login in it does not belong in Git")
    return text


def approver(text: str) -> str:
    """A login or an `org/team`; the `@` in front, which YAML wants in quotes, is dropped."""
    plain = text.removeprefix("@")
    if not _APPROVER.fullmatch(plain):
        raise ValueError(f"{quoted(text)} is neither a login (`@octocat`) nor a team (`@org/web-team`)")
    return plain


def platform(text: str) -> str:
    """An operating system and an architecture, as `docker build --platform` takes them."""
    if not _PLATFORM.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no platform, like `linux/amd64`")
    return text


def pattern(text: str) -> str:
    """A pattern of ``path_filters``."""
    one_line(text)
    if not text.removeprefix("!").strip("/"):
        raise ValueError(f"{quoted(text)} is no pattern, like `site/**` or `*.html`")
    return text


def notify(text: str) -> str:
    """An apprise address, or the variable that holds one. It may hold a token, so an error does not repeat it."""
    if not _VARIABLE.fullmatch(text) and not _URL.fullmatch(text):
        raise ValueError(
            "must be an apprise address, like `slack://…`, or `$NAME` for a variable that holds one (its text is not "
            "repeated here)"
        )
    return text


def values_key(text: str) -> str:
    """The way to a value of a Helm values file."""
    if not _VALUES_KEY.fullmatch(text):
        raise ValueError(f"{quoted(text)} is no key of a values file, like `image.tag`")
    return text


def freeze(value: object) -> FreezeWindow:
    """One freeze. Unlike the others it is given what the YAML holds, text or not."""
    if not isinstance(value, str):
        raise ValueError(f"must be text, like `{EXAMPLES[0]}`, not {quoted(value)}")  # noqa: TRY004 - pydantic's contract
    return parse_freeze(value)


def one_or_many(value: object) -> object:
    """A list; one text alone is a list of one."""
    return [value] if isinstance(value, str) else value
