"""The door: every row of the table asks for a token, and only for what its action allows."""

from __future__ import annotations

import base64
import re

import pytest

from pushd.access.actions import Action
from pushd.api.routes import ROUTES, Route
from pushd.problems import in_words_of_heroku
from tests.api.conftest import TOKEN, Api

shared_server = pytest.mark.asyncio(loop_scope="module")
PUBLIC = {
    *("/-/health", "/-/runs/{secret}", "/-/ca.pem", "/buildpacks/{buildpack}"),
    *("/auth", "/auth/browser/{token}", "/auth/cli/{token}", "/password-resets/{token}/actions/finalize"),
}


def path_of(route: Route, app: str = "blog") -> str:
    return re.sub(r"\{\w+\}", "x", route.path.replace("{app}", app))


def test_only_secrets_of_one_use_health_and_the_begin_of_a_login_are_public() -> None:
    """Each row here has its own reason; `test_every_door.py` walks all the others."""
    assert {route.path for route in ROUTES if route.action is None} == PUBLIC


def test_each_path_and_method_stands_once() -> None:
    rows = [(route.method, route.path) for route in ROUTES]

    assert len(rows) == len(set(rows))


def test_paths_of_an_app_ask_for_a_right_on_the_app() -> None:
    of_server = {Action.ACCOUNT, Action.APPS_LIST, Action.APP_CREATE, Action.ADMIN}

    assert [route.path for route in ROUTES if "{app}" in route.path and route.action in of_server] == []


@shared_server
async def test_an_unknown_app_is_not_found_everywhere(shared: Api) -> None:
    for route in ROUTES:
        if "{app}" in route.path and not route.purpose:
            answer = await shared.request(route.method, path_of(route, app="nowhere"))

            assert (answer.status, answer.json["id"], answer.json["resource"]) == (404, "not_found", "app"), route
            assert answer.json["message"].startswith("Couldn't find that app.")


@shared_server
@pytest.mark.parametrize(
    ("agent", "remedy"),
    [
        ("heroku-cli/11.10.0 linux-x64", "`heroku apps` lists those you may see."),
        ("pushd/0.1.0", "`pushd apps` lists those you may see."),
    ],
)
async def test_the_next_step_is_a_command_that_its_reader_has(shared: Api, agent: str, remedy: str) -> None:
    answer = await shared.request("GET", "/apps/nowhere", headers={"User-Agent": agent})

    assert answer.json["message"].splitlines()[1] == remedy


def test_a_command_that_the_heroku_cli_lacks_is_named_through_git() -> None:
    assert (
        in_words_of_heroku("`pushd builds` lists; `pushd ps:scale` does.")
        == "`git pushd builds` lists; `heroku ps:scale` does."
    )


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@shared_server
@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}", basic(f":{TOKEN}"), basic(f"heroku:{TOKEN}")])
async def test_a_token_is_taken_in_each_form(shared: Api, header: str) -> None:
    assert (await shared.get("/account", token=None, headers={"Authorization": header}))["email"] == "admin@localhost"


@shared_server
@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), basic("nocolon"),
     basic("user:"), "Digest x", "Bearer wrong", "Bearer " + "x" * 7000, basic("a:" + "y" * 2000)],
)  # fmt: skip
async def test_anything_else_is_refused(shared: Api, header: str) -> None:
    answer = await shared.request("GET", "/account", token=None, headers={"Authorization": header})

    assert answer.status == 401
    assert "pushd login" in answer.json["message"]


async def test_a_login_makes_a_token_that_works_until_it_is_revoked(api: Api) -> None:
    body = {"description": "Heroku CLI login from box", "expires_in": 2592000, "scope": ["global"]}
    login = {"Authorization": basic(f"admin@localhost:{TOKEN}")}
    answer = await api.request("POST", "/oauth/authorizations", body, token=None, headers=login)
    assert answer.status == 201
    token = answer.json["access_token"]["token"]

    assert (await api.request("GET", "/account", token=token)).status == 200
    listed = await api.get("/oauth/authorizations", token=token)
    assert token not in str(listed)  # masked
    assert (await api.request("DELETE", "/oauth/sessions/~", token=token)).json["resource"] == "session"
    assert (await api.request("DELETE", f"/oauth/authorizations/{answer.json['id']}", token=token)).status == 200
    assert (await api.request("GET", "/account", token=token)).status == 401


@shared_server
async def test_a_secret_stands_in_no_error(shared: Api) -> None:
    for token in ("wrong-secret-token", f"{TOKEN}x"):
        assert token not in (await shared.request("GET", "/account", token=token)).text
