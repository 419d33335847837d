"""`command`: somebody spoke to the bot in a comment; a reaction at once, then the work, then the answer."""

from collections.abc import Mapping
from typing import Any

from bot.comment_commands import Command, Here, commands
from bot.errors import SlipwayError
from bot.jobs import Ended
from bot.messages import comments as texts
from bot.ports import Run
from bot.services import Services
from bot.steps.carry import Carried
from bot.steps.comment import Comment, carry_out, place_of
from bot.workflows.stepping import failed, step, tell


def command(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Carry out the commands of one comment, in order, and answer them in one comment."""
    comment = Comment(values["repo"], values["number"], values["comment"], values["login"])
    try:
        here = step(run, "see what it is about", lambda: place_of(services, comment))
    except SlipwayError as error:
        return failed(error)
    if here is None:
        return Ended("ignored", f"the catalog has no app of {comment.repo}")
    tell(run, "react", lambda: services.forge.react(comment.repo, comment.number, comment.id))
    parts = []
    for position, one in enumerate(commands(values["body"])):
        carried = _carried(run, services, comment, here, one, position)
        for job in carried.jobs:
            run.start(job)
        parts.append(carried.text)
    body = texts.answer(comment.id, comment.login, parts)
    marker = texts.answer_marker(comment.id)
    tell(
        run,
        "answer",
        lambda: services.forge.comment(comment.repo, comment.number, marker=marker, body=body),
    )
    return Ended("done", ", ".join(f"/{one.word}" for one in commands(values["body"])))


def _carried(run: Run, services: Services, comment: Comment, here: Here, one: Command, position: int) -> Carried:
    name = f"carry out {position + 1}: {one.word}"
    try:
        return step(run, name, lambda: carry_out(services, comment, here, one, position))
    except SlipwayError as error:
        return Carried(texts.could_not(one.word, str(error)))
