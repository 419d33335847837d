"""Chat rooms and mailboxes."""

from typing import Protocol


class Chat(Protocol):
    """Chat rooms and mailboxes, by address."""

    def send(self, address: str, title: str, text: str) -> None:
        """Send one message. ``address`` is an apprise address, or ``$NAME`` for one that a variable holds.

        Raises:
            Permanent: it is no address, or the variable is not set.
            Transient: it was not taken, or nobody can say whether it was. Never repeated by itself.
        """
        ...
