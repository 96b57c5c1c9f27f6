"""`pushd drill`, as a user types it: what it prints, how it ends, and that it leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, PATIENCE_SECONDS, eventually, read_until

FAILING_GIT = """#!/bin/sh
# The first three pushes work.
case " $* " in *" push "*) echo x >> "$0.pushes"; [ "$(wc -l < "$0.pushes")" -lt 4 ] || exit 1 ;; esac
exec {git} "$@"
"""


@pytest.fixture
def start(tmp_path: Path) -> Drill:
    return Drill(tmp_path)


class Drill:
    """Starts the program with a temporary folder of its own."""

    def __init__(self, top: Path) -> None:
        self.scratch = top / "tmp"
        self.bin = top / "bin"
        for folder in (self.scratch, self.bin):
            folder.mkdir()
        passed = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_"))}
        self._environ = {
            **passed, "PATH": f"{self.bin}:{BIN}:{os.environ['PATH']}", "HOME": str(top), "TMPDIR": str(self.scratch),
            "PUSHD_HOST": "http://127.0.0.1:1", "PUSHD_DATA_DIR": str(top / "real"),
        }  # fmt: skip

    def __call__(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(BIN / "pushd"), "drill", *words], env=self._environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def left(self) -> list[object]:
        """What it left: files, and processes that name its folder."""
        mark = os.fsencode(self.scratch)
        found: list[object] = list(self.scratch.iterdir())
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            found += [folder.name] if mark in words else []
        return found


def test_a_case_that_holds(start: Drill) -> None:
    ended = start("--only", "scale.stored")
    out, err = ended.communicate(timeout=2 * PATIENCE_SECONDS)

    assert ended.returncode == 0, out + err
    assert "held    ps:scale at scale.stored\n" in out
    assert "\n1 of 1 cases held in " in out
    assert start.left() == []


@pytest.mark.long
def test_a_case_that_does_not_hold(start: Drill) -> None:
    git = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    (start.bin / "git").write_text(FAILING_GIT.format(git=git))
    (start.bin / "git").chmod(0o755)

    ended = start("--only", "push.opened")
    out, err = ended.communicate(timeout=2 * PATIENCE_SECONDS)

    assert ended.returncode == 1, out + err
    assert "FAILED  push at push.opened\n        `git push` was refused" in out
    assert "\n0 of 1 cases held in " in out
    assert start.left() == []


@pytest.mark.long
def test_ctrl_c_ends_all_that_it_started(start: Drill) -> None:
    running = start("--only", "push")
    read_until(running.stdout, "held")
    running.send_signal(signal.SIGINT)

    running.communicate(timeout=2 * PATIENCE_SECONDS)
    assert running.returncode != 0
    eventually(lambda: start.left() == [], what="an end of what the drill started")


def test_what_there_is(start: Drill) -> None:
    listed = start("--list", "--only", "rename").communicate(timeout=PATIENCE_SECONDS)[0]
    refused = start("--only", "nothing-of-this-name")

    assert listed == "rename at rename.stored\n"
    assert "--list shows them" in refused.communicate(timeout=PATIENCE_SECONDS)[1]
    assert refused.returncode == 2
