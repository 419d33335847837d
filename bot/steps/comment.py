"""What a comment is about, and what its commands mean there; ``bot.steps.carry`` carries them out."""

from dataclasses import dataclass

from bot.comment_commands import Command, Here, Misunderstood, Request, understand
from bot.errors import Permanent
from bot.messages import comments as texts
from bot.releases import parse_promotion_branch
from bot.services import Services
from bot.steps.carry import Asker, Carried, Carrier, NotAllowed
from bot.steps.state import catalog_now


@dataclass(frozen=True, slots=True)
class Comment:
    """Where a comment stands, and who wrote it."""

    repo: str
    number: int
    id: int
    login: str


def place_of(services: Services, comment: Comment) -> Here | None:
    """What the comment may be about; None where it is about nothing of the catalog."""
    catalog = catalog_now(services.config)
    environments = tuple(environment.name for environment in catalog.environments)
    if comment.repo.casefold() != services.config_name.casefold():
        apps = tuple(app.name for app in catalog.apps_of(comment.repo))
        return Here(apps, environments) if apps else None
    pull_request = services.forge.pull_request(services.config_name, comment.number)
    promotion = parse_promotion_branch(pull_request.head_branch)
    if promotion is None or promotion[0] not in environments:
        return Here(tuple(app.name for app in catalog.apps), environments)
    return Here((promotion[1],), environments, promotion[0])


def carry_out(services: Services, comment: Comment, here: Here, command: Command, position: int) -> Carried:
    """One command of a comment: understood, allowed, and carried out; or a word why not."""
    match understand(command, here):
        case Misunderstood(word=word, why=why):
            return Carried(texts.could_not(word, why))
        case Request() as request:
            asker = Asker(comment.login, comment.repo, f"comment-{comment.id}-{position}", comment.number)
            try:
                return Carrier(services, asker).carry(request)
            except NotAllowed as refusal:
                return Carried(str(refusal))
            except Permanent as refusal:
                return Carried(texts.could_not(request.verb, str(refusal)))
