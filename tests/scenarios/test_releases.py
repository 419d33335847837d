"""Built once, never backwards, nothing doubled."""

from tests.scenarios.world import CONFIG, DEVELOPER, World, until


def test_two_apps_on_one_repository_and_commit_build_once(shared: World) -> None:
    image = f"{shared.registry_host}/twins"
    one = shared.add_app("twin-one", source="acme/twins", image=image)
    two = shared.add_app("twin-two", source="acme/twins", image=image)
    sha = one.merge("A change")
    one.await_live("staging", sha)
    two.await_live("staging", sha)
    assert one.running("staging") == two.running("staging")
    assert _manifest_pushes(shared, "twins", sha[:7]) == 1


def _manifest_pushes(world: World, name: str, tag: str) -> int:
    return world.registry_requests().count(f"PUT /v2/{name}/manifests/{tag}")


def test_a_commit_that_already_has_its_image_is_not_built_again(shared: World) -> None:
    image = f"{shared.registry_host}/again"
    app = shared.add_app("again", image=image)
    sha = app.merge("A change")
    app.await_live("staging", sha)
    later = shared.add_app("again-later", source="acme/again", image=image)
    later.await_live("staging", sha)
    assert _manifest_pushes(shared, "again", sha[:7]) == 1


def test_a_newer_merge_takes_the_place_of_an_older_one(shared: World) -> None:
    app = shared.add_app("busy")
    shas = [app.merge(f"Change {number}") for number in range(4)]
    app.await_live("staging", shas[-1])
    promotion = app.await_promotion(shas[-1])
    assert promotion["title"] == f"busy: {shas[-1][:7]} to production"
    order = [shas.index(_source(shared, commit)) for commit in reversed(app.bumps("staging"))]
    assert order == sorted(order)
    assert len(app.promotions("all")) == 1


def _source(world: World, commit: str) -> str:
    return world.git("log", "-1", "--format=%(trailers:key=Source,valueonly)", commit).rpartition("@")[2]


def test_a_reverted_release_is_not_brought_back(shared: World) -> None:
    app = shared.add_app("reverted")
    first = app.merge("First")
    app.await_live("staging", first)
    second = app.merge("Second")
    bump = app.await_bump("staging", second)
    app.await_outcome(bump, "staging")
    before = shared.git("show", f"{bump}~1:staging/reverted.yaml") + "\n"
    files: dict[str, str | None] = {"staging/reverted.yaml": before}
    revert = shared.forge.commit(CONFIG, "master", files, 'Revert "reverted"', DEVELOPER)
    assert app.await_outcome(revert, "staging").outcome == "healthy"
    running = app.running("staging") or ""
    assert f":{first[:7]}@" in running
    third = app.merge("Third")
    app.await_live("staging", third)
    assert len(app.bumps("staging", second)) == 1


def test_a_hand_edit_of_an_apps_files_is_synced(shared: World) -> None:
    app = shared.add_app("edited")
    sha = app.merge("A change")
    app.await_live("staging", sha)
    text = shared.git("show", "master:staging/edited.yaml").replace("replicas: 2", "replicas: 1") + "\n"
    commit = shared.forge.commit(CONFIG, "master", {"staging/edited.yaml": text}, "Fewer pods", DEVELOPER)
    assert app.await_outcome(commit, "staging").outcome == "healthy"

    def replicas() -> int | None:
        deployment = shared.clusters["staging"].get("Deployment", "staging", "edited")
        return deployment["spec"]["replicas"] if deployment else None

    until("one replica", lambda: replicas() == 1)
    assert len(app.promotions("all")) == 1
