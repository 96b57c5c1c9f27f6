"""A hostile app and its hostile build try to get out of where they are: one push, and a table of what became of each attempt.

What they try stands in tests/fixtures/apps/hostile/attempts.py. They know everything: paths, ids, ports and process ids.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.e2e.harness import Project, Server, eventually, running

IS_ROOT = os.geteuid() == 0
HIDDEN = "ENOENT|EACCES"
DENIED = "EPERM|EACCES"
EXPECTED = {  # attempt -> the ways to refuse it that count
    **dict.fromkeys((
        "read the store", "read the key of the store", "read the operator's token", "read the key of the API", "list the slugs",
        "read a neighbour's slug", "read a neighbour's storage", "read a neighbour's environment", "read a neighbour's cache",
        "read a neighbour's log", "read a neighbour's repository", "write a neighbour's storage", "read a neighbour's pipe",
        "reach the hooks' socket", "reach the router's socket", "read it by a symbolic link", "read it by a hard link",
        "read the machine's passwords", "read root's home", "read a file in the machine's /tmp", "see the daemon's variables",
        "see others' processes", "read the daemon's variables", "use what was left open", "open memory as a device",
        "open the kernel's log",
    ), HIDDEN),
    **dict.fromkeys(("read the daemon's memory", "trace the daemon", "signal the daemon", "signal a neighbour"), "ESRCH"),
    **dict.fromkeys((
        "trace the first process", "make a user namespace", "make mounts", "mount", "remount /proc/sys", "change the root",
        "make a device", "become root", "become a neighbour", "give a file to root", "become root by a setuid program",
        "listen to the wire", "load a program into the kernel", "use the kernel's keys",
    ), DENIED),
    **dict.fromkeys(("write a program of the machine", "write core_pattern"), "EROFS|EACCES"),
    "pull the kernel's levers": "EROFS|EACCES|ENOENT",  # not every kernel has some
    "hard-link a program of the machine": "EXDEV|EPERM",
    **dict.fromkeys(("take a neighbour's port", "share a neighbour's port"), "EADDRINUSE"),
    **dict.fromkeys(("ask the API without a token", "ask the API with a guess", "fetch a neighbour's code",
                     "read the server's figures"), "EACCES HTTP 40[134]"),
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
    with running(Server(folder / "data", folder / "home", environ=environ, recorded=False)) as server:
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
        "data": str(server.data), "api": server.api, "daemon": server.process.pid, "me": ids["hostile"],
        "neighbour": ids["neighbour"], "dyno": dyno["id"], "port": port, "mark": f"600.{uuid4().int}",
        "slug": str(next(server.data.glob("slugs/[!.]*"))), "file in tmp": str(folder / "in tmp"),
        "neighbour's pid": int(pids[0].name), "neighbour's uid": pids[0].stat().st_uid if IS_ROOT else 0,
    }  # fmt: skip


def check(found: dict[str, str], *, without: tuple[str, ...] = ()) -> None:
    """Every attempt was made and refused, each in a way that was meant."""
    expected = {name: ways for name, ways in EXPECTED.items() if name not in without}
    assert set(found) == set(expected)
    wrong = {name: got for name, got in found.items() if not re.match(rf"refused: (?:{expected[name]}|su failed)", got)}
    assert wrong == {}


def test_a_hostile_dyno_is_refused_everything(scene: Scene) -> None:
    assert len(EXPECTED) == 54  # as docs/security.md says
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
    assert "hostile output" in scene.pushed
    assert "\x1b]" not in scene.pushed
    assert "\x1b[2J" not in scene.pushed


def test_the_daemons_log_tells_no_secret_and_has_no_traceback(scene: Scene) -> None:
    log = scene.server.daemon_log()
    assert "Traceback" not in log
    assert scene.server.token not in log


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
