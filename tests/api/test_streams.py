"""Log sessions and output streams: URLs that are the secret, answers that stay open."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from pushd.api.log_sessions import events
from pushd.api.signed import KEY, Signer
from pushd.api.urls import whose
from pushd.errors import NotFound
from pushd.model.logline import LogLine
from pushd.model.user import User
from tests.api.conftest import TOKEN, Api, share
from tests.api.fakes import EPOCH


def line(number: int) -> LogLine:
    return LogLine(EPOCH, "app", "web.1", f"line {number}", id=f"id-{number}")


async def session_url(api: Api, **body: object) -> str:
    await api.create("blog")
    answer = await api.request("POST", "/apps/blog/log-sessions", body)
    assert answer.status == 201, answer.text
    return str(answer.json["logplex_url"])


async def test_a_session_without_tail_gives_the_lines_and_ends(api: Api) -> None:
    api.tails.kept = [line(1), line(2), line(3)]
    url = await session_url(api, lines=2)

    answer = await api.request("GET", url, token=None)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.text == (
        "retry: 1\n\n"
        "id: id-2\ndata: 2026-01-02T03:04:05.678901+00:00 app[web.1]: line 2\n\n"
        "id: id-3\ndata: 2026-01-02T03:04:05.678901+00:00 app[web.1]: line 3\n\n"
    )


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({}, {"lines": 100, "process": None, "source": None, "follow": False}),
        ({"lines": 99999, "source": "heroku"}, {"lines": 1500, "process": None, "source": "heroku", "follow": False}),
        ({"dyno": "web.1", "lines": 0}, {"lines": 0, "process": "web.1", "source": None, "follow": False}),
        ({"dyno_name": "web", "source": "app"}, {"lines": 100, "process": "web", "source": "app", "follow": False}),
        ({"type": "worker"}, {"lines": 100, "process": "worker", "source": None, "follow": False}),
    ],
)
async def test_a_session_asks_for_what_was_wanted(api: Api, body: dict[str, object], asked: dict[str, object]) -> None:
    url = await session_url(api, **body)

    await api.request("GET", url, token=None, headers={"Last-Event-ID": "id-7"})

    assert api.tails.asked == [{**asked, "after": "id-7"}]


async def test_a_tail_sends_each_line_as_it_comes_and_ends_properly_when_the_server_stops(api: Api) -> None:
    url = await session_url(api, tail=True)

    async with api.session.get(url) as response:
        assert await response.content.readuntil(b"\n\n") == b"retry: 10000\n\n"
        await api.tails.live.put(line(1))
        assert b"line 1" in await response.content.readuntil(b"\n\n")
        await api.tails.live.put(None)
        assert await response.content.readuntil(b"\n\n") == b": \n\n"  # keeps the connection alive
        assert url.rpartition("/")[2] not in str(await api.get("/-/debug"))  # the URL is a secret
        stopping = asyncio.ensure_future(api.server.stop())
        assert await response.content.read() == b""  # the final chunk came: a client reconnects instead of failing
        await stopping

    assert api.tails.ended == 1


async def test_a_client_that_leaves_ends_its_tail_and_nobody_logs_that(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    url = await session_url(api, tail=True)

    async with aiohttp.ClientSession() as other, other.get(url) as response:
        await response.content.readuntil(b"\n\n")
        response.close()
    while not api.tails.ended:
        await api.tails.live.put(None)
        await asyncio.sleep(0)
    await api.server.stop()
    assert "Error handling request" not in caplog.text


async def test_a_tail_that_breaks_is_cut_and_not_ended_properly(api: Api) -> None:
    url = await session_url(api, tail=True)

    async with api.session.get(url) as response:
        await response.content.readuntil(b"\n\n")
        await api.tails.live.put(RuntimeError("broken"))
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.content.read()


async def test_a_session_of_a_destroyed_app_is_gone(api: Api) -> None:
    url = await session_url(api)
    await api.request("DELETE", "/apps/blog")

    assert (await api.request("GET", url, token=None)).status == 404


async def test_build_output_is_followed_while_it_is_written(api: Api) -> None:
    shop = await api.deployed("shop")
    url = (await api.get(f"/apps/shop/builds/{shop.build.id}"))["output_stream_url"]
    assert (await api.request("GET", url, token=None)).status == 404  # nothing yet
    pieces = api.outputs.pieces[shop.build.id] = asyncio.Queue()

    async with api.session.get(url) as response:
        assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
        await pieces.put("-----> Bauen läuft\n".encode())
        assert await response.content.readline() == "-----> Bauen läuft\n".encode()
        await pieces.put(None)
        assert await response.content.read() == b""


async def test_release_output_has_a_url_once_there_is_some(api: Api) -> None:
    shop = await api.deployed("shop")
    assert (await api.get("/apps/shop/releases/2"))["output_stream_url"] is None
    await api.store.releases.set_has_output(shop.release)
    pieces = api.outputs.pieces[shop.release.id] = asyncio.Queue()
    await pieces.put(b"migrated\n")
    await pieces.put(None)

    url = (await api.get("/apps/shop/releases/2"))["output_stream_url"]

    assert (await api.request("GET", url, token=None)).text == "migrated\n"


@pytest.mark.parametrize("path", ["/logs/", "/streams/builds/", "/streams/releases/"])
async def test_a_made_up_url_opens_nothing(api: Api, path: str) -> None:
    for token in ("x", "AAAA", "ä", "A" * 3000, "e30", "-" * 64):
        answer = await api.request("GET", path + token, token=None)

        assert (answer.status, answer.json["id"]) == (404, "not_found")


async def test_a_url_opens_only_what_it_was_made_for(api: Api) -> None:
    url = await session_url(api)

    assert (await api.request("GET", url.replace("/logs/", "/streams/builds/"), token=None)).status == 404


def test_a_signed_url_ends_at_its_time_and_cannot_be_changed() -> None:
    signer, now = Signer(b"key"), datetime(2026, 1, 1, tzinfo=UTC)
    token = signer.sign("log_session", {"app": "a"}, until=now + timedelta(days=1))

    assert signer.read("log_session", token, now=now)["app"] == "a"
    for other, purpose, text, at in (
        (signer, "log_session", token, now + timedelta(days=1)),
        (signer, "builds", token, now),
        (signer, "log_session", token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), now),
        (Signer(b"other"), "log_session", token, now),
    ):
        with pytest.raises(NotFound):
            other.read(purpose, text, now=at)


def test_an_event_holds_any_message() -> None:
    odd = LogLine(EPOCH, "app", "web.1", "a\rb\r\nc\nd\x0be\u2028f\ud800", id="1")

    text = events([odd]).decode()

    assert text.startswith(
        "id: 1\ndata: 2026-01-02T03:04:05.678901+00:00 app[web.1]: a\ndata: b\ndata: c\ndata: d\x0be\u2028f?"
    )
    assert text.endswith("\n\n")


async def test_who_has_the_store_alone_makes_no_urls(api: Api) -> None:
    """All but the key is there: the app's id, and the hash of a token."""
    right = await session_url(api)
    claims = {"lines": 100, "follow": False, "process": "", "source": "", "app": str((await api.store.apps.find("blog")).id)}
    claims |= whose(await operator_of(api))

    def values(connection: object) -> list[bytes]:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]  # type: ignore[attr-defined]
        found = [value for table in tables for row in connection.execute(f"SELECT * FROM {table}") for value in row]  # type: ignore[attr-defined]
        texts = [value for value in found if isinstance(value, str)]
        return [
            *(value for value in found if isinstance(value, bytes)),
            *(text.encode() for text in texts),
            *(bytes.fromhex(text) for text in texts if re.fullmatch("([0-9a-f]{2})+", text)),
        ]

    kept = await api.store.database.read(values)
    assert len(kept) > 20
    until = datetime.now(UTC) + timedelta(hours=1)
    for key in (b"", *kept):
        forged = Signer(key).sign("log_session", claims, until=until)
        answer = await api.request("GET", f"/logs/{forged}", token=None)
        assert answer.status == 404
    assert (await api.request("GET", right, token=None)).status == 200
    made = Signer(api.store.derive_key(KEY)).sign("log_session", claims, until=until)
    assert (await api.request("GET", f"/logs/{made}", token=None)).status == 200  # but for the key all was right


async def operator_of(api: Api) -> User:
    user = await api.store.users.by_token(TOKEN)
    assert user
    return user


async def test_the_tail_of_who_loses_the_app_ends_properly(api: Api) -> None:
    await api.create("blog")
    user = await share(api, "blog")
    _, token = await api.store.users.create_authorization(user, "for this tail")
    made = await api.request("POST", "/apps/blog/log-sessions", {"tail": True, "lines": 0}, token=token)
    url = made.json["logplex_url"]
    async with api.session.get(url) as response, api.session.get(await _url_of_operator(api)) as other:
        await api.tails.live.put(None)
        assert b":" in await response.content.readuntil(b": \n\n")

        await api.request("DELETE", "/apps/blog/collaborators/ada@example.com")

        assert await response.content.read() == b""  # an end, and no reset
        assert not other.content.at_eof()
    assert (await api.request("GET", url, token=None)).status == 404


async def _url_of_operator(api: Api) -> str:
    answer = await api.request("POST", "/apps/blog/log-sessions", {"tail": True, "lines": 0})
    return str(answer.json["logplex_url"])


async def test_the_output_of_a_build_ends_for_who_loses_the_app(api: Api) -> None:
    made = await api.deployed()
    user = await share(api, "blog")
    _, token = await api.store.users.create_authorization(user, "for this output")
    (build,) = await api.get("/apps/blog/builds", token=token)
    api.outputs.pieces[made.build.id] = asyncio.Queue()
    await api.outputs.pieces[made.build.id].put(b"-----> Building")
    async with api.session.get(build["output_stream_url"]) as response:
        assert await response.content.readany() == b"-----> Building"
        await api.store.accounts.remove(user, by=api.operator)
        assert await response.content.read() == b""
