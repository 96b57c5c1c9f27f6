"""Drives the real thing: the daemon as a process, the real git, the installed client, requests over real sockets."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pushd.kit.cgroup import Groups
from pushd.sandbox.sandbox import owner_of
from tests.contracts.validate import ContractChecker

T = TypeVar("T")
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
FIXTURE_APPS = ROOT / "tests" / "fixtures" / "apps"
RECORDED_DAEMON = ROOT / "tests" / "recorded_daemon.py"
NEIGHBOURS = ("--send-private", "127.0.0.1", "--fetch-private", "localhost")  # what tests listen on; other names stay refused
PATIENCE_SECONDS = 60.0  # how long a test waits for what must come; never how long something may take


@dataclass(frozen=True)
class Result:
    """How a program ended and all that it printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


@dataclass(frozen=True)
class Page:
    """An answer of the router."""

    status: int
    headers: Mapping[str, str]
    body: str


def eventually(look: Callable[[], T], *, what: str) -> T:
    """The first truthy answer of `look`; asked again for as long as a patient person would wait."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"waited in vain for: {what}"
        threading.Event().wait(0.02)


class Server:
    """One daemon in a data folder of its own, on free ports."""

    def __init__(
        self,
        data: Path,
        home: Path,
        *,
        flags: tuple[str, ...] = (),
        environ: Mapping[str, str] | None = None,
        recorded: bool = True,
        under: tuple[str, ...] = (),
    ) -> None:
        self.data = data
        self.under = under  # what the daemon is started by, such as setpriv
        self.recorded = recorded  # a benchmark measures the program as users have it
        self.home = home
        self.flags = flags
        self.environ = dict(environ or {})
        self.process: subprocess.Popen[str] | None = None
        self.answers = data.parent / f"{data.name}.answers"
        home.mkdir(parents=True, exist_ok=True)

    def start(self, *flags: str) -> Server:
        """Start the daemon and wait for its `ready` line."""
        defaults = [
            "--data-dir",
            str(self.data),
            "--api-listen",
            "127.0.0.1:0",
            "--router-listen",
            "127.0.0.1:0",
            "--ssh-listen",
            "127.0.0.1:0",
        ]
        recorder = [sys.executable, "-P", str(RECORDED_DAEMON), str(self.answers)]
        program = recorder if self.recorded else [str(BIN / "pushd")]
        self.log = open(self.data.parent / f"{self.data.name}.log", "ab")  # noqa: SIM115
        self.process = subprocess.Popen(
            [*self.under, *program, "serve", *defaults, *self.flags, *flags],
            stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, text=True, env=self.daemon_environ(),
            start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], PATIENCE_SECONDS)
        self.ready = self.process.stdout.readline() if readable else ""
        assert self.ready.startswith("ready api="), f"not ready: {self.ready!r}\n{self.daemon_log()[-3000:]}"
        return self

    def daemon_environ(self) -> dict[str, str]:
        keep = ("LANG", "SSL_CERT_FILE", "UV_CACHE_DIR")
        passed = {name: value for name, value in os.environ.items() if name in keep or name.startswith(("PIP_", "UV_"))}
        quiet = {"PUSHD_PRIVATE_PORTS": "off"}  # no rule of a killed daemon stays in the machine's network
        return {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.home), **quiet, **passed, **self.environ}

    @property
    def endpoints(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "run" / "endpoints.json").read_text())
        return found

    @property
    def api(self) -> str:
        return str(self.endpoints["api"])

    @property
    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """End the daemon and wait for it; SIGINT takes dynos and router along."""
        assert self.process is not None
        self.process.send_signal(how)
        code = self.process.wait(PATIENCE_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.log.close()
        self.process = None
        return code

    def check_answers(self) -> int:
        """Hold every JSON answer that the API has given so far against the published schema; how many there were."""
        lines = self.answers.read_text().splitlines(keepends=True) if self.answers.exists() else []
        answers = [json.loads(line) for line in lines if line.endswith("\n")]  # a killed daemon may leave half a line
        checker = checker_of_answers()
        for method, path, status, body in answers:
            checker.check(method, path, status, body)
        return len(answers)

    def daemon_log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")

    def processes(self) -> list[int]:
        """Every process whose command line or environment names the data folder."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
                if str(self.data).encode() in words and int(folder.name) != os.getpid():
                    found.append(int(folder.name))
        return found

    # --- what a user does ---------------------------------------------------------------------------------------------

    def client_environ(self, **extra: str) -> dict[str, str]:
        """The environment of a user's shell: a home of its own, our programs on PATH, the server and its token."""
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.home), "LANG": "C.UTF-8",
            "GIT_CONFIG_GLOBAL": str(self.home / ".gitconfig"), "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
            "PUSHD_HOST": self.api, "PUSHD_API_KEY": self.token, **extra,
        }  # fmt: skip

    def pushd(self, *args: str, cwd: Path | None = None, stdin: str = "", **environ: str) -> Result:
        """Run the installed client."""
        return run([str(BIN / "pushd"), *args], cwd=cwd or self.home, stdin=stdin, env=self.client_environ(**environ))

    def ok(self, *args: str, cwd: Path | None = None, stdin: str = "", **environ: str) -> str:
        """Run the client, which must succeed; gives what it printed."""
        result = self.pushd(*args, cwd=cwd, stdin=stdin, **environ)
        assert result.exit_code == 0, f"pushd {' '.join(args)}: {result.output}"
        return result.stdout

    def project(self, folder: Path, app: str, fixture: str = "tiny") -> Project:
        """A git folder with a copy of a fixture app, and an app on the server as its remote `pushd`."""
        shutil.copytree(FIXTURE_APPS / fixture, folder)
        project = Project(self, folder, app)
        project.git("init", "-q", "-b", "master")
        project.commit("first")
        self.ok("create", app, cwd=folder)
        return project

    def get(self, app: str, path: str = "/", *, method: str = "GET", body: bytes | None = None, **headers: str) -> Page:
        """One request to the router, as a visitor of the app."""
        host, _, port = self.endpoints["router"].removeprefix("http://").rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body=body, headers={"Host": f"{app}.localhost", **headers})
            answer = connection.getresponse()
            return Page(answer.status, dict(answer.getheaders()), answer.read().decode("utf-8", "replace"))
        finally:
            connection.close()

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str) -> tuple[int, Any]:
        """One call of the API, answered as (status, JSON)."""
        connection = http.client.HTTPConnection(self.api.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, body=data, headers={
                "Accept": "application/vnd.heroku+json; version=3", "Content-Type": "application/json",
                "Authorization": f"Bearer {self.token if token is None else token}", **headers,
            })  # fmt: skip
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def put(self, url: str, data: bytes) -> tuple[int, str]:
        """Send bytes to a URL of the API that is the secret itself; gives status and body."""
        connection = http.client.HTTPConnection(self.api.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        try:
            connection.request("PUT", url.removeprefix(self.api), body=data)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def fetch(self, url: str) -> bytes:
        """What such a URL answers."""
        connection = http.client.HTTPConnection(self.api.removeprefix("http://"), timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", url.removeprefix(self.api))
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read()
        finally:
            connection.close()


@dataclass
class Project:
    """A git work tree whose remote `pushd` is an app on the server."""

    server: Server
    folder: Path
    app: str

    def git(self, *args: str, check: bool = True, **environ: str) -> Result:
        """Run the real git here."""
        result = run(["git", *args], cwd=self.folder, env=self.server.client_environ(**environ))
        assert not check or result.exit_code == 0, f"git {' '.join(args)}: {result.output}"
        return result

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message: str) -> str:
        """Commit everything; gives the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD").stdout.strip()

    def push(self, *args: str) -> Result:
        """Push master (or what `args` say) and give all output."""
        return self.git("push", "pushd", *(args or ("master",)), check=False)

    def deploy(self, *args: str) -> str:
        """Push, which must succeed; gives what git printed."""
        result = self.push(*args)
        assert result.exit_code == 0, result.output + self.server.daemon_log()[-3000:]
        return result.output

    def popen_push(self, *args: str) -> subprocess.Popen[str]:
        """A push that a test reads while it runs (its stderr)."""
        return subprocess.Popen(
            ["git", "push", "pushd", *(args or ("master",))], cwd=self.folder, env=self.server.client_environ(),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def get(self, path: str = "/", **headers: str) -> Page:
        return self.server.get(self.app, path, **headers)

    def pushd(self, *args: str, stdin: str = "", **environ: str) -> Result:
        return self.server.pushd(*args, cwd=self.folder, stdin=stdin, **environ)

    def ok(self, *args: str, stdin: str = "", **environ: str) -> str:
        return self.server.ok(*args, cwd=self.folder, stdin=stdin, **environ)


def run(argv: list[str], *, cwd: Path, env: Mapping[str, str], stdin: str = "") -> Result:
    """One program to its end."""
    done = subprocess.run(
        argv, cwd=cwd, env=dict(env), input=stdin, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS
    )
    return Result(done.returncode, done.stdout, done.stderr)


def read_until(stream: Any, text: str) -> str:
    """Read lines of a running program until one holds `text`; gives all that was read."""
    seen = ""
    for line in iter(stream.readline, ""):
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"ended without {text!r}: {seen}")


class Load:
    """Visitors: threads that request a page again and again, counting what is not 200."""

    def __init__(self, server: Server, app: str, *, visitors: int = 4, path: str = "/") -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._visit, args=(server, app, path)) for _ in range(visitors)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _visit(self, server: Server, app: str, path: str) -> None:
        while not self._stop.is_set():
            try:
                page = server.get(app, path)
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
            else:
                self.answers += 1
                if page.status != 200:
                    self.failures.append(f"{page.status} {page.body[:200]}")


@functools.cache
def checker_of_answers() -> ContractChecker:
    """One for all servers of a test process: reading the schemas takes a while."""
    return ContractChecker()


@contextlib.contextmanager
def running(server: Server, *flags: str) -> Iterator[Server]:
    """The server, started; ended with all it started."""
    server.start(*flags)
    try:
        yield server
    finally:
        if server.process is not None:
            server.stop()
        _remove_empty_groups(server.data)
        server.check_answers()


def _remove_empty_groups(data: Path) -> None:
    """Of a daemon that was killed and has no successor; who is in one is a leak, which others look for."""
    groups = Groups.find(owner_of(data))
    for group in map(groups.group, groups.names()):
        if not group.pids():
            group.remove()
