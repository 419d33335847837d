"""Chat and mail through apprise (https://github.com/caronc/apprise), which knows a hundred services by address."""

import os
from collections.abc import Mapping

from bot.errors import Permanent, Transient


class AppriseChat:
    """``bot.ports.Chat``.

    Args:
        variables: where ``$NAME`` is looked up: an address that holds a token belongs in the environment, not in Git.
    """

    def __init__(self, variables: Mapping[str, str] = os.environ) -> None:
        self._variables = variables

    def send(self, address: str, title: str, text: str) -> None:
        """See ``bot.ports``."""
        import apprise  # noqa: PLC0415 - a hundred modules that only those who chat should wait for

        target = apprise.Apprise()
        if not target.add(self._resolved(address)):
            raise Permanent(
                f"{_shown(address)} is no address that apprise knows: see https://github.com/caronc/apprise/wiki."
            )
        if not target.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT):
            raise Transient(f"{_shown(address)} did not take the message.")

    def _resolved(self, address: str) -> str:
        if not address.startswith("$"):
            return address
        value = self._variables.get(address[1:], "").strip()
        if not value:
            raise Permanent(f"{address} in `notify` of slipway.yaml names a variable that is not set for the worker.")
        return value


def _shown(address: str) -> str:
    """An address without what may be secret in it."""
    return address if address.startswith("$") else f"{address.partition('://')[0]}://…"
