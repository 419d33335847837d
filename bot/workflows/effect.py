"""`effect`: what a person's pull request to the config repo would change, told on it before the merge."""

from collections.abc import Mapping
from typing import Any

from bot.errors import Permanent, SlipwayError
from bot.jobs import Ended
from bot.messages.effect import PlaceEffect
from bot.ports import Run
from bot.services import Services
from bot.steps import effect as effects
from bot.steps.effect import Subject
from bot.workflows.stepping import failed, step


def effect(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """Check its catalog, dry-run what it changes, and say both on it."""
    number, head = values["number"], values["head"]
    try:
        subject = step(run, "see what it changes", lambda: effects.subject_of(services, number, head))
        if not subject.wanted:
            return Ended("superseded", f"#{number} is closed, has another head by now, or is the bot's own")
        return _told(run, services, subject)
    except SlipwayError as error:
        return failed(error)


def _told(run: Run, services: Services, subject: Subject) -> Ended:
    if subject.conflicts:
        step(run, "say that it conflicts", lambda: effects.tell_conflicts(services, subject))
        return Ended("done", f"#{subject.number} conflicts with the config branch")
    problems = ""
    if subject.catalog:
        problems = step(run, "check its catalog", lambda: effects.check_catalog(services, subject))
    places: tuple[PlaceEffect, ...] = ()
    if subject.trusted:
        wanted = subject.places[: effects.MOST_PLACES]
        places = tuple(_tried(run, services, subject, app, environment) for app, environment in wanted)
        step(run, "say what it would change", lambda: effects.tell_effect(services, subject, places))
    wrong = sum(place.problems for place in places) + bool(problems)
    words = f"{wrong} problems of #{subject.number} told" if wrong else f"nothing is wrong with #{subject.number}"
    return Ended("done", words, retry=any(place.unknown for place in places))


def _tried(run: Run, services: Services, subject: Subject, app: str, environment: str) -> PlaceEffect:
    """A cluster that is away keeps nobody from being told of the others; it is asked again later."""
    name = f"try {app or 'the shared files'} in {environment}"
    try:
        return step(run, name, lambda: effects.try_place(services, subject, app, environment))
    except Permanent as error:
        return PlaceEffect(app, environment, problem=str(error))
    except SlipwayError as error:
        return effects.not_asked(app, environment, error)
