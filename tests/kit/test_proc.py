"""Programs with a deadline, and what is left of them: nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pushd.kit import proc, procfs
from pushd.kit.proc import RanTooLong, Tree
from pushd.kit.procfs import Identity
from pushd.kit.spawn import spawn

ENV = {"PATH": "/usr/bin:/bin"}
# A daemon as they are written: double fork, a session of its own, no output that we hold; tells its pid.
ESCAPE = "setsid sh -c 'echo $$ >pid; exec sleep 600' >/dev/null 2>&1 & until [ -s pid ]; do :; done"


async def run(script: str, *, within: float = 20, cwd: Path | None = None, grace: float = 1.0) -> tuple[int, str]:
    output: list[bytes] = []
    status = await proc.run(["/bin/sh", "-c", script], env=ENV, on_output=output.append, within=within, cwd=cwd, grace=grace)
    return status, b"".join(output).decode()


def gone(pid_file: Path) -> bool:
    return procfs.identify(int(pid_file.read_text())) is None


async def test_output_is_merged_in_order_and_complete() -> None:
    assert await run("echo one; echo two >&2; echo three; exit 7") == (7, "one\ntwo\nthree\n")


async def test_much_output_comes_whole() -> None:
    status, output = await run("seq 100000")
    assert status == 0
    assert output == "".join(f"{n}\n" for n in range(1, 100001))


async def test_output_that_takes_long_to_handle_leaves_the_loop_to_others() -> None:
    happened: list[str] = []
    loop = asyncio.get_running_loop()

    def on_output(data: bytes) -> None:
        happened.append("piece")
        time.sleep(0.02)  # stands for work; others then have at least as long
        loop.call_later(0.01, happened.append, "other")

    await proc.run(["/bin/sh", "-c", "head -c 1000000 /dev/zero"], env=ENV, on_output=on_output, within=60)

    pieces = happened.count("piece")
    assert pieces > 2
    assert happened[: 2 * pieces - 1] == ["piece", "other"] * (pieces - 1) + ["piece"]


async def test_output_comes_while_the_program_runs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    seen: list[bytes] = []

    def on_output(data: bytes) -> None:
        seen.append(data)
        if data == b"ready\n":
            (tmp_path / "go").write_text("go\n")  # would wait for ever if the program had ended before

    await proc.run(["/bin/sh", "-c", "echo ready; cat go"], env=ENV, on_output=on_output, within=20, cwd=tmp_path)
    assert b"".join(seen) == b"ready\ngo\n"


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
async def test_exit_status_is_as_a_shell_tells_it(script: str, status: int) -> None:
    assert (await run(script))[0] == status


async def test_a_program_that_closed_its_output_is_waited_for() -> None:
    assert await run("exec >&- 2>&-; cat /proc/self/stat >/dev/null; exit 4") == (4, "")


async def test_stdin_is_a_descriptor_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("words")
    output: list[bytes] = []
    with (tmp_path / "in").open() as file:
        await proc.run(["/bin/cat"], env=ENV, on_output=output.append, within=20, stdin=file.fileno())
    assert b"".join(output) == b"words"
    assert await run("cat") == (0, "")


async def test_it_gets_its_own_environment_and_no_descriptor_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "1")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    try:
        _, output = await run("env; ls /proc/self/fd")
    finally:
        os.close(reading)
        os.close(writing)
    lines = output.split()
    assert "DAEMON_SECRET=1" not in lines
    assert [line for line in lines if line.isdigit()] == ["0", "1", "2", "3"]  # 3 is the folder that ls reads


async def test_named_descriptors_arrive_under_their_numbers() -> None:
    reading, writing = os.pipe()
    other, other_end = os.pipe()
    crosswise = {writing: other_end, other_end: writing}  # each goes where the other one stands
    script = f"import os; os.write({writing}, b'a'); os.write({other_end}, b'b')"
    try:
        await proc.run(["python3", "-c", script], env=ENV, on_output=lambda _: None, within=20, fds=crosswise)
        assert (os.read(other, 9), os.read(reading, 9)) == (b"a", b"b")
    finally:
        for descriptor in (reading, writing, other, other_end):
            os.close(descriptor)


@contextmanager
def ignoring(*signals: int) -> Iterator[None]:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)


async def test_ignored_and_blocked_signals_are_not_inherited() -> None:
    with ignoring(signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):  # as a daemon under nohup, or started with "&" by sh
        _, output = await run("grep -E '^Sig(Blk|Ign)' /proc/self/status")
    own_of_libc = 0b11 << 31  # signals 32 and 33, which no program can use
    assert [int(line.split()[1], 16) & ~own_of_libc for line in output.splitlines()] == [0, 0]


async def test_a_missing_program_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        await proc.run(["/no/such/program"], env=ENV, on_output=lambda _: None, within=20)


async def late(script: str, skip: Callable[[float], None], *, cwd: Path, grace: float, lines: int = 1) -> None:
    """Run it with a deadline that comes as soon as it has said so many lines."""
    said = bytearray()

    def on_output(data: bytes) -> None:
        before, after = said.count(b"\n"), (said + data).count(b"\n")
        said.extend(data)
        if before < lines <= after:
            skip(600)

    argv = ["/bin/sh", "-c", script]
    with pytest.raises(RanTooLong, match="within 600 seconds"):
        await proc.run(argv, env=ENV, on_output=on_output, within=600, cwd=cwd, grace=grace)


async def test_at_the_deadline_the_whole_tree_is_ended(tmp_path: Path, skip: Callable[[float], None]) -> None:
    await late(f"{ESCAPE}; trap '' TERM; echo up; sleep 600", skip, cwd=tmp_path, grace=0.1)
    assert gone(tmp_path / "pid")


async def test_fork_without_end_is_ended_too(tmp_path: Path, skip: Callable[[float], None]) -> None:
    script = "spawn() { while :; do (exec sleep 600) & echo $(ls | wc -l); done; }; spawn & spawn & spawn"
    await late(script, skip, cwd=tmp_path, grace=0.1, lines=30)


async def test_term_comes_before_kill(tmp_path: Path, skip: Callable[[float], None]) -> None:
    await late("trap 'echo polite >last; exit' TERM; echo up; while :; do :; done", skip, cwd=tmp_path, grace=20)
    assert (tmp_path / "last").read_text() == "polite\n"


async def test_what_outlives_the_program_is_ended_after_a_normal_end(tmp_path: Path) -> None:
    assert (await run(ESCAPE, cwd=tmp_path))[0] == 0
    assert gone(tmp_path / "pid")


async def test_last_words_of_background_children_are_heard(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ended")  # the child reads its end once the shell has ended

    status, heard = await run("(read -r _ <ended; seq 3) & exec 9>ended; echo first", grace=10, cwd=tmp_path)

    assert (status, heard) == (0, "first\n1\n2\n3\n")


async def test_cancelling_ends_the_tree(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "up")
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run(f"{ESCAPE}; echo up >up; sleep 600", cwd=tmp_path, within=60))
        up = os.open(tmp_path / "up", os.O_RDONLY | os.O_NONBLOCK)
        await proc.readable(up)
        os.close(up)
        task.cancel()
    assert task.cancelled()
    assert gone(tmp_path / "pid")


async def test_a_failing_listener_ends_the_tree_and_is_told(tmp_path: Path) -> None:
    def fail(_: bytes) -> None:
        raise KeyError("listener")

    with pytest.raises(KeyError):
        await proc.run(["/bin/sh", "-c", f"{ESCAPE}; echo x; sleep 600"], env=ENV, on_output=fail, within=60, cwd=tmp_path)
    assert gone(tmp_path / "pid")


async def test_no_descriptor_is_left() -> None:
    await run("true")
    before = os.listdir("/proc/self/fd")
    await run("true")
    with pytest.raises(RanTooLong):
        await run("sleep 600", within=0.1, grace=0)
    assert os.listdir("/proc/self/fd") == before


def test_identity_tells_a_later_process_from_an_earlier_one() -> None:
    me = procfs.identify(os.getpid())
    assert me is not None
    assert procfs.is_alive(me)
    earlier = Identity(me.boot_id, me.pid, me.started - 1)
    assert not procfs.is_alive(earlier)
    assert not proc.send(earlier, signal.SIGKILL)  # or this test would end here
    assert procfs.identify(2**22 + 1) is None


def test_a_zombie_is_nobody() -> None:
    pid = spawn(["/bin/true"], env=ENV)
    pidfd = os.pidfd_open(pid)
    os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    os.close(pidfd)
    assert procfs.identify(pid) is None
    assert proc.reap(pid) == 0
    assert proc.reap(pid) is None


def test_what_was_spawned_is_found_by_its_mark_at_once() -> None:
    for number in range(100):
        pid = spawn(["/bin/sleep", "600"], env={"M": f"{os.getpid()}.{number}"})
        found = procfs.marked("M", f"{os.getpid()}.{number}")
        assert Tree(procfs.identify(pid), ("M", "")).kill()
        proc.reap(pid)
        assert found == [pid]


async def test_a_tree_has_descendants_and_marked_ones_but_not_the_spared(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    pid = spawn(["/bin/sh", "-c", f"{ESCAPE}; cat go; :"], env=ENV | {"M": "1"}, cwd=tmp_path)
    root = procfs.identify(pid)
    try:
        assert root is not None
        go = await asyncio.get_running_loop().run_in_executor(None, lambda: (tmp_path / "go").open("w"))
        escaped = int((tmp_path / "pid").read_text())
        with go:
            everyone = {who.pid for who in Tree(root, ("M", "1")).members()}
            assert {pid, escaped, *procfs.descendants(pid)} == everyone
            assert pid not in {who.pid for who in Tree(root, ("M", "1"), spared=frozenset({pid})).members()}
    finally:
        assert Tree(root, ("M", "1")).kill()
        proc.reap(pid)
    assert procfs.identify(escaped) is None


def test_listening_sockets_are_those_of_the_processes_asked_for() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
        socket.create_connection(four.getsockname()),
    ):
        found = set(procfs.listening([os.getpid()]))
        assert {four.getsockname()[:2], six.getsockname()[:2]} <= found
        assert procfs.listening([2**22 + 1]) == []


def test_memory_is_measured_and_zero_for_the_dead() -> None:
    assert proc.rss_bytes([os.getpid()]) > 1 << 20
    assert 1 << 20 < proc.pss_bytes([os.getpid()]) <= proc.rss_bytes([os.getpid()]) * 1.5
    assert proc.rss_bytes([2**22 + 1]) == proc.pss_bytes([2**22 + 1]) == 0


async def test_ended_waits_for_processes_that_are_not_our_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    script = "(setsid sh -c 'echo $$ >pid; read -r _ <go' >/dev/null 2>&1 &) ; until [ -s pid ]; do :; done"
    pid = spawn(["/bin/sh", "-c", script], env=ENV, cwd=tmp_path)
    shell = procfs.identify(pid)
    if shell is not None:
        await proc.ended(shell)
    proc.reap(pid)
    orphan = procfs.identify(int((tmp_path / "pid").read_text()))
    assert orphan is not None
    (tmp_path / "go").write_text("\n")
    await asyncio.wait_for(proc.ended(orphan), 20)
    await asyncio.wait_for(proc.ended(orphan), 20)  # again: it is gone


def test_what_is_in_swap_is_what_the_kernel_says_of_each_process() -> None:
    gone = spawn(["/bin/true"], env=ENV)
    while proc.reap(gone) is None:
        pass
    for file, name in (
        ("status", b"VmRSS:"),
        ("smaps_rollup", b"Pss:"),
    ):  # where the figures of swap stand too, if there is any
        assert procfs._sized(os.getpid(), file, name) > 1 << 20
        assert procfs._sized(gone, file, name) == 0
    assert procfs.swapped_bytes([gone]) == procfs.swapped_bytes([gone], exact=True) == 0
