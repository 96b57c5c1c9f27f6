"""Walks through what programs of others left, or are changing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from pushd.kit.remove import remove_tree
from pushd.kit.walk import walk


def test_each_folder_with_what_is_in_it_outer_ones_first_and_no_link_followed(tmp_path: Path) -> None:
    (tmp_path / "top" / "one" / "deep").mkdir(parents=True)
    (tmp_path / "top" / "two").mkdir()
    for name in ("file", "one/file", "one/deep/file"):
        (tmp_path / "top" / name).touch()
    os.mkfifo(tmp_path / "top" / "two" / "pipe")
    (tmp_path / "top" / "link").symlink_to(tmp_path)

    found = {"/".join(each.names): (sorted(each.folders), sorted(each.others)) for each in walk(tmp_path / "top")}

    assert found == {
        "": (["one", "two"], ["file", "link"]), "one": (["deep"], ["file"]), "one/deep": ([], ["file"]), "two": ([], ["pipe"]),
    }  # fmt: skip
    assert next(iter(found)) == ""


@pytest.mark.parametrize("place", ["link", "file", "pipe"])
def test_what_is_no_folder_is_not_opened(tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotADirectoryError):
        next(walk(tmp_path / place))


def test_however_deep(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(5000):
        os.mkdir("folder", dir_fd=here)
        inner = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    assert max(len(each.names) for each in walk(tmp_path)) == 5000
    remove_tree(tmp_path / "folder")


def test_who_puts_a_link_or_a_pipe_there_meanwhile_leads_nobody_astray(tmp_path: Path) -> None:
    for name in ("top/one", "top/two", "outside/inner"):
        (tmp_path / name).mkdir(parents=True)
    seen = []
    for each in walk(tmp_path / "top"):
        seen.append(list(each.names))
        if not each.names:
            (tmp_path / "top" / "one").rmdir()
            (tmp_path / "top" / "one").symlink_to(tmp_path / "outside")
            (tmp_path / "top" / "two").rmdir()
            os.mkfifo(tmp_path / "top" / "two")
    assert seen == [[]]


def test_who_moves_a_folder_away_does_not_take_us_along(tmp_path: Path) -> None:
    for name in ("top/one/deep", "top/two", "outside"):
        (tmp_path / name).mkdir(parents=True)
    walking = walk(tmp_path / "top")
    while list(next(walking).names) != ["one", "deep"]:
        pass
    (tmp_path / "top" / "one").rename(tmp_path / "outside" / "one")
    with pytest.raises(OSError, match="moved") as caught:
        list(walking)
    assert caught.value.errno == errno.ESTALE
