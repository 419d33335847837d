"""Brings a release into an environment through its gate: a commit on the config branch, or a pull request.

Looks first: for the bump's own ``Slipway-Id`` in the log (not at the files: a person may have reverted it), for a
hold, and for a release that must not be replaced. Only then it writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot import messages
from bot.catalog import Gate
from bot.errors import Permanent
from bot.facts import Change, Edit, Reader
from bot.holds import keeps_out
from bot.images import ImageReference
from bot.manifests import bump
from bot.ordering import Order, order
from bot.releases import Release, bump_id
from bot.services import Services
from bot.steps.promote import propose
from bot.steps.source import tracked_head
from bot.steps.state import Place, decode, look, manifest_files, read_hold
from bot.withdrawals import brought_in


class Entry(StrEnum):
    """How a release stands to an environment after the step."""

    COMMITTED = "committed"
    PROPOSED = "proposed"
    PRESENT = "present"
    UNCHANGED = "unchanged"
    HELD = "held"
    OUTDATED = "outdated"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Entered:
    """The result: ``commit`` is the bump on the config branch, ``pull_request`` the promotion's number."""

    entry: Entry
    commit: str | None = None
    pull_request: int | None = None


def enter(services: Services, release: Release, environment: str) -> Entered:
    """Bring a release into an environment, unless it is there, held, or older than what runs."""
    config = services.config
    place = look(config, release.app, environment)
    present = brought_in(config, place.head, bump_id(release.id, environment))
    if present is not None:
        return Entered(Entry.PRESENT, present.sha)
    hold = read_hold(config, place.head, environment, release.app)
    if hold is not None and keeps_out(hold, release.id):
        return Entered(Entry.HELD)
    if _order(services, place, release) is Order.BACKWARD:
        return Entered(Entry.OUTDATED)
    change = _change(services, place, release)
    if place.environment.gate is Gate.PULL_REQUEST:
        return _propose(services, place, release, change)
    commit = config.make(change)
    return Entered(Entry.COMMITTED, commit.sha) if commit else Entered(Entry.UNCHANGED, place.deployed.changed_in)


def _propose(services: Services, place: Place, release: Release, change: Change) -> Entered:
    proposal = propose(services, place, release, change)
    if proposal.number is None:
        return Entered(Entry.UNCHANGED, place.deployed.changed_in)
    return Entered(Entry.DECLINED if proposal.declined else Entry.PROPOSED, pull_request=proposal.number)


def _order(services: Services, place: Place, release: Release) -> Order:
    """Where nothing known runs, anything is a step forward."""
    if place.deployed.release is None:
        return Order.FORWARD
    deployed, source, forge = place.deployed.release.sha, place.app.source, services.forge
    if deployed == release.sha:
        return Order.SAME
    new = forge.compare(source, deployed, release.sha)
    ahead = new is None or new.status in {"ahead", "identical"}
    reachable = None if ahead else forge.compare(source, deployed, tracked_head(services, place.app))
    return order(new, reachable, same=False)


def _change(services: Services, place: Place, release: Release) -> Change:
    app, environment, deployed = place.app, place.environment, place.deployed
    files = manifest_files(services.config, place.head, app, environment)
    if not files:
        raise Permanent(
            f"There are no manifests of {app.name} for {environment.name}: "
            f"{', '.join(app.manifest_paths(environment))} is not on the config branch. Add it, or correct "
            "`manifests` of the app in slipway.yaml."
        )
    if not deployed.images:
        raise Permanent(
            f"No container of {app.name} in {environment.name} uses the image {app.image}: none was found in "
            f"{', '.join(files)}. Correct the image there, or `image` of the app in slipway.yaml."
        )
    return Change(
        id=bump_id(release.id, environment.name),
        message=messages.commit_message(release, environment.name, previous_image=previous_image(place)),
        author=release.merge.merged_by,
        edit=_edit(files, ImageReference.parse(release.image)),
    )


def previous_image(place: Place) -> str | None:
    """The one image that runs now; None before the first release, or where containers differ."""
    images = place.deployed.images
    return images[0] if len(images) == 1 and not place.deployed.waiting else None


def _edit(files: tuple[str, ...], image: ImageReference) -> Edit:
    """Pure: the image scalars of the app in these files, and no other byte."""

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        edited: dict[str, bytes | None] = {}
        for path in files:
            data = read(path)
            if data is None:
                continue
            text = decode(data, path)
            changed = bump(text, path, image).text
            if changed != text:
                edited[path] = changed.encode("utf-8")
        return edited

    return edit
