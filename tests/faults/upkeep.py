"""What the bot does beside releases, and tells: the worker dies at every write of that as well."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Response

from tests.faults.executioner import Executioner
from tests.faults.journey import Journey, arrived, travel
from tests.faults.judge import judge, unfinished
from tests.faults.mortal import how_often, mortal
from tests.faults.plan import Plan
from tests.faults.stage import Stage
from tests.scenarios.world import CONFIG, DEVELOPER, AppWorld, World, until

LONGEST_SECONDS = 900.0
PALETTE = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: palette\ndata: {colour: red}\n"


def kill_at_upkeep(plan: Plan) -> None:
    """Killed while it tries a pull request, checks the catalog, undoes a hand edit, deletes what left, and chats."""
    plan.say(f"the worker is killed {how_often(plan)} of what it does beside releases")
    with plan.stage() as stage, _room(stage.executioner) as heard:
        stage.world.keys = {"staging": {"prune": True, "self_heal": True, "notify": [heard.address]}}
        for name in ("web", "a"):
            stage.process(name).start()
        kept, leaving = (Journey(stage.world.add_app(name), rounds=1) for name in ("kept", "leaving"))
        _commit(stage.world, {"staging/kept.yaml": _text(stage.world, "staging/kept.yaml") + PALETTE})
        plan.tally.stuck += travel(stage.world, [kept, leaving])
        with mortal(plan, stage, "comments|DELETE|chat|configmaps"):
            _try_pull_request(stage.world, kept.app)
            _edit_by_hand(stage.world)
            _break_catalog(stage.world)
            _remove(stage, leaving.app)
            kept.rounds = 2
            plan.tally.stuck += travel(stage.world, [kept], moved=lambda: len(stage.executioner.killed))
        judge(stage, plan.tally, arrived([kept]))
        plan.tally.doubled += [f"{count} times in chat: {title}" for title, count in heard.titles.items() if count > 1]
        if not heard.titles:
            plan.tally.lost.append("chat heard nothing at all")
        plan.tally.releases += len(kept.live) + len(leaving.live)


def _try_pull_request(world: World, app: AppWorld) -> None:
    """Dora wants more pods and misspells a key of the catalog; both are told on her pull request; she mends, merges."""
    path = f"staging/{app.name}.yaml"
    more = _text(world, path).replace("replicas: 2", "replicas: 3")
    world.forge.commit(CONFIG, "more-pods", {path: more, "slipway.yaml": _misspelled(world)}, "More pods", DEVELOPER)
    number = world.forge.open_pull_request(CONFIG, "more-pods", "master", "More pods", author=DEVELOPER)
    _until("the word on the catalog", lambda: "aps" in _words(world, number))
    world.forge.commit(CONFIG, "more-pods", {"slipway.yaml": world.catalog()}, "Spell it", DEVELOPER)
    _until("the word on the pods", lambda: "1 object would change" in _said_of_head(world, number))
    merged = world.forge.merge_pull_request(CONFIG, number, DEVELOPER, "squash")
    _until("more pods", lambda: app.outcome(merged, "staging"))


def _edit_by_hand(world: World) -> None:
    path = "/api/v1/namespaces/staging/configmaps/palette"
    world.patch(world.clusters["staging"], f"{path}?fieldManager=kubectl-edit", {"data": {"colour": "blue"}})
    _until("the config map as Git has it", lambda: _palette(world)["data"]["colour"] == "red")


def _palette(world: World) -> dict[str, Any]:
    return world.clusters["staging"].get("ConfigMap", "staging", "palette") or {"data": {"colour": ""}}


def _break_catalog(world: World) -> None:
    sha = _commit(world, {"slipway.yaml": _misspelled(world)})
    _until("the word on the commit", lambda: _state(world, sha) == "failure")
    mended = _commit(world, {"slipway.yaml": world.catalog()})
    _until("the word that it is good again", lambda: _state(world, mended) == "success")


def _remove(stage: Stage, app: AppWorld) -> None:
    """Out of the catalog, and out of the folder: what was applied of it goes, on staging only."""
    world = stage.world
    world.apps[:] = [one for one in world.apps if one["name"] != app.name]
    manifests = dict.fromkeys(f"{environment}/{app.name}.yaml" for environment in world.clusters)
    _commit(world, {**manifests, "slipway.yaml": world.catalog()})
    cluster, name = world.clusters["staging"], app.name
    _until("the Deployment to be gone", lambda: not cluster.get("Deployment", "staging", name))
    _until("the Service to be gone", lambda: not cluster.get("Service", "staging", name))
    _until("the end of all work", lambda: not unfinished(stage))


# ---------------------------------------------------------------- chat


class _Silent(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Standard error is for the suite's own words."""


class Room:
    """A chat room; ``titles`` counts what was said in it. ``address`` is how the catalog names it."""

    def __init__(self) -> None:
        self.titles: Counter[str] = Counter()
        self.address = ""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hear a message."""
        said = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.titles[str(said["title"])] += 1
        return Response("heard")(environ, start_response)


@contextmanager
def _room(executioner: Executioner) -> Iterator[Room]:
    room = Room()
    server = make_server("127.0.0.1", 0, executioner.in_front_of("chat")(room), threaded=True, request_handler=_Silent)
    room.address = f"json://127.0.0.1:{server.port}/"
    thread = threading.Thread(target=server.serve_forever, name="chat", daemon=True)
    thread.start()
    try:
        yield room
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# ---------------------------------------------------------------- looking


def _commit(world: World, files: dict[str, str | None]) -> str:
    return world.forge.commit(CONFIG, "master", files, "Edit by hand", DEVELOPER)


def _text(world: World, path: str) -> str:
    return world.git("show", f"master:{path}") + "\n"


def _misspelled(world: World) -> str:
    return world.catalog().replace("apps:", "aps:")


def _words(world: World, number: int) -> str:
    return "\n".join(comment["body"] for comment in world.api(f"/repos/{CONFIG}/issues/{number}/comments"))


def _said_of_head(world: World, number: int) -> str:
    sha = world.api(f"/repos/{CONFIG}/pulls/{number}")["head"]["sha"]
    return "\n".join(one["description"] or "" for one in _statuses(world, sha))


def _state(world: World, sha: str) -> str | None:
    return next((one["state"] for one in _statuses(world, sha) if one["context"] == "slipway/catalog"), None)


def _statuses(world: World, sha: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.api(f"/repos/{CONFIG}/commits/{sha}/status")["statuses"]
    return found


def _until(what: str, look: Callable[[], object]) -> None:
    until(what, lambda: bool(look()), LONGEST_SECONDS, pause=0.2)
