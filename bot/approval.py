"""Reviews and a policy in, a verdict out. Pure: whoever calls has read the reviews afresh."""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.facts import Review, ReviewState

_OPINIONS = frozenset({ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED, ReviewState.DISMISSED})


@dataclass(frozen=True, slots=True)
class Owners:
    """The code owners of a file: an approval from one of them is needed beside the number.

    ``names`` are the logins and teams of CODEOWNERS, without ``@``; ``members`` the logins that these stand for.
    """

    names: tuple[str, ...]
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class Policy:
    """Who counts. Logins are compared without case, as GitHub does.

    Attributes:
        needed: approvals needed.
        allowed: logins that may approve: the catalog's, or those with write permission.
        excluded: logins that never count here: the bot, and by choice the author of the change.
        owners: the code owners of what is changed; each of them must approve.
    """

    needed: int
    allowed: frozenset[str]
    excluded: frozenset[str] = frozenset()
    owners: tuple[Owners, ...] = ()

    def counts(self, login: str) -> bool:
        """Whether this person's approval is one of the number."""
        return _among(login, self.allowed) and not _among(login, self.excluded)

    def owns(self, login: str, owners: Owners) -> bool:
        """Whether this person approves as one of these code owners."""
        return _among(login, owners.members) and not _among(login, self.excluded)

    def may_block(self, login: str) -> bool:
        """Whether this person's request for changes stands in the way."""
        return self.counts(login) or any(self.owns(login, owners) for owners in self.owners)


def _among(login: str, people: frozenset[str]) -> bool:
    return login.casefold() in {name.casefold() for name in people}


@dataclass(frozen=True, slots=True)
class Approved:
    """The rule is met, by these people, in the order in which they approved."""

    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Approvals are missing.

    ``stale`` approved an older head; ``ignored`` approved but are not among those who may; ``owners`` are the code
    owners of whom nobody has approved, each as CODEOWNERS names them.
    """

    by: tuple[str, ...]
    needed: int
    stale: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    owners: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Blocked:
    """Somebody who counts asked for changes and has not taken it back."""

    by: tuple[str, ...]


Verdict = Approved | Waiting | Blocked


def latest_opinions(reviews: Iterable[Review]) -> dict[str, Review]:
    """Each person's last review that is an opinion; a later comment does not take back an approval."""
    opinions: dict[str, Review] = {}
    for review in sorted(reviews, key=lambda review: (review.submitted_at, review.id)):
        if review.state in _OPINIONS:
            opinions[review.person.login] = review
    return opinions


def decide(reviews: Iterable[Review], *, head: str, policy: Policy, merged_by: str | None = None) -> Verdict:
    """Whether exactly ``head`` is approved.

    Args:
        reviews: all reviews of the pull request.
        head: the commit that would be, or was, merged.
        policy: who counts.
        merged_by: the person who pressed Merge, which counts as that person's approval.
    """
    opinions = latest_opinions(reviews)
    blocking = [who for who, review in opinions.items() if review.state is ReviewState.CHANGES_REQUESTED]
    if against := tuple(who for who in blocking if policy.may_block(who) and who != merged_by):
        return Blocked(against)
    approvals = {who: review for who, review in opinions.items() if review.state is ReviewState.APPROVED}
    current = [who for who, review in approvals.items() if review.commit == head]
    if merged_by is not None and merged_by not in current:
        current.append(merged_by)
    counted = tuple(who for who in current if policy.counts(who))
    owning = tuple(who for who in current if any(policy.owns(who, owners) for owners in policy.owners))
    unmet = tuple(owners.names for owners in policy.owners if not any(policy.owns(who, owners) for who in owning))
    if len(counted) >= policy.needed and not unmet:
        return Approved(tuple(dict.fromkeys((*counted, *owning))))
    return Waiting(
        by=counted,
        needed=policy.needed,
        stale=tuple(who for who, review in approvals.items() if review.commit != head and policy.may_block(who)),
        ignored=tuple(who for who in current if who not in {*counted, *owning}),
        owners=unmet,
    )
