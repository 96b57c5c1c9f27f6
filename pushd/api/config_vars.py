"""Config vars: read, changed, and as an older release had them."""

from __future__ import annotations

from aiohttp import web

from pushd.api.answers import answer
from pushd.api.audited import note
from pushd.api.body import read_object, wrong_type
from pushd.api.needs import APP, DEPLOYS, STORE, USER
from pushd.api.releases import find_release


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/config-vars -> 200 {"NAME": "value"}."""
    return answer(dict(await request.app[STORE].config.of(request[APP])))


async def update(request: web.Request) -> web.Response:
    """PATCH /apps/{app}/config-vars {"NAME": "value", "GONE": null} -> 200: all of them; the release is stored by then."""
    changes = await read_object(request)
    note(request, {name: "unset" if value is None else "set" for name, value in changes.items()})
    for name, value in changes.items():
        if not (value is None or isinstance(value, str)):
            raise wrong_type(name[:64], "a string, or null to unset it")
    config, change = await request.app[DEPLOYS].set_config(request[APP], changes, request[USER])
    return answer(dict(config), change=change)


async def show_of_release(request: web.Request) -> web.Response:
    """GET /apps/{app}/releases/{release}/config-vars -> 200: as that release has them."""
    release = await find_release(request)
    return answer(dict(await request.app[STORE].releases.config_vars(release)))
