"""What the demo plays on: a daemon as a child process, a git project, and the client run as a user would."""

from __future__ import annotations

import http.client
import os
import queue
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import urlsplit

from pushd.cli import render
from pushd.client.client import Client
from pushd.client.transport import Transport
from pushd.errors import NotFound, PushdError
from pushd.layout import Layout

READY_SECONDS = 60.0
END_SECONDS = 90.0  # dynos have 30 s to finish, requests 30 s before that
COMMAND_SECONDS = 900.0  # a first push downloads packages
PAGE_SECONDS = 60.0
_GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_CONFIG")
_IDENTITY = ("-c", "user.name=pushd demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")


class DemoFailed(PushdError):
    """A step of the demo did not do what it shows."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a visitor got."""

    status: int
    text: str


class Stage:
    """A context manager: entering starts the daemon and waits until it is ready, leaving ends all that it started."""

    def __init__(self, data_dir: Path, environ: Mapping[str, str], *, app: str) -> None:
        self.data_dir = data_dir
        self.app = app
        self.project = data_dir / "demo" / app
        self.daemon_log = data_dir / "daemon.log"
        self.api = self.router = ""
        self._domain = "localhost"
        clean = {name: value for name, value in environ.items() if not name.startswith("PUSHD_") and name not in _GIT_VARIABLES}
        self._environ = {
            **clean,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', os.defpath)}",
            "PUSHD_DATA_DIR": str(data_dir),
            "PUSHD_PRIVATE_PORTS": "off",  # a daemon that is only tried out, or killed on purpose, leaves no rules
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "no_proxy": ",".join(filter(None, [environ.get("no_proxy"), "127.0.0.1", "localhost"])),
        }
        self._settings: dict[str, str] = {}  # of the daemon, beside its flags
        self._daemon: subprocess.Popen[str] | None = None

    def __enter__(self) -> Stage:
        Layout(self.data_dir).make()
        try:
            self._start_daemon()
        except BaseException:
            self._end_daemon()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is KeyboardInterrupt:
            render.hint("\nStopping the app, the router and the daemon ...")
        code = self._end_daemon()
        if kind is None and code != 0:
            raise DemoFailed(f"The daemon ended with exit code {code}.", remedy=f"Its log: {self.daemon_log}")

    @property
    def page_url(self) -> str:
        return f"http://{self._host}/"

    def forget_earlier_app(self) -> None:
        """Destroy the app that an earlier demo left in this folder."""
        client = self._client()
        try:
            client.destroy_app(self.app)
        except NotFound:
            pass
        finally:
            client.close()

    def lay_out_project(self, example: Path) -> None:
        """A git repository with a copy of the example in it, committed."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(example, self.project, ignore=shutil.ignore_patterns("__pycache__", ".git", ".venv"))
        self._git("init", "-q", "-b", "master")
        self._git("add", "-A")
        self._git(*_IDENTITY, "-c", f"core.hooksPath={os.devnull}", "commit", "-q", "-m", "Say hello")

    def push(self) -> None:
        """`git push`, its output live on this terminal."""
        render.out("$ git push pushd master")
        self._run(["git", "push", "pushd", "master"])

    def pushd(self, *args: str) -> None:
        """One command of ours, its output live on this terminal."""
        render.out("$ " + shlex.join(["pushd", *args]))
        self._run(self._command(*args))

    def pushd_output(self, *args: str) -> str:
        """What one command of ours prints."""
        ended = subprocess.run(
            self._command(*args), cwd=self.project, env=self._environ, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip
        if ended.returncode != 0:
            raise DemoFailed(f"pushd {args[0]} ended with exit code {ended.returncode}.", remedy=ended.stderr.strip())
        return ended.stdout

    def page(self) -> Page:
        """What a visitor of the app gets."""
        return self.page_at(self._host)

    def page_at(self, host: str, path: str = "/") -> Page:
        """One request to the router with this Host header."""
        address = urlsplit(self.router)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PAGE_SECONDS)
        try:
            connection.request("GET", path, headers={"Host": host})
            answer = connection.getresponse()
            return Page(answer.status, answer.read().decode("utf-8", "replace"))
        except (OSError, http.client.HTTPException) as error:
            raise DemoFailed(f"The router does not answer: {error}.", remedy=f"The daemon's log: {self.daemon_log}") from error
        finally:
            connection.close()

    def lines_to_try(self) -> list[str]:
        """What to type into another shell."""
        return [
            f"export PUSHD_DATA_DIR={shlex.quote(str(self.data_dir))}",
            f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
            'eval "$(git pushd shell-init bash)"     # or zsh',
            f"cd {shlex.quote(str(self.project))}",
            f"curl {self.page_url}",
            'pushd config:set GREETING="Yours"',
            "pushd logs --tail",
            "pushd ps:scale web=2 ; pushd ps",
            "pushd maintenance:on ; pushd maintenance:off",
            "pushd releases ; pushd rollback",
            "git commit -a ; git push pushd master",
        ]

    def left_behind(self) -> list[str]:
        """`1234 gunicorn` for each process whose command line names the demo's folder; none once the daemon has ended."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue  # it has just ended
            if f"{self.data_dir}/".encode() in words and process.name != str(os.getpid()):
                found.append(f"{process.name} {words.split(bytes(1))[0].decode(errors='replace')}")
        return found

    def wait_for_daemon(self) -> None:
        """Stay until the daemon ends by itself, which it should not, or until Ctrl-C."""
        assert self._daemon is not None
        code = self._daemon.wait()
        raise DemoFailed(f"The daemon ended with exit code {code}.", remedy=f"Its log: {self.daemon_log}")

    @property
    def _host(self) -> str:
        port = urlsplit(self.router).port
        return f"{self.app}.{self._domain}" + (f":{port}" if port not in (None, 80) else "")

    def _client(self) -> Client:
        return Client(Transport(self.api, token=Layout(self.data_dir).admin_token.read_text().strip()))

    def _command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "pushd", *args]

    def _git(self, *args: str) -> None:
        self._run(["git", *args])

    def _run(self, argv: list[str]) -> None:
        sys.stdout.flush()
        code = subprocess.run(argv, cwd=self.project, env=self._environ, timeout=COMMAND_SECONDS, check=False).returncode
        if code != 0:
            raise DemoFailed(
                f"`{shlex.join(argv[:4])} ...` ended with exit code {code}.", remedy=f"The daemon's log: {self.daemon_log}"
            )

    def _start_daemon(self) -> None:
        """In a session of its own: the terminal's Ctrl-C reaches us, and we pass it on once.

        The settings in /etc are those of this machine's own daemon, and none of this one's business.
        """
        argv = self._command("serve", "--config", os.devnull, "--data-dir", str(self.data_dir), "--domain", self._domain)
        argv += ["--api-listen", "127.0.0.1:0", "--router-listen", "127.0.0.1:0", "--ssh-listen", "127.0.0.1:0"]
        with self.daemon_log.open("ab") as log:
            self._daemon = subprocess.Popen(
                argv, env={**self._environ, **self._settings}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True,
            )  # fmt: skip
        assert self._daemon.stdout is not None
        words = _first_ready_line(self._daemon.stdout).split()
        found = dict(word.partition("=")[::2] for word in words if "=" in word)
        if "api" not in found or "router" not in found:
            raise DemoFailed("The daemon did not start: " + (self._last_log_line() or "it said nothing"),
                             remedy=f"Its log: {self.daemon_log}")  # fmt: skip
        self.api, self.router = found["api"], found["router"]

    def _end_daemon(self) -> int:
        """SIGINT, as Ctrl-C: dynos, router and daemon end. A second Ctrl-C does not cut that short."""
        daemon, self._daemon = self._daemon, None
        if daemon is None:
            return 0
        before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            daemon.send_signal(signal.SIGINT)
            return daemon.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            daemon.kill()
            return daemon.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _last_log_line(self) -> str:
        lines = self.daemon_log.read_text(errors="replace").splitlines()
        return render.printable(lines[-1]).strip(" !") if lines else ""


def _first_ready_line(stdout: IO[str]) -> str:
    """The daemon's `ready` line, or "" when it ended or was silent too long; later lines are read and dropped."""
    found: queue.Queue[str] = queue.Queue()

    def read() -> None:
        with stdout:
            for line in stdout:
                if line.startswith("ready "):
                    found.put(line)
        found.put("")

    threading.Thread(target=read, name="daemon's stdout", daemon=True).start()
    try:
        return found.get(timeout=READY_SECONDS)
    except queue.Empty:
        return ""
