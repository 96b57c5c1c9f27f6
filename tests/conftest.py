"""What every test gets: it fails if it leaves a task, a child process or a thread of the store behind.

Hypothesis tries few examples here, the same ones in each run; `make test-long` tries many, and other ones each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

from pushd.sandbox.sandbox import Sandbox
from tests.cgroups import piece_of_cgroup_tree
from tests.fakes import USER, FakeClock
from tests.skips import pytest_terminal_summary as pytest_terminal_summary

# A busy machine is no failure: no deadline per example, and no complaint about slow ones.
settings.register_profile(
    "quick", max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("long", max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quick")  # --hypothesis-profile=long takes the other one


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set up before, and so checked after, all other fixtures of the test; wider fixtures keep what they own."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left_behind")
    before, threads_before = _children(), set(threading.enumerate())
    yield
    threads = [each for each in set(threading.enumerate()) - threads_before if each.name.startswith("store-")]
    for thread in threads:
        thread.join(timeout=2)  # one whose store is closed ends at once
    assert not [thread.name for thread in threads if thread.is_alive()], "a store was not closed"
    left = _children() - before
    assert not left, f"child processes left behind: {[_shown(pid) for pid in left]}"


def _children() -> set[int]:
    """Our own children, the unreaped ones too; /proc lists them by the thread that started them."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that has just ended
            found |= {int(pid) for pid in (thread / "children").read_text().split()}
    return found


def _shown(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return str(psutil.Process(pid))
    return str(pid)


@pytest.fixture
async def no_task_left_behind() -> AsyncIterator[None]:
    """Fails the test if a task of its loop outlives it."""
    yield
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert not left, f"tasks left behind: {left}"


@pytest.fixture
def clock() -> FakeClock:
    """Time that moves only when told."""
    return FakeClock()


@pytest.fixture
async def skip(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the loop's clock forward: a deadline comes once a program is ready for it, however slow the machine."""
    loop = asyncio.get_running_loop()
    now, skipped = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: now() + sum(skipped))
    return skipped.append


@pytest.fixture(scope="session")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """The best sandbox of this machine; finding it starts programs, so that is done once."""
    return asyncio.run(Sandbox.probe(tmp_path_factory.mktemp("probe"), user=USER))


@pytest.fixture
def cgroup(tmp_path: Path) -> Iterator[Path]:
    """A cgroup v2 folder of this test alone."""
    with piece_of_cgroup_tree(tmp_path / "cgroups") as group:
        yield group
