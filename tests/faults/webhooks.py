"""Webhooks are lost, come twice, and in any order."""

from bot.sandbox.forge.faults import WebhookFaults
from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge
from tests.faults.plan import Plan

RECONCILE_SECONDS = 10.0


def lose_webhooks(plan: Plan) -> None:
    """30% dropped, 30% doubled, all shuffled: reconcile finds what nobody told of."""
    apps, rounds = plan.choose(short=4, whole=10), plan.choose(short=1, whole=4)
    plan.say(f"{apps * rounds} releases, 30% of the webhooks dropped, 30% doubled, all shuffled")
    with plan.stage(reconcile_seconds=RECONCILE_SECONDS) as stage:
        faults = stage.world.forge.faults.webhooks = WebhookFaults(drop=0.3, double=0.3, shuffle=True, seed=4)
        for name in ("web", "a"):
            stage.process(name).start()
        journeys = [Journey(stage.world.add_app(f"hooks-{number}"), rounds) for number in range(apps)]
        plan.tally.stuck += travel(stage.world, journeys)
        judge(stage, plan.tally, arrived(journeys))
        slowest = max((seconds for journey in journeys for seconds in journey.took), default=0.0)
        plan.say(
            f"  {faults.dropped} dropped, {faults.repeated} repeated; from merge to production in at most "
            f"{slowest:.0f} s, with a reconcile every {RECONCILE_SECONDS:.0f} s"
        )
        plan.tally.webhooks_dropped += faults.dropped
        plan.tally.webhooks_repeated += faults.repeated
        plan.tally.releases += sum(len(journey.live) for journey in journeys)
