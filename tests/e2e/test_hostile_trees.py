"""What builds leave where the daemon looks: it is neither held up by it, nor led astray."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.e2e.harness import Project, Server

PIPES = """#!/bin/sh
cd "${VIRTUAL_ENV%/*}" && rm -rf .cache .salt && mkfifo pipe .cache .salt
ln -s / everything
rm -f "$VIRTUAL_ENV/.complete" && mkfifo "$VIRTUAL_ENV/.complete"
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
