"""Folders as archives, which are the same whenever the content is."""

from __future__ import annotations

import os
from pathlib import Path

from pushd.kit.archive import sha256_of, unpack
from pushd.kit.pack import pack


def test_a_folder_is_packed_the_same_whenever_its_content_is(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "c").write_text("3")
    (folder / "b").write_text("2")
    (folder / "b").chmod(0o755)
    (folder / "l").symlink_to("b")

    pack(folder, tmp_path / "one.tgz", top="app")
    os.utime(folder / "b", (1, 1))
    pack(folder, tmp_path / "two.tgz", top="app")
    (again := tmp_path / "again").mkdir()
    unpack(tmp_path / "two.tgz", again, limit_bytes=1000, top="app")

    assert sha256_of(tmp_path / "one.tgz") == sha256_of(tmp_path / "two.tgz")
    assert sorted(str(path.relative_to(again)) for path in again.rglob("*")) == ["a", "a/c", "b", "l"]
    assert os.access(again / "b", os.X_OK)
