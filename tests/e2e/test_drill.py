"""Kills the daemon at random moments of all that a user does, and looks what the next one makes of it."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.e2e.harness import BIN, Server, eventually
from tests.e2e.tidy import Tidiness

ROUNDS = 16
OPERATIONS = ("push", "push", "push", "config", "rollback", "scale", "restart", "rename", "destroy")
LONGEST_SECONDS = {"rename": 0.6, "destroy": 0.6}  # within which the daemon is killed; 2.5 for all others
FOLDERS = ("repos", "environments", "cache", "outputs", "logs", "storage", "slugs", "run/dynos")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [1])
def test_the_next_daemon_finds_all_in_order_wherever_the_last_one_was_killed(
    own_server: Server, tmp_path: Path, seed: int
) -> None:
    drill = Drill(own_server, tmp_path / "app", random.Random(seed))
    for number in range(ROUNDS):
        drill.round(number)


class Drill:
    """One app on one server. A round is one operation, one death or two, and one look."""

    def __init__(self, server: Server, folder: Path, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.tidiness = Tidiness(server.data, server.processes)
        self.commits = 0
        self.project = server.project(folder, "drill")
        self.project.deploy()

    def round(self, number: int) -> None:
        """Raises: AssertionError that tells what was done and what is wrong."""
        what = self.chance.choice(OPERATIONS)
        words = self._words(what, number)
        delay = self.chance.random() * LONGEST_SECONDS.get(what, 2.5)
        client = self._begin(what, words)
        with contextlib.suppress(subprocess.TimeoutExpired):
            client.wait(delay)
        self.server.stop(signal.SIGKILL)
        output = client.communicate(timeout=60)[0]
        self.server.start()
        if again := self.chance.random() < 0.25:  # it dies once more while it puts things in order
            threading.Event().wait(self.chance.random())
            self.server.stop(signal.SIGKILL)
            self.server.start()
        try:
            self._look(what, words[-1], done=client.returncode == 0)
        except AssertionError as error:
            told = f"round {number}: {what} {words}, killed after {delay:.2f} s{' and at the next start' if again else ''}"
            raise AssertionError(f"{told}\n{output}\n{error}\n{self.server.daemon_log()[-4000:]}") from error

    # --- what is done -------------------------------------------------------------------------------------------------

    def _words(self, what: str, number: int) -> list[str]:
        return {
            "push": [],
            "config": ["config:set", f"ROUND={number}"],
            "rollback": ["rollback"],
            "scale": ["ps:scale", f"web={self.chance.choice((1, 2, 3))}"],
            "restart": ["restart"],
            "rename": ["rename", f"drill-{number}"],
            "destroy": ["destroy", "--confirm", self.project.app],
        }[what] or [what]

    def _begin(self, what: str, words: list[str]) -> subprocess.Popen[str]:
        argv = [str(BIN / "pushd"), *words, "--app", self.project.app]
        if what == "push":
            self._commit()
            argv = ["git", "push", "pushd", "master"]
        return subprocess.Popen(
            argv, cwd=self.project.folder, env=self.server.client_environ(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip

    def _commit(self) -> None:
        self.commits += 1
        lines = (self.project.folder / "app.py").read_text().splitlines()
        text = "\n".join(f'VERSION = "c{self.commits}"' if line.startswith("VERSION") else line for line in lines)
        self.project.write("app.py", text + "\n")
        self.project.commit(f"commit {self.commits}")

    # --- what must hold then ------------------------------------------------------------------------------------------

    def _look(self, what: str, word: str, *, done: bool) -> None:
        names = [each["name"] for each in json.loads(self.server.ok("apps", "--json"))]
        if what == "destroy" and not names:
            self._begin_anew()
        elif what == "rename":
            assert names == [word] if done else names in ([word], [self.project.app])
            self.project.app = names[0]
            self.project.git("remote", "set-url", "pushd", f"{self.server.api}/{names[0]}.git")
        else:
            assert names == [self.project.app]
            assert not (what == "destroy" and done), "the client was told that the app is gone"
        eventually(lambda: not self.tidiness.pending(), what="an end of what is pending")
        if what == "config" and done:
            assert self._config() == word.partition("=")[2]
        eventually(lambda: self.project.get("/env/ROUND").body == self._config(), what="the page of the current release")
        if what == "push":
            if done:
                assert self._ref() == self.project.git("rev-parse", "HEAD").stdout.strip()
            self.project.deploy()  # the same push once more
            assert f"version c{self.commits} " in self.project.get().body
        self.tidiness.hold()

    def _begin_anew(self) -> None:
        for folder in FOLDERS:
            eventually(lambda folder=folder: not self.tidiness.entries(folder), what=f"an end of {folder}")
        eventually(lambda: not self.tidiness.programs(), what="an end of the app's processes")
        self.project.git("remote", "remove", "pushd", check=False)
        self.project.app = "drill"
        self.project.ok("create", "drill")
        self.project.deploy()

    def _config(self) -> str:
        return self.project.pushd("config:get", "ROUND").stdout.strip() or "(not set)"

    def _ref(self) -> str:
        return self.project.git("ls-remote", "pushd", "refs/heads/master").stdout.partition("\t")[0]
