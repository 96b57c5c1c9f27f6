"""The local scheduler, by real dynos: in each way to confine them that this machine allows."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from pushd.kit import proc, procfs
from pushd.kit.aio import Nursery
from pushd.kit.cgroup import NO_GROUPS, Groups
from pushd.kit.cgroup_tree import MEMORY, PIDS
from pushd.kit.ownership import make_shared
from pushd.kit.wires import Wires
from pushd.layout import Layout
from pushd.model.resources import Resources
from pushd.model.secret import Environ
from pushd.model.terminal import TerminalSize
from pushd.runner.schedulers import CannotStart, Listener, Start
from pushd.runner.schedulers.handle import MARK, LocalHandle
from pushd.runner.schedulers.local import LocalScheduler
from pushd.sandbox.fence import Fence
from pushd.sandbox.sandbox import Sandbox
from tests.fakes import USER, FixedUids
from tests.sandbox.calls import ALLOWED, CALLS

SECRET = f"s3cret-{uuid4().hex}"  # of this run alone: others may have one in their command lines
SERVER = """python3 -c '
import os, signal, socket
def stop(*_):
    os.write(1, b"graceful\\n")
    os._exit(4)
signal.signal(signal.SIGTERM, stop)
four = socket.create_server(("127.0.0.1", 0))
six = socket.create_server(("::", 0), family=socket.AF_INET6)
print(four.getsockname()[1], six.getsockname()[1], flush=True)
while True: signal.pause()
'"""


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(tmp_path / "data")
    layout.make()
    return layout


@pytest.fixture(params=["best", "copy", "plain", "best in groups", "plain in groups"])
async def sandbox(request: pytest.FixtureRequest, probed: Sandbox, layout: Layout, groups: Groups) -> Sandbox:
    if request.param.startswith("plain"):
        return await Sandbox.probe(layout.run, "off", data=layout.data, groups=groups)
    best = Sandbox(probed.way, probed.protections, hidden=layout.data, groups=groups)
    if request.param == "copy":
        if not best.confines:
            pytest.skip("no bubblewrap here")
        return Sandbox(replace(best.way, overlay=False), best.protections, hidden=layout.data)
    return best


@pytest.fixture
def groups(request: pytest.FixtureRequest) -> Groups:
    """For each dyno one of its own; none in the ways that are not called so."""
    if "groups" not in request.node.callspec.params.get("sandbox", ""):
        return NO_GROUPS
    return Groups.find(f"pushd-test-{uuid4().hex[:8]}", request.getfixturevalue("cgroup"))


@pytest.fixture
async def dynos(layout: Layout, sandbox: Sandbox) -> AsyncIterator[Dynos]:
    dynos = Dynos(layout, sandbox)
    yield dynos
    for handle in dynos.handles:
        await handle.release()
    assert os.listdir(layout.dynos) == []
    assert sandbox.groups.names("dyno-") == []
    sandbox.groups.sweep()
    marks = {str(handle.dyno_id) for handle in dynos.handles}
    assert not [pid for mark in marks for pid in procfs.marked(MARK, mark)]
    assert str(layout.data) not in Path("/proc/self/mountinfo").read_text()  # noqa: ASYNC240


class Dynos:
    """Starts dynos of one slug and reads what they write, as the runner and logplex do."""

    def __init__(self, layout: Layout, sandbox: Sandbox) -> None:
        self.layout = layout
        self.confines, self.is_filtered = sandbox.confines, sandbox.way.filter is not None
        self.has_users = sandbox.way.own_users
        self.scheduler = LocalScheduler(layout, sandbox, FixedUids(sandbox))
        self.handles: list[LocalHandle] = []
        self.slug = layout.slug("abc")
        self.slug.mkdir()
        (self.slug / "file").write_text("from the slug\n")
        app = uuid4()
        layout.storage(app).mkdir()
        self.template = Start(dyno_id=uuid4(), app_id=app, name="web.1", command="", environ=Environ({"KEY": SECRET}),
                              slug=self.slug, environment=None, storage=layout.storage(app),
                              resources=Resources(memory_mb=64))  # fmt: skip

    def prepare(self, command: str, **changes: object) -> Start:
        return replace(self.template, dyno_id=uuid4(), command=command, **changes)  # type: ignore[arg-type]

    async def start(self, command: str, **changes: object) -> LocalHandle:
        handle = await self.scheduler.start(self.prepare(command, **changes))
        self.handles.append(handle)
        return handle

    async def run(self, command: str, **changes: object) -> tuple[int, str]:
        handle = await self.start(command, **changes)
        with Reader(handle) as reader:
            status = await handle.wait()
            return status, reader.rest()


class Reader:
    """The reading end of a dyno's FIFO."""

    def __init__(self, handle: LocalHandle) -> None:
        self._fifo = os.open(handle.fifo, os.O_RDONLY | os.O_NONBLOCK)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fifo)

    def rest(self) -> str:
        """All that waits now."""
        found = b""
        while True:
            try:
                data = os.read(self._fifo, 1 << 16)
            except BlockingIOError:
                data = b""
            if not data:
                return found.decode()
            found += data

    async def line(self) -> str:
        """The next whole output that ends a line."""
        found = ""
        while not found.endswith("\n"):
            await asyncio.wait_for(proc.readable(self._fifo), 30)
            found += self.rest()
        return found


def inside(handle: LocalHandle) -> list[int]:
    return [pid for pid in procfs.marked(MARK, str(handle.dyno_id)) if _is(pid, b"sleep")]


def _is(pid: int, name: bytes) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(name)
    except OSError:
        return False


@pytest.mark.parametrize(("command", "status"), [
    ("true", 0), ("exit 3", 3), ("exit 255", 255), ("no-such-program", 127), ("kill -TERM $$", 143), ("kill -9 $$", 137),
    ("false || (exit 9)", 9),
])  # fmt: skip
async def test_exit_status(dynos: Dynos, command: str, status: int) -> None:
    found, output = await dynos.run(command)
    assert found == status
    assert "Killed" not in output
    assert "Terminated" not in output


async def test_it_may_be_asked_many_times_and_after_release(dynos: Dynos) -> None:
    handle = await dynos.start("exit 6")
    assert await asyncio.gather(handle.wait(), handle.wait()) == [6, 6]
    await handle.release()
    await handle.release()
    assert await handle.wait() == 6
    handle.terminate()
    handle.kill()
    assert list(handle.listeners()) == []
    assert (handle.memory().rss_bytes, handle.memory().scratch_bytes) == (0, 0)


async def test_output_of_both_streams_in_order(dynos: Dynos) -> None:
    assert await dynos.run("echo 1; echo 2 >&2; echo 3; echo 4 >/dev/stdout; echo 5 >/dev/stderr") == (0, "1\n2\n3\n4\n5\n")


async def test_nothing_is_lost_if_nobody_reads_until_long_after_the_end(dynos: Dynos) -> None:
    handle = await dynos.start("seq 20000; exit 7")
    assert await handle.wait() == 7
    with Reader(handle) as reader:
        assert reader.rest() == "".join(f"{n}\n" for n in range(1, 20001))


async def test_app_is_private_and_the_slug_stays(dynos: Dynos) -> None:
    assert await dynos.run("cat file; echo new >file; rm -f file; touch made; ls") == (0, "from the slug\nmade\n")
    assert os.listdir(dynos.slug) == ["file"]
    assert await dynos.run("ls") == (0, "file\n")


async def test_environment(dynos: Dynos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "1")
    status, output = await dynos.run('env -0 | tr "\\0" "\\n"; [ "$HOME" = "$PWD" ] && echo at home; echo $PATH')
    lines = output.splitlines()
    assert status == 0
    assert lines[-2:] == ["at home", "/usr/local/bin:/usr/bin:/bin"]
    names = {line.partition("=")[0] for line in lines[:-2]}
    always = {"KEY", "HOME", "PATH", "PWD", "STORAGE_DIR", MARK}
    assert always <= names <= always | {"SHLVL", "_", "TMPDIR"}


async def test_the_storage_folder_is_where_the_environment_says(dynos: Dynos) -> None:
    status, output = await dynos.run('echo kept >"$STORAGE_DIR/file" && echo "$STORAGE_DIR"')
    assert status == 0
    assert output.strip() in ("/storage", str(dynos.template.storage))
    assert (dynos.template.storage / "file").read_text() == "kept\n"
    own = await dynos.run('echo "$STORAGE_DIR"', environ=Environ({"STORAGE_DIR": "/tmp/own"}))
    assert own == (0, "/tmp/own\n")


async def test_profile_scripts_are_sourced_before_the_command(dynos: Dynos) -> None:
    (dynos.slug / ".profile.d").mkdir()
    (dynos.slug / ".profile.d" / "b.sh").write_text('export LIST="$LIST b"; set -- gone\n')
    (dynos.slug / ".profile.d" / "a.sh").write_text('export LIST="$KEY a"\n')
    (dynos.slug / ".profile").write_text('export LIST="$LIST profile"\n')
    assert await dynos.run("echo $LIST; echo $# $1") == (0, f"{SECRET} a b profile\n0\n")


async def test_a_simple_command_becomes_the_process_itself(dynos: Dynos) -> None:
    handle = await dynos.start(SERVER)
    with Reader(handle) as reader:
        await reader.line()
        assert [pid for pid in procfs.marked(MARK, str(handle.dyno_id)) if _is(pid, b"python3")]
        assert not [pid for pid in procfs.marked(MARK, str(handle.dyno_id)) if _is(pid, b"/bin/bash")]
        handle.kill()
        assert await handle.wait() == 137


async def test_secrets_stand_in_no_command_line(dynos: Dynos) -> None:
    handle = await dynos.start("echo up; exec sleep 600")
    with Reader(handle) as reader:
        assert await reader.line() == "up\n"
        told = [Path(f"/proc/{pid}/cmdline") for pid in procfs.pids()]
        assert not [path for path in told if SECRET.encode() in _read(path)]
        handle.kill()
        assert await handle.wait() == 137


async def test_term_reaches_the_program_and_kill_is_not_needed(dynos: Dynos) -> None:
    handle = await dynos.start(f"exec {SERVER}")
    with Reader(handle) as reader:
        await reader.line()
        handle.terminate()
        assert await handle.wait() == 4
        assert reader.rest() == "graceful\n"


async def test_term_lets_what_a_shell_started_finish(dynos: Dynos) -> None:
    """The shell of a compound command dies at once; its child still has its time."""
    handle = await dynos.start(f"{SERVER}; echo not reached")
    with Reader(handle) as reader:
        await reader.line()
        handle.terminate()
        assert await handle.wait() == 143
        assert reader.rest() == "graceful\n"


async def test_term_during_the_start_ends_it(dynos: Dynos) -> None:
    handle = await dynos.start("exec sleep 600")
    handle.terminate()
    assert await asyncio.wait_for(handle.wait(), 30) >= 128 - 1


async def test_kill_takes_the_stubborn_and_the_escaped(dynos: Dynos) -> None:
    escape = "(setsid sh -c \"trap '' TERM HUP; echo escaped; sleep 600; sleep 600\" &)"
    handle = await dynos.start(f"trap '' TERM HUP; {escape}; read -r _ <>/dev/zero; sleep 600; sleep 600")
    with Reader(handle) as reader:
        await reader.line()
        handle.terminate()
        waiting = asyncio.ensure_future(handle.wait())
        handle.kill()
        assert await waiting == 137
        assert inside(handle) == []


DAEMON = """exec python3 -c '
import os, time
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve("/bin/sh", ["sh", "-c", "trap : TERM; echo daemon; while :; do sleep 600; done"], {})
        os._exit(0)
    os.wait()
daemon()
time.sleep(600)
'"""


def wait_for(holds: Callable[[], object]) -> None:
    """As long as a patient person would wait; the kernel tells nobody."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline


async def test_a_daemon_without_parent_session_and_environment_ends_with_its_dyno(dynos: Dynos) -> None:
    handle = await dynos.start(DAEMON)
    with Reader(handle) as reader:
        assert await reader.line() == "daemon\n"

        found: dict[bytes, list[int]] = {}

        def both() -> bool:  # and nobody who is between them
            everyone = handle._processes()
            found.update((name, [pid for pid in everyone if _is(pid, name)]) for name in (b"python3", b"sh\0-c\0trap"))
            return [len(pids) for pids in found.values()] == [1, 1]

        await asyncio.to_thread(wait_for, both)
        (main,), (daemon,) = found.values()
        identity = procfs.identify(main)
        handle.terminate()
        waiting = asyncio.ensure_future(handle.wait())
        if identity is not None:
            await proc.ended(identity)
        assert procfs.identify(daemon) is not None
        assert not waiting.done()  # the daemon has its time too
        handle.kill()
        await waiting
        assert procfs.identify(daemon) is None


async def test_the_kernel_counts_a_dynos_processes_where_it_lets_us(layout: Layout, sandbox: Sandbox) -> None:
    groups = Groups.find(f"pushd-test-{uuid4().hex[:8]}")
    if not groups.are_there:
        pytest.skip("no control groups here")
    dynos = Dynos(layout, Sandbox(sandbox.way, hidden=layout.data, groups=groups))
    handle = await dynos.start("sleep 600 & echo up; sleep 600")
    with Reader(handle) as reader:
        assert await reader.line() == "up\n"
    (name,) = groups.names()
    assert (groups.group(name).folders[PIDS] / "pids.max").read_text() == "4096\n"
    assert len(groups.group(name).pids()) >= 2

    (found,) = await LocalScheduler(layout, dynos.scheduler._sandbox, FixedUids(sandbox)).find_leftovers(
        [(handle.dyno_id, handle.identity)]
    )
    assert groups.names() == [name]  # the next daemon goes on with it
    found.kill()
    await handle.wait()
    assert groups.group(name).pids() == set()
    lost = groups.maybe_make(f"dyno-{uuid4()}")  # of a daemon that was killed between two lines
    assert lost is not None

    await LocalScheduler(layout, dynos.scheduler._sandbox, FixedUids(sandbox)).find_leftovers(
        [(handle.dyno_id, handle.identity)]
    )

    assert not lost.folders[PIDS].exists()
    await handle.release()
    assert groups.names() == []


async def test_the_kernel_ends_what_takes_more_memory_than_twice_the_quota(layout: Layout, sandbox: Sandbox) -> None:
    groups = Groups.find(f"pushd-test-{uuid4().hex[:8]}")
    if not groups.holds(MEMORY):
        pytest.skip("no control groups with memory here")
    dynos = Dynos(layout, Sandbox(sandbox.way, hidden=layout.data, groups=groups))
    handle = await dynos.start(
        "/usr/bin/python3 -c 'held = bytearray(b\"x\") * (900 << 20)'", resources=Resources(memory_mb=32)
    )
    with Reader(handle):
        assert await handle.wait() == 137
    assert handle.ran_out_of_memory()
    await handle.release()
    assert not handle.ran_out_of_memory()
    assert groups.names() == []


async def test_a_dyno_has_the_limits_that_were_set(dynos: Dynos, sandbox: Sandbox) -> None:
    """As far as each way can; a control group that bounds the memory leaves the rest to itself."""
    resources = Resources(memory_mb=64, processes=300, open_files=77)
    _, said = await dynos.run("ulimit -n; ulimit -d; ulimit -u; cat /proc/self/oom_score_adj", resources=resources)
    files, data, processes, badness = said.split()
    assert (files, badness) == ("77", "500")
    assert data == ("unlimited" if sandbox.groups.holds(MEMORY) else str((128 << 10) + (1 << 20)))
    if sandbox.way.user_namespace:
        assert processes == "300"


async def test_a_dyno_whose_group_cannot_be_made_is_bounded_all_the_same(sandbox: Sandbox, layout: Layout) -> None:
    """As when the unit with the groups was begun anew since the daemon looked."""
    gone = Groups(dict.fromkeys((PIDS, MEMORY), layout.run / "gone"), "pushd-test")
    dynos = Dynos(layout, Sandbox(sandbox.way, hidden=layout.data, groups=gone))
    handle = await dynos.start("ulimit -d", resources=Resources(memory_mb=64))
    with Reader(handle) as reader:
        assert await handle.wait() == 0
        assert int(reader.rest()) == (128 << 10) + (1 << 20)
    await handle.release()


async def test_zombies_are_buried(dynos: Dynos) -> None:
    orphans = "for n in 1 2 3 4 5 6 7 8; do (true & exec true); done; echo made; exec sleep 600"
    handle = await dynos.start(orphans)
    with Reader(handle) as reader:
        assert await reader.line() == "made\n"
        top = handle._shim.process.pid
        await asyncio.to_thread(wait_for, lambda: all(map(procfs.identify, procfs.descendants(top))))
        handle.kill()
        await handle.wait()


async def test_what_outlives_the_program_is_ended_with_it(dynos: Dynos) -> None:
    handle = await dynos.start("(setsid sleep 600 >/dev/null 2>&1 &); exit 5")
    assert await handle.wait() == 5
    assert inside(handle) == []


async def test_killing_its_own_process_group_harms_nobody_else(dynos: Dynos) -> None:
    ready = "$HOME/ready"  # a child that is just being made may lose the signal with its parent's trap
    script = f"trap : TERM; (: >{ready}; exec sleep 600) & until [ -e {ready} ]; do :; done; kill 0; echo still; wait; exit 8"
    assert await dynos.run(script) == (8, "still\n")


async def test_wait_ends_when_somebody_kills_the_shim(dynos: Dynos) -> None:
    handle = await dynos.start("echo up; exec sleep 600")
    with Reader(handle) as reader:
        await reader.line()
        shim = [pid for pid in procfs.marked(MARK, str(handle.dyno_id)) if b"pushd-dyno" in _read(Path(f"/proc/{pid}/cmdline"))]
        os.kill(min(shim), signal.SIGKILL)
        assert await handle.wait() == 137
        assert inside(handle) == []


async def test_listeners_and_memory(dynos: Dynos) -> None:
    handle = await dynos.start(f"head -c 3000000 /dev/zero >/tmp/pushd-scratch-$$; rm -f /tmp/none; exec {SERVER}")
    with Reader(handle) as reader:
        four, six = (int(port) for port in (await reader.line()).split())
        assert set(handle.listeners()) == {Listener("127.0.0.1", four), Listener("::", six)}
        memory = handle.memory()
        assert 3 << 20 < memory.rss_bytes < 64 << 20
        if dynos.scheduler._sandbox.confines:
            assert 3_000_000 <= memory.scratch_bytes < 4_000_000
        handle.kill()
        await handle.wait()
    for path in Path("/tmp").glob("pushd-scratch-*"):  # noqa: ASYNC240  a plain dyno shares /tmp
        path.unlink()


async def test_the_environment_and_its_interpreter_are_there(dynos: Dynos, layout: Layout) -> None:
    environment = layout.environment(uuid4(), "e")
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    status, output = await dynos.run(f"{environment}/bin/python -c 'import ssl; print(1 + 1)'", environment=environment)
    assert (status, output) == (0, "2\n")


async def test_what_a_build_put_in_the_place_of_an_environment_is_not_shown(dynos: Dynos, layout: Layout) -> None:
    user = USER if dynos.has_users else 0 if os.geteuid() == 0 else None
    for place in ("link", "file", *(["theirs"] if dynos.has_users else [])):
        environment = layout.environment(dynos.template.app_id, place)
        make_shared(environment.parent, user)
        if place == "link":
            environment.symlink_to(layout.data)
        elif place == "file":
            environment.touch()
        else:
            environment.mkdir()
            os.chown(environment, USER, USER)
        with pytest.raises(CannotStart, match="its environment is gone"):
            await dynos.start("true", environment=environment)


async def test_storage_is_kept(dynos: Dynos) -> None:
    assert await dynos.run('echo kept >"$STORAGE_DIR/file"') == (0, "")
    assert await dynos.run('cat "$STORAGE_DIR/file"') == (0, "kept\n")


async def test_a_missing_slug_is_told_and_leaves_nothing(dynos: Dynos, layout: Layout) -> None:
    with pytest.raises(CannotStart, match="slug"):
        await dynos.scheduler.start(dynos.prepare("true", slug=layout.slug("gone")))
    assert os.listdir(layout.dynos) == []


async def test_a_machine_that_refuses_is_told_and_leaves_nothing(
    dynos: Dynos, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "posix_spawnp", refuse)
    with pytest.raises(CannotStart, match="Resource temporarily unavailable") as caught:
        await dynos.scheduler.start(dynos.prepare("true"))
    assert caught.value.remedy
    assert os.listdir(layout.dynos) == []


async def test_a_dyno_is_not_started_twice_under_one_id(dynos: Dynos) -> None:
    start = dynos.prepare("exec sleep 600")
    handle = await dynos.scheduler.start(start)
    dynos.handles.append(handle)
    with pytest.raises(CannotStart, match="taken"):
        await dynos.scheduler.start(start)
    assert handle.fifo.exists()


async def test_files_that_nobody_may_read_are_removed_too(dynos: Dynos) -> None:
    assert (await dynos.run("mkdir -p a/b && touch a/b/c && chmod 0 a/b/c a/b a"))[0] == 0


async def test_a_later_daemon_takes_over(dynos: Dynos, layout: Layout, sandbox: Sandbox) -> None:
    running = await dynos.start(f"exec {SERVER}")
    with Reader(running) as reader:
        port = int((await reader.line()).split()[0])
    ended = await dynos.start("echo last words; exit 9")
    await ended.wait()
    forgotten = await dynos.start("exec sleep 600")

    later = LocalScheduler(layout, sandbox, FixedUids(sandbox))
    known = [(running.dyno_id, running.identity), (ended.dyno_id, ended.identity), (uuid4(), running.identity)]
    found = {handle.dyno_id: handle for handle in await later.find_leftovers(known)}

    assert set(found) == {running.dyno_id, ended.dyno_id}
    assert Listener("127.0.0.1", port) in found[running.dyno_id].listeners()
    with Reader(found[ended.dyno_id]) as reader:
        assert await found[ended.dyno_id].wait() == 9
        assert reader.rest() == "last words\n"
    with Reader(found[running.dyno_id]) as reader:
        found[running.dyno_id].terminate()
        assert await found[running.dyno_id].wait() == 4
        assert reader.rest() == "graceful\n"
    assert inside(forgotten) == []  # swept: no identity named it
    for handle in found.values():
        await handle.release()
    assert os.listdir(layout.dynos) == []


async def test_identities_of_another_boot_or_owner_are_swept(dynos: Dynos, layout: Layout) -> None:
    handle = await dynos.start("exec sleep 600")
    other_boot = handle.identity.replace(procfs.boot_id(), "another")
    assert await dynos.scheduler.find_leftovers([(handle.dyno_id, other_boot)]) == []
    assert os.listdir(layout.dynos) == []
    assert inside(handle) == []


async def test_odd_folders_are_removed_and_nonsense_is_no_identity(dynos: Dynos, layout: Layout) -> None:
    half_made = layout.dyno(uuid4())
    half_made.mkdir()
    (layout.dynos / "not-a-dyno").mkdir()
    nonsense = [(UUID(half_made.name), text) for text in ("", "{}", "[]", "null", '{"process": {}}', "\0")]
    for identity in nonsense:
        assert await dynos.scheduler.find_leftovers([identity]) == []
    assert os.listdir(layout.dynos) == []
    shutil.rmtree(layout.dynos)
    assert await dynos.scheduler.find_leftovers([]) == []
    layout.dynos.mkdir()


class Doors(Fence):
    """Notes which ports are open to whom."""

    def __init__(self) -> None:
        super().__init__(None, "")
        self.open_now: set[tuple[int, int]] = set()

    async def open(self, uid: int, port: int) -> None:
        self.open_now.add((uid, port))

    async def close(self, uid: int, port: int) -> None:
        self.open_now.discard((uid, port))

    async def reset(self, doors: Collection[tuple[int, int]]) -> None:
        self.open_now = set(doors)


async def test_a_port_is_its_apps_from_the_start_to_the_end_of_its_dyno(layout: Layout, dynos: Dynos, sandbox: Sandbox) -> None:
    doors = Doors()
    dynos.scheduler = LocalScheduler(layout, sandbox, FixedUids(sandbox), fence=doors)
    handle = await dynos.start("exec sleep 600", port=5001)
    await dynos.start("exec sleep 600")
    expected = {(USER, 5001)} if sandbox.way.own_users else set()
    assert doors.open_now == expected

    later = Doors()
    identities = [(each.dyno_id, each.identity) for each in dynos.handles]
    await LocalScheduler(layout, sandbox, FixedUids(sandbox), fence=later).find_leftovers(identities)
    assert later.open_now == expected

    handle.kill()
    await handle.wait()
    await handle.release()
    assert doors.open_now == set()


async def test_a_daemon_killed_right_after_a_start_leaves_it_to_be_swept(
    layout: Layout, dynos: Dynos, sandbox: Sandbox
) -> None:
    dyno_id = uuid4()
    mode = "auto" if sandbox.confines else "off"
    code = f"""if 1:
        import asyncio, os, sys
        from pathlib import Path
        from uuid import UUID
        from pushd.layout import Layout
        from pushd.model.resources import Resources
        from pushd.model.secret import Environ
        from pushd.runner.schedulers import Start
        from pushd.runner.schedulers.local import LocalScheduler
        from pushd.sandbox.sandbox import Sandbox
        from tests.fakes import USER, FixedUids
        async def main():
            layout = Layout(Path({str(layout.data)!r}))
            sandbox = await Sandbox.probe(layout.run, {mode!r}, data=layout.data, user=USER)
            scheduler = LocalScheduler(layout, sandbox, FixedUids(sandbox))
            await scheduler.start(Start(dyno_id=UUID({str(dyno_id)!r}), app_id=UUID(int=1), name="web.1",
                command="exec sleep 600", environ=Environ(), slug=layout.slug("abc"), environment=None,
                storage=layout.storage(UUID(int=1)), resources=Resources(memory_mb=16)))
            os.kill(os.getpid(), 9)
        asyncio.run(main())"""
    layout.storage(UUID(int=1)).mkdir()
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code])
    assert killed.returncode == -9
    assert procfs.marked(MARK, str(dyno_id))
    assert await dynos.scheduler.find_leftovers([]) == []
    assert procfs.marked(MARK, str(dyno_id)) == []
    assert os.listdir(layout.dynos) == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


# --- streams of its own, and programs in a dyno that runs ---------------------------------------------------------------


class Attached:
    """A dyno whose streams are ours, read to its end."""

    def __init__(self, handle: LocalHandle, wires: Wires) -> None:
        self.handle = handle
        self.wires = wires
        self.output = {1: b"", 2: b""}

    async def until(self, text: bytes) -> None:
        """Read until stdout or the terminal has shown this."""
        async with asyncio.timeout(30):
            while text not in self.output[1]:
                found = await self.wires.read()
                assert found is not None, self.output
                self.output[found[0]] += found[1]

    async def end(self) -> int:
        """Its status; all output has been read."""

        async def read_on() -> None:
            while (found := await self.wires.read()) is not None:
                self.output[found[0]] += found[1]

        async with asyncio.timeout(30), Nursery("test") as nursery:
            reading = nursery.start(read_on(), name="read")
            status = await self.handle.wait()
            self.wires.finish()
            await reading
        return status


@pytest.fixture
async def attach(dynos: Dynos) -> AsyncIterator[Callable[..., Awaitable[Attached]]]:
    opened: list[Wires] = []

    async def attach(command: str, size: TerminalSize | None = None, *, merged: bool = False, **changes: object) -> Attached:
        wires, streams = Wires.open(size, merged=merged)
        opened.append(wires)
        try:
            return Attached(await dynos.start(command, streams=streams, **changes), wires)
        finally:
            for descriptor in {streams.stdin, streams.stdout, streams.stderr}:
                os.close(descriptor)

    yield attach
    for wires in opened:
        wires.close()


Attach = Callable[..., Awaitable[Attached]]


async def test_pipes_carry_any_bytes_and_a_real_end_of_input(attach: Attach) -> None:
    attached = await attach("cat; echo err >&2; exit 5")
    data = os.urandom(10 << 20)

    async with Nursery("test") as nursery:
        writing = nursery.start(attached.wires.write(data), name="write")
        writing.add_done_callback(lambda _: nursery.start(attached.wires.end_input(), name="end"))
        assert await attached.end() == 5

    assert attached.output == {1: data, 2: b"err\n"}


async def test_merged_pipes_keep_the_order(attach: Attach) -> None:
    attached = await attach("echo 1; echo 2 >&2; echo 3", merged=True)
    assert await attached.end() == 0
    assert attached.output[1] == b"1\n2\n3\n"


async def test_a_program_that_reads_nothing_is_not_waited_for(attach: Attach) -> None:
    attached = await attach("exit 3")
    async with Nursery("test") as nursery:
        writing = nursery.start(attached.wires.write(bytes(1 << 20)), name="write")
        assert await attached.end() == 3
        writing.cancel()


async def test_a_terminal_is_the_controlling_one(attach: Attach) -> None:
    attached = await attach("exec bash --norc -i", TerminalSize(111, 33), environ=Environ({"TERM": "dumb"}))
    await attached.wires.write(b"stty size </dev/tty; sleep 600 &\n")
    await attached.until(b"33 111\r\n")
    attached.wires.resize(TerminalSize(50, 10))
    await attached.wires.write(b"stty size; cat\n")
    await attached.until(b"10 50\r\n")
    await attached.wires.write(b"ready\n")
    await attached.until(b"ready\r\nready\r\n")
    await attached.wires.write(b"\x03")
    await attached.until(b"^C\r\nbash-")
    await attached.wires.write(b"echo after-$?; exit 4\n")

    assert await attached.end() == 4
    assert b"after-130\r\n" in attached.output[1]
    assert b"no job control" not in attached.output[1]


async def test_signals_have_their_default_meaning(attach: Attach) -> None:
    attached = await attach("trap; grep -E 'Sig(Ign|Blk)' /proc/self/status", TerminalSize())
    assert await attached.end() == 0
    _, blocked, _, ignored = attached.output[1].split()
    own_of_libc = 3 << 31
    assert (int(blocked, 16), int(ignored, 16) & ~own_of_libc) == (0, 0)


@pytest.mark.parametrize("size", [None, TerminalSize()], ids=["pipes", "terminal"])
async def test_a_signal_reaches_every_process(attach: Attach, size: TerminalSize | None) -> None:
    attached = await attach("trap 'echo hung up; exit 7' HUP; echo on; sleep 600 & wait", size)
    await attached.until(b"on")

    attached.handle.signal(signal.SIGHUP)

    assert await attached.end() == 7
    assert b"hung up" in attached.output[1]


@pytest.mark.parametrize("size", [None, TerminalSize()], ids=["pipes", "terminal"])
async def test_one_that_does_not_hear_is_killed_with_all_that_it_started(attach: Attach, size: TerminalSize | None) -> None:
    attached = await attach("trap '' HUP TERM; setsid sleep 601 & sleep 602 & echo on; wait; sleep 603", size)
    await attached.until(b"on")

    attached.handle.signal(signal.SIGHUP)
    attached.handle.kill()

    assert await attached.end() == 137
    assert inside(attached.handle) == []


@pytest.mark.parametrize("size", [None, TerminalSize()], ids=["pipes", "terminal"])
async def test_inside_a_running_dyno(dynos: Dynos, attach: Attach, size: TerminalSize | None) -> None:
    outer = await dynos.start("echo mine >made; echo on; exec -a outer-program sleep 600")
    with Reader(outer) as reader:
        await reader.line()
    attached = await attach(
        "cat made; pwd | grep -qx \"$HOME\" && echo home; echo \"$KEY-$ODD\"; grep CapEff /proc/self/status;"
        " until grep -qs ^outer-program /proc/[0-9]*/cmdline; do sleep 0.01; done; echo seen; exit 6",
        size, inside=outer.dyno_id, environ=Environ({"KEY": "it's \"$x\"\n", "ODD": "é", "LD_PRELOAD": "", "not.a.name": "1"}),
    )  # fmt: skip

    assert await attached.end() == 6

    lines = attached.output[1].decode().replace("\r\n", "\n").splitlines()
    assert lines[:5] == ["mine", "home", 'it\'s "$x"', "-é", lines[4]]
    assert lines[-1] == "seen"
    if dynos.confines:
        assert lines[4].split() == ["CapEff:", "0" * 16]
    assert [pid for pid in procfs.marked(MARK, str(outer.dyno_id)) if _is(pid, b"outer-program")]


@pytest.mark.parametrize("sandbox", ["best", "copy"], indirect=True)
async def test_inside_a_dyno_system_calls_are_refused_as_in_it(dynos: Dynos, attach: Attach) -> None:
    """All but setns(2), by which it came in: that one the kernel refuses to who has no capability."""
    if not dynos.is_filtered or not shutil.which("python3", path="/usr/bin"):
        pytest.skip("no libseccomp here, or no Python to try it with")
    outer = await dynos.start("echo on; exec sleep 600")
    with Reader(outer) as reader:
        await reader.line()
    attached = await attach(
        f"grep -c 'Seccomp:.2' /proc/self/status; env | grep -c LC_; exec /usr/bin/python3 -c {shlex.quote(CALLS)}",
        inside=outer.dyno_id,
    )

    assert await attached.end() == 0

    filtered, variables, answer = attached.output[1].decode().splitlines()
    found = json.loads(answer)
    assert (filtered, variables) == ("1", "0")  # and nothing of the Python that did it is left
    assert {name: found.pop(name) for name in ALLOWED} == ALLOWED
    assert found.pop("setns") in ("EINVAL", "EBADF")
    assert set(found.values()) == {"EPERM"}, found


async def test_inside_a_dyno_nothing_outlives_it(dynos: Dynos, attach: Attach) -> None:
    outer = await dynos.start("echo on; exec sleep 600")
    with Reader(outer) as reader:
        await reader.line()
    attached = await attach("echo on; exec sleep 600", inside=outer.dyno_id)
    await attached.until(b"on")

    outer.kill()
    await outer.wait()
    if not dynos.confines:
        attached.handle.kill()  # as its life does

    assert await attached.end() == 137


async def test_inside_a_dyno_that_has_ended(dynos: Dynos) -> None:
    outer = await dynos.start("true")
    await outer.wait()

    for dyno_id in (outer.dyno_id, uuid4()):
        with pytest.raises(CannotStart, match="does not run"):
            await dynos.start("true", inside=dyno_id)
