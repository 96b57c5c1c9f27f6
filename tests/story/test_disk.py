from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pushd.errors import DiskFull
from pushd.kit.disk import Room, room_of
from pushd.story.disk import DiskReserve, pause_seconds


class Disk:
    """One that has as much room as the test says."""

    def __init__(self, free_bytes: int, free_files: int | None = 100_000) -> None:
        self.free_bytes, self.free_files = free_bytes, free_files
        self.looks = 0

    def reserve(self) -> DiskReserve:
        return DiskReserve(Path("/data"), 50_000_000, 1000, look=self.look)

    def look(self, folder: Path) -> Room:
        self.looks += 1
        return Room(free_bytes=self.free_bytes, size_bytes=1 << 40, free_files=self.free_files)


@pytest.mark.parametrize(
    ("disk", "lack"),
    [
        (Disk(50_000_000), ""),
        (Disk(49_999_999), "49 MB are free, 50 MB are needed"),
        (Disk(1 << 40, 999), "room for 999 more files is left (inodes), for 1000 is needed"),
        (Disk(1 << 40, None), ""),
    ],
)
def test_bytes_and_files_are_reserved(disk: Disk, lack: str) -> None:
    if not lack:
        return disk.reserve().check()
    with pytest.raises(DiskFull) as caught:
        disk.reserve().check()
    assert caught.value.message == f"The disk of /data is full: {lack}."
    assert "pushd df" in caught.value.remedy


def test_the_room_of_a_real_disk(tmp_path: Path) -> None:
    room = room_of(tmp_path)

    assert 0 < room.free_bytes <= room.size_bytes
    assert room.free_files is None or room.free_files > 0


async def test_what_is_guarded_ends_when_the_room_is_gone() -> None:
    disk, cleaned = Disk(60_000_000), asyncio.Event()

    async def work() -> None:
        async with disk.reserve().guarded():
            disk.free_bytes = 49_000_000
            try:
                await asyncio.Event().wait()
            finally:
                cleaned.set()

    with pytest.raises(DiskFull, match="49 MB are free"):
        await work()

    assert cleaned.is_set()
    assert disk.looks >= 2


async def test_what_is_guarded_does_not_begin_without_room() -> None:
    with pytest.raises(DiskFull):
        async with Disk(0).reserve().guarded():
            raise AssertionError("it began")


async def test_a_time_limit_of_the_work_itself_stays_what_it_is() -> None:
    disk = Disk(1 << 40)
    with pytest.raises(TimeoutError, match="too slow"):
        async with disk.reserve().guarded():
            raise TimeoutError("too slow")

    before = disk.looks
    await asyncio.sleep(0)
    assert disk.looks == before


def test_the_nearer_the_reserve_the_more_often_one_looks() -> None:
    assert [pause_seconds(spare) for spare in (1 << 40, 2_000_000_000, 0, -5)] == [1.0, 0.5, 0.02, 0.02]
