"""A scratch daemon that is killed again and again, and those who deal with it: a client, git, visitors."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from pushd.cli.demo_stage import COMMAND_SECONDS, DemoFailed, Page, Stage
from pushd.cli.drill.held import NotHeld, hold
from pushd.client.client import Client
from pushd.client.transport import Transport
from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically
from pushd.layout import Layout

CRASH_SECONDS = 60.0  # within which the daemon must come to the line at which it kills itself
_FEW = {"PUSHD_SLUGS_KEPT": "2", "PUSHD_BUILDS_KEPT": "3"}  # so that each deploy forgets something
_KILLED = -signal.SIGKILL


@dataclass(frozen=True, slots=True)
class Ended:
    """How a client's program ended, and all that it printed."""

    code: int
    output: str

    @property
    def done(self) -> bool:
        """Whether its user was told that it is done."""
        return self.code == 0


class Program:
    """A program of the client's side that runs while the daemon dies."""

    def __init__(self, argv: list[str], *, folder: Path, environ: Mapping[str, str]) -> None:
        self._output: IO[str] = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed by `wait`
        self._process = subprocess.Popen(
            argv, cwd=folder, env=dict(environ), stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def wait(self) -> Ended:
        """Its end; it is given the time that a first push may take."""
        try:
            code = self._process.wait(COMMAND_SECONDS)
            self._output.seek(0)
            return Ended(code, self._output.read())
        finally:
            self.close()

    def close(self) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._process.wait()
        self._output.close()


class Call:
    """The same for what has no command of its own: a function in a thread."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._ended = Ended(1, "it did not end")
        self._thread = threading.Thread(target=self._run, args=[work], daemon=True)
        self._thread.start()

    def wait(self) -> Ended:
        self._thread.join(COMMAND_SECONDS)
        return self._ended

    def close(self) -> None:
        """It ends by itself once the daemon is gone."""

    def _run(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (PushdError, OSError) as error:
            self._ended = Ended(1, str(error))
        else:
            self._ended = Ended(0, "")


Doing = Program | Call


class DrillStage(Stage):
    """The stage of the demo, with a daemon that may be gone at any moment."""

    def __init__(self, data_dir: Path, environ: Mapping[str, str], *, app: str) -> None:
        super().__init__(data_dir, environ, app=app)
        self._known: Client | None = None
        self._note = data_dir / "crash-at"
        self._settings = {**_FEW, "PUSHD_CRASH_AT": f"@{self._note}"}

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """End everything: a daemon that is gone cannot, so another one takes up what it left first."""
        self._forget_client()
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            if self._daemon is None or self._daemon.poll() is not None:
                self.start()
            super().__exit__(kind, error, trace)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # --- the daemon ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """A daemon that lives, until it is doomed. Raises: NotHeld when it does not come up."""
        self._note.unlink(missing_ok=True)
        try:
            self._start_daemon()
        except DemoFailed as error:
            raise NotHeld(f"the next daemon does not start: {error.message}") from error
        self._forget_client()

    def doom(self, point: str) -> None:
        """Let the daemon, this one or the next, kill itself when it comes to this point."""
        write_atomically(self._note, point.encode())

    def start_doomed(self) -> None:
        """A daemon that kills itself before it is ready, or soon after."""
        try:
            self._start_daemon()
        except DemoFailed as error:
            if self._daemon is None or self._daemon.wait(CRASH_SECONDS) != _KILLED:  # its output ends a moment before it does
                raise NotHeld(f"the daemon does not start: {error.message}") from error
        self._forget_client()

    def ensure_daemon(self) -> None:
        """One that lives, whatever went wrong before; one that may yet kill itself is replaced."""
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None
        self.start()

    def await_crash(self, point: str) -> None:
        """Return once the daemon has killed itself. Raises: NotHeld when it does not."""
        assert self._daemon is not None
        try:
            code = self._daemon.wait(CRASH_SECONDS)
        except subprocess.TimeoutExpired:
            self._note.unlink(missing_ok=True)
            raise NotHeld(f"the daemon did not come to {point}") from None
        self._daemon = None
        hold(code == _KILLED, f"the daemon ended with exit code {code} before it came to {point}")

    # --- clients and visitors -----------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """A client of the daemon that runs now."""
        if self._known is None:
            self._known = self._client()
        return self._known

    def transport(self) -> Transport:
        """For calls that no method of the client makes; the caller closes it."""
        return Transport(self.api, token=Layout(self.data_dir).admin_token.read_text().strip())

    def begin(self, *words: str) -> Program:
        """Start one command of ours in the project's folder."""
        return Program(self._command(*words), folder=self.project, environ=self._environ)

    def begin_push(self, remote: str = "pushd") -> Program:
        """Start `git push`."""
        return Program(["git", "push", remote, "master"], folder=self.project, environ=self._environ)

    def do(self, *words: str) -> str:
        """One command of ours, which must succeed; gives what it printed."""
        return _succeeded(self.begin(*words), words)

    def deploy(self, remote: str = "pushd") -> str:
        """The same for `git push`."""
        return _succeeded(self.begin_push(remote), ("git", "push"))

    def git(self, *words: str) -> str:
        """The same for any other work of git's."""
        return _succeeded(Program(["git", *words], folder=self.project, environ=self._environ), ("git", *words)).strip()

    def commit(self, message: str) -> str:
        """Commit all that is in the project; gives the commit's id."""
        self.git("add", "-A")
        self.git("-c", "user.name=pushd drill", "-c", "user.email=drill@localhost", "-c", "commit.gpgsign=false",
                 "-c", "core.hooksPath=/dev/null", "commit", "-q", "--allow-empty", "-m", message)  # fmt: skip
        return self.git("rev-parse", "HEAD")

    def page_of(self, app: str, path: str = "/") -> Page:
        """What a visitor of that app gets."""
        return self.page_at(f"{app}.{self._domain}", path)

    def lay_out(self, example: Path) -> None:
        """The project's folder made anew, as a git repository with one commit."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(example, self.project, ignore=shutil.ignore_patterns("__pycache__"))
        self.git("init", "-q", "-b", "master")
        self.commit("Begin")

    def _forget_client(self) -> None:
        if self._known is not None:
            self._known.close()
            self._known = None


def _succeeded(program: Program, words: tuple[str, ...]) -> str:
    ended = program.wait()
    hold(ended.done, f"`{' '.join(words)}` was refused: {ended.output.strip()[-600:]}")
    return ended.output
