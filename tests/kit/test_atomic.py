from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from pushd.kit.atomic import write_atomically


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_file_has_the_content_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path / "key", b"one")
    write_atomically(tmp_path / "key", b"two")

    assert (tmp_path / "key").read_bytes() == b"two"
    assert names(tmp_path) == ["key"]


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_the_mode_is_as_asked_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "key", b"x", mode=0o600)
        write_atomically(tmp_path / "page", b"x", mode=0o644)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o644


def test_a_reader_sees_the_old_file_or_all_of_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "table"
    write_atomically(file, b"old")
    with file.open("rb") as reader:
        write_atomically(file, b"new and longer")

        assert reader.read() == b"old"
    assert file.read_bytes() == b"new and longer"


def test_a_full_disk_leaves_the_old_file_and_no_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "table"
    write_atomically(file, b"old")
    write, calls = os.write, []

    def short_then_full(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:2])

    monkeypatch.setattr(os, "write", short_then_full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, b"new")

    assert calls == [3, 1]  # a short write goes on where it stopped
    assert file.read_bytes() == b"old"
    assert names(tmp_path) == ["table"]


def test_a_temporary_file_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".key.{os.getpid()}.tmp").write_bytes(b"half of someth")

    write_atomically(tmp_path / "key", b"x")

    assert (tmp_path / "key").read_bytes() == b"x"
    assert names(tmp_path) == ["key"]


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "no" / "key", b"x")
