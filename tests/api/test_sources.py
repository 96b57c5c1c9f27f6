"""Archives that come in and go out by URLs that are secrets."""

from __future__ import annotations

import asyncio
import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from pushd.kit.aio import Nursery
from pushd.model.slug import Slug
from pushd.model.source import Archive
from tests.api.conftest import UPLOAD_LIMIT_BYTES, Api
from tests.api.fakes import FakeBuilder


def archive_of(**files: str) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return raw.getvalue()


async def urls_of(api: Api) -> dict[str, str]:
    answer = await api.request("POST", "/sources")
    assert answer.status == 201
    urls: dict[str, str] = answer.json["source_blob"]
    return urls


async def put(api: Api, url: str, data: bytes, **headers: str) -> int:
    return (await api.request("PUT", url, data=data, token=None, headers=headers)).status


async def build(api: Api, url: str, **more: Any) -> Any:
    return await api.request("POST", "/apps/blog/builds", {"source_blob": {"url": url, **more}})


async def test_what_is_sent_is_read_again_without_a_token(api: Api) -> None:
    urls = await urls_of(api)
    assert (await api.request("GET", urls["get_url"], token=None)).status == 404
    assert await put(api, urls["put_url"], b"one", **{"Content-Type": ""}) == 200
    assert await put(api, urls["put_url"], b"two", **{"Content-Type": "application/json"}) == 200

    assert (await api.request("GET", urls["get_url"], token=None)).text == "two"


async def test_the_address_of_a_source_opens_it_to_those_alone_who_may_read_the_code(api: Api) -> None:
    """While a build runs the archive is there, and the address is the key to it."""
    await api.create("blog")
    urls = await urls_of(api)
    await put(api, urls["put_url"], archive_of(**{"app.py": "secret"}))
    made = await build(api, urls["get_url"])
    shown = {}
    for scope in ("read", "read-protected"):
        token = (await api.request("POST", "/oauth/authorizations", {"scope": [scope]})).json["access_token"]["token"]
        (listed,) = await api.get("/apps/blog/builds", token=token)
        one = await api.get(f"/apps/blog/builds/{made.json['id']}", token=token)
        assert listed["source_blob"] == one["source_blob"]
        shown[scope] = one["source_blob"]["url"]

    assert shown == {"read": f"http://{api.address}", "read-protected": urls["get_url"]}


async def test_each_url_is_good_for_its_own_purpose(api: Api) -> None:
    urls = await urls_of(api)
    assert await put(api, urls["get_url"], b"x") == 404
    assert (await api.request("GET", urls["put_url"], token=None)).status == 404
    assert await put(api, urls["put_url"][:-3] + "xyz", b"x") == 404
    await api.create("blog")
    refused = await build(api, f"http://{api.address}/sources/forged")
    assert (refused.status, "no get_url of ours" in refused.text) == (422, True)


async def test_a_url_whose_makers_token_is_revoked_builds_nothing_either(api: Api) -> None:
    await api.create("blog")
    made = (await api.request("POST", "/oauth/authorizations", {"description": "theirs"})).json
    answer = await api.request("POST", "/sources", token=made["access_token"]["token"])
    urls = answer.json["source_blob"]
    assert await put(api, urls["put_url"], archive_of(Procfile="web: true\n")) == 200
    await api.request("DELETE", f"/oauth/authorizations/{made['id']}")

    refused = await build(api, urls["get_url"])

    assert (refused.status, refused.json["id"]) == (422, "invalid_params")
    assert (await api.request("GET", urls["get_url"], token=None)).status == 404


async def test_more_than_the_limit_is_refused_and_leaves_nothing(api: Api) -> None:
    urls = await urls_of(api)
    assert await put(api, urls["put_url"], b"x" * (UPLOAD_LIMIT_BYTES + 1)) == 413
    chunks = (b"x" * 100_000 for _ in range(UPLOAD_LIMIT_BYTES // 100_000 + 2))

    async def in_chunks() -> Any:
        for chunk in chunks:
            yield chunk

    async with api.session.put(urls["put_url"], data=in_chunks()) as answer:
        assert answer.status == 413
    assert (await api.request("GET", urls["get_url"], token=None)).status == 404


async def test_an_archive_is_unpacked_for_its_build_and_gone_after_it(api: Api) -> None:
    await api.create("blog")
    urls = await urls_of(api)
    missing = await build(api, urls["get_url"])
    assert (missing.status, "Nothing has been uploaded" in missing.text) == (422, True)
    await put(api, urls["put_url"], archive_of(**{"hello-1a2b/Procfile": "web: x\n"}))

    answer = await build(api, urls["get_url"], version="v1", version_description="First\nof many")

    assert (answer.status, answer.json["status"]) == (201, "pending")
    assert answer.json["source_blob"]["version_description"] == "First"
    await api.deploys.built.wait()
    assert [path.name for path in api.deploys.unpacked.iterdir()] == ["Procfile"]
    await api.nursery.settle()
    assert (await api.request("GET", urls["get_url"], token=None)).status == 404


async def test_another_checksum_than_was_given_fails_the_build(api: Api) -> None:
    await api.create("blog")
    urls = await urls_of(api)
    await put(api, urls["put_url"], archive_of(Procfile="web: x\n"))
    answer = await build(api, urls["get_url"], checksum="SHA256:" + "0" * 64)
    await api.nursery.settle()

    said = await api.request("GET", answer.json["output_stream_url"], token=None)
    assert answer.status == 201
    assert said.status == 404 or "another checksum" in said.text
    assert not api.deploys.built.is_set()


async def test_a_slug_has_its_checksum_verified(api: Api) -> None:
    await api.create("blog")
    body = {"process_types": {"web": "./server"}, "checksum": "SHA256:" + "0" * 64}
    slug = (await api.request("POST", "/apps/blog/slugs", body)).json
    refused = await api.request("PUT", slug["blob"]["url"], data=b"x", token=None)
    assert (refused.status, "another checksum" in refused.text) == (422, True)
    slug = (await api.request("POST", "/apps/blog/slugs", {"process_types": {"web": "./server"}, "commit": "v1"})).json
    assert await put(api, slug["blob"]["url"], b"x") == 200

    shown = await api.get(f"/apps/blog/slugs/{slug['id']}")
    assert (shown["commit"], shown["size"], shown["blob"]["method"]) == ("v1", 1, "get")


async def test_each_archive_for_a_slug_stays_what_was_sent(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    real, gates = FakeBuilder.keep_uploaded, asyncio.Queue[asyncio.Event]()

    async def keep(builder: FakeBuilder, slug: Slug, archive: Path, *, limit_mb: int) -> Slug:
        await gates.put(gate := asyncio.Event())
        await gate.wait()
        return await real(builder, slug, archive, limit_mb=limit_mb)

    monkeypatch.setattr(FakeBuilder, "keep_uploaded", keep)
    await api.create("blog")
    slug = (await api.request("POST", "/apps/blog/slugs", {"process_types": {"web": "./server"}})).json
    async with Nursery("test") as nursery:
        first = nursery.start(put(api, slug["blob"]["url"], b"x"), name="first")
        checked = await gates.get()
        second = nursery.start(put(api, slug["blob"]["url"], b"another"), name="second")
        overtaken = await gates.get()
        checked.set()
        assert await first == 200
        overtaken.set()
        assert await second == 422

    assert (await api.get(f"/apps/blog/slugs/{slug['id']}"))["size"] == 1


async def test_the_registry_knows_what_is_installed(api: Api) -> None:
    answer = await api.request("GET", "/buildpacks/heroku%2Fpython", token=None)
    assert (answer.status, answer.json) == (200, {"blob_url": "urn:buildpack:heroku/python"})
    assert (await api.request("GET", "/buildpacks/heroku%2Ffortran", token=None)).status == 404


async def test_all_names_of_ours_mean_the_same(api: Api) -> None:
    await api.create("blog")
    path = "/apps/blog/buildpack-installations"
    for name in ("python", "heroku/python", "urn:buildpack:heroku/python"):
        answer = await api.request("PUT", path, {"updates": [{"buildpack": name}]})
        assert answer.json == [{"ordinal": 0, "buildpack": {"url": "urn:buildpack:heroku/python", "name": "heroku/python"}}]
    both = ["https://github.com/heroku/heroku-buildpack-python", "heroku/python"]
    assert (await api.request("PUT", path, {"updates": [{"buildpack": name} for name in both]})).status == 422
    assert len(await api.get(path)) == 1
    private = await api.request("PUT", path, {"updates": [{"buildpack": "https://user:secret@example.com/pack.git#v1"}]})
    assert private.json[0]["buildpack"]["name"] == "https://example.com/pack.git#v1"
    assert (await api.request("PUT", path, {"updates": []})).json == []


async def test_builds_show_addresses_without_their_log_in(api: Api) -> None:
    app = (await api.deployed("shop")).app
    archive = Archive(url="https://ada:s3cret@example.com/app.tgz", upload=None)
    made = await api.store.builds.create_of_archive(app, archive, api.operator)
    await api.store.builds.update(made, buildpacks=("https://ada:s3cret@example.com/pack.git#main", "python"))

    answer = await api.request("GET", f"/apps/shop/builds/{made.id}")

    assert answer.json["source_blob"]["url"] == "https://example.com/app.tgz"
    urls = [each["url"] for each in answer.json["buildpacks"]]
    assert urls == ["https://example.com/pack.git#main", "urn:buildpack:heroku/python"]
