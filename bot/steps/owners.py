"""Reads CODEOWNERS from the config branch: whose approval a change of certain files needs. Changes nothing."""

from collections.abc import Iterable

import structlog

from bot.codeowners import LARGEST, LOCATIONS, CodeOwners, parse_codeowners
from bot.ports import ConfigRepo

LOG = structlog.get_logger()


def owners_of_files(config: ConfigRepo, commit: str, paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The owners of each file that has some, without repeats, in the files' order."""
    owners = read_codeowners(config, commit)
    return tuple(dict.fromkeys(names for path in paths if (names := owners.of(path))))


def read_codeowners(config: ConfigRepo, commit: str) -> CodeOwners:
    """The CODEOWNERS in force at a commit of the config branch. One too large for GitHub counts as none there, too."""
    for path in LOCATIONS:
        data = config.read(commit, path)
        if data is None:
            continue
        if len(data) > LARGEST:
            LOG.warning("codeowners too large", path=path, bytes=len(data), commit=commit)
            return CodeOwners()
        owners = parse_codeowners(data.decode("utf-8", "replace"))
        for remark in owners.remarks:
            LOG.warning("codeowners", path=path, remark=remark, commit=commit)
        return owners
    return CodeOwners()
