"""Carries out what a person asks for, in a comment or on the dashboard: who may, what it starts, what is answered.

The work itself is done by the jobs that are started; only a hold is written here. Each request looks first, so that
one that is read twice changes nothing twice.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

from bot.catalog import Catalog
from bot.comment_commands import Request, Verb
from bot.errors import Permanent
from bot.facts import Job, JobRecord, JobState
from bot.jobs import Ended, Wish, again, app_reconcile_job, next_attempt, promote_job, release_job, rollback_job
from bot.messages import comments as texts
from bot.messages import gates, short
from bot.releases import Person
from bot.services import Services
from bot.steps import hold as holding
from bot.steps.hold import Occasion
from bot.steps.people import may_command
from bot.steps.requested import backwards, refusal_now, wanted_release
from bot.steps.rollback import image_exists, plan_by_hand
from bot.steps.state import catalog_now, outcome, read_catalog, read_hold, running_release
from bot.steps.wanted import wanted_head

KINDS = ("release", "sync", "promote", "rollback")
"""Jobs whose id names an app, and which may be asked for once more."""

IN_AN_ENVIRONMENT = KINDS[1:]


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and where.

    Attributes:
        login: the person's.
        repo: whose pushers may ask for what is about no environment.
        token: tells this request from every other one, so that it is carried out once.
        pull_request: where it was asked on one of ``repo``.
    """

    login: str
    repo: str
    token: str
    pull_request: int | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """What is answered, and the jobs that are to be started."""

    text: str
    jobs: tuple[Job, ...] = ()


class NotAllowed(Permanent):
    """The person may not; the message is the whole answer."""


class Carrier:
    """Carries out what one person asks for."""

    def __init__(self, services: Services, asker: Asker) -> None:
        self._services = services
        self._config = services.config
        self._asker = asker
        self._catalog: Catalog = catalog_now(services.config)

    def carry(self, request: Request) -> Carried:
        """Look who asks, then do.

        Raises:
            NotAllowed: the person may not.
            Permanent: it cannot be.
        """
        handlers: Mapping[Verb, Callable[[Request], Carried]] = {
            Verb.DEPLOY: self._deploy,
            Verb.PROMOTE: self._promote,
            Verb.ROLLBACK: self._rollback,
            Verb.RETRY: self._retry,
            Verb.HOLD: self._hold,
            Verb.RESUME: self._resume,
            Verb.STATUS: self._status,
            Verb.HELP: lambda _request: Carried(texts.HELP),
        }
        self._require(request.verb, request.environment)
        return handlers[request.verb](request)

    def _require(self, verb: Verb, environment_name: str | None) -> None:
        """An environment's approvers for what happens there; else those who may push to the asker's repo."""
        asker = self._asker
        environment = self._catalog.environment(environment_name) if environment_name else None
        if may_command(self._services, environment, asker.repo, asker.login):
            return
        who = environment.approvers if environment else ()
        repo = self._services.config_name if environment else asker.repo
        raise NotAllowed(texts.not_allowed(asker.login, verb, environment_name, who, repo))

    def _deploy(self, request: Request) -> Carried:
        repo, number = self._asker.repo, self._asker.pull_request
        if number is not None and repo.casefold() != self._services.config_name.casefold():
            pull_request = self._services.forge.pull_request(repo, number)
            if not pull_request.merged:
                raise Permanent(f"#{number} is not merged: a merge is released by itself.")
        parts = [self._deploy_one(app) for app in request.apps]
        return Carried("\n".join(part.text for part in parts), tuple(chain.from_iterable(part.jobs for part in parts)))

    def _deploy_one(self, app_name: str) -> Carried:
        head = self._config.fetch()
        catalog = read_catalog(self._config, head)
        sha = wanted_head(self._services, head, catalog, catalog.app(app_name))
        return self._ask(f"Releasing {app_name} {short(sha)}", release_job(app_name, sha))

    def _promote(self, request: Request) -> Carried:
        app, environment = request.apps[0], request.environment or ""
        release = wanted_release(self._config, app, environment, request.commit)
        refusal = refusal_now(self._config, self._services.clock.now(), release, environment)
        refusal = refusal or backwards(self._config, self._services.forge, release, environment)
        if refusal is not None:
            raise Permanent(refusal)
        job = promote_job(app, environment, release.sha, by=self._asker.login)
        return self._ask(f"Bringing {app} {short(release.sha)} to {environment}", job)

    def _rollback(self, request: Request) -> Carried:
        app, environment = request.apps[0], request.environment or ""
        exists = partial(image_exists, self._services.registry)
        plan = plan_by_hand(self._config, exists, app, environment, request.commit)
        wish = Wish(plan.target, self._asker.login, request.text or None)
        job = rollback_job(app, environment, plan.reverted[0], wish=wish)
        to = f" to {short(plan.to.sha)}" if plan.to else ""
        return self._ask(f"Taking {app} in {environment} back{to}", job)

    def _retry(self, request: Request) -> Carried:
        app = request.apps[0]
        wanted = request.text.strip("`") or self._newest_failure(app)
        if wanted is None:
            raise Permanent(texts.nothing_to_retry(app))
        kind, _, rest = wanted.partition("/")
        if kind not in KINDS or not rest.startswith(f"{app}/"):
            raise Permanent(texts.not_of(wanted, app))
        if self._services.queue.job(wanted) is None:
            raise Permanent(f"There has been no job `{wanted}`.")
        if kind in IN_AN_ENVIRONMENT:
            self._require(Verb.RETRY, rest.split("/")[1])
        return self._ask("Once more", again(wanted))

    def _newest_failure(self, app: str) -> str | None:
        records = (record for kind in KINDS for record in self._services.queue.jobs(f"{kind}/{app}/", limit=20))
        failures = [record for record in records if _failed(record)]
        return max(failures, key=lambda record: record.created_at).id if failures else None

    def _hold(self, request: Request) -> Carried:
        app, environment = request.apps[0], request.environment or ""
        done = holding.hold(self._config, app, environment, request.text, self._occasion())
        if done.commit or done.hold is None:
            return Carried(gates.held(app, environment))
        return Carried(gates.held_already(app, environment, done.hold))

    def _resume(self, request: Request) -> Carried:
        app, environment = request.apps[0], request.environment or ""
        done = holding.resume(self._config, app, environment, self._occasion())
        if done.commit is None or done.hold is None:
            return Carried(gates.not_held(app, environment))
        return Carried(gates.resumed(app, environment, done.hold), (app_reconcile_job(app, done.commit),))

    def _occasion(self) -> Occasion:
        login = self._asker.login
        by = self._services.forge.account(login) or Person(login)
        return Occasion(by, self._services.clock.now(), self._asker.token)

    def _status(self, request: Request) -> Carried:
        return Carried("\n\n".join(texts.standings(app, tuple(self._standings(app))) for app in request.apps))

    def _standings(self, app_name: str) -> Iterator[texts.Standing]:
        head = self._config.fetch()
        app = self._catalog.app(app_name)
        for environment in self._catalog.environments:
            release = running_release(self._config, head, app, environment)
            changed = self._config.last_change(head, app.manifest_paths(environment))
            note = outcome(self._config, changed.sha, app_name, environment.name) if changed else None
            hold = read_hold(self._config, head, environment.name, app_name)
            yield texts.Standing(
                environment=environment.name,
                sha=release.sha if release else None,
                outcome=note.outcome.value if note else "not applied yet" if release else "",
                hold=gates.because(hold) if hold else None,
            )

    def _ask(self, what: str, job: Job) -> Carried:
        """The next attempt that nobody has asked for; nothing where one is under way."""
        while (record := self._services.queue.job(job.id)) is not None:
            if record.state in {JobState.QUEUED, JobState.RUNNING}:
                return Carried(texts.under_way(job.id))
            job = next_attempt(job)
        return Carried(texts.asked(what, job.id), (job,))


def _failed(record: JobRecord) -> bool:
    ended = record.result
    return record.state is JobState.FAILED or (isinstance(ended, Ended) and ended.outcome in {"failed", "unknown"})
