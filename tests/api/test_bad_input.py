"""Bad input: a clear error with a next step, the right status, and nothing changed."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pushd.errors import BootFailed, DiskFull
from tests.api.conftest import BODY_LIMIT_BYTES, TOKEN, Api

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG, FORMATION, DYNOS = "/apps/shop/config-vars", "/apps/shop/formation", "/apps/shop/dynos"
DOMAINS = "/apps/shop/domains"
RELEASES, LOGS, SETTINGS = "/apps/shop/releases", "/apps/shop/log-sessions", "/-/apps/shop/settings"
BUILDS, BUILDPACKS = "/apps/shop/builds", "/apps/shop/buildpack-installations"

BODIES: list[tuple[str, str, bytes, int, str]] = [
    ("POST", "/apps", b"{", 400, "not JSON"),
    ("POST", "/apps", b'{"name": "blog",}', 400, "line 1"),
    ("POST", "/apps", b'{"name": "bl\xff"}', 400, "UTF-8"),
    ("POST", "/apps", b'["blog"]', 400, "object"),
    ("POST", "/apps", b'"blog"', 400, "object"),
    ("POST", "/apps", b"null", 400, "object"),
    ("POST", "/apps", b'{"name": NaN}', 400, "not JSON"),
    ("POST", "/apps", b'{"name": ' + b"[" * 50_000, 400, "not JSON"),
    ("POST", "/apps", b'{"name": ' + b"9" * 5_000 + b"}", 400, "not JSON"),
    ("POST", "/apps", b'{"name": "' + b"x" * BODY_LIMIT_BYTES + b'"}', 413, "larger"),
]

VALUES: list[tuple[str, str, Any, int, str]] = [
    ("POST", "/apps", {"name": "x"}, 422, "3 to 30"),
    ("POST", "/apps", {"name": ""}, 422, "3 to 30"),
    ("POST", "/apps", {"name": "Blog"}, 422, "lowercase"),
    ("POST", "/apps", {"name": "1blog"}, 422, "start with a letter"),
    ("POST", "/apps", {"name": "blog-"}, 422, "letter or digit"),
    ("POST", "/apps", {"name": "../etc"}, 422, "letters"),
    ("POST", "/apps", {"name": "a" * 31}, 422, "3 to 30"),
    ("POST", "/apps", {"name": "blög"}, 422, "letters"),
    ("POST", "/apps", {"name": "blog\n"}, 422, "letters"),
    ("POST", "/apps", {"name": "shop"}, 422, "already taken"),
    ("POST", "/apps", {"name": 7}, 422, "name must be a string or null"),
    ("POST", "/apps", {"name": ["blog"]}, 422, "name must be a string or null"),
    ("POST", "/apps", {"region": "eu"}, 422, "region"),
    ("POST", "/apps", {"stack": "cnb"}, 422, "stack"),
    ("PATCH", "/apps/shop", {"maintenance": "yes"}, 422, "maintenance must be true or false or null"),
    ("PATCH", "/apps/shop", {"maintenance": 2}, 422, "maintenance must be"),
    ("PATCH", "/apps/shop", {"name": "Bad Name"}, 422, "letters"),
    ("PATCH", CONFIG, {"KEY": 1}, 422, "KEY must be a string, or null"),
    ("PATCH", CONFIG, {"KEY": {"a": "b"}}, 422, "KEY must be a string, or null"),
    ("PATCH", CONFIG, {"1KEY": "x"}, 422, "name"),
    ("PATCH", CONFIG, {"A=B": "x"}, 422, "name"),
    ("PATCH", CONFIG, {"": "x"}, 422, "name"),
    ("PATCH", CONFIG, {"HEROKU_X": "x"}, 422, "reserved"),
    ("PATCH", CONFIG, {"KEY": "a\0b"}, 422, "NUL"),
    ("PATCH", CONFIG, {"KEY": "\ud800"}, 422, "Unicode"),
    ("PATCH", CONFIG, {"KEY": "x" * 70_000}, 422, "bytes"),
    ("PATCH", FORMATION, {}, 422, "updates is missing"),
    ("PATCH", FORMATION, {"updates": {}}, 422, "updates must be a list"),
    ("PATCH", FORMATION, {"updates": ["web"]}, 422, "updates[0] must be an object"),
    ("PATCH", FORMATION, {"updates": [{"quantity": 1}]}, 422, "updates[0].type is missing"),
    ("PATCH", FORMATION, {"updates": [{"type": "web", "quantity": True}]}, 422, "updates[0].quantity must be"),
    ("PATCH", FORMATION, {"updates": [{"type": "web", "quantity": 1.5}]}, 422, "updates[0].quantity must be"),
    ("PATCH", FORMATION, {"updates": [{"type": "web", "quantity": "many"}]}, 422, "not a quantity"),
    ("PATCH", FORMATION, {"updates": [{"type": "web", "quantity": "101"}]}, 422, "0 to 100"),
    ("PATCH", FORMATION, {"updates": [{"type": "web", "quantity": "-2"}]}, 422, "0 to 100"),
    ("PATCH", FORMATION, {"updates": [{"type": "clock", "quantity": "1"}]}, 404, "process type"),
    ("PATCH", FORMATION, {"updates": [{"type": "release", "quantity": "1"}]}, 404, "process type"),
    ("PATCH", FORMATION, {"updates": [{"type": "web", "size": "performance"}]}, 422, "no dyno size"),
    ("PATCH", FORMATION, {"updates": [{"type": "web", "dyno_size": {"name": "big"}}]}, 422, "no dyno size"),
    ("PATCH", f"{FORMATION}/clock", {"quantity": 1}, 404, "process type"),
    ("POST", DYNOS, {}, 422, "command is missing"),
    ("POST", DYNOS, {"command": ["ls"]}, 422, "command must be a string"),
    ("POST", DYNOS, {"command": "  "}, 422, "command"),
    ("POST", DYNOS, {"command": "a\0b"}, 422, "command"),
    ("POST", DYNOS, {"command": "ls", "env": {"A B": "x"}}, 422, "env"),
    ("POST", DYNOS, {"command": "ls", "env": {"A": "x\0"}}, 422, "env"),
    ("POST", DYNOS, {"command": "ls", "env": {"A": None}}, 422, "env.A must be"),
    ("POST", DYNOS, {"command": "ls", "env": {"A": "x" * 70_000}}, 422, "env.A is longer"),
    ("POST", DYNOS, {"command": "x" * 70_000, "attach": True}, 422, "command is longer"),
    ("POST", DYNOS, {"command": "bash", "attach": "yes"}, 422, "attach must be"),
    ("POST", DYNOS, {"command": "a\0b", "attach": True}, 422, "command"),
    ("POST", DYNOS, {"command": ' ; echo "\uffff heroku-command-exit-status: $?"', "attach": True}, 422, "command"),
    *(
        ("POST", DYNOS, {"command": "bash", "attach": True, "env": size}, 422, "no size of a terminal")
        for size in ({"COLUMNS": -1}, {"COLUMNS": 10**9}, {"COLUMNS": "wide"}, {"COLUMNS": 80, "LINES": 65536}, {"COLUMNS": ""})
    ),
    ("POST", RELEASES, {}, 422, "release is missing"),
    ("POST", RELEASES, {"release": "v99"}, 404, "release"),
    ("POST", RELEASES, {"release": "x", "slug": "y"}, 422, "both"),
    ("POST", RELEASES, {"slug": "no-such-slug"}, 404, "slug"),
    ("POST", LOGS, {"lines": "all"}, 422, "lines must be an integer or null"),
    ("POST", LOGS, {"lines": -1}, 422, "negative"),
    ("POST", LOGS, {"source": "kernel"}, 422, "app or heroku"),
    ("POST", LOGS, {"tail": "yes"}, 422, "tail must be"),
    ("POST", DOMAINS, {}, 422, "hostname is missing"),
    ("POST", DOMAINS, {"hostname": None}, 422, "hostname must be a string"),
    ("POST", DOMAINS, {"hostname": "http://www.example.com/"}, 422, "not a valid domain name"),
    ("POST", DOMAINS, {"hostname": "shop.localhost"}, 422, "belongs to this server"),
    ("POST", DOMAINS, {"hostname": "localhost"}, 422, "not a valid domain name"),
    ("POST", DOMAINS, {"hostname": "www.example.com", "sni_endpoint": "none-such"}, 404, "SNI endpoint"),
    ("POST", DOMAINS, {"hostname": "www.example.com", "sni_endpoint": {"id": "x"}}, 422, "sni_endpoint must be"),
    ("POST", DOMAINS, {"hostname": "www.example.com", "sni_endpoint": "\ud800"}, 422, "sni_endpoint must be valid Unicode"),
    ("POST", DOMAINS, {"hostname": "\ud800.example.com"}, 422, "hostname must be valid Unicode"),
    ("PATCH", f"{DOMAINS}/www.example.com", {"sni_endpoint": None}, 404, "domain name"),
    ("PATCH", f"{DOMAINS}/shop.localhost", {"sni_endpoint": None}, 422, "default domain and stays"),
    ("PATCH", f"{DOMAINS}/shop.localhost", {}, 422, "sni_endpoint is missing"),
    ("POST", "/apps/shop/sni-endpoints", {}, 422, "certificate_chain is missing"),
    ("POST", "/apps/shop/sni-endpoints", {"certificate_chain": "x", "private_key": 1}, 422, "private_key must be a string"),
    ("POST", "/apps/shop/sni-endpoints", {"certificate_chain": "x", "private_key": "y"}, 422, "cannot be read"),
    ("PATCH", "/apps/shop/sni-endpoints/none", {"certificate_chain": "x", "private_key": "y"}, 404, "SNI endpoint"),
    ("POST", "/apps/shop/acm", {}, 422, "certs:add CRT KEY"),
    ("PATCH", "/apps/shop/acm", {"acm_refresh": True}, 422, "certs:add CRT KEY"),
    ("POST", "/apps/shop/collaborators", {}, 422, "user is missing"),
    ("POST", "/apps/shop/collaborators", {"user": "nobody"}, 422, "not an e-mail address"),
    ("POST", "/apps/shop/collaborators", {"user": "admin@localhost"}, 422, "already a collaborator"),
    ("POST", "/account/keys", {}, 422, "public_key is missing"),
    ("POST", "/account/keys", {"public_key": "ssh-rsa"}, 422, "damaged"),
    ("POST", "/apps/shop/log-drains", {}, 422, "url is missing"),
    ("POST", "/apps/shop/log-drains", {"url": "ftp://x"}, 422, "https://, http://, syslog+tls://, syslog://"),
    ("POST", BUILDS, {}, 422, "source_blob is missing"),
    ("POST", BUILDS, {"source_blob": {}}, 422, "source_blob.url is missing"),
    ("POST", BUILDS, {"source_blob": {"url": "file:///etc/passwd"}}, 422, "file:// is not fetched"),
    ("POST", BUILDS, {"source_blob": {"url": "hello.tgz"}}, 422, "no address"),
    ("POST", BUILDS, {"source_blob": {"url": "https://x:99999/"}}, 422, "no address"),
    ("POST", BUILDS, {"source_blob": {"url": "https://x/", "version": "two\nlines"}}, 422, "one line"),
    ("POST", BUILDS, {"source_blob": {"url": "https://x/", "checksum": "MD5:00"}}, 422, "no SHA-256"),
    ("POST", BUILDS, {"source_blob": {"url": "https://x/"}, "buildpacks": [{"url": "heroku/fortran"}]}, 422, "fortran"),
    ("POST", "/apps/shop/slugs", {}, 422, "process_types is missing"),
    ("POST", "/apps/shop/slugs", {"process_types": {}}, 422, "process_types is empty"),
    ("POST", "/apps/shop/slugs", {"process_types": {"web": "a\nworker: b"}}, 422, "one line of command"),
    ("POST", "/apps/shop/slugs", {"process_types": {"we b": "a"}}, 422, "Procfile line 1"),
    ("POST", "/apps/shop/slugs", {"process_types": {"web": "./x"}, "checksum": "x"}, 422, "no SHA-256"),
    ("PUT", BUILDPACKS, {}, 422, "updates is missing"),
    ("PUT", BUILDPACKS, {"updates": [{}]}, 422, "not in the buildpack registry"),
    ("PUT", BUILDPACKS, {"updates": ["heroku/python"]}, 422, "updates[0] must be an object"),
    ("PUT", BUILDPACKS, {"updates": [{"buildpack": "heroku/fortran"}]}, 422, "Installed: heroku/python"),
    ("PUT", BUILDPACKS, {"updates": [{"buildpack": "git@github.com:me/pack.git"}]}, 422, "https://"),
    ("PUT", BUILDPACKS, {"updates": [{"buildpack": "ssh://git@github.com/me/pack"}]}, 422, "ssh:// is not fetched"),
    ("PUT", BUILDPACKS, {"updates": [{"buildpack": "https://x/p#--upload-pack=x"}]}, 422, "no branch"),
    ("PUT", BUILDPACKS, {"updates": [{"buildpack": "https://u:secret@/p"}]}, 422, "no host"),
    ("PUT", BUILDPACKS, {"updates": [{"buildpack": "heroku/python"}, {"buildpack": "python"}]}, 422, "twice"),
    ("PUT", BUILDPACKS, {"updates": [{"buildpack": f"https://x/{n}"} for n in range(26)]}, 422, "25 buildpacks"),
    ("POST", "/oauth/authorizations", {"expires_in": 0}, 422, "expires_in"),
    ("POST", "/oauth/authorizations", {"scope": ["reading"]}, 422, "scope"),
    ("PATCH", SETTINGS, {"probe": "guess"}, 422, "http, port"),
    ("PATCH", SETTINGS, {"boot-timeout-seconds": "soon"}, 422, "number"),
    ("PATCH", SETTINGS, {"boot-timeout-seconds": 30}, 422, "must be a string"),
    ("PATCH", SETTINGS, {"colour": "red"}, 404, "no setting"),
]

PLACES = [
    ("GET", "/apps/Bad%20Name", "app"),
    ("GET", "/apps/%2e%2e%2fetc", "app"),
    ("GET", "/apps/" + "x" * 3000, "app"),
    ("GET", "/apps/shop/releases/99", "release"),
    ("GET", "/apps/shop/releases/00000000-0000-0000-0000-000000000000", "release"),
    ("GET", "/apps/shop/releases/99/config-vars", "release"),
    ("GET", "/apps/shop/slugs/x", "slug"),
    ("GET", "/apps/shop/builds/x", "build"),
    ("GET", "/apps/shop/dynos/web.9", "dyno"),
    ("DELETE", "/apps/shop/dynos/web.9", "dyno"),
    ("DELETE", "/apps/shop/formations/clock", "dyno"),
    ("POST", "/apps/shop/dynos/run.9/actions/stop", "dyno"),
    ("GET", "/apps/shop/formation/clock", "formation"),
    ("GET", "/apps/shop/domains/www.example.com", "domain"),
    ("DELETE", "/apps/shop/domains/www.example.com", "domain"),
    ("GET", "/apps/shop/collaborators/you@example.com", "collaborator"),
    ("DELETE", "/apps/shop/collaborators/you@example.com", "collaborator"),
    ("GET", "/apps/shop/sni-endpoints/x", "sni_endpoint"),
    ("DELETE", "/apps/shop/sni-endpoints/x", "sni_endpoint"),
    ("GET", "/apps/shop/log-drains/https%3A%2F%2Fx%2F", "log_drain"),
    ("DELETE", "/apps/shop/log-drains/d.00000000-0000-0000-0000-000000000000", "log_drain"),
    ("GET", "/account/keys/x", "key"),
    ("DELETE", "/account/keys/00:11", "key"),
    ("GET", "/users/you@example.com", "user"),
    ("GET", "/users/you@example.com/apps", "user"),
    ("GET", "/regions/eu", "region"),
    ("GET", "/stacks/cnb", "stack"),
    ("GET", "/oauth/authorizations/x", "authorization"),
    ("GET", "/-/changes/x", "change"),
    ("GET", "/-/changes/00000000-0000-0000-0000-000000000000", "change"),
]

RANGES = [
    "version " + "." * 8_000 + "]",
    "version ..;" + "," * 1_000,
    "bytes=0-5",
    "size ..",
    "version 1-5",
    "version a..b",
    "version [1..2",
    "version ..; max=0",
    "version ..; max=1001",
    "version ..; max=x",
    "version ..; max=" + "9" * 5000,
    "version ..; order=up",
    "version ..; colour=red",
    ";;;",
]


async def state(shared: Api) -> Any:
    paths = (
        *("/apps", CONFIG, FORMATION, RELEASES, DYNOS, SETTINGS, DOMAINS, "/apps/shop/sni-endpoints"),
        *("/apps/shop/collaborators", "/apps/shop/log-drains", "/account/keys"),
    )
    return [await shared.get(path) for path in paths]


@pytest.mark.parametrize(("method", "path", "data", "status", "told"), BODIES)
async def test_a_body_that_cannot_be_read(shared: Api, method: str, path: str, data: bytes, status: int, told: str) -> None:
    before = await state(shared)

    answer = await shared.request(method, path, data=data)

    assert answer.status == status
    assert told in answer.json["message"]
    assert await state(shared) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"), VALUES, ids=[f"{row[1]} {str(row[2])[:40]}" for row in VALUES]
)
async def test_a_value_that_cannot_be(shared: Api, method: str, path: str, body: Any, status: int, told: str) -> None:
    before = await state(shared)

    answer = await shared.request(method, path, body)

    assert answer.status == status
    assert told in answer.json["message"]
    assert answer.json["id"] == {404: "not_found", 422: "invalid_params"}[status]
    assert await state(shared) == before


@pytest.mark.parametrize(("method", "path", "resource"), PLACES)
async def test_a_thing_that_is_not_there(shared: Api, method: str, path: str, resource: str) -> None:

    answer = await shared.request(method, path)

    assert (answer.status, answer.json["id"], answer.json["resource"]) == (404, "not_found", resource)


@pytest.mark.parametrize("text", RANGES)
async def test_a_range_that_cannot_be_used(shared: Api, text: str) -> None:

    answer = await shared.request("GET", RELEASES, headers={"Range": text})

    assert (answer.status, answer.json["id"]) == (400, "bad_request")
    assert "Range: version ..; order=desc,max=10" in answer.json["message"]  # how to write it


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nothing"), ("PUT", "/account"), ("GET", "/apps/shop/nothing"), ("GET", "/")]
)
async def test_an_unknown_endpoint(shared: Api, method: str, path: str) -> None:
    answer = await shared.request(method, path, token=None)

    assert answer.status == 404
    assert answer.json == {"id": "not_found", "message": "The requested API endpoint was not found."}


async def test_a_wait_that_is_no_number(shared: Api) -> None:
    change = await shared.store.changes.create(await shared.store.apps.find("shop"), None)

    for wait in ("soon", "-1", "1e9", "٣"):
        assert (await shared.request("GET", f"/-/changes/{change.id}?wait={wait}")).status == 422


async def test_a_chunked_body_over_the_limit(shared: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(4):
            yield b" " * (BODY_LIMIT_BYTES // 3)

    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with shared.session.post(f"http://{shared.address}/apps", data=pieces(), headers=headers) as response:
        assert response.status == 413
        assert (await response.json())["id"] == "request_entity_too_large"


async def test_a_bug_of_ours_shows_no_traceback_to_a_client(shared: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await shared.request("GET", "/crash", token=None)

    assert (answer.status, answer.json["id"]) == (500, "internal_server_error")
    assert "secret" not in answer.text
    assert "a secret detail" in caplog.text  # the daemon's own log has it
    assert caplog.records[-1].__dict__["request_id"] == answer.headers["Request-Id"]


@pytest.mark.parametrize(
    ("error", "status", "id"),
    [
        (DiskFull("The disk is full.", remedy="Make room."), 507, "disk_full"),
        (BootFailed("web.1 did not come up.", remedy="See pushd logs."), 422, "boot_failed"),
    ],
)
async def test_a_refusal_of_a_room_keeps_its_words(shared: Api, error: Exception, status: int, id: str) -> None:
    shared.apps.full = error
    try:
        answer = await shared.request("POST", "/apps", {"name": "blog"})
    finally:
        shared.apps.full = None

    assert (answer.status, answer.json["id"]) == (status, id)
    assert answer.json["message"].count("\n") == 1  # what is wrong, and what to do


@pytest.mark.parametrize(
    "data",
    [
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused(shared: Api, data: bytes) -> None:
    host, port = shared.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert answer.startswith(b"HTTP/1.")
    assert b" 400 " in answer.splitlines()[0]
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Authorization: Bearer {token}\1\r\n", 400),
        ("Authorization : Bearer {token}\r\n", 400),
        ("Authorization: Bearer {token}\r\nContent-Encoding: br\r\nContent-Length: 2\r\n", 400),
        ("Authorization: Bearer {token}\r\nContent-Length: 2\r\nExpect: miracles\r\n", 417),
    ],
)
async def test_what_is_no_http_leaves_no_trace_in_the_log(
    shared: Api, caplog: pytest.LogCaptureFixture, head: str, status: int
) -> None:
    host, port = shared.address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST /apps HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head.format(token=TOKEN)}\r\n{{}}".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()

    assert f" {status} ".encode() in answer.splitlines()[0]
    assert [record for record in caplog.records if record.exc_info or TOKEN in record.getMessage()] == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize(("method", "path"), [("POST", "/apps"), ("PATCH", CONFIG)])
async def test_a_body_that_is_not_what_it_says(
    shared: Api, caplog: pytest.LogCaptureFixture, encoding: str, method: str, path: str
) -> None:
    answer = await shared.request(method, path, data=b"none of it", headers={"Content-Encoding": encoding})
    assert (answer.status, answer.json["id"]) == (400, "bad_request")
    assert [record for record in caplog.records if record.exc_info] == []


async def test_a_packed_body_is_not_unpacked(shared: Api) -> None:
    """Not by the HTTP library either: a few MB, from a stranger too, would hold everybody up for seconds."""
    bomb = gzip.compress(bytes(1 << 28))
    for token in (TOKEN, None):
        began = time.process_time()
        answer = await shared.request("POST", "/apps", data=bomb, headers={"Content-Encoding": "gzip"}, token=token)
        assert time.process_time() - began < 0.1
        assert answer.status == (400 if token else 401)


async def test_values_never_stand_in_an_error(shared: Api) -> None:
    for body in ({"KEY": "hunter2\0"}, {"KEY": ["hunter2"]}, {"B AD": "hunter2"}):
        assert "hunter2" not in (await shared.request("PATCH", CONFIG, body)).text
    assert "hunter2" not in (await shared.request("PATCH", CONFIG, data=b'{"KEY": "hunter2" oops')).text
    assert "hunter2" not in json.dumps(await shared.get(RELEASES))
