"""What is fuzzed: each target takes bytes, and any error but the one that it promises is a find.

A target is a context manager that gives the function to call: some need a server beside them.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from pushd.errors import BadRequest
from pushd.kit.archive import BadArchive, unpack
from pushd.model.procfile import ProcfileError, parse_procfile
from pushd.receiver.commands import ZERO, read_push
from pushd.receiver.http import add_routes
from pushd.receiver.pktline import PktReader
from tests.fakes import settings_in
from tests.receiver.conftest import Server
from tests.receiver.wire import blob, commit, id_of, pack, post, push_body, tree
from tests.router.conftest import serving_shop
from tests.router.test_pieces import CONVERSATION

Check = Callable[[bytes], None]
Ask = Callable[[bytes], Coroutine[Any, Any, None]]

_FILE = blob(b"hello\n")
_TREE = tree((b"100644", b"hello", _FILE))
_COMMIT = commit(_TREE)
_PACK = pack([_FILE, _TREE, _COMMIT])
_PUSH = push_body([(ZERO, id_of(_COMMIT), "refs/heads/master")], _PACK)
_ANSWER = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\ntwo\r\n0\r\nX-T: 2\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """`seeds` are good; `open` gives what to call with each case."""

    name: str
    seeds: Sequence[bytes]
    open: Callable[[], contextlib.AbstractContextManager[Check]]


class _Loop:
    """An event loop in a thread of its own, so that what is fuzzed can be called from here."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="fuzzed", daemon=True)
        self._thread.start()

    def do(self, work: Coroutine[Any, Any, Any], within: float = 60.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(within)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def _served(
    serve: Callable[[], contextlib.AbstractAsyncContextManager[Callable[[bytes], Coroutine[Any, Any, None]]]],
) -> Iterator[Check]:
    """A target that needs a loop: `serve` gives a coroutine function; errors that the loop is told of are finds too."""
    loop = _Loop()
    told: list[dict[str, Any]] = []
    loop.loop.set_exception_handler(lambda _, context: told.append(context))
    serving = serve()
    ask = loop.do(serving.__aenter__())

    def check(data: bytes) -> None:
        loop.do(ask(data))
        assert not told, told

    try:
        yield check
    finally:
        loop.do(serving.__aexit__(None, None, None))
        loop.close()


@contextmanager
def _procfile() -> Iterator[Check]:
    def check(data: bytes) -> None:
        with contextlib.suppress(ProcfileError):
            assert all(isinstance(each, str) for pair in parse_procfile(data).items() for each in pair)

    yield check


@contextmanager
def _archive() -> Iterator[Check]:
    with tempfile.TemporaryDirectory(prefix="pushd-fuzz-") as name:
        top = Path(name)
        packed, inside = top / "archive", top / "in" / "side"

        def check(data: bytes) -> None:
            packed.write_bytes(data)
            inside.mkdir(parents=True)
            try:
                with contextlib.suppress(BadArchive):
                    unpack(packed, inside, limit_bytes=1 << 20)
                assert sorted(each.name for each in top.iterdir()) == ["archive", "in"], "something stands outside"
                assert [each.name for each in (top / "in").iterdir()] == ["side"], "something stands outside"
                for folder, _, files in os.walk(inside):
                    for file in files:
                        mode = os.lstat(os.path.join(folder, file)).st_mode
                        assert not mode & 0o6000, f"{file} is setuid"
            finally:
                _remove(top / "in")

        yield check


def _remove(folder: Path) -> None:
    for place, folders, files in os.walk(folder, topdown=False):
        os.chmod(place, 0o700)
        for each in files:
            os.unlink(os.path.join(place, each))
        for each in folders:
            path = os.path.join(place, each)
            os.unlink(path) if os.path.islink(path) else os.rmdir(path)
    os.rmdir(folder)


@asynccontextmanager
async def _reading_pushes() -> AsyncIterator[Ask]:
    async def ask(data: bytes) -> None:
        stream = io.BytesIO(data)

        async def read() -> bytes:
            return stream.read(7)

        with contextlib.suppress(BadRequest):
            await read_push(PktReader(read, limit_bytes=100_000))

    yield ask


@asynccontextmanager
async def _receiving() -> AsyncIterator[Ask]:
    """The receiver behind its real listener: whatever is pushed, it answers, and nothing is left but what it accepted."""
    with tempfile.TemporaryDirectory(prefix="pushd-fuzz-") as name:
        server = Server(Path(name), settings_in(Path(name) / "data", git_program="never"))
        application = web.Application(client_max_size=1000)
        add_routes(application, server.receiver, server.strangers)
        runner = web.AppRunner(application, shutdown_timeout=1.0, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.port = runner.addresses[0][1]

        async def ask(data: bytes) -> None:
            answer = await post(server, data)
            assert answer.status in (200, 400), (answer.status, answer.text)
            assert "Traceback" not in answer.text
            assert "internal error" not in " ".join([*answer.report, answer.text]), answer
            await server.nursery.settle()
            assert server.leftovers() == []
            if server.repository.folder.exists():
                await server.repositories.destroy(server.app.id)

        try:
            yield ask
        finally:
            await server.nursery.close()
            await runner.cleanup()


@asynccontextmanager
async def _routing_requests() -> AsyncIterator[Ask]:
    """The router before a target that answers everything: whatever a client sends, the next client is served."""
    async with serving_shop() as front:
        target = asyncio.ensure_future(_answer_all(front))

        async def ask(data: bytes) -> None:
            reader, writer = await asyncio.open_connection(*front.address)
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                writer.write_eof()
                heard = await asyncio.wait_for(reader.read(), 30)
                assert not heard or heard.startswith(b"HTTP/1.1 "), heard[:200]
            writer.close()
            good = await front.connect()
            good.writer.write(b"GET /alive HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n")
            assert (await asyncio.wait_for(good.answer(), 30)).status == 200
            good.writer.close()

        try:
            yield ask
        finally:
            target.cancel()
            await asyncio.wait([target])


async def _answer_all(front: Any) -> None:
    async with asyncio.TaskGroup() as group:
        while True:
            group.create_task(_answer(await front.target.accept()))


async def _answer(wire: Any) -> None:
    with contextlib.suppress(Exception):  # a client that is gone
        while True:
            await wire.reader.readuntil(b"\r\n\r\n")
            wire.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@asynccontextmanager
async def _routing_answers() -> AsyncIterator[Ask]:
    """The same with a good client and an app that answers anything."""
    async with serving_shop() as front:

        async def ask(data: bytes) -> None:
            client = await front.connect()
            client.writer.write(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n")
            wire = await asyncio.wait_for(front.target.accept(), 30)
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await wire.reader.readuntil(b"\r\n\r\n")
                wire.writer.write(data)
                wire.writer.write_eof()
            heard = await asyncio.wait_for(client.reader.read(), 30)  # nothing: it was cut off at what was wrong
            assert not heard or heard.startswith(b"HTTP/1.1 "), heard[:200]
            client.writer.close()
            wire.close()

        yield ask


def _tar(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "Procfile"
        tar.addfile(link)
    return out.getvalue()


def _plain_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"comment": "c" * 40}) as tar:
        for name in ("app/Procfile", "app/" + "long" * 40):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"web:"))
    return out.getvalue()


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("Procfile", "web: serve\n")
        made.writestr("folder/file", "x" * 100)
    return out.getvalue()


TARGETS: Mapping[str, Target] = {
    each.name: each
    for each in (
        Target(
            "procfile",
            [b"web: gunicorn app:app\nrelease: sh release.sh\n", "\ufeffweb: a\r\n\r\n# no\r\nworker : b\r\n".encode()],
            _procfile,
        ),
        Target("pkt-lines", [_PUSH, b"00000000"], lambda: _served(_reading_pushes)),
        Target("packs", [_PUSH], lambda: _served(_receiving)),
        Target("archives", [_tar(Procfile=b"web: x\n"), _plain_tar(), _zip()], _archive),
        Target("request heads", [CONVERSATION], lambda: _served(_routing_requests)),
        Target(
            "response heads",
            [_ANSWER, b"HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\nbody"],
            lambda: _served(_routing_answers),
        ),
    )
}
