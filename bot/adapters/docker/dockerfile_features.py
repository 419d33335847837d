"""Which line of a Dockerfile needs BuildKit, so that an engine without it can refuse before it builds half of it.

Text in, value out. Source: https://docs.docker.com/reference/dockerfile/
"""

import re
from collections.abc import Iterator

_FLAGS = {
    "RUN": r"--(?:mount|network|security|device)\b",
    "COPY": r"--(?:link|chmod|parents|exclude)\b",
    "ADD": r"--(?:link|chmod|checksum|keep-git-dir|exclude|unpack)\b",
}
_HEREDOC = re.compile(r"(?:^|\s)\d*<<-?[\"']?[A-Za-z_]")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*([\\`])\s*", re.IGNORECASE)


def needs_buildkit(text: str) -> tuple[int, str] | None:
    """The first (line number, what it uses) that only BuildKit understands, None where there is none."""
    for line, instruction, rest in _instructions(text):
        flags = _FLAGS.get(instruction)
        if flags is None:
            continue
        leading = re.match(r"(?:--\S+\s+)*", rest + " ")
        if leading and (flag := re.search(flags, leading[0])):
            return line, f"{instruction} {flag[0]}"
        if _HEREDOC.search(rest):
            return line, f"{instruction} <<"
    return None


def _instructions(text: str) -> Iterator[tuple[int, str, str]]:
    """(line number, instruction, rest), continued lines joined, comments and empty lines left out."""
    lines = text.removeprefix("\ufeff").splitlines()
    escape = next((found[1] for line in lines[:2] if (found := _ESCAPE.fullmatch(line.strip()))), "\\")
    start, whole = 0, ""
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = start if whole else number
        continued = line.rstrip().endswith(escape)
        whole += (line.rstrip()[:-1] if continued else line) + " "
        if not continued:
            yield start, *_split(whole)
            whole = ""
    if whole:
        yield start, *_split(whole)


def _split(instruction: str) -> tuple[str, str]:
    name, _, rest = instruction.strip().partition(" ")
    return _split(rest) if name.upper() == "ONBUILD" else (name.upper(), rest.strip())
