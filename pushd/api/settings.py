"""Settings of one app, which Heroku's API lacks."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import Json, answer
from pushd.api.audited import note
from pushd.api.body import read_object, wrong_type
from pushd.api.needs import APP, APPS, STORE, USER
from pushd.model.app_settings import APP_SETTINGS, AppSettings


async def show(request: web.Request) -> web.Response:
    """GET /-/apps/{app}/settings -> 200 {"settings": [{"name", "value", "default", "help"}]}."""
    return answer(settings_json(await request.app[STORE].settings.of(request[APP])))


async def update(request: web.Request) -> web.Response:
    """PATCH /-/apps/{app}/settings {"name": "text", "other": null} -> 200: all of them; null goes back to the default."""
    changes = await read_object(request)
    note(request, {name: "unset" if value is None else "set" for name, value in changes.items()})
    for name, value in changes.items():
        if not (value is None or isinstance(value, str)):
            raise wrong_type(name[:64], "a string, or null to go back to the default")
    if changes:
        await request.app[APPS].set_settings(request[APP], changes, request[USER])
    return await show(request)


def settings_json(settings: AppSettings) -> Json:
    return {
        "settings": [
            {
                "name": each.name,
                "value": settings.stored.get(each.name, each.default),
                "default": each.default,
                "help": each.help,
            }
            for each in APP_SETTINGS
        ]
    }
