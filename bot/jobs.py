"""The workflows as jobs: each id is made of what the work is about, so that asking twice starts it once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.errors import Permanent
from bot.facts import Job

DECLINED = "declined"
"""The occasion of a look at a promotion that was closed without a merge."""

REOPENED = "reopened-"
"""How the occasion of a look begins where a person reopened the promotion."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a workflow ended: a word for machines, a sentence for people.

    ``retry`` is true where time alone may mend it (an unreachable registry): reconcile asks again.
    """

    outcome: str
    detail: str = ""
    retry: bool = False


def release_job(app: str, sha: str, attempt: int = 1) -> Job:
    """Build a commit of an app and bring it into the first environment; an app's releases run one at a time."""
    values = {"app": app, "sha": sha, "attempt": attempt}
    return Job("release", f"release/{app}/{sha}/{attempt}", app, values)


def build_job(app: str, image: str, sha: str, attempt: int = 1) -> Job:
    """Build a commit's image; one lane for each image repository, so two apps on one commit build once."""
    return Job("build", f"build/{image}/{sha}/{attempt}", image, {"app": app, "sha": sha})


def sync_job(app: str, environment: str, commit: str, attempt: int = 1, *, own: bool = False) -> Job:
    """Make one app in one environment match a config commit; syncs of the same place run one at a time.

    Without an app: the environment's shared files. ``own``: this Slipway has just made the commit, so nobody else (a
    second Slipway, say) can have told of it yet.
    """
    values = {"app": app, "environment": environment, "commit": commit, "attempt": attempt, "own": own}
    about = f"sync/{app}/{environment}" if app else f"shared/{environment}"
    return Job("sync", f"{about}/{commit}/{attempt}", f"{app}/{environment}", values)


def notify_job(app: str, environment: str, news: str, about: str, *, title: str, text: str) -> Job:
    """Tell people in chat, once for what it is about; messages of one app keep their order."""
    values = {"app": app, "environment": environment, "title": title, "text": text}
    return Job("notify", f"notify/{app}/{environment}/{news}/{about}", f"notify/{app}", values)


AUTOMATIC = "auto"
"""Stands in a rollback's id where nobody chose what to go back to."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A person's wish to go back: to which config commit, who asked (a login, where known), and why."""

    to: str
    by: str | None = None
    reason: str | None = None


def rollback_job(
    app: str,
    environment: str,
    commit: str,
    attempt: int = 1,
    *,
    wish: Wish | None = None,
    evidence: tuple[str, ...] = (),
) -> Job:
    """Go back from what a config commit brought: to the last healthy image if the rules say so, or as wished.

    ``evidence`` are redacted log lines of the failed rollout, for those who may see them.
    """
    values = {
        "app": app,
        "environment": environment,
        "commit": commit,
        "attempt": attempt,
        "to": wish.to if wish else None,
        "by": wish.by if wish else None,
        "reason": wish.reason if wish else None,
        "evidence": list(evidence),
    }
    job_id = f"rollback/{app}/{environment}/{commit}/{wish.to if wish else AUTOMATIC}/{attempt}"
    return Job("rollback", job_id, f"{app}/{environment}", values)


def approve_job(number: int, trigger: str, attempt: int = 1) -> Job:
    """Read a promotion's reviews and act; ``trigger`` tells the occasion, such as ``review-17-APPROVED``."""
    values = {"number": number, "occasion": trigger, "attempt": attempt}
    return Job("approve", f"approve/{number}/{trigger}/{attempt}", f"promotion/{number}", values)


def prune_job(app: str, environment: str, commit: str, attempt: int = 1) -> Job:
    """Delete what an app had in an environment that a config commit took it out of."""
    values = {"app": app, "environment": environment, "commit": commit, "attempt": attempt}
    return Job("prune", f"prune/{app}/{environment}/{commit}/{attempt}", f"{app}/{environment}", values)


def effect_job(number: int, head: str, attempt: int = 1) -> Job:
    """Tell on a person's pull request to the config repo what its head would change."""
    values = {"number": number, "head": head, "attempt": attempt}
    return Job("effect", f"effect/{number}/{head}/{attempt}", f"effect/{number}", values)


def catalog_job(commit: str) -> Job:
    """Check the catalog as a config commit left it, and say on that commit what is wrong."""
    return Job("catalog", f"catalog/{commit}/1", "catalog", {"commit": commit})


def reconcile_job(occasion: str) -> Job:
    """Look for whatever was missed; ``occasion`` is the number of the interval, so that many workers look once."""
    return Job("reconcile", f"reconcile/{occasion}", "reconcile", {})


def round_job(occasion: str, parts: int, pause: float) -> Job:
    """Look at many apps in so many parts, with pauses (in seconds) in between; rounds never overlap."""
    return Job("round", f"{ROUND}{occasion}/1", "round", {"parts": parts, "pause": pause})


ROUND = "round/"
"""How the id of a round begins."""


def app_reconcile_job(app: str, change: str) -> Job:
    """Look for what a hold on one app kept out; ``change`` is the config commit that changed the hold."""
    return Job("reconcile", f"reconcile/{app}/{change}", f"reconcile/{app}", {"app": app, "change": change})


def promote_job(app: str, environment: str, sha: str, attempt: int = 1, *, by: str | None = None) -> Job:
    """Bring a release into an environment through its gate.

    ``by`` is who asked: a login, ``""`` for a person whose account is not known, None where nobody did and the release
    was only found to be missing.
    """
    values = {"app": app, "environment": environment, "sha": sha, "attempt": attempt, "by": by}
    return Job("promote", f"promote/{app}/{environment}/{sha}/{attempt}", f"{app}/{environment}", values)


def command_job(repo: str, number: int, comment_id: int, login: str, body: str) -> Job:
    """Carry out the commands of a comment; those on one pull request in order."""
    values = {"repo": repo, "number": number, "comment": comment_id, "login": login, "body": body}
    return Job("command", f"command/{repo}/{comment_id}", f"command/{repo}/{number}", values)


def drift_job(occasion: int) -> Job:
    """Compare a few places with the config branch; the occasion's number says which."""
    return Job("drift", f"drift/{occasion}", "drift", {"occasion": occasion})


def action_job(login: str, verb: str, app: str, environment: str, values: Mapping[str, str], token: str) -> Job:
    """Carry out what a person asked for on the dashboard; ``token`` is the form's, so pressing twice asks once.

    ``values`` are the form's ``commit`` and ``text``, and the ``job`` to retry. What is asked of one app goes in order.
    """
    content = {"login": login, "verb": verb, "app": app, "environment": environment, "token": token, **values}
    return Job("action", f"action/{verb}/{app}/{environment or ANYWHERE}/{token}", f"action/{app}", content)


ANYWHERE = "-"
"""Stands in an action's id where it is about no environment."""


def attempt_of(job_id: str) -> int:
    """The attempt at the end of a job's id."""
    return int(job_id.rpartition("/")[2])


def next_attempt(job: Job) -> Job:
    """The same work, asked for once more."""
    base, _, attempt = job.id.rpartition("/")
    number = int(attempt) + 1
    return replace(job, id=f"{base}/{number}", input={**job.input, "attempt": number})


def again(job_id: str) -> Job:
    """The next attempt of the job with this id.

    Raises:
        Permanent: it is no id of a job that can be asked for again.
    """
    match job_id.split("/"):
        case ["release", app, sha, attempt] if attempt.isdecimal():
            return release_job(app, sha, int(attempt) + 1)
        case ["sync", app, environment, commit, attempt] if attempt.isdecimal():
            return sync_job(app, environment, commit, int(attempt) + 1)
        case ["rollback", app, environment, commit, to, attempt] if attempt.isdecimal():
            wish = None if to == AUTOMATIC else Wish(to)
            return rollback_job(app, environment, commit, int(attempt) + 1, wish=wish)
        case ["promote", app, environment, sha, attempt] if attempt.isdecimal():
            return promote_job(app, environment, sha, int(attempt) + 1, by="")
        case ["build", *_]:
            raise Permanent(f"{job_id} is part of a release: retry that, as in `retry release/APP/SHA/1`.")
    if (found := _again_without_app(job_id)) is not None:
        return found
    raise Permanent(
        f"{job_id!r} is not the id of a job. Ids look like release/APP/SHA/1, sync/APP/ENVIRONMENT/COMMIT/1, "
        "promote/APP/ENVIRONMENT/SHA/1 and approve/NUMBER/OCCASION/1; comments, logs and the dashboard name them."
    )


def _again_without_app(job_id: str) -> Job | None:
    """The next attempt of a job that is about no app that is there."""
    match job_id.split("/"):
        case ["approve", number, trigger, attempt] if number.isdecimal() and attempt.isdecimal():
            return approve_job(int(number), trigger, int(attempt) + 1)
        case ["effect", number, head, attempt] if number.isdecimal() and attempt.isdecimal():
            return effect_job(int(number), head, int(attempt) + 1)
        case ["prune", app, environment, commit, attempt] if attempt.isdecimal():
            return prune_job(app, environment, commit, int(attempt) + 1)
        case ["shared", environment, commit, attempt] if attempt.isdecimal():
            return sync_job("", environment, commit, int(attempt) + 1)
    return None
