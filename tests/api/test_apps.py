"""Apps through the API: made, listed, renamed, put into maintenance, destroyed."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api


async def test_a_new_app_has_all_that_the_heroku_cli_reads(api: Api) -> None:
    answer = await api.request("POST", "/apps", {"name": "blog", "region": "us", "stack": "heroku-24", "locked": False})

    assert answer.status == 201
    made = answer.json
    assert made["name"] == "blog"
    assert made["git_url"] == f"http://{api.address}/blog.git"
    assert made["web_url"] == "http://blog.localhost:8080/"
    assert made["create_status"] == "complete"
    assert made["owner"]["email"] == "admin@localhost"
    assert (made["team"], made["space"], made["organization"]) == (None, None, None)
    assert made["region"]["name"] == "us"  # any other gets a suffix in `heroku apps`
    assert made["stack"] == made["build_stack"] == {"id": made["stack"]["id"], "name": "heroku-24"}


async def test_a_name_is_made_up_when_none_is_given(api: Api) -> None:
    answer = await api.request("POST", "/apps")

    assert answer.status == 201
    assert answer.json["name"].startswith("brisk-fjord-")


async def test_an_app_is_found_by_name_and_by_id(api: Api) -> None:
    app = await api.create("blog")

    assert await api.get("/apps/blog") == await api.get(f"/apps/{app.id}")


@pytest.mark.parametrize("path", ["/apps", "/users/~/apps", "/users/admin@localhost/apps"])
async def test_apps_are_listed_by_name(api: Api, path: str) -> None:
    for name in ("zebra", "blog", "middle"):
        await api.create(name)

    assert [app["name"] for app in await api.get(path)] == ["blog", "middle", "zebra"]


async def test_a_rename_changes_the_urls_and_keeps_the_id(api: Api) -> None:
    app = await api.create("blog")

    renamed = (await api.request("PATCH", "/apps/blog", {"name": "journal"})).json

    assert renamed["id"] == str(app.id)
    assert renamed["web_url"] == "http://journal.localhost:8080/"
    assert (await api.request("GET", "/apps/blog")).status == 404


async def test_maintenance_goes_on_and_off(api: Api) -> None:
    await api.create("blog")

    assert (await api.request("PATCH", "/apps/blog", {"maintenance": True})).json["maintenance"] is True
    assert (await api.get("/apps/blog"))["maintenance"] is True
    assert (await api.request("PATCH", "/apps/blog", {"maintenance": False})).json["maintenance"] is False


async def test_a_destroyed_app_is_gone_and_its_name_is_free(api: Api) -> None:
    first = await api.create("blog")

    answer = await api.request("DELETE", "/apps/blog")

    assert (answer.status, answer.json["id"]) == (200, str(first.id))
    assert (await api.request("GET", "/apps/blog")).status == 404
    assert (await api.create("blog")).id != first.id


@pytest.mark.parametrize(
    ("headers", "host"),
    [
        ({"Host": "box-localhost.example.com:5000"}, "box-localhost.example.com:5000"),
        ({"Host": "[::1]:5000"}, "[::1]:5000"),
        ({"Host": 'evil"><script>'}, None),
        ({"Host": ""}, None),
    ],
)
async def test_urls_follow_the_host_that_the_client_used(api: Api, headers: dict[str, str], host: str | None) -> None:
    await api.create("blog")

    assert (await api.get("/apps/blog", headers=headers))["git_url"] == f"http://{host or api.address}/blog.git"


async def test_the_default_domain_and_the_owner_are_shown(api: Api) -> None:
    await api.create("blog")

    [domain] = await api.get("/apps/blog/domains")
    [owner] = await api.get("/apps/blog/collaborators")

    assert (domain["hostname"], domain["kind"]) == ("blog.localhost", "heroku")
    assert await api.get("/apps/blog/domains/blog.localhost") == domain
    assert (owner["role"], owner["user"]["email"]) == ("owner", "admin@localhost")
    assert await api.get("/apps/blog/collaborators/admin@localhost") == owner


@pytest.mark.parametrize(
    "list_", ["addons", "addon-attachments", "buildpack-installations", "log-drains", "sni-endpoints", "webhooks"]
)
async def test_what_an_app_has_none_of_is_an_empty_list(api: Api, list_: str) -> None:
    await api.create("blog")

    assert await api.get(f"/apps/blog/{list_}") == []


async def test_an_app_in_no_pipeline_is_not_found_there(api: Api) -> None:
    await api.create("blog")

    assert (await api.request("GET", "/apps/blog/pipeline-couplings")).status == 404


async def test_0_and_1_are_taken_for_false_and_true(api: Api) -> None:
    await api.create("blog")

    for sent, kept in ((1, True), (0, False)):
        assert (await api.request("PATCH", "/apps/blog", {"maintenance": sent})).json["maintenance"] is kept
