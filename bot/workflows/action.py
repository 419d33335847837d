"""`action`: somebody pressed a button on the dashboard. The web process stores that; here it is judged and done."""

from collections.abc import Mapping
from typing import Any

from bot.comment_commands import Request, Verb
from bot.errors import Permanent, SlipwayError
from bot.jobs import Ended
from bot.ports import Run
from bot.services import Services
from bot.steps.carry import Asker, Carried, Carrier
from bot.steps.state import catalog_now
from bot.workflows.stepping import failed, step


def action(run: Run, services: Services, values: Mapping[str, Any]) -> Ended:
    """See whether the person may, and carry it out in that person's name."""
    try:
        carried = step(run, f"carry out {values['verb']}", lambda: _carry_out(services, values))
    except Permanent as refusal:
        return Ended("refused", _plain(str(refusal)))
    except SlipwayError as error:
        return failed(error)
    for job in carried.jobs:
        run.start(job)
    return Ended("done", _plain(carried.text))


def _carry_out(services: Services, values: Mapping[str, Any]) -> Carried:
    app = catalog_now(services.config).app(values["app"])
    request = Request(
        verb=Verb(values["verb"]),
        apps=(app.name,),
        environment=values["environment"] or None,
        commit=values.get("commit") or None,
        text=values.get("job") or values.get("text") or "",
    )
    return Carrier(services, Asker(values["login"], app.source, f"page-{values['token']}")).carry(request)


def _plain(text: str) -> str:
    """Without the marks of Markdown: pages show plain text."""
    return text.replace("`", "")
