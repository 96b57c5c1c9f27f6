"""Units as `pushd install-service` writes them, and a client of the daemon that they start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Server, run


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Not started by us: the data folder that the units name, and what a user of it does."""
    return Server(tmp_path / "data", tmp_path / "home")


@pytest.fixture
def units(tmp_path: Path, server: Server) -> Path:
    """The folder of unit files, staged as for another machine."""
    staged = run(
        [str(BIN / "pushd"), "install-service", "--root", str(tmp_path / "root"), "--data-dir", str(server.data),
         "--router-listen", "127.0.0.1:8080"],
        cwd=tmp_path, env=server.daemon_environ(),
    )  # fmt: skip
    assert staged.exit_code == 0, staged.output
    return tmp_path / "root" / "etc" / "systemd" / "system"
