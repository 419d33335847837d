"""REST: webhooks and their delivery log. Administrators only; to others GitHub says there are none."""

from flask import Blueprint, g, request

from bot.sandbox.forge.api import page_of, repo_for, store
from bot.sandbox.forge.errors import not_found
from bot.sandbox.forge.events import redeliver
from bot.sandbox.forge.records import Delivery, Hook, Json, Level, Repo
from bot.sandbox.forge.shapes_pulls import delivery_json, hook_json

hooks = Blueprint("hooks", __name__)

_R = "/repos/<owner>/<name>/hooks"
_D = f"{_R}/<int:hook_id>/deliveries"


def _hook(owner: str, name: str, number: int) -> tuple[Repo, Hook]:
    repo = repo_for(owner, name, Level.ADMIN, hidden=True)
    if found := repo.hooks.get(number):
        return repo, found
    raise not_found()


@hooks.get(_R)
def list_hooks(owner: str, name: str) -> list[Json]:
    """All hooks of a repository."""
    repo = repo_for(owner, name, Level.ADMIN, hidden=True)
    return [hook_json(repo, hook) for hook in page_of(list(repo.hooks.values()))]


@hooks.get(f"{_R}/<int:hook_id>")
def get_hook(owner: str, name: str, hook_id: int) -> Json:
    """One hook."""
    return hook_json(*_hook(owner, name, hook_id))


@hooks.get(_D)
def list_deliveries(owner: str, name: str, hook_id: int) -> list[Json]:
    """Deliveries, newest first, with a cursor instead of page numbers."""
    _, hook = _hook(owner, name, hook_id)
    per_page = int(request.args.get("per_page", "30"))
    cursor = request.args.get("cursor")
    newest = list(reversed(hook.deliveries))
    start = next((i for i, d in enumerate(newest) if cursor == str(d.id)), 0 if cursor is None else len(newest))
    shown = newest[start : start + per_page]
    if len(newest) > start + per_page:
        following = newest[start + per_page].id
        g.link = f'<{request.base_url}?per_page={per_page}&cursor={following}>; rel="next"'
    return [delivery_json(hook, delivery, full=False) for delivery in shown]


def _delivery(hook: Hook, number: int) -> Delivery:
    for delivery in hook.deliveries:
        if delivery.id == number:
            return delivery
    raise not_found()


@hooks.get(f"{_D}/<int:delivery_id>")
def get_delivery(owner: str, name: str, hook_id: int, delivery_id: int) -> Json:
    """One delivery, with request and response."""
    _, hook = _hook(owner, name, hook_id)
    return delivery_json(hook, _delivery(hook, delivery_id), full=True)


@hooks.post(f"{_D}/<int:delivery_id>/attempts")
def attempt(owner: str, name: str, hook_id: int, delivery_id: int) -> tuple[Json, int]:
    """Send it again."""
    _, hook = _hook(owner, name, hook_id)
    redeliver(store(), hook, _delivery(hook, delivery_id))
    return {}, 202
