"""A request that began before its maker lost a right, and ends after: every path asks again once the body is in."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import pushd.api
from pushd.access.actions import RULES, Action, Who
from pushd.api.needs import ACCESS, UPLOADS
from pushd.model.user import User
from tests.api.conftest import Answer, Api, share
from tests.api.test_every_door import all_rows, is_told_nothing, path_of

ADA = "ada@example.com"
PASSWORD = "four words of hers"


class HalfSent:
    """A request on a connection of its own, of whose body the last byte is missing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rest: bytes) -> None:
        self._reader, self._writer, self._rest = reader, writer, rest

    @classmethod
    async def begin(cls, api: Api, method: str, path: str, authorization: str | None, body: bytes) -> HalfSent:
        host, _, port = api.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        head += f"Authorization: {authorization}\r\n" if authorization else ""
        writer.write(f"{head}\r\n".encode() + body[:-1])
        await writer.drain()
        return cls(reader, writer, body[-1:])

    async def end(self) -> Answer:
        """The answer to all of it."""
        self._writer.write(self._rest)
        answered = await self._reader.read()
        self._writer.close()
        await self._writer.wait_closed()
        head, _, text = answered.decode().partition("\r\n\r\n")
        status, *lines = head.split("\r\n")
        headers = {name: value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(status.split()[1]), headers, text)


async def until(condition: Callable[[], bool]) -> None:
    """Let everybody else run until it holds."""
    for _ in iter(condition, True):
        await asyncio.sleep(0)


def any_in(folder: Path) -> bool:
    return any(folder.iterdir())


class Doors:
    """Counts who was let in, so that nobody has to guess when a request has come so far."""

    def __init__(self, api: Api, patch: pytest.MonkeyPatch) -> None:
        self.api = api
        self.let_in = 0
        access = api.server._runner.app[ACCESS]
        check = access.check

        def counted(*args: Any) -> None:
            check(*args)
            self.let_in += 1

        patch.setattr(access, "check", counted)

    async def half_sent(self, rows: list[tuple[str, str, Action]], authorization: str, body: bytes) -> list[HalfSent]:
        """All of them at once, each let in and waiting for its end."""
        begun = self.let_in
        sent = [await HalfSent.begin(self.api, method, path_of(path), authorization, body) for method, path, _ in rows]
        await until(lambda: self.let_in >= begun + len(rows))
        return sent


@pytest.fixture
def doors(api: Api, monkeypatch: pytest.MonkeyPatch) -> Doors:
    return Doors(api, monkeypatch)


@pytest.fixture
async def ada(api: Api) -> User:
    """An admin, to whom the app of the operator is open for that alone."""
    await api.deployed("shop")
    account, _ = await api.store.accounts.add(ADA, is_admin=True, by=api.operator)
    return account.user


async def bearer(api: Api, user: User) -> str:
    return f"Bearer {(await api.store.users.create_authorization(user, 'theirs'))[1]}"


async def revoke(api: Api, user: User) -> None:
    for each in await api.store.users.authorizations(user):
        await api.store.users.revoke(each.id)


async def rotate(api: Api, user: User) -> None:
    for each in await api.store.users.authorizations(user):
        await api.store.users.rotate(user, str(each.id))


async def end_tokens(api: Api, user: User) -> None:
    await api.store.accounts.invite(user, ends_tokens=True, by=api.operator)


async def remove(api: Api, user: User) -> None:
    await api.store.accounts.remove(user, by=api.operator)


@pytest.mark.parametrize("lose", [revoke, rotate, end_tokens, remove])
async def test_who_is_nobody_by_then_is_answered_as_nobody(
    api: Api, doors: Doors, ada: User, lose: Callable[[Api, User], Awaitable[None]]
) -> None:
    rows = list(all_rows())
    sent = await doors.half_sent(rows, await bearer(api, ada), b'{"admin": true}')

    await lose(api, ada)

    for (method, path, _), each in zip(rows, sent, strict=True):
        answer = await each.end()
        assert (answer.status, answer.json["id"]) == (401, "unauthorized"), (method, path)


async def test_who_is_no_admin_by_then_is_answered_as_a_plain_user(api: Api, doors: Doors, ada: User) -> None:
    rows = [row for row in all_rows() if RULES[row[2]] is Who.ADMIN or "{app}" in row[1]]
    assert len(rows) > 80, len(rows)
    sent = await doors.half_sent(rows, await bearer(api, ada), b'{"admin": true}')

    await api.store.accounts.set_admin(ada, False, by=api.operator)

    for (method, path, _), each in zip(rows, sent, strict=True):
        answer = await each.end()
        expected = (404, "app") if "{app}" in path else (403, None)
        assert (answer.status, answer.json.get("resource")) == expected, (method, path)


async def test_an_app_that_is_shared_no_more_is_not_there_by_then(api: Api, doors: Doors) -> None:
    await api.deployed("shop")
    friend = await share(api, "shop")
    authorization = await bearer(api, friend)
    rows = [row for row in all_rows() if "{app}" in row[1] and RULES[row[2]] is Who.COLLABORATOR]
    sent = await doors.half_sent(rows, authorization, b'{"A": "1"}')

    await api.store.collaborators.remove(await api.store.apps.find("shop"), ADA)

    for (method, path, _), each in zip(rows, sent, strict=True):
        theirs = await each.end()
        another = await HalfSent.begin(api, method, path_of(path, "nowhere"), authorization, b'{"A": "1"}')
        assert is_told_nothing(theirs, await another.end()), (method, path, theirs.text)


async def test_a_password_that_holds_no_more_by_then_makes_no_token(api: Api, doors: Doors, ada: User) -> None:
    path = "/oauth/authorizations"
    access = api.server._runner.app[ACCESS]
    stored = await access.hashed(PASSWORD, source="x")
    await api.store.accounts.set_password(ada, stored, instead_of=None)
    basic = "Basic " + base64.b64encode(f"{ADA}:{PASSWORD}".encode()).decode()
    stays, goes = await doors.half_sent([("POST", path, Action.ACCOUNT)] * 2, basic, b"{}")
    assert (await stays.end()).status == 201

    await api.store.accounts.set_password(ada, await access.hashed(PASSWORD + "!", source="x"), instead_of=stored)

    assert (await goes.end()).status == 401
    assert len(await api.store.users.authorizations(ada)) == 1


async def test_a_password_that_is_hashed_when_all_is_ended_is_not_set(
    api: Api, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    access, hashed = api.server._runner.app[ACCESS], []

    async def meanwhile(password: str, *, source: str) -> str:
        hashed.append(password)
        await end_tokens(api, ada)
        return "$argon2id$..."

    token = (await bearer(api, ada)).removeprefix("Bearer ")
    monkeypatch.setattr(access, "hashed", meanwhile)

    answer = await api.request("PATCH", "/account", {"new_password": PASSWORD}, token=token)

    assert (answer.status, hashed) == (401, [PASSWORD])
    assert not (await api.store.accounts.find(ADA)).has_password


@pytest.mark.parametrize("lose", [revoke, end_tokens, remove])
async def test_a_login_that_waits_in_a_browser_ends_with_what_confirmed_it(
    api: Api, ada: User, lose: Callable[[Api, User], Awaitable[None]]
) -> None:
    token = (await bearer(api, ada)).removeprefix("Bearer ")
    login = (await api.request("POST", "/auth", {}, token=None)).json
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    done = await api.request("POST", login["browser_url"], data=f"token={token}".encode(), token=None, headers=headers)
    assert done.status == 200

    await lose(api, ada)

    outcome = (await api.request("GET", login["cli_url"], token=login["token"])).json
    assert list(outcome) == ["error"]
    assert await api.store.users.authorizations(ada) == []


@pytest.mark.parametrize("what", ["slugs", "sources"])
async def test_an_upload_is_kept_if_its_maker_may_still_send_it(api: Api, what: str) -> None:
    await api.create("blog")
    maker = await share(api, "blog")
    token = (await bearer(api, maker)).removeprefix("Bearer ")
    made = await api.request("POST", f"/apps/blog/{what}", {"process_types": {"web": "./server"}}, token=token)
    url = made.json["blob"]["url"] if what == "slugs" else made.json["source_blob"]["put_url"]
    folder: Path = api.server._runner.app[UPLOADS]._folder
    sent = await HalfSent.begin(api, "PUT", urlsplit(url).path, None, b"x" * 100)
    await until(lambda: any_in(folder))

    await revoke(api, maker)

    answer = await sent.end()
    assert answer.status == 404
    assert answer.json["message"].startswith("This URL is not valid, or not any more.")
    assert not any_in(folder)


def test_no_other_place_reads_bodies() -> None:
    reads = re.compile(r"request\.(content\b(?!_)|(read|text|json|post|multipart)\(\))")
    folder = Path(pushd.api.__file__).parent
    assert [file.name for file in sorted(folder.glob("*.py")) if reads.search(file.read_text())] == ["body.py"]
