"""Copies of files, those that are mostly holes among them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pushd.kit.copying import copy_content

BLOCK = 1 << 16
FILES = {
    "empty": [],
    "short": [(0, b"x")],
    "all of it": [(0, b"x" * 3 * BLOCK)],
    "hole in front": [(BLOCK, b"x" * BLOCK)],
    "holes between": [(0, b"a" * BLOCK), (4 * BLOCK, b"b" * BLOCK), (9 * BLOCK + 5, b"c")],
}


@pytest.mark.parametrize("parts", FILES.values(), ids=FILES.keys())
@pytest.mark.parametrize("behind", [0, 1 << 30])
def test_a_copy_has_the_content_and_the_holes(tmp_path: Path, parts: list[tuple[int, bytes]], behind: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    with source.open("wb") as file:
        for at, data in parts:
            file.seek(at)
            file.write(data)
        file.truncate(file.tell() + behind)
    with source.open("rb") as reading, target.open("wb") as writing:
        assert copy_content(reading.fileno(), writing.fileno()) == source.stat().st_size
    assert target.stat().st_size == source.stat().st_size
    assert target.stat().st_blocks <= source.stat().st_blocks + 8
    with target.open("rb") as file:
        for at, data in parts:
            assert os.pread(file.fileno(), len(data), at) == data
