"""Account, tokens and their scopes, over HTTP."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from pushd.model.user import parse_scopes
from tests.api.conftest import TOKEN, Api

shared_server = pytest.mark.asyncio(loop_scope="module")


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


async def make(api: Api, **body: Any) -> Any:
    answer = await api.request("POST", "/oauth/authorizations", body)
    assert answer.status == 201, answer.text
    return answer.json


async def test_the_name_of_an_account(api: Api) -> None:
    assert (await api.get("/account"))["name"] is None
    for path, name, stored in (("/account", "Ada", "Ada"), ("/users/~", " Ada L. ", "Ada L."), ("/account", "", None)):
        answer = await api.request("PATCH", path, {"name": name})
        assert (answer.status, answer.json["name"]) == (200, stored)
        assert (await api.get("/account"))["name"] == stored


@pytest.mark.parametrize("body", [{"name": 1}, {"name": "a\nb"}, {"name": "x" * 101}, {"two_factor_authentication": True}])
async def test_what_an_account_does_not_take(api: Api, body: Any) -> None:
    answer = await api.request("PATCH", "/account", body)
    assert (answer.status, answer.json["id"]) == (422, "invalid_params")
    assert (await api.get("/account"))["name"] is None


@pytest.mark.parametrize(
    ("login", "status"),
    [("admin@localhost", 201), ("Admin@LOCALHOST", 201), ("", 201), ("heroku", 201), ("eve@example.com", 401)],
)
async def test_login_takes_the_users_own_address_with_a_token_as_password(api: Api, login: str, status: int) -> None:
    body = {"description": "Heroku CLI login from box", "expires_in": 2592000, "scope": ["global"]}
    answer = await api.request("POST", "/oauth/authorizations", body, token=None, headers=basic(f"{login}:{TOKEN}"))
    assert answer.status == status
    assert ("one of your API tokens" in answer.json.get("message", "")) == (status == 401)


async def test_the_operators_own_token_is_neither_revoked_nor_rotated(api: Api) -> None:
    own = await api.get("/oauth/authorizations/~")
    assert own["description"] == "admin.token"
    for method, path in (("DELETE", ""), ("PATCH", ""), ("POST", "/actions/regenerate-tokens")):
        answer = await api.request(method, f"/oauth/authorizations/{own['id']}{path}", {"description": "x"})
        assert (answer.status, "admin.token" in answer.json["message"]) == (422, True)
    assert (await api.get("/oauth/authorizations/~")) == own


async def test_a_token_is_described_and_rotated(api: Api) -> None:
    made = await make(api, description="ci", expires_in="60")
    where, old = f"/oauth/authorizations/{made['id']}", made["access_token"]["token"]
    assert 0 < made["access_token"]["expires_in"] <= 60

    assert (await api.request("PATCH", where, {"description": "deploys"})).json["description"] == "deploys"
    assert (await api.request("PATCH", where, {})).json["description"] == "deploys"
    new = (await api.request("POST", f"{where}/actions/regenerate-tokens")).json["access_token"]["token"]

    assert (await api.request("GET", "/account", token=old)).status == 401
    assert (await api.request("GET", "/account", token=new)).status == 200
    assert new not in (await api.request("GET", where)).text


async def test_a_token_that_has_expired_is_not_rotated(api: Api) -> None:
    made, _ = await api.store.users.create_authorization(api.operator, "ci", datetime.now(UTC) - timedelta(seconds=1))

    answer = await api.request("POST", f"/oauth/authorizations/{made.id}/actions/regenerate-tokens")

    assert (answer.status, "This token has expired." in answer.json["message"]) == (422, True)
    gone = await api.request("GET", f"/oauth/authorizations/{uuid4()}")
    assert "`pushd authorizations` lists yours." in gone.json["message"]


@pytest.mark.parametrize(
    "body",
    [{"scope": ["global", "all"]}, {"scope": "global"}, {"expires_in": 0}, {"expires_in": "soon"}, {"expires_in": 10**12},
     {"expires_in": True}, {"description": "x" * 256}, {"description": "a\nb"}, {"client": "x"}],
)  # fmt: skip
async def test_what_a_token_cannot_be(api: Api, body: Any) -> None:
    answer = await api.request("POST", "/oauth/authorizations", body)
    assert (answer.status, answer.json["id"]) == (422, "invalid_params")
    assert len(await api.get("/oauth/authorizations")) == 1


CALLS = {
    "identity": ("GET", "/account", None),
    "read": ("GET", "/apps/shop", None),
    "write": ("PATCH", "/apps/shop", {"maintenance": True}),
    "read-protected": ("GET", "/apps/shop/config-vars", None),
    "write-protected": ("PATCH", "/apps/shop/config-vars", {"A": "1"}),
    "global": ("POST", "/oauth/authorizations", {}),
}
REACH = {
    "identity": {"identity"},
    "read": {"identity", "read"},
    "write": {"identity", "read", "write"},
    "read-protected": {"identity", "read", "read-protected"},
    "write-protected": set(CALLS) - {"global"},
    "global": set(CALLS),
    "read-protected,write": {"identity", "read", "read-protected", "write"},
}


@pytest.mark.parametrize("scope", REACH)
async def test_a_token_reaches_as_far_as_its_scope(api: Api, scope: str) -> None:
    await api.deployed("shop")
    made = await make(api, scope=scope.split(","))
    token = made["access_token"]["token"]
    assert made["scope"] == sorted(scope.split(","))

    reached = set()
    for name, (method, path, body) in CALLS.items():
        answer = await api.request(method, path, body, token=token)
        if answer.status < 300:
            reached.add(name)
        else:
            assert (answer.status, answer.json["id"]) == (403, "forbidden")
            assert "scope of your token" in answer.json["message"]

    assert reached == REACH[scope]


@pytest.mark.parametrize(
    ("scope", "method", "path", "body"),
    [
        ("read", "DELETE", "collaborators/ada@example.com", None),
        ("write", "DELETE", "collaborators/ada@example.com", None),
        ("write", "GET", "webhooks", None),
        ("write", "GET", "log-drains", None),
        ("write", "PUT", "buildpack-installations", {"updates": [{"buildpack": "https://example.com/takes-all-it-sees.git"}]}),
    ],
)
async def test_no_scope_reaches_further_by_a_way_round(api: Api, scope: str, method: str, path: str, body: Any) -> None:
    await api.deployed("shop")
    await api.request("POST", "/apps/shop/collaborators", {"user": "ada@example.com"})
    token = (await make(api, scope=[scope]))["access_token"]["token"]

    answer = await api.request(method, f"/apps/shop/{path}", body, token=token)

    assert (answer.status, answer.json["id"]) == (403, "forbidden")
    assert (await api.request(method, f"/apps/shop/{path}", body)).status == 200


async def test_a_token_to_read_with_does_not_leave_an_app(api: Api) -> None:
    await api.create("shop")
    await api.request("POST", "/apps/shop/collaborators", {"user": "ada@example.com"})
    ada = await api.store.users.maybe_by_email("ada@example.com")
    assert ada is not None
    _, token = await api.store.users.create_authorization(ada, "reads", scopes=parse_scopes(("read", "read-protected")))

    assert (await api.request("DELETE", "/apps/shop/collaborators/ada@example.com", token=token)).status == 403
    assert len(await api.get("/apps/shop/collaborators", token=token)) == 2


@shared_server
async def test_there_are_no_sessions_and_no_clients(shared: Api) -> None:
    assert await shared.get("/oauth/clients") == await shared.get("/oauth/sessions") == []
    assert (await shared.request("GET", "/oauth/clients/x")).json["resource"] == "oauth_client"
    assert (await shared.request("DELETE", "/oauth/sessions/~")).json["resource"] == "session"
    answer = await shared.request("POST", "/oauth/clients", {"name": "x", "redirect_uri": "https://example.com"})
    assert (answer.status, answer.json["id"]) == (422, "invalid_params")


async def test_a_token_of_one_app_reaches_that_one_alone(api: Api) -> None:
    await api.deployed("blog")
    await api.deployed("shop")
    made = await make(api, description="ci", scope=["deploy"], app="blog")
    assert made["app"]["name"] == "blog"
    token = made["access_token"]["token"]

    assert [app["name"] for app in await api.get("/apps", token=token)] == ["blog"]
    nowhere = await api.request("GET", "/apps/nowhere", token=token)
    theirs = await api.request("GET", "/apps/shop", token=token)
    assert (theirs.status, theirs.text) == (404, nowhere.text)
    assert (await api.request("POST", "/apps/blog/sources", token=token)).status == 201
    assert (await api.get("/pipelines", token=token)) == []
    for method, path, body in (
        ("GET", "/apps/blog/config-vars", None),
        ("POST", "/apps/blog/dynos", {"command": "env"}),
        ("DELETE", "/apps/blog", None),
        ("POST", "/apps", {"name": "another"}),
        ("POST", "/oauth/authorizations", {}),
        ("GET", "/-/metrics", None),
    ):
        answer = await api.request(method, path, body, token=token)
        assert (answer.status, answer.json["id"]) == (403, "forbidden"), path


async def test_a_token_is_of_no_app_that_one_does_not_see(api: Api) -> None:
    answer = await api.request("POST", "/oauth/authorizations", {"app": "nowhere"})
    assert (answer.status, answer.json["resource"]) == (404, "app")
    assert (await api.request("POST", "/oauth/authorizations", {"app": 1})).status == 422
