"""The runner with the local scheduler, the real logplex and, where it works, the sandbox."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest

from pushd.errors import BootFailed
from pushd.kit.clock import SystemClock
from pushd.layout import Layout
from pushd.logplex.logplex import Logplex
from pushd.model.launch import Launch
from pushd.model.routing import WebState
from pushd.runner.parts import RunLimits
from pushd.runner.runner import Runner
from pushd.runner.schedulers.local import LocalScheduler
from pushd.sandbox.sandbox import Sandbox
from tests.fakes import USER, FixedUids
from tests.runner.conftest import SERVE, SERVE_PY, make_launch
from tests.runner.fakes import FakeRows, FakeTraffic, Recorder


@dataclass
class Machine:
    """As the daemon composes it, but for the router and the store."""

    layout: Layout
    logplex: Logplex
    sandbox: Sandbox
    rows: FakeRows
    traffic: FakeTraffic

    def __post_init__(self) -> None:
        self.app = make_launch({}, {}).app
        self.said: list[str] = []
        self.runner = self.another_runner()

    def another_runner(self) -> Runner:
        return Runner(
            scheduler=LocalScheduler(self.layout, self.sandbox, FixedUids(self.sandbox)),
            pipes=self.logplex, traffic=self.traffic, dynos=self.rows,
            layout=self.layout, clock=SystemClock(), domain="localhost",
            limits=RunLimits(run_seconds=60.0, attach_seconds=60.0, idle_seconds=3600.0),
        )  # fmt: skip

    def launch(self, number: int = 1, web: str = SERVE) -> Launch:
        return make_launch({"web": web}, {"web": 1}, app=self.app, number=number)

    async def deploy(self, launch: Launch) -> None:
        booted = await self.runner.boot_web(launch, self.said.append)
        self.runner.retire_soon(await self.runner.switch(launch, booted))

    async def log(self) -> str:
        await self.logplex.flush()
        lines = self.logplex.tail(self.app.id, lines=1500, process=None, source=None, follow=False, after=None)
        return "\n".join([f"{line.source}[{line.process}]: {line.message}" async for batch in lines for line in batch])


@pytest.fixture(params=["auto", "off"])
async def machine(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Machine]:
    layout = Layout(tmp_path)
    layout.make()
    slug = layout.slug("c" * 64)
    slug.mkdir()
    (slug / "serve.py").write_text(SERVE_PY)
    sandbox = await Sandbox.probe(layout.run, request.param, data=layout.data, user=USER)
    async with Logplex(layout, SystemClock()) as logplex:
        machine = Machine(layout, logplex, sandbox, FakeRows(), FakeTraffic(Recorder()))
        async with machine.runner:
            yield machine
            await machine.runner.stop_all()
        assert machine.rows.rows == {}
        assert list(layout.dynos.iterdir()) == []


async def test_a_deploy_answers_moves_traffic_and_ends_the_old_version(machine: Machine) -> None:
    await machine.deploy(machine.launch())
    await machine.deploy(machine.launch(number=2))

    (dyno,) = machine.runner.dynos(machine.app.id)
    assert (dyno.name, dyno.epoch.release_number) == ("web.1", 2)
    targets, state = machine.traffic.routes[-1]
    assert state is WebState.SERVING
    reader, writer = await asyncio.open_connection(targets[0].host, targets[0].port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 404")
    writer.close()


async def test_an_app_that_dies_at_import_shows_its_traceback_in_push_and_log(machine: Machine) -> None:
    with pytest.raises(BootFailed, match=r"web\.1 exited with status 1 while booting"):
        await machine.deploy(machine.launch(web="exec /usr/bin/python3 -c 'import no_such_module'"))

    assert "       ModuleNotFoundError: No module named 'no_such_module'" in machine.said
    assert "app[web.1]: ModuleNotFoundError: No module named 'no_such_module'" in await machine.log()


async def test_the_next_daemon_goes_on_with_what_this_one_left_to_its_last_words(machine: Machine) -> None:
    launch = machine.launch(web=f"trap 'echo bye; exit 4' TERM; {SERVE.removeprefix('exec ')} & wait")
    await machine.deploy(launch)
    await machine.runner.leave()
    await machine.logplex.leave()  # else both would read

    async def launch_of(app_id: UUID, release_id: UUID) -> Launch:
        return launch

    async with machine.another_runner() as later:
        await later.adopt({machine.app.id: launch}, launch_of)
        (targets, state) = later.routes()[machine.app.id]
        assert (len(targets), state) == (1, WebState.SERVING)
        reader, writer = await asyncio.open_connection(targets[0].host, targets[0].port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 404")
        writer.close()
        await later.stop_all()
    reap_the_shim()

    lines = (await machine.log()).splitlines()
    assert "app[web.1]: bye" in lines  # it may be read before what we say about it is written
    assert lines[-1] == "heroku[web.1]: Process exited with status 4"
    assert machine.rows.rows == {}
    assert list(machine.layout.dynos.iterdir()) == []


def reap_the_shim() -> None:
    """It is a child of this very process, as the next daemon's leftovers are not."""
    os.waitpid(-1, 0)
