"""Who approved: asks GitHub for reviews, permissions and teams, and lets ``approval.decide`` judge. Writes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.approval import Approved, Owners, Policy, Verdict, decide, latest_opinions
from bot.audit import approvers_of
from bot.catalog import Environment
from bot.facts import ConfigCommit, PullRequest
from bot.releases import Person, Release, parse_promotion_branch, promotion_branch
from bot.services import Services
from bot.steps.owners import owners_of_files
from bot.steps.proposals import own_proposal
from bot.steps.state import Place, deployment, manifest_files


def verdict_on(
    services: Services, place: Place, pull_request: PullRequest, release: Release | None, *, by_merge: bool = False
) -> Verdict:
    """The verdict on a pull request's present head.

    Args:
        services: the ports.
        place: the app and the gated environment that it changes.
        pull_request: a promotion, or a person's own change.
        release: what a promotion brings; None for a person's change.
        by_merge: it is merged, and the person who pressed Merge counts.
    """
    reviews = services.forge.reviews(services.config_name, pull_request.number)
    merged_by = pull_request.merged_by.login if by_merge and pull_request.merged_by else None
    candidates = [*latest_opinions(reviews), *([merged_by] if merged_by else [])]
    changed_in = pull_request.merge_sha if by_merge and pull_request.merge_sha else pull_request.head_sha
    policy = Policy(
        needed=max(1, place.environment.approvals),
        allowed=_allowed(services, place.environment, candidates),
        excluded=_excluded(services, place, pull_request, release),
        owners=_owners(services, place, changed_in, candidates),
    )
    return decide(reviews, head=pull_request.head_sha, policy=policy, merged_by=merged_by)


def _allowed(services: Services, environment: Environment, candidates: list[str]) -> frozenset[str]:
    """The catalog's people and teams; where it names none, those of the candidates who may push."""
    if not environment.approvers:
        return frozenset(who for who in candidates if services.forge.can_write(services.config_name, who))
    people: set[str] = set()
    for name in environment.approvers:
        people |= services.forge.team_members(name) if "/" in name else {name}
    return frozenset(people)


def may_command(services: Services, environment: Environment | None, repo: str, login: str) -> bool:
    """Whether somebody may ask for something in an environment; without one, for something of a repo.

    Fails closed: who cannot be asked about may not.
    """
    if environment is None:
        return services.forge.can_write(repo, login)
    allowed = _allowed(services, environment, [login])
    return login.casefold() in {name.casefold() for name in allowed}


def _owners(services: Services, place: Place, changed_in: str, candidates: list[str]) -> tuple[Owners, ...]:
    """The code owners of the app's files that a commit changes, as its parent's CODEOWNERS names them."""
    config = services.config
    commit = config.commit(changed_in)
    if commit is None or not commit.parents:
        return ()
    ours = {path for sha in (*commit.parents[:1], changed_in) for path in _manifests(services, place, sha)}
    paths = [path for path in config.changed_paths(changed_in) if path in ours]
    groups = owners_of_files(config, commit.parents[0], paths)
    return tuple(Owners(names, _members(services, names, candidates)) for names in groups)


def _manifests(services: Services, place: Place, commit: str) -> tuple[str, ...]:
    return manifest_files(services.config, commit, place.app, place.environment)


def _members(services: Services, names: Sequence[str], candidates: list[str]) -> frozenset[str]:
    """Whom the owners' names stand for among those who said something; a person needs write permission."""
    found: set[str] = set()
    for name in names:
        if "/" in name:
            found |= services.forge.team_members(name)
        elif name.casefold() in {who.casefold() for who in candidates} and services.forge.can_write(
            services.config_name, name
        ):
            found.add(name)
    return frozenset(found)


def _excluded(services: Services, place: Place, pull_request: PullRequest, release: Release | None) -> frozenset[str]:
    bot = services.forge.identity()
    people: list[Person | None] = [bot]
    if release is not None:
        people.append(pull_request.author)
    if not place.environment.self_approval:
        people.append(pull_request.author if release is None else _author_of_change(services, release))
        people.append(_author_of_head(services, place, pull_request) if release is not None else None)
    return frozenset(person.login for person in people if person is not None)


def _author_of_change(services: Services, release: Release) -> Person | None:
    """Who opened the source pull request; for a direct push, who pushed."""
    merge = release.merge
    if merge.pull_request is None:
        return merge.merged_by
    return services.forge.opened_by(merge.source, merge.pull_request)


def _author_of_head(services: Services, place: Place, pull_request: PullRequest) -> Person | None:
    """Who made the head of a promotion, where that is not Slipway's one change."""
    tip = services.config.commit(pull_request.head_sha)
    if tip is None or own_proposal(services.config, place.head, place.app, place.environment, tip) is not None:
        return None
    return services.forge.commit(services.config_name, pull_request.head_sha).author


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved what a commit brought (empty: nobody), and the pull request it came by, if any.

    Attributes:
        merged_by: the person who merged a promotion by hand; None for the bot's merges and all other commits.
        verdict: what the rule says of such a merge.
    """

    by: tuple[str, ...] = ()
    pull_request: int | None = None
    merged_by: str | None = None
    verdict: Verdict | None = None


def approval_of_commit(services: Services, place: Place, commit: ConfigCommit) -> Approval:
    """Who approved what a commit on the config branch brought into a gated environment.

    The trailers count only where GitHub knows the commit as the bot's own merge of a pull request: anybody who may
    push can write trailers. Otherwise the pull request's reviews and its merger are judged by the same rule.
    """
    pull_request = _pull_request_of(services, place, commit)
    if pull_request is None:
        return Approval()
    own = pull_request.head_repo in {None, services.config_name}
    promotion = own and parse_promotion_branch(pull_request.head_branch) is not None
    bot = services.forge.identity() or (pull_request.author if promotion else None)
    merger = pull_request.merged_by
    if promotion and bot is not None and merger is not None and merger.login == bot.login:
        return Approval(approvers_of(commit), pull_request.number)
    there = deployment(services.config, commit.sha, place.app, place.environment)
    verdict = verdict_on(services, place, pull_request, there.release if promotion else None, by_merge=True)
    return Approval(
        by=verdict.by if isinstance(verdict, Approved) else (),
        pull_request=pull_request.number,
        merged_by=merger.login if promotion and merger is not None else None,
        verdict=verdict,
    )


def _pull_request_of(services: Services, place: Place, commit: ConfigCommit) -> PullRequest | None:
    """The merged pull request that brought the commit; a promotion is also found by its branch."""
    repo, branch = services.config_name, promotion_branch(place.environment.name, place.app.name)
    found = [
        candidate
        for candidate in services.forge.pull_requests_of(repo, commit.sha)
        if candidate.merged and candidate.base_branch == services.config.branch
    ]
    newest = services.forge.find_pull_request(repo, branch, state="closed") if not found else None
    if newest is not None and newest.merge_sha == commit.sha:
        found.append(newest)
    chosen = next((candidate for candidate in found if candidate.merge_sha == commit.sha), next(iter(found), None))
    return services.forge.pull_request(repo, chosen.number) if chosen else None
