"""Features of an app: the settings that are switches, under the paths where Heroku's clients look for them."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from pushd.api.answers import Json, answer, derived_id, page, timestamp
from pushd.api.audited import note
from pushd.api.body import parse_body
from pushd.api.needs import APP, APPS, STORE, USER
from pushd.api.ranges import Field
from pushd.api.shown import Shown
from pushd.errors import NotFound
from pushd.model.app import App
from pushd.model.app_settings import FEATURES, AppSetting, AppSettings

FIELDS = {"name": Field[AppSetting](lambda row: row.name)}


@dataclass(frozen=True, slots=True)
class UpdateBody:
    enabled: Shown[bool]


async def list_all(request: web.Request) -> web.Response:
    """GET /apps/{app}/features -> 200 or 206."""
    app, settings = request[APP], await request.app[STORE].settings.of(request[APP])
    return page(request, FEATURES, FIELDS, lambda feature: feature_json(feature, app, settings))


async def show(request: web.Request) -> web.Response:
    """GET /apps/{app}/features/{feature} -> 200: by name or id."""
    feature, app = _find(request), request[APP]
    return answer(feature_json(feature, app, await request.app[STORE].settings.of(app)))


async def update(request: web.Request) -> web.Response:
    """PATCH /apps/{app}/features/{feature} {"enabled"} -> 200: dynos follow when they start the next time."""
    feature, wanted = _find(request), await parse_body(request, UpdateBody)
    before = (await request.app[STORE].settings.of(request[APP]))[feature.name]
    note(request, {"feature": feature.name, "enabled": {"before": before, "after": wanted.enabled}})
    changes = {feature.name: "on" if wanted.enabled else "off"}
    await request.app[APPS].set_settings(request[APP], changes, request[USER])
    return await show(request)


async def none_of_account(request: web.Request) -> web.Response:
    """/account/features/{feature} -> 404: then `heroku labs:enable` looks among those of the app."""
    raise _not_found("Accounts have no features here; those of an app want --app.")


def feature_json(feature: AppSetting, app: App, settings: AppSettings) -> Json:
    return {
        "id": derived_id(app.id, f"feature/{feature.name}"),
        "name": feature.name,
        "display_name": feature.name.replace("-", " ").capitalize(),
        "description": feature.help,
        "doc_url": "docs/settings.md",
        "feedback_email": "",
        "enabled": settings[feature.name],
        "state": feature.feature,
        "created_at": timestamp(app.created_at),
        "updated_at": timestamp(app.updated_at),
    }


def _find(request: web.Request) -> AppSetting:
    wanted, app = request.match_info["feature"], request[APP]
    for feature in FEATURES:
        if wanted in (feature.name, derived_id(app.id, f"feature/{feature.name}")):
            return feature
    if wanted == "runtime-heroku-exec":  # `heroku ps:exec` and its like want it
        raise _not_found("Dynos of this server take no SSH connections: use `run:inside`.")
    raise _not_found(f"Features of an app: {', '.join(each.name for each in FEATURES)}.")


def _not_found(remedy: str) -> NotFound:
    return NotFound("Couldn't find that feature.", resource="feature", remedy=remedy)
