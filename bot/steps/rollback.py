"""Takes an environment back to what was healthy there: one commit on the config branch. What to, is decided purely.

Needs no approval and heeds no freeze and no hold: what it puts back was let in before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from bot.audit import parse_notes, release_of
from bot.errors import Permanent
from bot.facts import Change, ConfigCommit, Edit, Reader
from bot.holds import Hold, parse_hold, render_hold
from bot.images import ImageReference
from bot.manifests.forms import Form, edited, images
from bot.manifests.kustomize import Read
from bot.messages import rollback as texts
from bot.messages import short
from bot.ports import ConfigRepo, Registry
from bot.releases import Deployment, Outcome, Person, Release, bump_id
from bot.rollback import (
    GoBack,
    Past,
    Refusal,
    Stay,
    Why,
    brought_by,
    decide,
    is_proven,
    rollback_id,
    says_rollback,
    wished,
)
from bot.services import Services
from bot.steps.state import (
    Place,
    decode,
    deployment,
    form_of,
    hold_path,
    look,
    outcome,
    rollback_of,
    text_reader,
)

FURTHEST_BACK = 50
"""Changes of an app's files in an environment that are gone back for something healthy."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done about an environment.

    Attributes:
        reverted: the config commit that brought what is to be taken back, and the bump that it merged, if it did.
        left: the release that is taken back, where it is known.
        image: the app's one image that is taken back.
        to: the release that runs again; None where nothing is done.
        why: why nothing is done; None where something is.
        target: the config commit that had it; empty where nothing is done.
        reason: the failed rollout's reason.
    """

    reverted: tuple[str, ...]
    left: Release | None
    image: str
    to: Release | None
    why: Why | None
    target: str = ""
    reason: str = ""


def past_of(config: ConfigRepo, place: Place, commit: str) -> Iterator[Past]:
    """What the environment was like as of a config commit and before, newest first; read as it is asked for.

    What cannot be read any more, or not with today's catalog, counts as a state without images.
    """
    at: str | None = commit
    while at is not None:
        there = _readable(config, place, at)
        change = config.commit(there.changed_in) if there.changed_in else None
        if change is None:
            return
        yield _past(config, place, change, there)
        at = change.parents[0] if change.parents else None


def _readable(config: ConfigRepo, place: Place, commit: str) -> Deployment:
    app, environment = place.app, place.environment
    try:
        return deployment(config, commit, app, environment)
    except Permanent:
        change = config.last_change(commit, app.manifest_paths(environment))
        return Deployment(app.name, environment.name, (), None, change.sha if change else None, waiting=False)


def _past(config: ConfigRepo, place: Place, change: ConfigCommit, there: Deployment) -> Past:
    lines, names = config.notes(change.sha), (place.app.name, place.environment.name)
    notes = [note for note in parse_notes(lines) if (note.app, note.environment) == names]
    return Past(
        commit=change.sha,
        images=there.images,
        release=there.release,
        forward=there.release is not None and arrived(config, place, change, there.release) is not None,
        rollback=says_rollback(change, *names),
        outcomes=tuple(note.outcome for note in notes),
        applied=not notes or notes[-1].seconds > 0,
    )


def arrived(config: ConfigRepo, place: Place, change: ConfigCommit, release: Release) -> str | None:
    """The bump of a release that arrived with a change (itself, or what it merged); None where none did."""
    wanted = bump_id(release.id, place.environment.name)
    arrived = config.find(change.sha, "Slipway-Id", wanted)
    before = config.find(change.parents[0], "Slipway-Id", wanted) if change.parents else None
    return arrived.sha if arrived is not None and arrived != before else None


def plan_automatic(services: Services, app: str, environment: str, failed: str) -> Plan:
    """What follows on the failed rollout of a config commit.

    Raises:
        Permanent: the commit is not on the config branch any more, or never changed the app there.
    """
    config = services.config
    place = look(config, app, environment)
    pasts = tuple(islice(past_of(config, place, failed), FURTHEST_BACK)) if config.commit(failed) else ()
    if not pasts or pasts[0].commit != failed:
        raise Permanent(f"{failed} changed nothing of {app} in {environment} that is still on the config branch.")
    note = outcome(config, failed, app, environment)
    reason = note.reason if note else ""
    done = rollback_of(config, place.head, failed, app, environment)
    known = release_of(done) if done else None
    if known is not None:
        return Plan(
            _reverted(config, place, pasts[0]), pasts[0].release, pasts[0].images[0], known, None, reason=reason
        )
    decision = decide(pasts, place.deployed.images, place.environment.rollback)
    to = decision.to.release if decision.to else None
    if isinstance(decision, GoBack) and to is not None and not image_exists(services.registry, to.image):
        decision = Stay(Why.IMAGE_GONE)
    return Plan(
        reverted=_reverted(config, place, pasts[0]),
        left=pasts[0].release,
        image=next(iter(pasts[0].images), ""),
        to=to,
        why=decision.why if isinstance(decision, Stay) else None,
        reason=reason,
    )


def plan_by_hand(
    config: ConfigRepo,
    exists: Callable[[str], bool],
    app: str,
    environment: str,
    to: str | None,
    *,
    of: str | None = None,
) -> Plan:
    """What a person's wish comes down to.

    Args:
        config: the config repo.
        exists: whether an image can still be pulled.
        app: the app.
        environment: the environment.
        to: a commit of the source or of the config repo, short or full; None: the last healthy predecessor.
        of: the config commit that brought what the person saw running; None: whatever runs now.

    Raises:
        Permanent: it cannot be; the paragraph says why, and what can.
    """
    place = look(config, app, environment)
    pasts = tuple(islice(past_of(config, place, of or place.head), FURTHEST_BACK))
    if not pasts:
        raise Permanent(f"{app} has no manifests in {environment}.")
    chosen = wished(pasts, to)
    if isinstance(chosen, Refusal):
        raise Permanent(texts.refusal(chosen, app, environment, to, _known(pasts)))
    release, brought = chosen.release, pasts[brought_by(pasts)]
    if release is None or not exists(release.image):
        sha = release.sha if release else chosen.commit
        raise Permanent(texts.image_gone(app, environment, sha, chosen.images[0]))
    return Plan(
        reverted=_reverted(config, place, brought),
        left=pasts[0].release,
        image=pasts[0].images[0],
        to=release,
        why=None,
        target=chosen.commit,
    )


def how_it_ended(services: Services, app: str, environment: str, commit: str) -> Outcome:
    """How a rollback's own sync ended; without a note, something newer took its place."""
    services.config.fetch()
    note = outcome(services.config, commit, app, environment)
    return note.outcome if note else Outcome.SUPERSEDED


def image_exists(registry: Registry, image: str) -> bool:
    """Whether an image can still be pulled."""
    reference = ImageReference.parse(image)
    wanted = reference.digest or reference.tag
    return wanted is not None and registry.find(reference.repository, wanted) is not None


def _reverted(config: ConfigRepo, place: Place, past: Past) -> tuple[str, ...]:
    change = config.commit(past.commit)
    bumped = arrived(config, place, change, past.release) if change and past.release else None
    return tuple(dict.fromkeys((past.commit, *([bumped] if bumped else []))))


# ---------------------------------------------------------------- the commit


@dataclass(frozen=True, slots=True)
class Asked:
    """The person who asked for a rollback (a login, where it is known), and why."""

    by: str | None = None
    reason: str | None = None


def go_back(services: Services, app: str, environment: str, plan: Plan, asked: Asked | None) -> str | None:
    """Put the predecessor's image back and hold what it takes the place of; the commit, or None where that is gone.

    Whoever pushed meanwhile wins: where the branch carries another image by then, nothing is written.
    """
    to, left = plan.to, plan.left
    if to is None or left is None:
        raise ValueError("nothing to go back to, or from")
    config = services.config
    place = look(config, app, environment)
    reason = texts.by_hand_reason(asked.reason) if asked else texts.failed_reason(environment, plan.reason)
    back = texts.Return(
        environment=environment,
        to=to,
        previous_image=plan.image,
        left=left.sha,
        reverted=plan.reverted,
        reason=services.redact(reason),
        by=(asked.by or "") if asked else None,
    )
    made = config.make(
        Change(
            id=rollback_id(to.id, environment, plan.reverted[0]),
            message=texts.commit_message(back),
            author=Person(asked.by) if asked and asked.by else None,
            edit=_edit(
                form_of(config, place.head, place.app, place.environment),
                failed=plan.image,
                to=to,
                held=(hold_path(environment, app), _hold(services, left, back, asked)),
            ),
        )
    )
    return made.sha if made else None


def _hold(services: Services, left: Release, back: texts.Return, asked: Asked | None) -> Hold:
    bot = services.forge.identity() if asked is None else None
    by = (asked.by if asked else None) or (bot.login if bot else "")
    return Hold(back.reason, by, services.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"), left.id)


def _edit(form: Form, *, failed: str, to: Release, held: tuple[str, Hold]) -> Edit:
    """Pure: the image, and the hold; nothing at all where another image than the failed one is there."""

    def edit(read: Reader) -> Mapping[str, bytes | None]:
        def text(path: str) -> str | None:
            data = read(path)
            return None if data is None else decode(data, path)

        image = ImageReference.parse(to.image)
        if set(images(form, text, image.repository)) != {failed}:
            return {}
        path, hold = held
        put_back: dict[str, bytes | None] = dict(_images_set(form, text, to))
        if not _holds_everything(read(path), path):
            put_back[path] = render_hold(hold).encode()
        return put_back

    return edit


def _images_set(form: Form, read: Read, to: Release) -> dict[str, bytes]:
    return {path: text.encode() for path, text in edited(form, read, ImageReference.parse(to.image)).items()}


def _holds_everything(data: bytes | None, path: str) -> bool:
    """A person's hold on all releases stays; one on another release has had its day."""
    if data is None:
        return False
    try:
        return parse_hold(decode(data, path), path).release is None
    except Permanent:
        return True


def is_rollback(config: ConfigRepo, place: Place, commit: ConfigCommit) -> bool:
    """Whether a commit does, to the byte, what a rollback to something healthy does: that needs no approval.

    Its trailers alone prove nothing, since anybody who may push can write them.
    """
    app, environment = place.app, place.environment
    release = deployment(config, commit.sha, app, environment).release
    if release is None or not commit.parents or not says_rollback(commit, app.name, environment.name):
        return False
    parent = commit.parents[0]
    expected = _images_set(form_of(config, parent, app, environment), text_reader(config, parent), release)
    changed = set(config.changed_paths(commit.sha)) - {hold_path(environment.name, app.name)}
    if changed != set(expected) or any(config.read(commit.sha, path) != data for path, data in expected.items()):
        return False
    pasts = islice(past_of(config, place, parent), FURTHEST_BACK)
    return any(past.images == (release.image,) and Outcome.HEALTHY in past.outcomes for past in pasts)


def _known(pasts: tuple[Past, ...]) -> list[str]:
    """The releases that one can go back to, newest first, as people name them."""
    shas = [
        past.release.sha
        for past in pasts[1:]
        if past.release and is_proven(pasts, past) and past.images != pasts[0].images
    ]
    return list(dict.fromkeys(map(short, shas)))
