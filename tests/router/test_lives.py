"""A target whose dyno has ended gets nothing more, whoever listens on its port by then."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from pushd.kit import procfs
from pushd.kit.procfs import Identity
from pushd.router.reader import judge_of_responses
from pushd.router.upstream import UpstreamConnection
from tests.router.conftest import Front, Serving, quick

LAST_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
OTHER_UID = 64_999
LISTEN_AS = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
listening = socket.create_server(("127.0.0.1", int(sys.argv[2])))
print(flush=True)
sys.stdin.read()
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Dyno:
    """A process that stands for one."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["sleep", "600"])
        found = procfs.identify(self.process.pid)
        assert found is not None
        self.identity: Identity = found

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def dyno() -> Iterator[Dyno]:
    dyno = Dyno()
    yield dyno
    dyno.end()


def give_life(front: Front, life: str) -> None:
    """The target of the shop as that of another dyno."""
    front.apply(targets=(replace(front.target.target, dyno_id="id-lives", life=life),))


async def test_a_living_dyno_is_asked(front: Front, dyno: Dyno) -> None:
    give_life(front, dyno.identity.text)

    visitor = await front.ask()
    await front.target.answer(ANSWER)

    assert (await visitor.answer()).body == b"ok"


async def test_a_dyno_that_ends_gets_nothing_more_and_its_visitors_wait(front: Front, dyno: Dyno) -> None:
    give_life(front, dyno.identity.text)
    visitor = await front.ask()
    await front.target.answer(ANSWER)
    await visitor.answer()

    dyno.end()
    other = await front.ask("/waits")
    await front.request_waits()

    assert front.target.accepted == 1
    give_life(front, "")  # the daemon sends the next dyno
    front.apply(targets=(replace(front.target.target, dyno_id="id-next"),))
    await front.target.answer(ANSWER)
    assert (await other.answer()).status == 200


async def test_a_dyno_that_had_ended_before_gets_nothing(front: Front, dyno: Dyno) -> None:
    dyno.end()
    give_life(front, dyno.identity.text)

    await front.ask()
    await front.request_waits()

    assert front.target.accepted == 0


async def test_a_pid_that_belongs_to_another_process_by_now_is_not_taken_for_the_dyno(front: Front, dyno: Dyno) -> None:
    give_life(front, replace(dyno.identity, started=dyno.identity.started - 1).text)

    await front.ask()
    await front.request_waits()

    assert front.target.accepted == 0


async def test_who_waited_in_vain_for_a_dyno_that_ended_is_told_that_the_app_crashed(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(queue_seconds=0.05)) as front:
        dyno.end()
        give_life(front, dyno.identity.text)

        visitor = await front.ask()

        assert b"H10" in (await visitor.answer()).body


async def test_a_life_that_cannot_be_followed_counts_as_one(front: Front) -> None:
    give_life(front, "some other machine's")

    visitor = await front.ask()
    await front.target.answer(ANSWER)

    assert (await visitor.answer()).status == 200


def give_user(front: Front, dyno: Dyno, uid: int) -> None:
    """The target of the shop as the daemon saw it: with this user listening."""
    front.apply(targets=(replace(front.target.target, dyno_id="id-lives", life=dyno.identity.text, uid=uid),))


async def test_another_user_who_listens_on_the_port_gets_nothing(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(aside_seconds=0.001)) as front:
        give_user(front, dyno, os.getuid() + 1)

        visitor = await front.ask()

        assert b"H21" in (await visitor.answer()).body
        for wire in front.target.wires:
            assert await wire.ended()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
async def test_whose_kept_connection_ends_while_another_user_has_the_port_is_not_told_that_the_dyno_failed(
    serving: Serving, dyno: Dyno
) -> None:
    async with serving(limits=quick(aside_seconds=0.001, connect_tries=3)) as front:
        give_user(front, dyno, os.getuid())
        visitor = await front.ask()
        wire, _ = await front.target.answer(ANSWER)
        await visitor.answer()
        front.target.server.close()
        port = str(front.target.target.port)
        other = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LISTEN_AS, str(OTHER_UID), port, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert other.stdin
        assert other.stdout
        await other.stdout.readline()

        await visitor.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
        await wire.head()
        wire.close()

        assert b"H21" in (await visitor.answer()).body
        other.stdin.close()
        await other.wait()


async def test_the_one_who_listened_from_the_start_gets_its_requests(front: Front, dyno: Dyno) -> None:
    give_user(front, dyno, os.getuid())

    visitor = await front.ask()
    await front.target.answer(ANSWER)

    assert (await visitor.answer()).status == 200
    assert front.target.accepted == 1


async def test_a_living_dyno_may_close_its_listening_socket_and_open_another_one(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(aside_seconds=0.01, connect_tries=100_000)) as front:
        give_user(front, dyno, os.getuid())
        front.target.server.close()
        async with Worker(front.target.target.port):
            assert (await (await front.ask()).answer()).status == 200
            assert front.refused == []
        early = await front.ask()
        await front.request_waits()
        async with Worker(front.target.target.port):
            assert (await early.answer()).status == 200


async def test_a_connection_that_nobody_had_accepted_when_its_listener_closed_is_cut_off(front: Front) -> None:
    target, judge = front.proxy.targets[front.target.target.dyno_id], judge_of_responses(front.proxy.limits)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        make = asyncio.get_running_loop().create_connection
        _, connection = await make(lambda: UpstreamConnection(target, judge), *listening.getsockname())
        assert not connection.is_cut_off
    assert connection.is_cut_off
    connection.close()


async def test_a_dyno_that_listens_for_one_connection_at_a_time_is_served(serving: Serving, dyno: Dyno) -> None:
    async with serving(limits=quick(aside_seconds=0.01, connect_tries=100_000)) as front:
        give_user(front, dyno, os.getuid())
        front.target.server.close()
        for _ in range(3):
            async with Worker(front.target.target.port, connections=1):
                assert (await (await front.ask()).answer()).status == 200


async def test_workers_of_a_living_dyno_come_and_go_each_with_a_listening_socket_of_its_own(front: Front, dyno: Dyno) -> None:
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(Worker(0, keep=False))]
        front.target.target = replace(front.target.target, port=workers[0].port)
        give_user(front, dyno, os.getuid())
        for _ in range(20):
            workers.append(await stack.enter_async_context(Worker(workers[0].port, keep=False)))
            assert (await (await front.ask()).answer()).status == 200
            if len(workers) > 3:
                await workers.pop(0).end()
                assert (await (await front.ask()).answer()).status == 200

    assert front.refused == []


async def test_a_worker_that_ends_with_a_kept_connection_leaves_its_request_to_another_one(front: Front, dyno: Dyno) -> None:
    async with Worker(0) as leaver:
        front.target.target = replace(front.target.target, port=leaver.port)
        give_user(front, dyno, os.getuid())
        visitor = await front.ask()
        assert (await visitor.answer()).status == 200

        async with Worker(leaver.port):
            leaver.is_deaf = True  # the request crosses with its end
            await visitor.send(b"GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
            await leaver.heard.wait()
            await leaver.end()

            assert (await visitor.answer()).status == 200

    assert front.refused == []


class Worker:
    """Listens on a port that it shares (SO_REUSEPORT; 0: a free one) and answers, until it ends and its connections with it."""

    def __init__(self, port: int, *, connections: int | None = None, keep: bool = True) -> None:
        self.port = port
        self._keep = keep
        self.is_deaf = False  # reads heads and does not answer
        self.heard = asyncio.Event()  # the head that it did not answer
        self._connections = connections  # how many it accepts
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Worker:
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def end(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if len(self._writers) == self._connections:
            self._server.close()
        with contextlib.suppress(EOFError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                if self.is_deaf:
                    self.heard.set()
                    continue
                writer.write(ANSWER if self._keep else LAST_ANSWER)
                await writer.drain()
