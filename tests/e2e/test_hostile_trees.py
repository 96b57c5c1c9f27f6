"""What apps leave where the daemon or other apps look: nobody is held up by it, led astray or told."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.e2e.harness import Project, Server, running

PIPES = """#!/bin/sh
cd "${VIRTUAL_ENV%/*}" && rm -rf .cache .salt && mkfifo pipe .cache .salt
ln -s / everything
rm -f "$VIRTUAL_ENV/.complete" && mkfifo "$VIRTUAL_ENV/.complete"
"""


KEYS = """if 1:
    import ctypes, sys
    libc = ctypes.CDLL(None, use_errno=True)
    def call(*arguments):
        return libc.syscall(*arguments) >= 0
    def find(name):
        return call(250, 10, -3, b"user", name, 0)
"""


def with_hook(project: Project, hook: str) -> None:
    project.write("bin/post_compile", hook)
    (project.folder / "bin" / "post_compile").chmod(0o755)
    project.commit("a hook")


def test_pipes_and_links_where_the_daemon_looks_hold_nobody_up(own_server: Server, tmp_path: Path) -> None:
    project = own_server.project(tmp_path / "app", "hostile")
    with_hook(project, PIPES)
    project.deploy()
    environments = next((own_server.data / "environments").iterdir())
    assert not {path.name for path in environments.iterdir()} & {"pipe", "everything"}

    project.commit("again")
    project.deploy("-o", "no-cache", "master")  # removes what stands in the places of the cache and of the salt

    assert own_server.call("GET", "/-/apps/hostile/disk")[0] == 200
    assert "bin" in project.ok("run", "ls $VIRTUAL_ENV/")
    assert own_server.stop(signal.SIGTERM) == 0
    own_server.start()
    assert "level=error" not in own_server.daemon_log()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of its calls are those of x86_64")
def test_apps_share_no_keyring_of_the_daemons_session(tmp_path: Path) -> None:
    """A service has one of its own. Without a sandbox, so that no filter of system calls is in front of it."""
    begin = f"{KEYS}    import os; call(250, 1, None); call(248, b'user', b'ours', b'secret', 6, -3)\n"
    under = (sys.executable, "-c", f"{begin}    os.execv(sys.argv[1], sys.argv[1:])")
    flags = ("--sandbox", "off")
    with running(Server(tmp_path / "data", tmp_path / "home", under=under, flags=flags, recorded=False)) as server:
        first, second = (server.project(tmp_path / name, name) for name in ("first", "second"))
        for project in (first, second):
            project.write("keys.py", f"{KEYS}    print('finds', find(b'ours'), find(b'theirs'))\n")
            project.write("add.py", f"{KEYS}    print('adds', call(248, b'user', b'theirs', b'hello', 5, -3))\n")
            project.commit("keys")
            project.deploy()
        assert "adds False" in first.ok("run", "python3 add.py")
        assert "finds False False" in second.ok("run", "python3 keys.py")
