"""Pipelines, couplings and promotions over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

NOBODY = "6f0c1b5e-3d42-4a8c-9c55-0d2f8f7f3a11"


async def made(api: Api, path: str, body: Any) -> dict[str, Any]:
    answer = await api.request("POST", path, body)
    assert answer.status == 201, answer.text
    found: dict[str, Any] = answer.json
    return found


@pytest.fixture
async def pipeline(api: Api) -> dict[str, Any]:
    """One called line."""
    user = await api.get("/users/~")
    body = {"name": "line", "owner": {"id": user["id"], "type": "user"}, "generation": {"name": "cedar"}}
    return await made(api, "/pipelines", body)


async def test_a_pipeline_is_found_by_name_and_id_and_by_the_clis_filter(api: Api, pipeline: dict[str, Any]) -> None:
    await made(api, "/pipelines", {"name": "other"})

    assert await api.get("/pipelines/line") == await api.get(f"/pipelines/{pipeline['id']}") == pipeline
    assert await api.get("/pipelines?eq[name]=line") == [pipeline]
    assert await api.get("/pipelines?eq[name]=none") == []
    assert [each["name"] for each in await api.get("/pipelines")] == ["line", "other"]


async def test_an_app_is_put_into_a_pipeline_moved_and_taken_out(api: Api, pipeline: dict[str, Any]) -> None:
    app = await api.create("blog")
    coupling = await made(api, "/pipeline-couplings", {"app": "blog", "pipeline": pipeline["id"], "stage": "staging"})

    assert coupling["pipeline"] == {"id": pipeline["id"], "name": "line"}  # `heroku apps:info` prints the name
    assert await api.get("/apps/blog/pipeline-couplings") == coupling
    assert await api.get(f"/pipelines/{pipeline['id']}/pipeline-couplings") == [coupling]
    assert await api.get("/users/~/pipeline-couplings") == await api.get("/pipeline-couplings") == [coupling]
    moved = await api.request("PATCH", f"/pipeline-couplings/{coupling['id']}", {"stage": "production"})
    assert moved.json["stage"] == "production"
    assert [each["id"] for each in (await api.request("POST", "/filters/apps", {"in": {"id": [str(app.id)]}})).json] == [
        str(app.id)
    ]

    assert (await api.request("DELETE", f"/pipeline-couplings/{coupling['id']}")).status == 200
    answer = await api.request("GET", "/apps/blog/pipeline-couplings")
    assert (answer.status, answer.json["resource"]) == (404, "pipeline_coupling")


@pytest.mark.parametrize("name", ["", "x", "Line", "9line", "li ne", "a" * 31, "line\n"])
async def test_bad_names_are_refused(api: Api, pipeline: dict[str, Any], name: str) -> None:
    assert (await api.request("POST", "/pipelines", {"name": name})).status == 422
    assert (await api.request("PATCH", "/pipelines/line", {"name": name})).status == 422
    assert await api.get("/pipelines") == [pipeline]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pipelines", {}),
        ("/pipelines", {"name": "team", "owner": {"id": NOBODY, "type": "team"}}),
        ("/pipelines", {"name": "other", "owner": {"id": NOBODY, "type": "user"}}),
        ("/pipelines", {"name": "line"}),
        ("/pipelines", {"name": 1}),
        ("/pipeline-couplings", {"app": "blog", "pipeline": "line", "stage": "moon"}),
        ("/pipeline-couplings", {"app": "blog", "pipeline": "line"}),
        ("/pipeline-promotions", {"pipeline": {"id": "line"}, "source": {"app": {"id": "blog"}}, "targets": {}}),
        ("/pipeline-promotions", {"pipeline": {"id": "line"}, "source": {}, "targets": []}),
        ("/filters/apps", {"in": []}),
        ("/filters/apps", {"in": {"id": [1]}}),
    ],
)
async def test_bad_bodies_are_refused(api: Api, pipeline: dict[str, Any], path: str, body: Any) -> None:
    await api.create("blog")

    assert (await api.request("POST", path, body)).status == 422
    assert (await api.get("/pipelines"), await api.get("/pipeline-couplings")) == ([pipeline], [])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/pipelines/{NOBODY}", None),
        ("PATCH", "/pipelines/none", {"name": "other"}),
        ("DELETE", "/pipelines/none", None),
        ("GET", "/pipelines/none/pipeline-couplings", None),
        ("GET", f"/pipeline-couplings/{NOBODY}", None),
        ("DELETE", "/pipeline-couplings/none", None),
        ("GET", f"/pipeline-promotions/{NOBODY}", None),
        ("GET", "/pipeline-promotions/none/promotion-targets", None),
        ("POST", "/pipeline-couplings", {"app": "none", "pipeline": "line", "stage": "staging"}),
        ("POST", "/pipeline-couplings", {"app": "blog", "pipeline": "none", "stage": "staging"}),
        ("POST", "/pipeline-promotions", {"pipeline": {"id": "line"}, "source": {"app": {"id": NOBODY}}, "targets": []}),
    ],
)
async def test_what_is_not_there_is_404(api: Api, pipeline: dict[str, Any], method: str, path: str, body: Any) -> None:
    await api.create("blog")

    assert (await api.request(method, path, body)).status == 404


async def test_a_promotion_tells_how_each_target_fares(api: Api, pipeline: dict[str, Any]) -> None:
    shop = await api.deployed("shop")
    target = await api.create("target")

    promotion = await made(
        api,
        "/pipeline-promotions",
        {"pipeline": {"id": pipeline["id"]}, "source": {"app": {"id": "shop"}}, "targets": [{"app": {"id": str(target.id)}}]},
    )

    assert promotion["status"] == "pending"
    assert promotion["source"] == {"app": {"id": str(shop.app.id)}, "release": {"id": str(shop.release.id)}}
    targets = await api.get(f"/pipeline-promotions/{promotion['id']}/promotion-targets")
    assert [(each["app"]["id"], each["status"], each["release"]) for each in targets] == [(str(target.id), "pending", None)]
    assert await api.get(f"/pipeline-promotions/{promotion['id']}") == promotion


async def test_what_is_a_strangers_is_not_there_in_the_same_words(api: Api, pipeline: dict[str, Any]) -> None:
    await api.deployed("shop")
    target = await api.create("target")
    coupling = await made(api, "/pipeline-couplings", {"app": "shop", "pipeline": pipeline["id"], "stage": "staging"})
    body = {"pipeline": {"id": "line"}, "source": {"app": {"id": "shop"}}, "targets": [{"app": {"id": str(target.id)}}]}
    promotion = await made(api, "/pipeline-promotions", body)
    change = (await api.request("PATCH", "/apps/shop/config-vars", {"A": "1"})).headers["Pushd-Change"]
    await made(api, "/apps/target/collaborators", {"user": "eve@example.com"})
    eve = await api.store.users.maybe_by_email("eve@example.com")
    assert eve is not None
    _, token = await api.store.users.create_authorization(eve, "hers")

    for path, theirs in (
        ("/pipeline-couplings/{}", coupling),
        ("/pipeline-promotions/{}", promotion),
        ("/pipeline-promotions/{}/promotion-targets", promotion),
        ("/-/changes/{}", {"id": change}),
    ):
        there, nowhere = [await api.request("GET", path.format(which), token=token) for which in (theirs["id"], NOBODY)]
        assert (there.status, there.json) == (nowhere.status, nowhere.json) == (404, nowhere.json)
