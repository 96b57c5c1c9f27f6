"""Runs the Heroku CLI as a user does: in a home and a folder of their own, with what `pushd heroku-env` prints."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import pty
import re
import select
import signal
import socketserver
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.harness import PATIENCE_SECONDS, Result, Server, run
from tests.heroku.install import CACHE, installed

_NEVER_PRINTED = re.compile(
    r"TypeError|ReferenceError|undefined|\bNaN\b|\[object |^\s+at .+:\d+:\d+|HTTP Error \d", re.MULTILINE
)
_numbers = itertools.count(1)


@dataclass
class Heroku:
    """`heroku("config:set", "A=1", "-a", app)` gives what it printed to stdout; it must succeed."""

    server: Server
    home: Path
    folder: Path
    variables: Mapping[str, str]

    def __call__(self, *words: str, stdin: str = "", cwd: Path | None = None, **environ: str) -> str:
        return self.run(*words, stdin=stdin, cwd=cwd, **environ).stdout

    def run(self, *words: str, stdin: str = "", cwd: Path | None = None, **environ: str) -> Result:
        """The same, with stderr, where the CLI tells of its progress."""
        result = self.maybe(*words, stdin=stdin, cwd=cwd, **environ)
        assert result.exit_code == 0, self._told(words, result)
        return result

    def fails(self, *words: str, stdin: str = "", cwd: Path | None = None, **environ: str) -> Result:
        """It must end with another code than 0 and say why like a program, not like a stack trace."""
        result = self.maybe(*words, stdin=stdin, cwd=cwd, **environ)
        assert result.exit_code != 0, self._told(words, result)
        return result

    def maybe(self, *words: str, stdin: str = "", cwd: Path | None = None, **environ: str) -> Result:
        """However it ends, nothing that it prints may be a fault of an answer of ours."""
        result = run(["heroku", *words], cwd=cwd or self.folder, env=self.environ(**environ), stdin=stdin)
        assert not _NEVER_PRINTED.search(result.output), self._told(words, result)
        return result

    def json(self, *words: str, **environ: str) -> Any:
        return json.loads(self(*words, "--json", **environ))

    def start(
        self, *words: str, cwd: Path | None = None, stdin: Any = subprocess.DEVNULL, **environ: str
    ) -> subprocess.Popen[str]:
        """A run that the test reads while it lasts."""
        return subprocess.Popen(
            ["heroku", *words], cwd=cwd or self.folder, env=self.environ(**environ), stdin=stdin, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    @contextlib.contextmanager
    def terminal(self, *words: str, columns: int = 80, lines: int = 24, **environ: str) -> Iterator[Terminal]:
        """A run on a terminal of that size."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        process = subprocess.Popen(
            ["heroku", *words], cwd=self.folder, env=self.environ(TERM="xterm", **environ), stdin=theirs, stdout=theirs,
            stderr=theirs, start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_SECONDS)
            os.close(ours)

    def git(self, *words: str, cwd: Path | None = None, check: bool = True) -> Result:
        """The real git, with the helper and the trust that the CLI and the variables give it."""
        result = run(["git", *words], cwd=cwd or self.folder, env=self.environ())
        assert not check or result.exit_code == 0, f"git {' '.join(words)}: {result.output}"
        return result

    def environ(self, **extra: str) -> dict[str, str]:
        """Of a command; an empty one of `extra` takes a variable away."""
        mine = {**self.variables, "HOME": str(self.home), **extra}
        return {name: value for name, value in mine.items() if extra.get(name) != ""}

    def call(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """What the API says of it: the effect of a command. Must succeed."""
        status, value = self.server.call(method, path, body)
        assert status < 300, (method, path, status, value)
        return value

    def _told(self, words: Sequence[str], result: Result) -> str:
        return f"heroku {' '.join(words)} -> {result.exit_code}\n{result.output}\n{self.server.daemon_log()[-2000:]}"


@dataclass
class Terminal:
    """Our end of a terminal: what the program printed so far, and a keyboard."""

    descriptor: int
    process: subprocess.Popen[bytes]
    seen: str = ""
    _from: int = 0

    def type(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def expect(self, pattern: str) -> str:
        """Read on until the pattern is there; gives what stood between the last match and its end."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := re.search(pattern, self.seen[self._from :])):
            assert time.monotonic() < deadline, f"waited in vain for {pattern!r}: {self.seen!r}"
            assert self._read(), f"ended without {pattern!r}: {self.seen!r}"
        text = self.seen[self._from : self._from + found.end()]
        self._from += found.end()
        return text

    def wait(self) -> int:
        """Read to the end; its exit code."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._read():
            assert time.monotonic() < deadline, f"does not end: {self.seen!r}"
        return self.process.wait(PATIENCE_SECONDS)

    def _read(self) -> bool:
        """Whether there may be more to come."""
        if not select.select([self.descriptor], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.descriptor, 1 << 16)
        except OSError:  # EIO: the other end is closed
            return False
        self.seen += data.decode("utf-8", "replace")
        return bool(data)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@dataclass
class Sink:
    """A proxy that lets nothing through and keeps what was asked of it: nobody but localhost may be."""

    url: str = ""
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def sink() -> Iterator[Sink]:
    """It answers until the end of the block."""
    found = Sink()

    class Refuse(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            found.asked.append(self.rfile.readline(1000).decode("utf-8", "replace").strip())
            self.wfile.write(b"HTTP/1.1 502 Not From Here\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refuse) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def variables_of(server: Server, proxy: str) -> dict[str, str]:
    """The environment of a shell with the CLI on its PATH, after `eval "$(git pushd heroku-env)"`."""
    shell = {
        "PATH": ":".join([*map(str, installed()), os.environ["PATH"]]),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.com",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@example.com",
        "http_proxy": proxy, "https_proxy": proxy,
        "HEROKU_NETRC_WRITE": "true",
        "NODE_COMPILE_CACHE": str(CACHE / "compiled"),  # each start of the CLI is a quarter quicker
    }  # fmt: skip
    changes = json.loads(server.ok("heroku-env", "--json", **shell))
    return {name: value for name, value in {**shell, **changes}.items() if value is not None}


def fresh_name() -> str:
    """An app name that no other test of this process has."""
    return f"app-{next(_numbers)}"
