"""Brings a release into an environment through its gate: a commit on the config branch, or a pull request.

Looks first: for the bump's own ``Slipway-Id`` in the log (not at the files: a person may have reverted it), for a
hold, and for a release that must not be replaced. Only then it writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot import messages
from bot.catalog import Gate
from bot.errors import Permanent
from bot.facts import Change, ConfigCommit, Edit, Reader
from bot.holds import Hold
from bot.images import ImageReference
from bot.manifests.forms import Form, edited
from bot.messages import gates
from bot.messages import promote as promote_texts
from bot.ordering import Order
from bot.releases import Release, bump_id
from bot.services import Services
from bot.steps.barriers import barrier_before
from bot.steps.promote import propose
from bot.steps.requested import Asked
from bot.steps.source import standing, tracked_head
from bot.steps.state import Place, decode, form_of, look
from bot.withdrawals import brought_in


class Entry(StrEnum):
    """How a release stands to an environment after the step."""

    COMMITTED = "committed"
    PROPOSED = "proposed"
    PRESENT = "present"
    UNCHANGED = "unchanged"
    HELD = "held"
    FROZEN = "frozen"
    OUTDATED = "outdated"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Entered:
    """The result.

    Attributes:
        commit: the bump on the config branch.
        pull_request: the promotion's number.
        why: what keeps the release out, in words, where it is held, frozen or outdated.
    """

    entry: Entry
    commit: str | None = None
    pull_request: int | None = None
    why: str = ""


def enter(services: Services, release: Release, environment: str, asked: Asked | None = None) -> Entered:
    """Bring a release into an environment, unless it is there, held, or older than what runs.

    Only where a person has ``asked`` for it does it come in once more after it was taken back or declined.
    """
    config = services.config
    place = look(config, release.app, environment)
    present = brought_in(config, place.head, bump_id(release.id, environment))
    if present is not None and (asked is None or _runs(place, release)):
        return Entered(Entry.PRESENT, present.sha)
    barrier = barrier_before(config, services.clock.now(), place.head, place.environment, release.app, release.id)
    if barrier is not None:
        return Entered(Entry.HELD if isinstance(barrier, Hold) else Entry.FROZEN, why=_why(place, barrier))
    if _order(services, place, release) is Order.BACKWARD:
        return Entered(Entry.OUTDATED, why=_newer_runs(place, release))
    change = _change(services, place, release, present, asked)
    if place.environment.gate is Gate.PULL_REQUEST:
        return _propose(services, place, release, change, asked)
    commit = config.make(change)
    if commit is None:
        return Entered(Entry.UNCHANGED, place.deployed.changed_in)
    return Entered(Entry.COMMITTED if commit.is_new else Entry.PRESENT, commit.sha)


def _why(place: Place, barrier: Hold | datetime) -> str:
    app, environment = place.app.name, place.environment.name
    if isinstance(barrier, Hold):
        return gates.held_status(app, environment, barrier)
    return gates.frozen_status(app, environment, barrier)


def _newer_runs(place: Place, release: Release) -> str:
    deployed = place.deployed.release
    newer = deployed.sha if deployed else None
    return promote_texts.refused_backwards(release.app, place.environment.name, release.sha, newer)


def _runs(place: Place, release: Release) -> bool:
    return place.deployed.release is not None and place.deployed.release.sha == release.sha


def _propose(services: Services, place: Place, release: Release, change: Change, asked: Asked | None) -> Entered:
    proposal = propose(services, place, release, change, asked)
    if proposal.number is None:
        return Entered(Entry.UNCHANGED, place.deployed.changed_in)
    return Entered(Entry.DECLINED if proposal.declined else Entry.PROPOSED, pull_request=proposal.number)


def _order(services: Services, place: Place, release: Release) -> Order:
    """Where nothing known runs, anything is a step forward."""
    if place.deployed.release is None:
        return Order.FORWARD
    return standing(
        services.forge,
        place.app.source,
        deployed=place.deployed.release.sha,
        new=release.sha,
        tracked=lambda: tracked_head(services, place.app),
    )


def _change(
    services: Services, place: Place, release: Release, earlier: ConfigCommit | None, asked: Asked | None
) -> Change:
    """The bump. One that comes in once more has an id of its own, beside the release's, that names the earlier one."""
    app, environment, deployed = place.app, place.environment, place.deployed
    form = form_of(services.config, place.head, app, environment)
    if form.is_empty:
        raise Permanent(
            f"There are no manifests of {app.name} for {environment.name}: "
            f"{', '.join(app.manifest_paths(environment))} is not on the config branch. Add it, or correct "
            "`manifests` of the app in slipway.yaml."
        )
    if not deployed.images:
        raise Permanent(
            f"No container of {app.name} in {environment.name} uses the image {app.image}: none was found in "
            f"{_looked_at(form)}. Correct the image there, or `image` of the app in slipway.yaml."
        )
    own = bump_id(release.id, environment.name)
    again = promote_texts.again_id(own, earlier.sha) if earlier else None
    further = promote_texts.request_trailers(asked.by, asked.skipped, again) if asked else ()
    return Change(
        id=again or own,
        message=messages.commit_message(
            release, environment.name, previous_image=previous_image(place), further=further
        ),
        author=release.merge.merged_by,
        edit=image_edit(form, ImageReference.parse(release.image)),
    )


def previous_image(place: Place) -> str | None:
    """The one image that runs now; None before the first release, or where containers differ."""
    images = place.deployed.images
    return images[0] if len(images) == 1 and not place.deployed.waiting else None


def _looked_at(form: Form) -> str:
    """Where an image was looked for, for a person."""
    if form.chart is not None:
        return f"`{form.chart.keys.repository}` of {', '.join(form.chart.values)} and of {form.chart.defaults}"
    return ", ".join((*form.files, *(f"the kustomization in {folder}" for folder in form.kustomizations)))


def image_edit(form: Form, image: ImageReference) -> Edit:
    """Pure: the image of the app in what it is made of, and no other byte."""

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        def text(path: str) -> str | None:
            data = read(path)
            return None if data is None else decode(data, path)

        return {path: changed.encode("utf-8") for path, changed in edited(form, text, image).items()}

    return edit
