"""A hostile app and its hostile build try to get out of where they are: one push, and a table of what became of each attempt.

What they try stands in tests/fixtures/apps/hostile/attempts.py. They know everything: paths, ids, ports and process ids.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from pushd.kit.scope import has_scopes
from tests.e2e.harness import BIN, PATIENCE_SECONDS, Load, Project, Server, eventually, run, running
from tests.e2e.refusals import assert_told

PROCESSES = 1000  # that its dynos may have, threads among them
IS_ROOT = os.geteuid() == 0
HIDDEN = "ENOENT|EACCES"
DENIED = "EPERM|EACCES"
EXPECTED = {  # attempt -> the ways to refuse it that count
    **dict.fromkeys((
        "read the store", "read the key of the store", "read the operator's token", "read the key of the API", "list the slugs",
        "read a neighbour's slug", "read a neighbour's storage", "read a neighbour's environment", "read a neighbour's cache",
        "read a neighbour's log", "read a neighbour's repository", "write a neighbour's storage", "read a neighbour's pipe",
        "read a neighbour's variables", "walk through a neighbour's root", "use what a neighbour has open",
        "reach the hooks' socket", "reach the router's socket", "read it by a symbolic link", "read it by a hard link",
        "keep a link that leads to secrets", "write through a kept link", "walk through the first process's root",
        "read the machine's passwords", "read root's home", "read a file in the machine's /tmp", "see the daemon's variables",
        "see others' processes", "read the daemon's variables", "use what was left open", "open memory as a device",
        "open the kernel's log",
    ), HIDDEN),
    **dict.fromkeys((
        "read the daemon's memory", "trace the daemon", "signal the daemon", "signal a neighbour", "trace a neighbour",
        "read a neighbour's memory",
    ), "ESRCH"),
    **dict.fromkeys((
        "trace the first process", "make a user namespace", "make mounts", "mount", "remount /proc/sys", "change the root",
        "make a device", "make a device that is memory", "become root", "become root's group", "drop all groups",
        "become a neighbour", "give a file to root", "become root by a setuid program", "listen to the wire",
        "load a program into the kernel", "use the kernel's keys", "set the clock", "rename the machine", "restart the machine",
        "come before others",
    ), DENIED),
    **dict.fromkeys(("write a program of the machine", "write core_pattern"), "EROFS|EACCES"),
    "ask a neighbour past the router": r"ECONNREFUSED|ECONNRESET",  # but see OPEN
    **dict.fromkeys(("ask the kernel's audit", "ask the kernel's firewall"), "EPROTONOSUPPORT"),
    "reach a socket that has no file": DENIED,  # but see OPEN
    "pull the kernel's levers": "EROFS|EACCES|ENOENT",  # not every kernel has some
    **dict.fromkeys(("hard-link a program of the machine", "keep a hard link to the slug"), "EXDEV|EPERM"),
    **dict.fromkeys(("take a neighbour's port", "share a neighbour's port"), "EADDRINUSE"),
    **dict.fromkeys((
        "ask the API without a token", "ask the API with a guess", "fetch a neighbour's code", "push to a neighbour",
        "change a neighbour", "read the server's figures",
    ), "EACCES HTTP 40[134]"),
}  # fmt: skip
ORDINARY = {  # where the daemon is no root: in a user namespace there is no root to become
    **dict.fromkeys(("become root", "become root's group", "become a neighbour", "give a file to root"), f"{DENIED}|EINVAL"),
}
WON_NOTHING = {  # there: that process is its own user's and has no more rights; and a build sees the way to its own tree
    "trace the first process": "traced",
    "list the slugs": r"listed \['.builds'\]",
}
OPEN = {  # without nftables, and where the daemon is no root; tests/e2e/test_private_ports.py has it closed
    "ask a neighbour past the router": "answered 200 b'version one"
}
if not has_scopes():
    OPEN["reach a socket that has no file"] = "connected"
HOLDS = {  # protection -> whether it does where the daemon is root, and where it is not
    "sandbox": (True, True), "private /app": (True, True), "no privileges": (True, True), "system calls": (True, True),
    "abstract sockets": (has_scopes(), has_scopes()),
    "own user": (True, False), "process limit": (True, True), "memory limit": (True, True),
    "build limits": (True, True), "private ports": (False, False),
}  # fmt: skip


@dataclass
class Scene:
    """A neighbour that runs, and the hostile app, pushed once."""

    server: Server
    neighbour: Project
    hostile: Project
    targets: dict[str, Any]
    pushed: str
    key: bytes


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("escapes")
    environ = {"DAEMON_SECRET": "of the daemon"}
    server = Server(folder / "data", folder / "home", environ=environ, recorded=False)
    with running(server), socket.socket(socket.AF_UNIX) as machines:
        machines.bind(f"\0{folder}")
        machines.listen()
        neighbour = server.project(folder / "neighbour", "neighbour")
        neighbour.deploy()
        neighbour.get("/write//storage/secret")
        hostile = server.project(folder / "hostile", "hostile", "hostile")
        targets = found_out(server, folder)
        (hostile.folder / "targets.json").write_text(json.dumps(targets))
        hostile.commit("know all")
        key = (server.data / "secret.key").read_bytes()
        yield Scene(server, neighbour, hostile, targets, hostile.deploy(), key)


def found_out(server: Server, folder: Path) -> dict[str, Any]:
    """All that would help an attacker."""
    ids = {app["name"]: app["id"] for app in server.call("GET", "/apps")[1]}
    (dyno,) = server.call("GET", "/apps/neighbour/dynos")[1]
    port = int(
        eventually(lambda: re.search(r"tiny one listens on (\d+)", server.ok("logs", "--app", "neighbour")), what="log")[1]
    )
    pids = [pid for pid in Path("/proc").glob("[0-9]*") if f"PORT={port}".encode() in _read(pid / "environ").split(b"\0")]
    (folder / "in tmp").write_text("of the machine")
    assert server.process is not None
    return {
        "data": str(server.data), "abstract": str(folder), "api": server.api, "daemon": server.process.pid,
        "me": ids["hostile"],
        "neighbour": ids["neighbour"], "dyno": dyno["id"], "port": port, "mark": f"600.{uuid4().int}",
        "slug": str(next(server.data.glob("slugs/[!.]*"))), "file in tmp": str(folder / "in tmp"),
        "neighbour's pid": int(pids[0].name), "neighbour's uid": pids[0].stat().st_uid if IS_ROOT else 0,
    }  # fmt: skip


def check(found: dict[str, str]) -> None:
    """Every attempt was made and refused, each in a way that was meant."""
    expected = EXPECTED if IS_ROOT else EXPECTED | ORDINARY
    assert set(found) == set(expected)
    allowed = {name: rf"refused: (?:{ways}|su failed)" for name, ways in expected.items()}
    allowed |= {name: rf"SUCCEEDED: {got}" for name, got in OPEN.items()}
    if not IS_ROOT:
        allowed |= {name: rf"{allowed[name]}|SUCCEEDED: {got}$" for name, got in WON_NOTHING.items()}
    assert {name: got for name, got in found.items() if not re.match(allowed[name], got)} == {}


def test_what_holds_is_told(scene: Scene) -> None:
    """It depends on whether the daemon is root, which `serve --check` says; and apps are the users that they are said to be."""
    command = [str(BIN / "pushd"), "serve", "--check", "--json", "--data-dir", str(scene.server.data)]
    checked = run(command, cwd=scene.server.home, env=scene.server.daemon_environ())
    told = {each["name"]: each["on"] for each in json.loads(checked.stdout)["protections"]}
    assert {name: told[name] for name in HOLDS} == {name: holds[not IS_ROOT] for name, holds in HOLDS.items()}
    users = {project.ok("run", "id -u").split()[-1] for project in (scene.hostile, scene.neighbour)}
    assert len(users) == (2 if IS_ROOT else 1)
    assert str(os.geteuid()) not in users or not IS_ROOT


def test_a_hostile_dyno_is_refused_everything(scene: Scene) -> None:
    assert len(EXPECTED) == 76  # as docs/security.md says
    check(json.loads(scene.hostile.get(f"/attempts/{quote(json.dumps(scene.targets), safe='')}").body))


def test_a_hostile_build_is_refused_everything(scene: Scene) -> None:
    check(json.loads(scene.hostile.get("/built").body))


def test_a_neighbour_noticed_nothing(scene: Scene) -> None:
    assert scene.neighbour.get("/read/storage/secret").body == "written"
    assert scene.neighbour.get().body.startswith("version one")
    assert scene.server.process is not None
    assert scene.server.process.poll() is None


def test_who_listens_beside_a_neighbours_port_gets_no_request(scene: Scene) -> None:
    assert scene.hostile.get(f"/six/{scene.targets['port']}").body in ("listens", "")
    assert {scene.neighbour.get().body[:11] for _ in range(5)} == {"version one"}


LATE = """
import os, pathlib, runpy, time
storage = pathlib.Path("/storage")
(storage / "port").write_text(os.environ["PORT"])
while not (storage / "go").exists():
    time.sleep(0.02)
runpy.run_path("app.py", run_name="__main__")
"""


def test_who_takes_a_port_before_its_app_boots_gets_no_request(scene: Scene, tmp_path: Path) -> None:
    """It may bind; the push of whose port it is tells the trouble, the next one gets another port."""
    late = scene.server.project(tmp_path / "late", "late")
    late.write("late.py", LATE)
    late.write("Procfile", "web: python late.py\n")
    late.commit("late")
    storage = scene.server.data / "storage" / scene.server.call("GET", "/apps/late")[1]["id"]
    with late.popen_push() as push:
        port = int(eventually(lambda: _read(storage / "port"), what="the port that it will listen on"))
        taken = scene.hostile.get(f"/plain/{port}").body
        with Load(scene.server, "late", visitors=1) as visitors:  # who waits for it to boot
            (storage / "go").touch()
            _, said = push.communicate(timeout=PATIENCE_SECONDS)

    assert taken == "listens"
    assert visitors.answers > 0  # pages that say that there is nothing yet
    assert push.returncode == 1, said
    assert "web.1 exited with status 1 while booting" in said
    assert "Address already in use" in late.ok("logs", "--ps", "web")
    assert set(json.loads(scene.hostile.get("/heard").body)) <= {""}  # connections at most: is it the app that listens?
    late.commit("again")
    late.deploy()
    assert late.get().body.startswith("version one")


def test_a_build_leaves_no_process(scene: Scene) -> None:
    words = f"sleep\0{scene.targets['mark']}\0".encode()
    assert [pid.name for pid in Path("/proc").glob("[0-9]*") if _read(pid / "cmdline") == words] == []


def test_links_that_a_build_left_lead_nowhere(scene: Scene) -> None:
    """In the slug, in place of the environment's interpreter, and where the daemon itself writes."""
    assert scene.hostile.get("/read/app/stolen").body.startswith("refused: [Errno 2]")
    assert scene.hostile.get("/read/root").body.startswith("refused:")
    scene.hostile.ok("maintenance:on")
    page = scene.hostile.get()
    scene.hostile.ok("maintenance:off")
    assert page.status == 503
    assert scene.key.hex() not in page.body.encode().hex()
    scene.hostile.commit("again")
    scene.hostile.deploy("-o", "no-cache", "master")
    assert (scene.server.data / "secret.key").read_bytes() == scene.key


def test_a_setuid_program_in_a_slug_has_lost_its_bit_or_gives_nobody_more(scene: Scene) -> None:
    mode = int(scene.hostile.get("/mode/shell").body, 8)
    assert not mode & 0o4000 or not IS_ROOT
    uid = scene.hostile.ok("run", "id -u; ./shell -p -c 'id -u'").split()[-2:]
    assert uid[0] == uid[1]


def test_nobodys_terminal_is_steered(scene: Scene) -> None:
    """Not that of who pushes, reads the log, or looks at the config vars of an app that others share."""
    scene.server.call("PATCH", "/apps/hostile/config-vars", {"STEERS": "\x1b]0;title\x07\x1b[2Jhostile value"})
    commands = {"logs --ps web": "hostile log", "config": "hostile value", "config:get STEERS": "hostile value"}
    commands |= {"config -s": "hostile value", "releases:output": "hostile phase"}
    seen = {command: (on_a_terminal(scene, command), words) for command, words in commands.items()}
    pushed = {"push": (scene.pushed, "hostile output"), "release phase": (scene.pushed, "hostile phase")}
    for command, (text, words) in {**seen, **pushed}.items():
        assert words in text, command
        assert not re.search("\x1b\\]|\x1b\\[2J|\x07", text), command
    assert "�[2Jhostile log" in scene.hostile.ok("logs", "--ps", "web")
    assert scene.hostile.ok("config:get", "STEERS") == "\x1b]0;title\x07\x1b[2Jhostile value\n"


def on_a_terminal(scene: Scene, command: str) -> str:
    """What `pushd COMMAND` prints there."""
    words = ["script", "-qec", f"{BIN}/pushd {command} --app hostile", "/dev/null"]
    return run(words, cwd=scene.hostile.folder, env=scene.server.client_environ()).output


@contextlib.contextmanager
def going_on(scene: Scene) -> Iterator[None]:
    """Holds neighbour and API to answer all the while, the daemon to stay the same, and nothing of the bomb to be left."""
    assert scene.server.process is not None
    before, pid = scene.neighbour.get().body, scene.server.process.pid
    with Load(scene.server, "neighbour", visitors=1) as visitors:
        yield
        assert scene.server.call("GET", "/apps/neighbour")[0] == 200
    assert visitors.answers > 0
    assert visitors.failures == []
    assert (scene.neighbour.get().body, scene.server.process.pid) == (before, pid)
    eventually(lambda: not bombs(scene), what="the end of the bomb")


def bombs(scene: Scene) -> list[str]:
    """Its processes."""
    mark = f"\0{scene.targets['mark']}\0".encode()
    return [pid.name for pid in Path("/proc").glob("[0-9]*") if mark in _read(pid / "cmdline")]


def test_a_dyno_that_forks_without_end_is_refused_more(scene: Scene) -> None:
    """It goes on, and so does what it has; a restart takes all of it away."""
    scene.hostile.ok("resources:set", "web", f"processes={PROCESSES}")
    with going_on(scene):
        assert scene.hostile.get(f"/bomb/fork/{scene.targets['mark']}").body == "begun"
        said = eventually(lambda: re.search(r"(?:refused|SUCCEEDED): .*", scene.hostile.get("/told").body), what="its end")[0]
        refused = re.fullmatch(r"refused: EAGAIN after (\d+)", said)
        assert refused, said
        assert int(refused[1]) < PROCESSES
        assert len(bombs(scene)) > 1
        assert scene.hostile.get("/mode/app.py").status == 200
        scene.hostile.ok("ps:restart")
    scene.hostile.ok("ps:wait")


def test_a_dyno_that_takes_all_memory_is_ended_and_its_log_says_why(scene: Scene) -> None:
    scene.hostile.ok("resources:set", "web", "memory=128M")
    with going_on(scene):
        assert scene.hostile.get(f"/bomb/memory/{scene.targets['mark']}").body == "begun"
        eventually(lambda: "R15 (Memory quota vastly exceeded)" in scene.hostile.ok("logs", "--source", "heroku"), what="R15")
    scene.hostile.ok("resources:unset", "web", "memory")
    eventually(lambda: scene.hostile.get("/mode/app.py").status == 200, what="the dyno that comes after it")


TOLD = {
    "fork": ("the build ran more than 2048 processes and threads, and was ended", "Look for what starts itself again"),
    "memory": ("the build took more than 256 MB of memory, and was ended", "pushd resources:set build memory="),
}


@pytest.mark.parametrize("kind", TOLD)
def test_a_build_that_takes_all_is_ended_and_the_push_says_why(scene: Scene, kind: str) -> None:
    """Nothing of it is left, and the old version goes on."""
    scene.hostile.write("bomb", f"{kind} {scene.targets['mark']}")
    scene.hostile.commit(f"a bomb: {kind}")
    scene.hostile.ok("resources:set", "build", f"memory={256 if kind == 'memory' else 4096}M")
    with going_on(scene):
        push = scene.hostile.push()
    scene.hostile.git("reset", "-q", "--hard", "HEAD~1")

    assert push.exit_code == 1
    assert_told(push.output, (f"a bomb: {kind}", *TOLD[kind], "This push is not live"), scene.server)
    assert scene.hostile.get("/mode/app.py").status == 200


def test_the_daemons_log_tells_no_secret_and_has_no_traceback(scene: Scene) -> None:
    log = scene.server.daemon_log()
    assert "Traceback" not in log
    assert "level=error" not in log
    assert scene.server.token not in log


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
