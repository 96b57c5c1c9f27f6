"""Accounts of several people over HTTP: made and removed by admins, opened with passwords, closed at once."""

from __future__ import annotations

import asyncio
import base64
import threading
from typing import Any
from urllib.parse import urlencode

import pytest

from pushd.access import passwords
from pushd.access.turns import WAITING_PER_SOURCE
from pushd.api.needs import ACCESS
from tests.api.conftest import TOKEN, Answer, Api

ADA, PASSWORD = "ada@example.com", "correct horse battery"
LOGIN = {"description": "pushd login from box", "expires_in": 2592000, "scope": ["global"]}


def basic(email: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{email}:{password}".encode()).decode()}


async def finalize(api: Api, invitation: str, password: str = PASSWORD, confirmation: str | None = None) -> Answer:
    body = {"password": password, "password_confirmation": password if confirmation is None else confirmation}
    return await api.request("POST", f"/password-resets/{invitation}/actions/finalize", body, token=None)


async def log_in(api: Api, email: str = ADA, password: str = PASSWORD) -> Answer:
    return await api.request("POST", "/oauth/authorizations", LOGIN, token=None, headers=basic(email, password))


async def add(api: Api, email: str = ADA, **options: Any) -> Any:
    answer = await api.request("POST", "/-/users", {"email": email, **options})
    assert answer.status == 201, answer.text
    return answer.json


async def join(api: Api, email: str = ADA, **options: Any) -> str:
    """A token of a new user who has set a password."""
    made = await add(api, email, **options)
    assert (await finalize(api, made["invitation"]["token"])).json["user"] == {"id": made["id"], "email": email}
    answer = await log_in(api, email)
    assert answer.status == 201, answer.text
    return str(answer.json["access_token"]["token"])


async def test_nothing_is_open_at_the_first_start(api: Api) -> None:
    (operator,) = await api.get("/-/users")
    assert (operator["role"], operator["has_password"], operator["invitation"]) == ("operator", False, None)
    assert [row["description"] for row in await api.get("/oauth/authorizations")] == ["admin.token"]
    for password in ("", "admin", "password", "pushd", "admin@localhost"):
        assert (await log_in(api, "admin@localhost", password)).status == 401
    for path in ("/-/users", "/apps", "/account", "/-/metrics", "/-/debug"):
        assert (await api.request("GET", path, token=None)).status == 401


async def test_a_user_is_invited_logs_in_and_has_apps_of_their_own(api: Api) -> None:
    await api.create("secret")
    token = await join(api)

    assert (await api.get("/account", token=token))["email"] == ADA
    assert await api.get("/apps", token=token) == []
    assert (await api.request("POST", "/apps", {"name": "blog"}, token=token)).json["owner"]["email"] == ADA
    nowhere = await api.request("GET", "/apps/nowhere", token=token)
    assert (await api.request("GET", "/apps/secret", token=token)).text == nowhere.text
    row = await api.get(f"/-/users/{ADA}")
    assert (row["role"], row["apps"], row["has_password"], row["invitation"]) == ("user", 1, True, None)
    assert [row["email"] for row in await api.get("/-/users")] == [ADA, "admin@localhost"]
    assert api.punishing.slept == []  # nobody who was right has waited


async def test_an_admin_has_all_apps_and_the_server(api: Api) -> None:
    await api.create("secret")
    token = await join(api, admin=True)

    assert [app["name"] for app in await api.get("/apps", token=token)] == ["secret"]
    assert (await api.request("GET", "/-/metrics", token=token)).status == 200
    assert (await api.request("POST", "/-/users", {"email": "ben@example.com"}, token=token)).status == 201
    assert (await api.request("PATCH", f"/-/users/{ADA}", {"admin": False})).json["role"] == "user"
    for path in ("/-/metrics", "/-/users"):
        answer = await api.request("GET", path, token=token)
        assert (answer.status, answer.json["id"]) == (403, "forbidden")
    assert await api.get("/apps", token=token) == []
    assert (await api.request("PATCH", f"/-/users/{ADA}", {})).json["role"] == "user"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/-/users"), ("POST", "/-/users"), ("GET", "/-/users/admin@localhost"), ("PATCH", f"/-/users/{ADA}"),
     ("DELETE", f"/-/users/{ADA}"), ("POST", "/-/users/admin@localhost/invitations")],
)  # fmt: skip
async def test_accounts_are_the_admins_to_see_and_change(api: Api, method: str, path: str) -> None:
    token = await join(api)
    answer = await api.request(method, path, {"email": "eve@example.com", "admin": True}, token=token)
    assert (answer.status, answer.json["message"].splitlines()[0]) == (
        403,
        "You may not see and change who has an account here.",
    )


async def test_an_invitation_is_of_use_once_and_wrong_ones_wait(api: Api) -> None:
    invitation = (await add(api))["invitation"]["token"]
    assert (await api.get(f"/-/users/{ADA}"))["invitation"]["token"] is None  # shown once
    for password, confirmation in (("short", None), (PASSWORD, "something else"), ("a" * 30, None)):
        answer = await finalize(api, invitation, password, confirmation)
        assert (answer.status, password in answer.text) == (422, False)
    assert api.punishing.slept == []

    assert (await finalize(api, invitation)).status == 200
    for wrong in (invitation, "pushd-wrong", TOKEN):
        answer = await finalize(api, wrong, "another password")
        assert (answer.status, answer.json["resource"]) == (404, "password_reset")
    assert api.punishing.slept == [0.125, 0.25, 0.5]
    assert (await log_in(api)).status == 201


@pytest.mark.parametrize(
    ("email", "password"),
    [(ADA, "wrong horse battery"), (ADA, ""), (ADA, PASSWORD + " "), ("eve@example.com", PASSWORD),
     ("admin@localhost", PASSWORD),
     ("ada", PASSWORD), ("", PASSWORD), (ADA, "x" * 5000)],
)  # fmt: skip
async def test_a_wrong_password_opens_nothing_and_says_no_more_for_a_known_address(api: Api, email: str, password: str) -> None:
    await join(api)
    answer = await log_in(api, email, password)
    assert (answer.status, answer.json["id"]) == (401, "unauthorized")
    assert answer.json["message"].splitlines()[0] in ("Invalid credentials provided.", "No credentials provided.")
    assert len(api.punishing.slept) == bool(password)


async def test_a_known_address_and_an_unknown_one_are_refused_alike(api: Api) -> None:
    await join(api)
    known, unknown = await log_in(api, ADA, "wrong horse battery"), await log_in(api, "eve@example.com", "wrong horse battery")
    assert (known.status, known.text) == (unknown.status, unknown.text)


async def test_wrong_ones_wait_and_right_ones_do_not(api: Api) -> None:
    token = await join(api)
    for _ in range(6):
        assert (await log_in(api, ADA, "wrong horse battery")).status == 401
    for _ in range(2):
        assert (await api.request("GET", "/account", token="pushd-wrong")).status == 401
    slept = list(api.punishing.slept)
    assert slept == [0.125, 0.25, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0]

    assert (await log_in(api)).status == 201
    assert (await api.request("GET", "/account", token=token)).status == 200
    assert (await api.request("GET", "/account", token=None)).status == 401  # nothing was tried
    assert api.punishing.slept == slept


async def test_who_guesses_at_one_account_keeps_nobody_else_waiting_behind_the_same_proxy(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await join(api)
    order, go_on, real = list[str](), threading.Event(), passwords._is_right

    def compare(password: str, stored: str | None) -> bool:
        order.append(password)
        go_on.wait()
        return real(password, stored)

    monkeypatch.setattr(passwords, "_is_right", compare)
    turns = api.server._runner.app[ACCESS]._passwords._turns
    guesses = [asyncio.ensure_future(log_in(api, "ben@example.com", "wrong horse battery")) for _ in range(30)]
    for _ in iter(lambda: turns.waiting < WAITING_PER_SOURCE, False):
        await asyncio.sleep(0)
    right = asyncio.ensure_future(log_in(api))
    for _ in iter(lambda: any("ada" in account for lines in turns._waiting.values() for account in lines), True):
        await asyncio.sleep(0)
    go_on.set()

    assert (await right).status == 201
    assert order.index(PASSWORD) <= 2
    assert {answer.status for answer in await asyncio.gather(*guesses)} == {401, 429}  # they were too many


async def test_passwords_open_the_log_in_alone(api: Api) -> None:
    await join(api)
    for method, path in (("GET", "/account"), ("GET", "/apps"), ("GET", "/oauth/authorizations")):
        answer = await api.request(method, path, token=None, headers=basic(ADA, PASSWORD))
        assert answer.status == 401, path


async def test_one_changes_ones_password_and_needs_the_one_before(api: Api) -> None:
    token = await join(api)
    new = "another horse battery"
    for body in (
        {"new_password": new},
        {"new_password": new, "password": "wrong horse"},
        {"new_password": new, "password": token},
    ):
        answer = await api.request("PATCH", "/account", body, token=token)
        assert (answer.status, answer.json["message"].splitlines()[0]) == (403, "That is not your password.")
    assert (await api.request("PATCH", "/account", {"new_password": "short", "password": PASSWORD}, token=token)).status == 422
    assert (await log_in(api)).status == 201

    assert (await api.request("PATCH", "/account", {"new_password": new, "password": PASSWORD}, token=token)).status == 200

    assert (await log_in(api)).status == 401
    assert (await log_in(api, password=new)).status == 201
    assert (await api.request("PATCH", "/account", {"new_password": "of the operator"})).status == 200  # there was none
    assert (await log_in(api, "admin@localhost", "of the operator")).status == 201


async def test_a_removed_user_is_out_at_once(api: Api) -> None:
    token = await join(api)
    await api.create("blog")
    await api.request("POST", "/apps/blog/collaborators", {"user": ADA})
    assert [app["name"] for app in await api.get("/apps", token=token)] == ["blog"]

    assert (await api.request("DELETE", f"/-/users/{ADA}")).json["email"] == ADA

    assert (await api.request("GET", "/apps", token=token)).status == 401
    assert (await log_in(api)).status == 401
    assert [row["user"]["email"] for row in await api.get("/apps/blog/collaborators")] == ["admin@localhost"]
    assert (await api.request("DELETE", f"/-/users/{ADA}")).status == 404


async def test_apps_of_a_removed_user_go_to_whom_the_admin_names(api: Api) -> None:
    token = await join(api)
    ben = await join(api, "ben@example.com")
    await api.request("POST", "/apps", {"name": "blog"}, token=token)

    refused = await api.request("DELETE", f"/-/users/{ADA}")
    assert (refused.status, refused.json["message"].splitlines()[0]) == (422, f"{ADA} owns blog.")
    assert (await api.request("DELETE", f"/-/users/{ADA}?apps_to=eve@example.com")).status == 404
    assert (await api.request("DELETE", f"/-/users/{ADA}?apps_to=ben@example.com")).status == 200
    assert [app["owner"]["email"] for app in await api.get("/apps", token=ben)] == ["ben@example.com"]


async def test_a_new_invitation_may_end_all_tokens(api: Api) -> None:
    token = await join(api)
    path = f"/-/users/{ADA}/invitations"
    assert (await api.request("POST", path)).status == 201
    assert (await api.request("GET", "/account", token=token)).status == 200
    invitation = (await api.request("POST", path, {"end_tokens": True})).json["invitation"]["token"]
    assert (await api.request("GET", "/account", token=token)).status == 401
    assert (await log_in(api)).status == 401
    assert (await finalize(api, invitation)).status == 200
    assert (await log_in(api)).status == 201


@pytest.mark.parametrize(
    "body", [{}, {"email": "nobody"}, {"email": 1}, {"email": "x@y", "admin": "yes"}, {"email": "a b@c.d"}]
)
async def test_what_no_account_is_made_of(api: Api, body: Any) -> None:
    assert (await api.request("POST", "/-/users", body)).status == 422
    assert len(await api.get("/-/users")) == 1


async def test_only_admins_make_accounts_by_sharing_an_app(api: Api) -> None:
    token = await join(api)
    await api.request("POST", "/apps", {"name": "blog"}, token=token)
    where = "/apps/blog/collaborators"

    refused = await api.request("POST", where, {"user": "new@example.com"}, token=token)
    assert (refused.status, "Nobody has an account as new@example.com here." in refused.json["message"]) == (422, True)
    assert (await api.request("POST", where, {"user": "admin@localhost"}, token=token)).status == 201
    assert (await api.request("POST", where, {"user": "new@example.com"})).status == 201
    assert (await api.get("/-/users/new@example.com"))["has_password"] is False


async def test_a_login_in_the_browser_takes_a_password(api: Api) -> None:
    await join(api)
    login = (await api.request("POST", "/auth", {}, token=None)).json
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    async def confirm(email: str, secret: str) -> Answer:
        data = urlencode({"email": email, "token": secret}).encode()
        return await api.request("POST", login["browser_url"], data=data, token=None, headers=form)

    refused = await confirm(ADA, "wrong horse battery")
    assert (refused.status, "not the password of this address" in refused.text) == (403, True)
    assert (await confirm("", PASSWORD)).status == 403
    assert api.punishing.slept == [0.125, 0.25]
    assert (await confirm(ADA, PASSWORD)).status == 200
    outcome = (await api.request("GET", login["cli_url"], token=login["token"])).json
    assert (await api.get("/account", token=outcome["access_token"]))["email"] == ADA


async def test_a_secret_stands_in_no_answer(api: Api) -> None:
    invitation = (await add(api))["invitation"]["token"]
    secrets = (invitation, PASSWORD, "wrong horse battery")
    answers = [
        await finalize(api, invitation, "wrong horse battery", "other"),
        await finalize(api, invitation),
        await log_in(api, ADA, "wrong horse battery"),
        await api.request("GET", "/-/users"),
    ]
    assert not [answer.text for answer in answers if any(secret in answer.text for secret in secrets)]
