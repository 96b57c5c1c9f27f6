"""A login in the browser, from both sides."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from tests.api.conftest import TOKEN, Answer, Api

shared_server = pytest.mark.asyncio(loop_scope="module")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def begin(api: Api, description: str = "Heroku CLI login from box") -> Any:
    answer = await api.request("POST", "/auth", {"description": description}, token=None)
    assert answer.status == 201
    return answer.json


async def confirm(api: Api, login: Any, token: str) -> Answer:
    return await api.request("POST", login["browser_url"], data=urlencode({"token": token}).encode(), token=None, headers=FORM)


async def test_a_person_confirms_and_the_program_gets_a_token_of_its_own(api: Api) -> None:
    login = await begin(api)
    polling = asyncio.ensure_future(api.request("GET", login["cli_url"], token=login["token"]))
    page = await api.request("GET", login["browser_url"], token=None)
    assert "Heroku CLI login from box (from 127.0.0.1)" in page.text

    done = await confirm(api, login, f" {TOKEN} ")
    assert (done.status, "goes on as admin@localhost" in done.text) == (200, True)
    outcome = (await polling).json
    account = await api.request("GET", "/account", token=outcome["access_token"])
    assert (account.status, account.json["email"]) == (200, "admin@localhost")

    (made,) = [row for row in await api.get("/oauth/authorizations") if row["description"] == "Heroku CLI login from box"]
    assert 0 < made["access_token"]["expires_in"] <= 30 * 86400
    assert TOKEN not in page.text + done.text + json.dumps(outcome)
    for method, path in (("GET", login["browser_url"]), ("GET", login["cli_url"])):  # it is over
        assert (await api.request(method, path, token=login["token"])).status == 404
    assert (await confirm(api, login, TOKEN)).status == 404


async def test_two_programs_that_ask_for_one_login_get_one_token(api: Api) -> None:
    login = await begin(api)
    url, headers = f"http://{api.address}{login['cli_url']}", {"Authorization": f"Bearer {login['token']}"}
    async with api.session.get(url, headers=headers) as one, api.session.get(url, headers=headers) as two:
        await confirm(api, login, TOKEN)
        outcomes = [await one.json(), await two.json()]

    assert sorted(key for outcome in outcomes for key in outcome) == ["access_token", "error"]


async def test_only_a_token_that_may_make_others_confirms(api: Api) -> None:
    scoped = (await api.request("POST", "/oauth/authorizations", {"scope": ["write-protected"]})).json["access_token"]["token"]
    login = await begin(api)
    for token, told in (("wrong", "no token of this server"), ("", "no token of this server"), (scoped, "scope does not let")):
        answer = await confirm(api, login, token)
        assert (answer.status, told in answer.text) == (403, True)
    assert (await confirm(api, login, TOKEN)).status == 200


@shared_server
async def test_a_web_page_begins_none(shared: Api) -> None:
    answer = await shared.request("POST", "/auth", {}, token=None, headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.json["id"]) == (403, "forbidden")


@shared_server
async def test_the_page_is_safe(shared: Api) -> None:
    login = await begin(shared, '<script>alert("x")</script>\n')
    page = await shared.request("GET", login["browser_url"], token=None)

    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Content-Type"].startswith("text/html")


@shared_server
async def test_a_form_of_another_kind_is_refused(shared: Api) -> None:
    login = await begin(shared)
    for kind in ("application/json", "multipart/form-data; boundary=x", "text/plain"):
        answer = await shared.request("POST", login["browser_url"], data=b"token=x", token=None, headers={"Content-Type": kind})
        assert (answer.status, answer.json["id"]) == (400, "bad_request")


@shared_server
@pytest.mark.parametrize("data", [b"", b"token", b"token=%ff%fe", b"token=" + b"x" * 5000, b"=&=&", b"a=x&b=y", b"\xff=\xfe"])
async def test_no_form_confirms_without_a_token(shared: Api, data: bytes) -> None:
    login = await begin(shared)
    answer = await shared.request("POST", login["browser_url"], data=data, token=None, headers=FORM)
    assert answer.status == 403


@shared_server
@pytest.mark.parametrize("charset", ["nope", "utf-16", "rot13", "idna"])
async def test_a_form_is_read_as_browsers_send_it(shared: Api, charset: str) -> None:
    login, headers = await begin(shared), {"Content-Type": f"{FORM['Content-Type']}; charset={charset}"}
    answer = await shared.request("POST", login["browser_url"], data=b"token=x", token=None, headers=headers)
    assert answer.status == 403


@shared_server
@pytest.mark.parametrize("token", ["", "wrong", "undefined"])
async def test_only_the_program_that_began_hears_of_it(shared: Api, token: str) -> None:
    login = await begin(shared)
    answer = await shared.request("GET", login["cli_url"], token=token)
    assert (answer.status, answer.json["resource"]) == (404, "login")
    assert (await shared.request("GET", "/auth/browser/nowhere")).status == 404


async def test_a_stranger_who_begins_many_keeps_nobody_out(api: Api) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))) as elsewhere:
        async with elsewhere.post(f"http://{api.address}/auth", json={}) as answer:
            before = await answer.json()
        for _ in range(120):
            await begin(api)

        async with elsewhere.post(f"http://{api.address}/auth", json={}) as answer:
            assert answer.status == 201
        assert (await confirm(api, before, TOKEN)).status == 200
