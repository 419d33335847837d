"""Files of no app are synced by themselves, and any change by anyone arrives, where it belongs alone."""

from collections.abc import Mapping
from typing import Any

from bot.audit import OutcomeNote, outcome_of
from tests.scenarios.world import CONFIG, DEPLOYMENT, DEVELOPER, AppWorld, Bot, World, until

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: all
spec:
  rules:
    - host: {host}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service: {{name: site, port: {{number: 80}}}}
"""
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {name}\n"


def commit(world: World, files: Mapping[str, str | None], message: str = "Edit by hand") -> str:
    """Dora pushes to the config branch."""
    return world.forge.commit(CONFIG, "master", dict(files), message, DEVELOPER)


def note(world: World, sha: str, app: str, environment: str) -> OutcomeNote | None:
    lines = world.git("log", "-1", "--notes=slipway", "--format=%N", sha).splitlines()
    return outcome_of(lines, app, environment)


def await_shared(world: World, sha: str, environment: str) -> OutcomeNote:
    """The outcome of the sync of an environment's shared files."""
    return until(f"the shared files of {environment}", lambda: note(world, sha, "", environment))


def live(world: World, kind: str, name: str, namespace: str = "staging") -> dict[str, Any] | None:
    return world.clusters["staging"].get(kind, namespace, name)


def statuses(world: World, sha: str) -> dict[str, tuple[str, str]]:
    listed = world.api(f"/repos/{CONFIG}/commits/{sha}/status")["statuses"]
    return {one["context"]: (one["state"], one["description"]) for one in listed}


def with_shared(world: World) -> AppWorld:
    """A world in which both environments have shared files, and one app."""
    world.keys = {name: {"shared": ["namespaces.yaml", f"{name}/ingress"]} for name in ("staging", "production")}
    return world.add_app("site")


def test_shared_files_are_synced_by_themselves_and_move_no_app(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    app = with_shared(world)
    bot.start()
    app.await_live("staging", app.merge("A change"))
    jobs = _syncs(world)
    first = commit(world, {"staging/ingress/all.yaml": INGRESS.format(host="a.example.com")}, "Add an ingress")
    assert await_shared(world, first, "staging").outcome == "healthy"
    found = live(world, "Ingress", "all")
    assert found is not None
    assert found["spec"]["rules"][0]["host"] == "a.example.com"
    second = commit(world, {"staging/ingress/all.yaml": INGRESS.format(host="b.example.com")}, "Move it")
    assert await_shared(world, second, "staging").outcome == "healthy"
    found = live(world, "Ingress", "all")
    assert found is not None
    assert found["spec"]["rules"][0]["host"] == "b.example.com"
    assert note(world, second, "site", "staging") is None
    assert note(world, second, "", "production") is None
    assert _syncs(world) == jobs


def _syncs(world: World) -> int:
    """How often an app's deployment was written on staging."""
    log = world.clusters["staging"].requests_log
    writes = [one for one in log if one.method == "PATCH" and one.path.endswith("deployments/site")]
    return len([one for one in writes if "dryRun" not in one.query])


def test_a_namespace_and_an_app_in_it_may_come_in_one_commit(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    app = with_shared(world)
    bot.start()
    app.await_live("staging", app.merge("A change"))
    config_map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: site\n  namespace: extra\ndata: {a: b}\n"
    files = {
        "namespaces.yaml": NAMESPACE.format(name="extra"),
        "staging/site.yaml": world.git("show", "master:staging/site.yaml") + "\n" + config_map,
    }
    sha = commit(world, files, "A namespace, and something in it")
    assert app.await_outcome(sha, "staging").outcome == "healthy"
    assert live(world, "ConfigMap", "site", "extra") is not None
    assert await_shared(world, sha, "staging").outcome == "healthy"
    assert await_shared(world, sha, "production").outcome == "healthy"


def test_shared_files_that_the_cluster_refuses_are_told_on_their_commit_and_hold_up_no_app(
    quiet: tuple[World, Bot],
) -> None:
    world, bot = quiet
    app = with_shared(world)
    bot.start()
    old = INGRESS.format(host="a.example.com").replace("networking.k8s.io/v1", "extensions/v1beta1")
    sha = commit(world, {"staging/ingress/all.yaml": old}, "Add an ingress of 2018")
    assert await_shared(world, sha, "staging").outcome == "failed"
    state, told = until("a red status", lambda: statuses(world, sha).get("slipway/staging"))
    assert state == "failure"
    assert "extensions/v1beta1" in told
    assert app.await_live("staging", app.merge("A change")).outcome == "healthy"


def test_a_push_to_the_shared_files_of_a_gated_environment_is_recorded_as_unapproved(quiet: tuple[World, Bot]) -> None:
    world, bot = quiet
    with_shared(world)
    commit(world, {"production/ingress/all.yaml": INGRESS.format(host="a.example.com")}, "Begin")
    bot.start()
    sha = commit(world, {"production/ingress/all.yaml": INGRESS.format(host="b.example.com")}, "Go round the gate")
    found = await_shared(world, sha, "production")
    assert (found.outcome, found.reason) == ("healthy", "unapproved: nobody who may has approved this change")
    _, told = until("a red status", lambda: statuses(world, sha).get("slipway/production"))
    assert told == "What all share on production was changed without approval"


def test_every_kind_of_edit_by_a_person_arrives_and_moves_only_the_app_it_is_about(shared: World) -> None:
    one, other = shared.add_app("edits-one"), shared.add_app("edits-other")
    one.await_live("staging", one.merge("A change"))
    untouched = other.await_bump("staging", other.merge("A change"))
    other.await_outcome(untouched, "staging")
    text = shared.git("show", "master:staging/edits-one.yaml").replace("replicas: 2", "replicas: 1") + "\n"
    text += "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: edits-one\ndata: {colour: red}\n"
    text += "---\n" + INGRESS.format(host="one.example.com").replace("name: all", "name: edits-one")
    sha = commit(shared, {"staging/edits-one.yaml": text}, "Fewer pods, a config map, an ingress")
    assert one.await_outcome(sha, "staging").outcome == "healthy"
    found = live(shared, "Deployment", "edits-one")
    assert found is not None
    assert found["spec"]["replicas"] == 1
    assert live(shared, "ConfigMap", "edits-one") is not None
    assert live(shared, "Ingress", "edits-one") is not None
    edit = commit(shared, {"staging/edits-one.yaml": text.replace("colour: red", "colour: blue")}, "Blue")
    assert one.await_outcome(edit, "staging").outcome == "healthy"
    found = live(shared, "ConfigMap", "edits-one")
    assert found is not None
    assert found["data"] == {"colour": "blue"}
    assert other.outcome(sha, "staging") is None
    assert other.outcome(edit, "staging") is None


def test_a_new_app_that_needs_no_release_is_synced_from_its_first_commit(shared: World) -> None:
    shared.add_app("by-digest")
    image = f"{shared.registry_host}/by-digest"
    ready = DEPLOYMENT.format(app="by-digest", image=image).replace("${TAG_TO_DEPLOY}", "1.0")
    sha = commit(shared, {"staging/by-digest.yaml": ready}, "Run what was there before")
    found = until("its outcome", lambda: note(shared, sha, "by-digest", "staging"))
    assert found.outcome == "healthy"
    assert live(shared, "Deployment", "by-digest") is not None
