"""What every test gets: it fails if it leaves a task, a child process or a thread of the store behind."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from tests.fakes import FakeClock


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set up before, and so checked after, all other fixtures of the test; wider fixtures keep what they own."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("no_task_left_behind")
    before = {child.pid for child in psutil.Process().children()}
    yield
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("store-")]
    for thread in threads:
        thread.join(timeout=2)  # one whose store is closed ends at once
    assert not [thread.name for thread in threads if thread.is_alive()], "a store was not closed"
    children = [child for child in psutil.Process().children() if child.pid not in before]
    assert not children, f"child processes left behind: {children}"


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
