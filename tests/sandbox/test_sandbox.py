"""What confined programs see and may do, asked by real programs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.kit import procfs
from pushd.kit.aio import Nursery
from pushd.kit.bounds import TookTooMuch
from pushd.kit.cgroup import NO_GROUPS, Bound, Group, Groups
from pushd.kit.ownership import make_owned
from pushd.kit.proc import OWNER, RanTooLong, spawn
from pushd.model.secret import Environ
from pushd.sandbox.sandbox import SYSTEM_PATH, NoSandbox, Sandbox, bound_of, owner_of
from pushd.sandbox.view import STORAGE, Bind, Kind, Limits, View
from tests.fakes import USER
from tests.sandbox.calls import ALLOWED, CALLS

PYTHON = Path(sys.executable)


def dyno(folder: Path) -> View:
    """A dyno's view in a fresh data folder: a slug, storage of its own and of another app, a secret."""
    for name in ("slugs/a", "storage/mine", "storage/other", "scratch", "environments/a"):
        (folder / name).mkdir(parents=True)
    (folder / "slugs/a/file").write_text("from the slug\n")
    (folder / "storage/other/file").write_text("of another app\n")
    (folder / "secret.key").write_text("key\n")
    (folder / "secret.key").chmod(0o600)
    make_owned(folder / "storage/mine", USER)
    (folder / "storage/mine").chmod(0o777)  # also where all apps are one user
    return View(
        kind=Kind.DYNO,
        user=USER,
        root=folder / "slugs/a",
        scratch=folder / "scratch",
        environ=Environ({"GREETING": "hello"}),
        limits=Limits(scratch_bytes=8 << 20),
        read_only=(Bind(folder / "environments/a"),),
        read_write=(Bind(folder / "storage/mine", at=STORAGE),),
    )


def build(folder: Path) -> View:
    view = dyno(folder)
    make_owned(view.root, USER)
    view.root.chmod(0o777)
    return replace(view, kind=Kind.BUILD, scratch=None, read_write=(Bind(folder / "storage/mine"),))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


async def sh(sandbox: Sandbox, view: View, script: str, *, within: float = 30) -> tuple[int, str]:
    output: list[bytes] = []
    status = await sandbox.run(view, ["/bin/sh", "-c", script], on_output=output.append, within=within)
    return status, b"".join(output).decode()


async def ask(sandbox: Sandbox, view: View, program: str) -> object:
    """What a Python program inside prints as JSON."""
    view = replace(view, interpreters=(PYTHON,))
    output: list[bytes] = []
    status = await sandbox.run(view, [str(PYTHON), "-c", program], on_output=output.append, within=30)
    text = b"".join(output).decode()
    assert status == 0, text
    return json.loads(text)


async def test_a_dyno_sees_its_slug_and_writes_privately(sandbox: Sandbox, tmp_path: Path) -> None:
    view = dyno(tmp_path)
    status, output = await sh(
        sandbox, view, "cat file; echo changed >file; echo new >other; cat file; pwd; echo $HOME $GREETING"
    )
    with sandbox.confine(view) as confined:
        home = confined.home
    assert (status, output) == (0, f"from the slug\nchanged\n{home}\n{home} hello\n")
    assert {path.name: path.read_text() for path in view.root.iterdir()} == {"file": "from the slug\n"}


async def test_a_build_writes_its_tree_and_its_binds(sandbox: Sandbox, tmp_path: Path) -> None:
    view = build(tmp_path)
    status, output = await sh(sandbox, view, f"echo built >made; echo kept >{tmp_path}/storage/mine/cache; exit 5")
    assert (status, output) == (5, "")
    assert (view.root / "made").read_text() == "built\n"
    assert (tmp_path / "storage/mine/cache").read_text() == "kept\n"


async def test_nothing_of_the_daemons_environment_leaks(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "1")
    _, output = await sh(sandbox, dyno(tmp_path), "env | cut -d= -f1; ls /proc/self/fd")
    names = set(output.split())
    assert {"GREETING", "HOME", "PATH", "PWD"} <= names <= {
        "GREETING", "HOME", "PATH", "PWD", "SHLVL", "_", "TMPDIR", "PUSHD_RUN_ID", "PUSHD_RUN_OF", "0", "1", "2", "3",
    }  # fmt: skip


async def test_no_core_files_and_low_priority(sandbox: Sandbox, tmp_path: Path) -> None:
    view = build(tmp_path)
    view = replace(view, limits=replace(view.limits, low_priority=True, data_bytes=1 << 30))
    assert await sh(sandbox, view, "ulimit -c; ulimit -d; nice") == (0, f"0\n{1 << 20}\n19\n")


async def test_a_deadline_ends_the_whole_tree(sandbox: Sandbox, tmp_path: Path, skip: Callable[[float], None]) -> None:
    sleep = ["sleep", f"600.{uuid4().int}"]  # nobody else sleeps so long
    command = " ".join(sleep)
    script = f"(setsid sh -c 'exec {command}' >/dev/null 2>&1 &); (setsid {command} &); echo up; {command}"
    with pytest.raises(RanTooLong):
        await sandbox.run(build(tmp_path), ["/bin/sh", "-c", script], on_output=lambda _: skip(600), within=600)
    wait_for(lambda: not _running(sleep))  # with the namespace's first process the kernel ends the rest, a moment later


@pytest.fixture(params=["kernel counts", "we count"])
def bounding(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Sandbox:
    """Each way to confine, with control groups and without them."""
    groups = NO_GROUPS
    if request.param == "kernel counts":
        groups = Groups.find(f"pushd-test-{os.getpid()}")
        if not groups.are_there:
            pytest.skip("no control groups here")
    return Sandbox(sandbox.way, sandbox.protections, hidden=tmp_path, groups=groups)


@dataclass(frozen=True)
class Slow(Groups):
    """Making a group takes until somebody says so."""

    begun: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def maybe_make(self, name: str, bound: Bound | None = None) -> Group | None:
        self.begun.set()
        assert self.go_on.wait(30)
        return Groups.maybe_make(self, name, bound)


async def test_a_build_that_is_cancelled_while_its_group_is_made_leaves_none(sandbox: Sandbox, tmp_path: Path) -> None:
    found = Groups.find(f"pushd-test-{os.getpid()}-slow")
    if not found.are_there:
        pytest.skip("no control groups here")
    groups = Slow(found.parents, found.owner)
    bounded = Sandbox(sandbox.way, sandbox.protections, hidden=tmp_path, groups=groups)
    async with Nursery("builds") as nursery:
        building = nursery.start(sh(bounded, build(tmp_path), "true", within=60), name="build")
        await asyncio.to_thread(groups.begun.wait, 30)
        building.cancel()
        await asyncio.sleep(0)
        groups.go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await building
    assert found.names() == []


async def test_a_build_that_forks_without_end_is_ended(bounding: Sandbox, tmp_path: Path) -> None:
    mark = f"600.{uuid4().int}"  # nobody else sleeps so long
    view = build(tmp_path)
    view = replace(view, limits=replace(view.limits, processes=300))
    script = f"trap '' TERM; for n in $(seq 1500); do (sleep {mark} &); done; sleep {mark}"
    if bounding.groups.are_there:  # a real one: only the kernel is sure to be quicker
        script = f"bomb() {{ (sleep {mark} &); bomb | bomb & }}; trap '' TERM; bomb; sleep {mark}"
    with pytest.raises(TookTooMuch) as caught:
        await sh(bounding, view, script, within=60)
    assert (caught.value.what, caught.value.limit) == ("tasks", 300)
    assert [pid for pid in procfs.pids() if _command(pid) == ["sleep", mark] and procfs.identify(pid)] == []


async def test_a_build_that_fills_memory_in_many_processes_is_ended(bounding: Sandbox, tmp_path: Path) -> None:
    view = build(tmp_path)
    view = replace(view, limits=replace(view.limits, memory_bytes=100 << 20), interpreters=(PYTHON,))
    fill = f"{PYTHON} -c 'import time; held = bytearray(b\"x\") * (50 << 20); time.sleep(600)'"  # less than one may
    with pytest.raises(TookTooMuch) as caught:
        await sh(bounding, view, f"{fill} & {fill} & {fill} & wait", within=60)
    assert caught.value.what == "memory"


@pytest.mark.parametrize("bounding", ["kernel counts"], indirect=True)
async def test_nobody_leaves_a_control_group(bounding: Sandbox, tmp_path: Path) -> None:
    mark = f"600.{uuid4().int}"
    escape = f"env -i setsid sh -c 'sleep {mark} & sleep {mark}' >/dev/null 2>&1 & sleep 0.1; exit 0"  # forgets even its mark
    assert (await sh(bounding, build(tmp_path), escape))[0] == 0
    assert [pid for pid in procfs.pids() if _command(pid) == ["sleep", mark] and procfs.identify(pid)] == []
    assert bounding.groups.names() == []


async def test_what_a_killed_daemon_ran_is_ended_by_the_next(bounding: Sandbox, tmp_path: Path) -> None:
    mark = f"600.{uuid4().int}"
    me = Sandbox(bounding.way, hidden=tmp_path, groups=bounding.groups)
    view = build(tmp_path)
    group = me.groups.maybe_make("build-one", bound_of(view.limits))
    with me.confine(view, group=group) as confined:
        pid = spawn([*confined.argv, "sleep", mark], env={**confined.env, OWNER: owner_of(tmp_path)}, fds=confined.fds)

    wait_for(lambda: _running(["sleep", mark]))  # a program that is just being started shows no environment
    reaping = asyncio.to_thread(os.waitid, os.P_PID, pid, os.WEXITED)  # as init would
    await asyncio.gather(asyncio.to_thread(bounding.end_orphans), reaping)

    assert [each for each in procfs.pids() if _command(each) == ["sleep", mark] and procfs.identify(each)] == []


async def test_what_confine_opens_is_closed(sandbox: Sandbox, tmp_path: Path) -> None:
    view = dyno(tmp_path)
    with sandbox.confine(view):
        pass  # from now on it has a descriptor for this user
    before = os.listdir("/proc/self/fd")
    with sandbox.confine(replace(view, scratch=tmp_path / "environments")):
        pass
    assert os.listdir("/proc/self/fd") == before


# From here on: what bubblewrap gives.


@pytest.mark.parametrize("kind", ["dyno", "build"])
async def test_who_may_start_few_programs_is_not_counted_with_others_of_its_user(
    confining: Sandbox, tmp_path: Path, kind: str
) -> None:
    """The daemon itself, all dynos and builds are one user where it is no root."""
    view = dyno(tmp_path) if kind == "dyno" else build(tmp_path)
    view = replace(view, limits=replace(view.limits, processes=16))
    others = [spawn(["sleep", "600"], env={"PATH": SYSTEM_PATH}) for _ in range(40)]
    try:
        assert await sh(confining, view, "(echo forked)") == (0, "forked\n")
    finally:
        for other in others:
            os.kill(other, signal.SIGKILL)
            await asyncio.to_thread(os.waitpid, other, 0)


async def test_the_rest_of_the_machine_is_not_there(confining: Sandbox, tmp_path: Path) -> None:
    view = dyno(tmp_path)
    _, output = await sh(confining, view, "ls -A / /run /var /etc | sort -u; cd / && find . -xdev -name secret.key")
    seen = set(output.split())
    assert not seen & {"root", "home", "opt", "sys", "mnt", "boot", "shadow", "sudoers", "ssh", "secret.key", "gshadow"}
    assert {"app", "storage", "usr", "tmp", "passwd"} <= seen
    assert await sh(confining, view, f"ls {tmp_path}") == (0, "environments\n")  # passed through, nothing else in it
    for hidden in ("secret.key", "storage/other/file", "slugs"):
        assert (await sh(confining, view, f"cat {tmp_path}/{hidden}"))[0] == 1


async def test_tmp_is_private_and_shared_memory_is_for_all(confining: Sandbox, tmp_path: Path) -> None:
    view = dyno(tmp_path)
    modes = await ask(
        confining, view, "import os, json; print(json.dumps([oct(os.stat(p).st_mode) for p in ('/tmp', '/dev/shm')]))"
    )
    assert modes == [oct(stat.S_IFDIR | 0o1777)] * 2
    await sh(confining, view, "echo x >/tmp/pushd-test-private")
    assert "pushd-test-private" not in names(Path("/tmp"))
    assert await ask(confining, view, "import multiprocessing; multiprocessing.Lock(); print(1)") == 1


async def test_scratch_is_bounded(confining: Sandbox, tmp_path: Path) -> None:
    script = "for f in /tmp/big /dev/shm/big ./big; do head -c 20000000 /dev/zero >$f && echo fits; done"
    status, output = await sh(confining, dyno(tmp_path), script)
    assert status != 0
    assert "fits" not in output


async def test_only_its_own_places_are_writable(confining: Sandbox, tmp_path: Path) -> None:
    program = """if 1:
        import json, os
        places = ["/", "/usr", "/etc", "/dev", "/run", "/var", "/root", %r, "/app", "/tmp", "/storage", "/dev/shm"]
        def writes(place):
            try:
                os.rmdir(os.mkdir(place + "/probe") or place + "/probe")
                return True
            except OSError:
                return False
        print(json.dumps([place for place in places if writes(place)]))"""
    view = dyno(tmp_path)
    assert await ask(confining, view, program % f"{tmp_path}/environments/a") == ["/app", "/tmp", "/storage", "/dev/shm"]


async def test_files_that_act_on_the_whole_machine_are_out_of_reach(confining: Sandbox, tmp_path: Path) -> None:
    """uid 0 may open them without any capability unless they are mounted read-only. Opened only, never written."""
    program = """if 1:
        import json, os
        def opens(path):
            try:
                os.close(os.open(path, os.O_WRONLY))
                return True
            except OSError:
                return False
        paths = ["/proc/sysrq-trigger", "/proc/mtrr", "/proc/kcore", "/proc/keys"]
        paths += [os.path.join(top, name) for top, _, names in os.walk("/proc/sys") for name in names]
        paths += [os.path.join(top, name) for top, _, names in os.walk("/proc/irq") for name in names]
        print(json.dumps([path for path in paths if opens(path) and os.stat(path).st_rdev != os.stat("/dev/null").st_rdev]))"""
    for view in (dyno(tmp_path / "d"), build(tmp_path / "b")):
        assert await ask(confining, view, program) == []


async def test_a_user_namespace_does_not_uncover_them(confining: Sandbox, tmp_path: Path) -> None:
    """A program has all capabilities in a namespace that it makes; the kernel locks what was mounted before. Opened only."""
    program = """if 1:
        import ctypes, json, os
        libc = ctypes.CDLL(None, use_errno=True)
        REMOUNT, BIND, DETACH, NEW_MOUNTS, NEW_USERS, NEW_PIDS = 32, 4096, 2, 0x20000, 0x10000000, 0x20000000
        if libc.unshare(NEW_USERS | NEW_MOUNTS | NEW_PIDS) != 0:
            print("[[0, -1, -1, -1], []]")  # a machine that lets nobody make one is safe too
            raise SystemExit
        if os.fork():
            os.wait()
            raise SystemExit
        done = [libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),  # it is allowed to mount something
                libc.mount(b"proc", b"/tmp", b"proc", 0, None),
                libc.mount(None, b"/proc/sys", None, REMOUNT | BIND, None),
                libc.umount2(b"/proc/sys", DETACH)]
        def opens(path):
            try:
                os.close(os.open(path, os.O_WRONLY))
                return True
            except OSError:
                return False
        print(json.dumps([done, [top for top in ("/proc", "/tmp") if opens(top + "/sys/kernel/core_pattern")]]))"""
    assert await ask(confining, dyno(tmp_path), program) == [[0, -1, -1, -1], []]


async def test_no_capability_is_left_and_none_can_be_had(confining: Sandbox, tmp_path: Path) -> None:
    script = "grep -E '^(CapPrm|CapEff|CapAmb|NoNewPrivs)' /proc/self/status"
    _, output = await sh(confining, dyno(tmp_path), script)
    assert [int(line.split()[1], 16) for line in output.splitlines()] == [0, 0, 0, 1]
    assert (await sh(confining, dyno(tmp_path / "2"), "mount -t tmpfs none /tmp"))[0] != 0


async def test_system_calls_of_no_use_without_privileges_are_refused(confining: Sandbox, tmp_path: Path) -> None:
    """By number, as a hostile program would; and what servers need goes on working."""
    if confining.way.filter is None:
        pytest.skip("no libseccomp here")
    answer = await ask(confining, dyno(tmp_path), CALLS)
    assert isinstance(answer, dict)
    assert {name: answer.pop(name) for name in ALLOWED} == ALLOWED
    assert set(answer.values()) == {"EPERM"}, answer


@pytest.mark.parametrize("kind", ["dyno", "build"])
async def test_abstract_sockets_of_others_are_out_of_reach_and_ones_own_are_not(
    confining: Sandbox, tmp_path: Path, kind: str
) -> None:
    if not confining.way.scoped:
        pytest.skip("it takes Landlock of Linux 6.12")
    program = """if 1:
        import json, socket, sys
        def reached(name):
            try:
                with socket.socket(socket.AF_UNIX) as client:
                    return client.connect(name) or "reached"
            except OSError as error:
                return type(error).__name__
        with socket.socket(socket.AF_UNIX) as own:
            own.bind("\\0own of " + NAME)
            own.listen()
            print(json.dumps([reached("\\0" + NAME), reached("\\0own of " + NAME)]))"""
    name = f"pushd test {tmp_path}"
    with socket.socket(socket.AF_UNIX) as machines:
        machines.bind(f"\0{name}")
        machines.listen()
        view = dyno(tmp_path) if kind == "dyno" else build(tmp_path)
        assert await ask(confining, view, program.replace("NAME", repr(name))) == ["PermissionError", "reached"]


async def test_without_libseccomp_it_is_told_and_the_rest_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    sandbox = await Sandbox.probe(tmp_path, user=USER)
    told = {protection.name: protection for protection in sandbox.protections}
    assert not told["system calls"].on
    assert "libseccomp2" in told["system calls"].why
    assert told["sandbox"].on == (sandbox.way.bubblewrap is not None)


async def test_own_pids_and_a_first_process_that_tells_nothing(confining: Sandbox, tmp_path: Path) -> None:
    view = dyno(tmp_path)
    program = """if 1:
        import json, pathlib
        pids = [path for path in pathlib.Path("/proc").iterdir() if path.name.isdigit()]
        told = [(pid / "cmdline").read_text() for pid in pids]
        try:
            told.append(pathlib.Path("/proc/1/environ").read_text())
        except PermissionError:  # it is another user's
            pass
        print(json.dumps([len(pids), "".join(told)]))"""
    answer = await ask(confining, view, program)
    assert isinstance(answer, list)
    count, told = answer
    assert count == 2  # bubblewrap's own and the program
    assert "hello" not in told
    assert str(tmp_path) not in told  # nor where our data folder is


async def test_config_vars_do_not_act_on_what_starts_the_program(confining: Sandbox, tmp_path: Path) -> None:
    """LD_PRELOAD and the like would run the app's code before the sandbox stands."""
    view = dyno(tmp_path)
    log = tmp_path / "loaded"
    view = replace(view, environ=Environ({"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": str(log), "ENV": "/x", "PATH": "/nowhere"}))
    assert (await sh(confining, view, "exit 3"))[0] == 3
    assert not [name for name in names(tmp_path) if name.startswith("loaded")]


async def test_config_vars_do_not_act_on_what_gives_up_the_rights(confining: Sandbox, tmp_path: Path) -> None:
    """LD_PRELOAD would run the app's code with those of setpriv, which may become every user of the machine."""
    view = dyno(tmp_path)
    view = replace(view, environ=Environ({"LD_DEBUG": "libs", "LD_DEBUG_OUTPUT": "/storage/loaded"}))

    await sh(confining, view, "cat file")

    told = list((tmp_path / "storage/mine").glob("loaded.*"))
    assert "initialize program: cat" in "".join(path.read_text() for path in told)
    assert not [path for path in told if "setpriv" in path.read_text()]
    assert {path.stat().st_uid for path in told} == {USER if confining.way.own_users else os.geteuid()}


async def test_variables_that_shells_keep_for_themselves_end_nothing(confining: Sandbox, tmp_path: Path) -> None:
    odd = {"UID": "5", "PPID": "6", "OPTIND": "none", "IFS": "x", "_": "y", "PS4": "$(exit 1)", "LAST": 'it\'s "$x"\n'}
    view = replace(dyno(tmp_path), environ=Environ(odd))
    answer = await ask(confining, view, "import json, os; print(json.dumps(dict(os.environ)))")
    assert isinstance(answer, dict)
    assert {name: answer.get(name) for name in ("IFS", "PS4", "LAST")} == {name: odd[name] for name in ("IFS", "PS4", "LAST")}


@pytest.mark.parametrize("place", ["link", "other folder"])
async def test_nothing_starts_when_another_folder_came_to_be_shown(confining: Sandbox, tmp_path: Path, place: str) -> None:
    """Somebody who may write beside it puts a link to any part of the machine there, between our look and the mount."""
    view = dyno(tmp_path)
    (bind,) = view.read_only
    status = bind.source.stat()
    view = replace(view, read_only=(replace(bind, inode=(status.st_dev, status.st_ino)),))
    assert await sh(confining, view, "cat file") == (0, "from the slug\n")
    bind.source.rename(tmp_path / "aside")
    if place == "link":
        bind.source.symlink_to(tmp_path / "storage")
    else:
        bind.source.mkdir()

    status_then, output = await sh(confining, replace(view, environ=Environ({"PATH": "/app"})), f"ls {bind.source}")

    assert (status_then, output) == (71, "What the app was to be shown has changed meanwhile.\n")


async def test_interpreters_run_at_their_own_path(confining: Sandbox, tmp_path: Path) -> None:
    program = "import json, sys, ssl, sqlite3; print(json.dumps(sys.executable))"
    assert await ask(confining, dyno(tmp_path), program) == str(PYTHON)


async def test_names_are_resolved_and_certificates_found(confining: Sandbox, tmp_path: Path) -> None:
    program = "import json, socket, pwd, os; print(json.dumps([socket.gethostbyname('localhost'), pwd.getpwuid(0).pw_name]))"
    assert await ask(confining, dyno(tmp_path), program) == ["127.0.0.1", "root"]


async def test_very_many_variables_pass(confining: Sandbox, tmp_path: Path) -> None:
    many = {f"NAME_{number}": "x" * 20 for number in range(2000)}
    view = replace(dyno(tmp_path), environ=Environ(many))
    status, output = await sh(confining, view, "env | grep -c ^NAME_")
    assert (status, output) == (0, "2000\n")


async def test_awkward_paths(sandbox: Sandbox, tmp_path: Path) -> None:
    folder = tmp_path / "a, b=c:d\\e 'f' \"g\" ü" / ("deep" * 30) / ("er" * 60)
    assert (await sh(sandbox, dyno(folder), "cat file")) == (0, "from the slug\n")


async def test_without_bubblewrap_programs_run_plainly_and_it_is_told(tmp_path: Path) -> None:
    sandbox = await Sandbox.probe(tmp_path, search_path=str(tmp_path))
    told = {protection.name: protection for protection in sandbox.protections}
    assert not told["sandbox"].on
    assert "apt-get install bubblewrap" in told["sandbox"].why
    assert await sh(sandbox, dyno(tmp_path / "d"), "cat file") == (0, "from the slug\n")


async def test_a_bubblewrap_that_is_refused_is_told_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2; exit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    sandbox = await Sandbox.probe(tmp_path, search_path=f"{tmp_path}:{SYSTEM_PATH}")
    assert not sandbox.confines
    assert "setting up uid map: Permission denied" in sandbox.protections[0].why
    assert names(tmp_path) == ["bwrap"]


async def test_whoever_requires_a_sandbox_is_refused_without_one(tmp_path: Path) -> None:
    with pytest.raises(NoSandbox, match="cannot serve without a sandbox: bwrap is not installed"):
        await Sandbox.probe(tmp_path, "require", search_path=str(tmp_path))


async def test_what_works_is_told_and_the_trial_leaves_nothing(confining: Sandbox, tmp_path: Path) -> None:
    found = await Sandbox.probe(tmp_path, data=tmp_path, user=USER)
    assert found.way == confining.way
    assert found.protections[0].on
    assert all(protection.why for protection in found.protections)
    assert names(tmp_path) == []


def wait_for(holds: Callable[[], object]) -> None:
    """As long as a patient person would wait; the kernel tells nobody."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline


def _running(command: list[str]) -> list[int]:
    """Who is at it, zombies not among them."""
    return [pid for pid in procfs.pids() if _command(pid) == command and procfs.identify(pid)]


def _command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except OSError:
        return []
