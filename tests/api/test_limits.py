"""Calls per hour, and answers that the client has already."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.conftest import Answer, Api, running_api

shared_server = pytest.mark.asyncio(loop_scope="module")


def etag(answer: Answer) -> str | None:
    return {name.lower(): value for name, value in answer.headers.items()}.get("etag")


async def test_calls_are_counted_until_none_is_left(tmp_path: Path) -> None:
    async with running_api(tmp_path, requests_per_hour=3) as api:
        assert await api.get("/account/rate-limits") == {"remaining": 3}
        left = [(await api.request("GET", path)).headers["RateLimit-Remaining"] for path in ("/account", "/apps/none", "/apps")]
        refused = await api.request("GET", "/account")

        assert left == ["2", "1", "0"]
        assert (refused.status, refused.json["id"], refused.headers["RateLimit-Remaining"]) == (429, "rate_limit", "0")
        assert 0 < int(refused.headers["Retry-After"]) <= 1200
        assert refused.json["message"].startswith("Your account reached the API rate limit.\nWait 1")
        assert await api.get("/account/rate-limits") == {"remaining": 0}
        stranger = await api.request("GET", "/account", token="wrong")
        assert (stranger.status, "RateLimit-Remaining" in stranger.headers) == (401, False)


@shared_server
async def test_an_answer_that_the_client_has_is_not_sent_again(shared: Api) -> None:
    first = await shared.request("GET", "/apps/shop")
    tag = etag(first)

    for known, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200), ("nonsense", 200), ("", 200)):
        again = await shared.request("GET", "/apps/shop", headers={"If-None-Match": known})
        assert (again.status, again.text) == (status, "" if status == 304 else first.text)
        assert etag(again) == tag
    assert etag(await shared.request("GET", "/account")) != tag


@shared_server
@pytest.mark.parametrize(("path", "status"), [("/apps/shop", 200), ("/apps", 200), ("/apps/none", 404), ("/-/health", 200)])
async def test_head_is_get_without_its_body(shared: Api, path: str, status: int) -> None:
    asked = await shared.request("GET", path)
    async with shared.session.head(f"http://{shared.address}{path}", headers=shared.authorized) as head:
        assert (head.status, await head.read()) == (status, b"")
        assert head.headers["Content-Length"] == asked.headers["Content-Length"] or path == "/-/health"


@shared_server
@pytest.mark.parametrize("path", ["/-/runs/x", "/logs/x", "/auth/cli/x", "/streams/builds/x"])
async def test_what_is_of_use_once_or_streams_has_no_head(shared: Api, path: str) -> None:
    async with shared.session.head(f"http://{shared.address}{path}", headers=shared.authorized) as head:
        assert head.status == 404


@shared_server
async def test_a_refusal_has_no_tag(shared: Api) -> None:
    assert etag(await shared.request("GET", "/apps/none")) is None
