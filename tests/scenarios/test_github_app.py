"""The bot as a GitHub App, whose installation tokens end whenever GitHub wants them to."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bot.sandbox.forge.faults import status
from tests.scenarios.world import APPROVER, CONFIG, Bot, World, until

APP = "slipway-app"


def test_tokens_that_end_in_mid_release_are_renewed_and_nothing_is_doubled(quiet: tuple[World, Bot]) -> None:
    world, _ = quiet
    app = world.add_app("as-app")
    bot = Bot(world, "app", _as_app(world, [CONFIG, app.source]))
    refused = status(401, body='{"message": "Bad credentials"}')
    writes = (
        ("POST", f"/repos/{app.source}/issues/1/comments$"),
        ("POST", f"/repos/{app.source}/deployments$"),
        ("POST", f"/repos/{app.source}/statuses/"),
        ("POST", f"/repos/{CONFIG}/pulls$"),
        ("PUT", f"/repos/{CONFIG}/pulls/[0-9]+/merge$"),
        ("*", f"/{CONFIG}.git/git-receive-pack$"),
        ("*", f"/{CONFIG}.git/info/refs$"),
    )
    for method, path in writes:
        world.forge.faults.add(method, path, refused)
    try:
        bot.start()
        sha = app.merge("A change")
        number = app.await_promotion(sha)["number"]
        app.approve(number)
        live = app.await_live("production", sha)
        until("the comment to say so", lambda: app.comments() and app.comments()[0].count("✅ live") == 2)
        until("the statuses", lambda: set(app.statuses(sha).values()) == {"success"})
    finally:
        bot.stop()
    assert (live.outcome, live.approved_by) == ("healthy", (APPROVER,))
    assert [one.status for one in world.forge.requests_log].count(401) >= len(writes)
    assert len(app.comments()) == 1
    assert [len(app.bumps(environment)) for environment in ("staging", "production")] == [1, 1]
    (pull,) = app.promotions("all")
    assert pull["user"]["login"] == f"{APP}[bot]"
    deployed = [one["environment"] for one in world.api(f"/repos/{app.source}/deployments")]
    assert sorted(deployed) == ["production", "staging"]


def _as_app(world: World, repos: list[str]) -> dict[str, str]:
    """Variables of a bot that is an App installed on these repositories, and has no token."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    path = Path(world.folder, "app.pem")
    path.write_bytes(private)
    number = world.forge.create_app(APP, public.decode(), repos)
    return {"GITHUB_TOKEN": "", "GITHUB_APP_ID": str(number), "GITHUB_APP_PRIVATE_KEY_FILE": str(path)}
