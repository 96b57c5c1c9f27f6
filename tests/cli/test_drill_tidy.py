"""What `pushd drill` ends when it was cut short: what its daemons started, and nobody else's."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from pushd.cli.drill.tidy import end_left_behind
from pushd.kit import procfs


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begin(processes: ExitStack, *words: str, **environ: str) -> subprocess.Popen[bytes]:
    """A process with these words in its command line, and these variables."""
    variables: Mapping[str, str] = {"PATH": "/usr/bin:/bin", **environ}
    process = subprocess.Popen(["sh", "-c", "while read line; do :; done", *words], env=variables, stdin=subprocess.PIPE)
    return processes.enter_context(process)  # closes its input, with which it ends


def test_what_its_daemons_started_is_ended_and_nobody_else(tmp_path: Path, processes: ExitStack) -> None:
    data = tmp_path / "drill-1"
    other = tmp_path / "drill-10"
    ours = [
        begin(processes, PUSHD_DATA_DIR=str(data)),
        begin(processes, HEROKU_DYNO_ID="1", STORAGE_DIR=f"{data}/storage"),
        begin(processes, f"--bind={data}/run", PUSHD_RUN_ID="1"),
        begin(processes, "pushd.router", "--control", f"{data}/run/router.sock"),
    ]
    others = [
        begin(processes, PWD=str(data)),
        begin(processes, "less", str(data / "daemon.log")),
        begin(processes, PUSHD_DATA_DIR=str(other)),
        begin(processes, HEROKU_DYNO_ID="1", STORAGE_DIR=f"{other}/storage"),
        begin(processes, "pushd.router", "--control", f"{other}/run/router.sock"),
    ]

    end_left_behind(data)

    assert {process.wait() for process in ours} == {-9}
    assert all(procfs.identify(process.pid) for process in others)
