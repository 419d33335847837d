"""The three ways something goes wrong. Adapters translate every foreign error into one of them.

Each message is a paragraph for the person who can mend it: what was being done, what stood in the way,
what to do now. No message holds a credential.
"""


class SlipwayError(Exception):
    """Anything Slipway can explain. ``str(error)`` is fit to be shown to a person."""


class Permanent(SlipwayError):
    """The same call would fail again until somebody changes something."""


class Refused(Permanent):
    """GitHub understood, and a rule of the repository forbids it.

    Args:
        message: the paragraph.
        words: GitHub's own words.
    """

    def __init__(self, message: str, words: str = "") -> None:
        super().__init__(message)
        self.words = words


class Transient(SlipwayError):
    """Nothing was done, and the same call may succeed later.

    Args:
        message: the paragraph.
        retry_after: seconds the other side asked to wait, or None where it did not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnknownOutcome(SlipwayError):
    """A write was sent and no answer came: it may or may not have happened. Read, then decide.

    Args:
        message: the paragraph.
        unfinished: the other side may be at it still, so that a look at once may come too early.
    """

    unfinished = False

    def __init__(self, message: str, *, unfinished: bool = False) -> None:
        super().__init__(message)
        self.unfinished = unfinished
