from __future__ import annotations

import asyncio
import logging

import pytest

from pushd.kit.aio import Nursery, finish, first, guarded, in_thread


async def fail(message: str = "broken") -> None:
    raise ValueError(message)


async def forever(cancelled: list[str] | None = None) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        if cancelled is not None:
            cancelled.append("cancelled")


async def test_a_failure_is_logged_and_no_neighbour_is_cancelled(caplog: pytest.LogCaptureFixture) -> None:
    async with Nursery("room") as nursery:
        neighbour = nursery.start(forever(), name="neighbour")
        failed = nursery.start(fail(), name="careless")
        await asyncio.wait([failed])

        assert not neighbour.done()
    (record,) = caplog.records
    assert (record.levelno, record.getMessage(), record.task) == (logging.ERROR, "task failed", "room/careless")  # type: ignore[attr-defined]
    assert record.exc_info


async def test_an_expected_failure_is_told_in_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with Nursery("room") as nursery:
        await asyncio.wait([nursery.start(fail("no"), name="foreseen", expected=ValueError)])
        await asyncio.wait([nursery.start(fail("no"), name="bug", expected=KeyError)])

    assert [(record.levelno, bool(record.exc_info)) for record in caplog.records] == [
        (logging.INFO, False), (logging.ERROR, True),
    ]  # fmt: skip


async def test_whoever_awaits_a_task_gets_its_result_or_its_error() -> None:
    async def answer() -> int:
        return 42

    async with Nursery("room") as nursery:
        assert await nursery.start(answer(), name="answer") == 42
        with pytest.raises(ValueError, match="broken"):
            await nursery.start(fail(), name="fail")


async def test_leaving_cancels_and_waits_even_for_what_starts_meanwhile() -> None:
    cancelled: list[str] = []
    async with Nursery("room") as nursery:

        async def starts_another_at_its_end() -> None:
            try:
                await forever(cancelled)
            finally:
                late = forever()
                with pytest.raises(RuntimeError, match="nursery room is closed"):
                    nursery.start(late, name="late")

        nursery.start(starts_another_at_its_end(), name="first")
        await asyncio.sleep(0)

    assert cancelled == ["cancelled"]


async def test_keep_runs_again_after_a_failure_and_ends_with_a_normal_end(caplog: pytest.LogCaptureFixture) -> None:
    runs: list[int] = []

    async def work() -> None:
        runs.append(len(runs))
        if len(runs) < 3:
            await fail()

    async with Nursery("room") as nursery:
        await nursery.keep(work, name="work", pause_seconds=0)

    assert runs == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records] == ["task failed, starting it again"] * 2


async def test_settle_waits_and_cancels_nothing() -> None:
    done: list[str] = []

    async def work(depth: int) -> None:
        await asyncio.sleep(0)
        if depth:
            nursery.start(work(depth - 1), name=f"child {depth}")
        done.append("done")

    async with Nursery("room") as nursery:
        nursery.start(work(3), name="work")
        await nursery.settle()

    assert len(done) == 4


async def test_finish_completes_although_its_caller_is_cancelled() -> None:
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def cleanup() -> None:
        await may_end.wait()
        ended.set()

    async with Nursery("room") as nursery:
        caller = nursery.start(finish(cleanup(), within=60), name="caller")
        for _ in range(3):  # being impatient does not help
            await asyncio.sleep(0)
            caller.cancel()
        await asyncio.sleep(0)
        assert not caller.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await caller

    assert ended.is_set()


async def test_finish_gives_the_result_and_passes_an_error_on() -> None:
    async def answer() -> int:
        return 42

    assert await finish(answer(), within=60) == 42
    with pytest.raises(ValueError, match="broken"):
        await finish(fail(), within=60)


async def test_finish_gives_up_in_time() -> None:
    cancelled: list[str] = []

    with pytest.raises(TimeoutError, match="cleanup took longer"):
        await finish(forever(cancelled), within=0.01)

    await asyncio.sleep(0)
    assert cancelled == ["cancelled"]


async def test_first_tells_which_ended_and_leaves_nothing_behind() -> None:
    cancelled: list[str] = []

    async def at_once() -> None:
        return

    assert await first(forever(cancelled), at_once()) == 1
    assert cancelled == ["cancelled"]
    with pytest.raises(ValueError, match="broken"):
        await first(forever(cancelled), fail())
    assert cancelled == ["cancelled"] * 2


async def test_in_thread_gives_what_the_work_gives() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(divmod, 7, 0)


async def test_guarded_work_gives_its_result_or_what_the_guard_raises() -> None:
    async def seven() -> int:
        await asyncio.sleep(0)
        return 7

    cancelled: list[str] = []
    assert await guarded(seven(), forever(cancelled)) == 7
    with pytest.raises(ValueError, match="too much"):
        await guarded(forever(cancelled), fail("too much"))
    assert len(cancelled) == 2
    waiting = asyncio.ensure_future(guarded(forever(cancelled), forever(cancelled)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(cancelled) == 4


async def test_each_task_says_what_it_does() -> None:
    async def named() -> str:
        task = asyncio.current_task()
        return task.get_name() if task is not None else ""

    assert (await guarded(named(), asyncio.Event().wait())).endswith("named")
