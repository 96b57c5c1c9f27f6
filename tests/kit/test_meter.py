from __future__ import annotations

import os
from pathlib import Path

from pushd.kit.meter import Meter
from pushd.kit.remove import remove_tree


def test_a_folder_takes_what_its_files_take_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "one" / "deep").mkdir(parents=True)
    empty = Meter().add(tmp_path / "one")
    (tmp_path / "one" / "deep" / "file").write_bytes(b"x" * 100_000)
    (tmp_path / "one" / "link").symlink_to("/usr")
    with (tmp_path / "one" / "sparse").open("wb") as file:
        file.truncate(1 << 30)

    assert 100_000 <= Meter().add(tmp_path / "one") - empty < 150_000
    assert Meter().add(tmp_path / "one" / "deep" / "file") >= 100_000
    assert Meter().add(tmp_path / "not there") == 0


def test_a_file_with_several_names_counts_once(tmp_path: Path) -> None:
    for name in ("environment", "cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "environment" / "file").write_bytes(b"x" * 1_000_000)
    os.link(tmp_path / "environment" / "file", tmp_path / "cache" / "file")
    (tmp_path / "cache" / "alone").write_bytes(b"x" * 50_000)

    meter = Meter()

    assert meter.add(tmp_path / "environment") >= 1_000_000
    assert 50_000 <= meter.add(tmp_path / "cache") < 200_000


def test_what_lies_deeper_than_a_path_can_be_long_counts_too(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("folder", dir_fd=here)
        inner = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    file = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(file, b"x" * 50_000_000)
    os.close(file)
    os.close(here)
    assert Meter().add(tmp_path) >= 50_000_000
    remove_tree(tmp_path / "folder")
