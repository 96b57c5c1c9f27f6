"""Tasks that have an owner: the one module that calls `asyncio.create_task`."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")


class Nursery:
    """Owns background tasks whose failures must not spread: a failure is logged, and no neighbour is cancelled.

    An async context manager; leaving it cancels what still runs and waits for it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def __aenter__(self) -> Nursery:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self, work: Coroutine[Any, Any, T], *, name: str, expected: type[Exception] | tuple[()] = ()) -> asyncio.Task[T]:
        """Run `work` until it ends or the nursery closes; its failure is logged, and raised to whoever awaits the task.

        `expected`: a failure that is no bug of ours, told in one line.
        """
        if self._closed:
            work.close()
            raise RuntimeError(f"nursery {self.name} is closed")
        task = asyncio.create_task(work, name=f"{self.name}/{name}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._on_done(done, expected))
        return task

    def keep(
        self, work: Callable[[], Coroutine[Any, Any, None]], *, name: str, pause_seconds: float = 1.0
    ) -> asyncio.Task[None]:
        """Run `work()` again whenever it fails, after a pause; a normal end is an end."""
        return self.start(self._again(work, name, pause_seconds), name=name)

    async def close(self) -> None:
        """Cancel what still runs and wait until it is gone."""
        self._closed = True
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)

    async def settle(self) -> None:
        """Wait until no task is left, without cancelling any (for tests and orderly ends)."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def _again(self, work: Callable[[], Coroutine[Any, Any, None]], name: str, pause_seconds: float) -> None:
        while True:
            try:
                return await work()
            except Exception:
                log.exception("task failed, starting it again", extra={"task": f"{self.name}/{name}"})
            await asyncio.sleep(pause_seconds)

    def _on_done(self, task: asyncio.Task[Any], expected: type[Exception] | tuple[()]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, expected):
            log.info("task ended", extra={"task": task.get_name(), "cause": str(error)})
        else:
            log.error("task failed", extra={"task": task.get_name()}, exc_info=error)


async def first(*works: Coroutine[Any, Any, Any]) -> int:
    """Index of the work that ends first (the lowest, if several do); the others are cancelled and gone when it returns.

    Raises: what that work raised.
    """
    tasks = [asyncio.create_task(work, name=f"first/{_name_of(work)}") for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        winner = next(task for task in tasks if task.done())
        await winner
        return tasks.index(winner)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def guarded(work: Coroutine[Any, Any, T], guard: Coroutine[Any, Any, Any]) -> T:
    """What `work` gives, unless `guard` fails first: then that is raised. The other one is cancelled and gone either way."""
    working = asyncio.create_task(work, name=f"guarded/{_name_of(work)}")
    guarding = asyncio.create_task(guard, name=f"guard/{_name_of(guard)}")
    try:
        await asyncio.wait([working, guarding], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            await guarding
        return await working
    finally:
        working.cancel()
        guarding.cancel()
        await asyncio.gather(working, guarding, return_exceptions=True)


async def finish(cleanup: Awaitable[T], *, within: float) -> T:
    """Await `cleanup` even while we are being cancelled, for at most `within` seconds; re-raises the cancellation after.

    Raises: TimeoutError when the cleanup takes longer.
    """
    inner = asyncio.ensure_future(cleanup)
    deadline = asyncio.get_running_loop().time() + within
    cancelled: asyncio.CancelledError | None = None
    while not inner.done():
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            inner.cancel()
            raise TimeoutError(f"cleanup took longer than {within:g} s")
        try:
            await asyncio.wait({inner}, timeout=left)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return inner.result()


async def in_thread(work: Callable[..., T], *args: Any) -> T:
    """Run bounded blocking work (files, dulwich, SQLite) in the loop's thread pool."""
    return await asyncio.get_running_loop().run_in_executor(None, work, *args)


async def in_stoppable_thread(work: Callable[..., T], *args: Any, within: float) -> T:
    """Run `work(*args, stopped=...)` in a thread; when we are cancelled `stopped()` becomes true, and its end is awaited.

    For work whose place is cleared away afterwards. Raises: TimeoutError if it goes on for longer than `within` after that.
    """
    stop = threading.Event()
    working = asyncio.ensure_future(in_thread(functools.partial(work, *args, stopped=stop.is_set)))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({working}, timeout=within)
        if not working.done():
            raise TimeoutError(f"a thread did not stop within {within:g} s") from None
        working.exception()  # looked at: nobody waits for it
        raise


def _name_of(work: Coroutine[Any, Any, Any]) -> str:
    return str(getattr(work, "__qualname__", type(work).__name__))
