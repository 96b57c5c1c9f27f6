"""Commands in dynos of their own, with the installed client: through pipes, on a terminal, and when somebody goes away."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import termios
from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.harness import BIN, PATIENCE_SECONDS, Project, eventually

PUSHD = str(BIN / "pushd")


def one_off_dynos(project: Project) -> list[dict[str, str]]:
    return [dyno for dyno in json.loads(project.ok("ps", "--json")) if dyno["type"] == "run"]


def test_output_errors_and_exit_code(deployed: Project) -> None:
    deployed.ok("run", "--", "test", "-n", "$DYNO")
    result = deployed.pushd("run", "-e", "WORD=blue;NEXT=sky", "--", "sh", "-c", "echo $WORD $NEXT; echo red >&2; exit 7")

    assert (result.exit_code, result.stdout) == (7, "blue sky\n")
    assert result.stderr.endswith("red\n")
    assert not one_off_dynos(deployed)


def test_ten_megabytes_of_anything_pass_unharmed(deployed: Project) -> None:
    data = os.urandom(10_000_000)
    ended = subprocess.run(
        [PUSHD, "run", "cat"], cwd=deployed.folder, env=deployed.server.client_environ(), input=data, capture_output=True,
        timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip

    assert ended.returncode == 0
    assert ended.stdout == data


class Window:
    """A terminal of some size, and what is seen on it."""

    def __init__(self, ours: int) -> None:
        self._ours = ours
        self.seen = b""

    def type(self, text: bytes) -> None:
        os.write(self._ours, text)

    def resize(self, columns: int, lines: int) -> None:
        termios.tcsetwinsize(self._ours, (lines, columns))

    def wait_for(self, text: bytes) -> None:
        """Until it is seen, behind what was waited for before."""
        while text not in self.seen:
            ready, _, _ = select.select([self._ours], [], [], PATIENCE_SECONDS)
            assert ready, self.seen
            self.seen += os.read(self._ours, 65536)
        self.seen = self.seen.partition(text)[2]


@contextmanager
def on_a_terminal(project: Project, *words: str) -> Iterator[tuple[Window, subprocess.Popen[bytes]]]:
    """Our client with a terminal of its own, of 100 columns and 40 lines."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (40, 100))
    program = subprocess.Popen(
        ["setsid", "--ctty", PUSHD, *words], cwd=project.folder, stdin=theirs, stdout=theirs, stderr=theirs,
        env=project.server.client_environ(TERM="xterm"),
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Window(ours), program
    finally:
        os.close(ours)
        program.kill()
        program.wait()


def test_a_terminal_with_its_size_and_its_keys(deployed: Project) -> None:
    with on_a_terminal(deployed, "run", "sh") as (window, program):
        window.wait_for(b"up, run.")
        window.type(b"stty size; echo $TERM\n")
        window.wait_for(b"40 100\r\nxterm\r\n")
        assert [dyno["command"] for dyno in one_off_dynos(deployed)] == ["sh"]
        window.resize(132, 50)
        window.type(b"until [ \"$(stty size)\" = '50 132' ]; do :; done; echo re''sized\n")  # the size comes by another way
        window.wait_for(b"resized\r\n")
        window.type(b"sh -c 'echo sleep\"\"ing; exec sleep 1000'; echo woke''n\n")  # says so once it is there to be interrupted
        window.wait_for(b"sleeping\r\n")
        window.type(b"\x03echo still''here\n")
        window.wait_for(b"stillhere\r\n")
        window.type(b"exit 5\n")
        assert program.wait(PATIENCE_SECONDS) == 5


def test_a_closed_window_ends_the_command(deployed: Project) -> None:
    with on_a_terminal(deployed, "run", "sh") as (window, _):
        window.wait_for(b"up, run.")
        window.type(b"echo read''y\n")
        window.wait_for(b"ready")

    eventually(lambda: not one_off_dynos(deployed), what="the one-off dyno to end")


def test_a_signal_reaches_the_command(deployed: Project) -> None:
    program = subprocess.Popen(
        [PUSHD, "run", "--", "sh", "-c", "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done"],
        cwd=deployed.folder, env=deployed.server.client_environ(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    )  # fmt: skip
    with program:
        assert program.stdout
        assert program.stdout.readline() == b"ready\n"
        program.terminate()
        assert program.stdout.read() == b"caught\n"
        assert program.wait(PATIENCE_SECONDS) == 3


def test_a_command_inside_a_dyno_that_runs(deployed: Project) -> None:
    result = deployed.pushd("run:inside", "web.1", "--", "sh", "-c", "echo $DYNO; ls; echo red >&2; exit 6")

    assert (result.exit_code, result.stdout.splitlines()[0]) == (6, "web.1")
    assert "app.py" in result.stdout.splitlines()
    assert result.stderr.endswith("red\n")
    assert deployed.get().status == 200
