"""What the measures share: repeated timing, a table of rows, apps that boot."""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.e2e.harness import ROOT, Project, Server

FLASK = ROOT / "examples" / "flask"


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, ours, what it is compared to, and the bar, if there is one."""

    what: str
    ours: str
    compared: str = ""
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None

    def line(self) -> str:
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}x"
        met = {None: "", True: "yes", False: "NO"}[self.met]
        return f"| {self.what} | {self.ours} | {self.compared} | {ratio} | {self.bar} | {met} |"


HEADER = "| what | pushd | compared to | ratio | bar | met |\n|---|---|---|---|---|---|"


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def median(work: Callable[[], float], times: int) -> float:
    """The median of several measurements."""
    return statistics.median(work() for _ in range(times))


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int, *, host: str = "localhost") -> bool:
    """Whether something answers HTTP there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status < 600
    except OSError:
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def booted(argv: list[str], folder: Path, port: int, environ: dict[str, str] | None = None) -> Iterator[float]:
    """A program by hand, without pushd, until it answers on its port; gives the seconds that took."""
    env = {"PATH": os.environ["PATH"], "PORT": str(port), "PYTHONUNBUFFERED": "1", **(environ or {})}
    start = time.perf_counter()
    process = subprocess.Popen(argv, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not answers(port):
            assert process.poll() is None, f"{argv[0]} ended by itself; was port {port} taken meanwhile?"
            time.sleep(0.005)
        yield time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(30)


def boot_seconds(environment: Path, folder: Path, times: int = 5) -> float:
    """Median time from start to first answer of the Flask example under gunicorn, started by hand with what a dyno gets."""
    environ = {"WEB_CONCURRENCY": "2", "GUNICORN_CMD_ARGS": "--access-logfile -"}

    def once() -> float:
        port = free_port()
        with booted(
            [str(environment / "bin" / "gunicorn"), "--bind", f"0.0.0.0:{port}", "hello:app"], folder, port, environ
        ) as took:
            return took

    return median(once, times)


def until_page(project: Project, wanted: str) -> None:
    """Return at the first answer that holds `wanted`."""
    while wanted not in project.get().body:
        time.sleep(0.002)


def flask_project(server: Server, folder: Path, app: str) -> Project:
    """The Flask example as a project of its own, not pushed yet."""
    import shutil

    shutil.copytree(FLASK, folder)
    project = Project(server, folder, app)
    project.git("init", "-q", "-b", "master")
    project.commit("first")
    server.ok("create", app, cwd=folder)
    return project


def environment_of(server: Server, app: str) -> Path:
    """The virtualenv of an app's last build."""
    _, found = server.call("GET", f"/apps/{app}")
    folder = server.data / "environments" / found["id"]
    return max((each for each in folder.iterdir() if (each / "bin").is_dir()), key=lambda each: each.stat().st_mtime)


def memory_mb(pid: int, *, tree: bool = False) -> float:
    """Proportional memory of a process (or of it and its children), in MB."""
    process = psutil.Process(pid)
    processes = [process, *process.children(recursive=True)] if tree else [process]
    return sum(each.memory_full_info().pss for each in processes) / 1e6


def machine() -> str:
    """What this was measured on."""
    import platform

    cpu = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} cores ({cpu}), {memory:.0f} GiB, Linux {platform.release()}, Python {sys.version.split()[0]}"
