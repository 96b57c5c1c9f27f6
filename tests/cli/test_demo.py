"""What the demo stands on: its daemon starts, is ended with one SIGINT, and its trouble is told."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pushd.cli.demo_stage import DemoFailed, Stage

READY = "print('ready api=http://127.0.0.1:5000 router=http://127.0.0.1:8080 domain=localhost', flush=True)\n"
ENDS_WITH = "signal.signal(signal.SIGINT, lambda *_: (note('SIGINT'), sys.exit({code})))\n"
SERVE = "while True: signal.pause()\n"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Stage]:
    """Makes a stage whose daemon is a line of Python; `note(...)` in it writes into the file `notes`."""

    def make(daemon: str) -> Stage:
        head = f"import os, signal, sys\ndef note(text): open({str(tmp_path / 'notes')!r}, 'a').write(text + chr(10))\n"
        monkeypatch.setattr(Stage, "_command", lambda self, *args: [sys.executable, "-c", head + daemon, *args])
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PUSHD_HOST": "http://elsewhere", "GIT_DIR": "/elsewhere"}
        return Stage(tmp_path / "demo", environ, app="hello")

    return make


def test_it_starts_and_is_ended_with_one_sigint(stage: Callable[[str], Stage], tmp_path: Path) -> None:
    script = ENDS_WITH.format(code=0) + "note(' '.join(sys.argv[1:7])); note(os.environ.get('PUSHD_HOST', 'none'))\n"
    with stage(script + READY + SERVE) as running:
        assert (running.api, running.router) == ("http://127.0.0.1:5000", "http://127.0.0.1:8080")
        assert running.page_url == "http://hello.localhost:8080/"

    notes = (tmp_path / "notes").read_text().splitlines()
    assert notes == [f"serve --config {os.devnull} --data-dir {tmp_path}/demo --domain", "none", "SIGINT"]


def test_ctrl_c_ends_the_daemon_too(stage: Callable[[str], Stage], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), stage(ENDS_WITH.format(code=0) + READY + SERVE):
        raise KeyboardInterrupt
    assert (tmp_path / "notes").read_text() == "SIGINT\n"


def test_a_daemon_that_does_not_start(stage: Callable[[str], Stage]) -> None:
    with pytest.raises(DemoFailed) as caught, stage("sys.exit(' !    the port is taken')"):
        pass
    assert "the port is taken" in caught.value.message
    assert "daemon.log" in caught.value.remedy


def test_a_daemon_that_ends_badly(stage: Callable[[str], Stage]) -> None:
    with pytest.raises(DemoFailed, match="exit code 3"), stage(ENDS_WITH.format(code=3) + READY + SERVE):
        pass


def test_a_daemon_that_goes_by_itself(stage: Callable[[str], Stage]) -> None:
    with pytest.raises(DemoFailed, match="exit code 4"), stage(READY + "sys.exit(4)") as running:
        running.wait_for_daemon()


def test_processes_that_were_left_behind_are_seen(stage: Callable[[str], Stage], tmp_path: Path) -> None:
    one = stage(READY)
    assert one.left_behind() == []
    argv = [sys.executable, "-c", "print(flush=True); input()", f"{tmp_path}/demo/run/x"]
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout
        child.stdout.readline()
        assert [line.split()[0] for line in one.left_behind()] == [str(child.pid)]
    finally:
        child.kill()
        child.communicate()


def test_git_and_our_commands_see_nothing_of_the_users_own_settings(stage: Callable[[str], Stage]) -> None:
    environ = stage(READY)._environ
    assert environ["GIT_CONFIG_GLOBAL"] == os.devnull
    assert "127.0.0.1" in environ["no_proxy"]
    assert not {"PUSHD_HOST", "PUSHD_API_KEY", "GIT_DIR"} & set(environ)


def test_the_project_is_a_committed_copy(stage: Callable[[str], Stage], tmp_path: Path) -> None:
    example = tmp_path / "example"
    (example / "__pycache__").mkdir(parents=True)
    (example / "hello.py").write_text("print()")
    one = stage(READY)
    for _ in range(2):  # again over what an earlier demo left
        one.lay_out_project(example)

    listed = subprocess.run(["git", "ls-files"], cwd=one.project, capture_output=True, text=True, check=True)
    assert listed.stdout == "hello.py\n"
