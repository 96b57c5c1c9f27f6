"""Every change leaves an entry, with names and never with values."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from pushd.api.routes import ROUTES
from pushd.model.user import Scope
from tests.api.conftest import TOKEN, Api, share

SECRET = "hunter2-and-more"


async def trail(api: Api) -> list[str]:
    """Newest first: action, app, details, outcome."""
    return [
        f"{each['action']} {each['app'] and each['app']['name']} {json.dumps(each['details'])} {each['outcome']}"
        for each in await api.get("/-/audit")
    ]


async def test_changes_stand_there_with_names_and_what_was_before(api: Api) -> None:
    await api.deployed()
    await api.request("PATCH", "/apps/blog/config-vars", {"PASSWORD": SECRET, "GONE": None})
    await api.request("PATCH", "/apps/blog", {"name": "shop", "maintenance": True})
    await api.request("PATCH", "/apps/shop/formation/web", {"quantity": "+1"})
    await api.request("POST", "/apps/shop/log-drains", {"url": f"https://user:{SECRET}@logs.example/"})
    await api.request("POST", "/apps/shop/dynos", {"command": f"login {SECRET}"})

    found = await trail(api)

    assert [line for line in found if "PATCH" in line] == [
        'PATCH /apps/{app}/formation/{type} shop {"type": "web", "quantity": {"web": {"before": 1, "after": 2}}} done',
        'PATCH /apps/{app} blog {"name": {"before": "blog", "after": "shop"},'
        ' "maintenance": {"before": false, "after": true}} done',
        'PATCH /apps/{app}/config-vars blog {"PASSWORD": "set", "GONE": "unset"} done',
    ]
    assert 'POST /apps None {"name": "blog"} done' in found
    (drain,) = await api.get("/apps/shop/log-drains")
    assert f'POST /apps/{{app}}/log-drains shop {{"url": "...", "drain": "{drain["id"]}"}} done' in found
    assert SECRET not in json.dumps(await api.get("/-/audit"))


NAMES = sorted({  # of all fields of all bodies
    field.name
    for route in ROUTES
    for shape in vars(inspect.getmodule(route.handler)).values()
    if isinstance(shape, type) and is_dataclass(shape) and shape.__name__.endswith(("Body", "Reference"))
    for field in fields(shape)
})  # fmt: skip
FREE: dict[str, Callable[[Any], Any]] = {  # where keys are the user's own, whatever else has the same name
    "PATCH /apps/blog/config-vars": lambda names: names,
    "PATCH /-/apps/blog/settings": lambda names: names,
    "POST /apps/blog/dynos": lambda names: {"command": f"login {SECRET}", "env": names},
    "POST /apps/blog/slugs": lambda names: {"process_types": names},
    "POST /pipelines": lambda names: {"name": "line-1", "generation": names},
    "PATCH /oauth/authorizations/~": lambda names: {"client": names},
    "PATCH /account": lambda names: {"name": "Ada", "unknown": names, "password": names},
    "PATCH /apps/blog/formation": lambda names: {"updates": [{"type": "web", "unknown": names, "size": names}]},
}


@pytest.mark.parametrize("call", FREE)
@pytest.mark.parametrize("wrong", [{}, {"x": 5}], ids=["right", "of a wrong type"])
async def test_a_value_is_shown_by_where_it_stands_and_not_by_its_name(api: Api, call: str, wrong: dict[str, int]) -> None:
    await api.deployed()
    assert {"name", "user", "type", "release", "password"} <= set(NAMES)

    method, path = call.split()
    answer = await api.request(method, path, FREE[call](dict.fromkeys(NAMES, SECRET) | wrong))

    assert answer.status != 500
    assert SECRET not in json.dumps(await api.get("/-/audit")), await trail(api)


async def test_a_config_var_and_a_process_type_of_any_name_are_noted(api: Api) -> None:
    await api.deployed()
    assert (await api.request("PATCH", "/apps/blog/config-vars", {"request": SECRET, "details": SECRET})).status == 200
    assert (await trail(api))[0] == 'PATCH /apps/{app}/config-vars blog {"request": "set", "details": "set"} done'


async def test_one_call_leaves_little_whatever_it_sends(api: Api) -> None:
    await api.deployed()
    row, nested = [0] * 100, {f"name-{number}": "x" * 100 for number in range(100)}
    for path, body in {
        "/account": {"name": "Ada", **{f"unknown-{number}": nested for number in range(5)}},
        "/apps/blog/config-vars": dict.fromkeys((f"{'NAME' * 20}_{number}" for number in range(500)), "x"),
        "/apps/blog/formation": {"updates": [{"type": f"web-{number}", "quantity": 1} for number in range(2000)]},
        "/apps/blog/webhooks/x": {"include": [row] * 200},
    }.items():
        await api.request("PATCH", path, body)
    await api.request("PATCH", "/apps/blog/formation/web", data=b'{"quantity": 1e999}')

    found = await api.get("/-/audit")
    assert found[0]["details"]["quantity"] == "inf"
    assert all(len(json.dumps(each["details"])) < 4_200 for each in found)


async def test_refusals_stand_there_too_and_questions_do_not(api: Api) -> None:
    await api.create()
    before = len(await trail(api))

    await api.request("PATCH", "/apps/blog/config-vars", {"1BAD": "x"})
    await api.request("POST", "/filters/apps", {"in": {"id": []}})
    await api.request("GET", "/apps/blog")

    found = await trail(api)
    assert len(found) == before + 1
    assert found[0] == 'PATCH /apps/{app}/config-vars blog {"1BAD": "set"} refused: Config var name \'1BAD\' is not valid.'


async def test_what_somebody_may_not_do_with_an_app_that_they_see_stands_there_too(api: Api) -> None:
    await api.create()
    await api.create("hidden")
    await api.request("POST", "/apps/blog/collaborators", {"user": "ada@example.com"})
    user = await api.store.users.maybe_by_email("ada@example.com")
    assert user
    _, hers = await api.store.users.create_authorization(user, "hers")
    _, narrow = await api.store.users.create_authorization(api.operator, "narrow", scopes=frozenset({Scope.READ}))
    before = len(await trail(api))

    assert (await api.request("DELETE", "/apps/blog", token=hers)).status == 403
    assert (await api.request("POST", "/apps/blog/collaborators", {"user": "eve@example.com"}, token=hers)).status == 403
    assert (await api.request("PATCH", "/apps/blog/config-vars", {"A": SECRET}, token=narrow)).status == 403
    assert (await api.request("DELETE", "/apps/hidden", token=hers)).status == 404
    assert (await api.request("GET", "/apps/blog/config-vars", token=narrow)).status == 403

    assert (await trail(api))[: -before or None] == [
        "PATCH /apps/{app}/config-vars blog {} refused: The scope of your token (read) does not let you change the config "
        "vars of this app.",
        "POST /apps/{app}/collaborators blog {} refused: You may not change who has access to this app.",
        "DELETE /apps/{app} blog {} refused: You may not destroy this app.",
    ]


async def test_of_a_promotion_those_apps_are_named_that_one_may_see(api: Api) -> None:
    ids = {name: str((await api.deployed(name)).app.id) for name in ("staging", "shop", "secret")}
    line = (await api.request("POST", "/pipelines", {"name": "line"})).json
    for name, stage in (("staging", "staging"), ("shop", "production"), ("secret", "production")):
        coupling = {"app": name, "pipeline": line["id"], "stage": stage}
        assert (await api.request("POST", "/pipeline-couplings", coupling)).status == 201
    wanted = {
        "pipeline": {"id": line["id"]},
        "source": {"app": {"id": ids["staging"]}},
        "targets": [{"app": {"id": ids[name]}} for name in ("shop", "secret")],
    }
    assert (await api.request("POST", "/pipeline-promotions", wanted)).status == 201
    user = await share(api, "shop")
    _, token = await api.store.users.create_authorization(user, "theirs")
    assert (await api.request("DELETE", "/apps/secret")).status == 200

    hers, ours = [
        next(each["details"] for each in await api.get("/-/apps/shop/audit", token=who) if "promotions" in each["action"])
        for who in (token, TOKEN)
    ]

    assert (hers["source"], hers["targets"]) == ("...", ["shop", "..."])
    assert (ours["source"], ours["targets"]) == ("staging", ["shop", "secret"])


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "before=-1", "before=9999999999999999"])
async def test_a_query_that_makes_no_sense_is_refused(api: Api, query: str) -> None:
    assert (await api.request("GET", f"/-/audit?{query}")).status == 422


async def test_it_is_read_in_pieces(api: Api) -> None:
    for name in ("one-app", "two-app", "three-app"):
        await api.create(name)

    first = await api.get("/-/audit?limit=4")
    rest = await api.get(f"/-/audit?limit=4&before={first[-1]['sequence']}")

    names = [each["details"]["name"] for each in [*first, *rest]]
    assert names == ["three-app", "three-app", "two-app", "two-app", "one-app", "one-app"]  # of the server, and of the app


async def test_the_trail_of_an_app_begins_with_who_made_it(api: Api) -> None:
    await api.create("one-app")
    await api.create("two-app")

    (made,) = await api.get("/-/apps/one-app/audit")

    assert (made["action"], made["details"], made["outcome"]) == ("POST /apps", {"name": "one-app"}, "done")
