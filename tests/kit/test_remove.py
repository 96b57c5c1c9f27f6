"""What programs of others left is removed, whatever it is."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.kit.remove import remove_tree, remove_trees


@pytest.fixture
def few_descriptors() -> Iterator[None]:
    """Some more than are open now."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 20, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def deep(folder: Path, levels: int, *, mode: int = 0o755) -> None:
    """Folders in folders, with a file in each; deeper than a path may be long."""
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=here))
        os.mkdir("folder", dir_fd=here)
        inner = os.open("folder", os.O_RDONLY, dir_fd=here)
        os.fchmod(here, mode)
        os.close(here)
        here = inner
    os.close(here)


@pytest.mark.usefixtures("few_descriptors")
@pytest.mark.parametrize("mode", [0o755, 0o500, 0o000])
def test_it_may_be_deeper_than_any_path(tmp_path: Path, mode: int) -> None:
    deep(tmp_path / "tree", 3_000, mode=mode)
    remove_tree(tmp_path / "tree")
    assert list(tmp_path.iterdir()) == []


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "folder" / "file").write_text("stays")
    outside.chmod(0o755)
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    for place in (tree, tree / "a", tree / "a" / "b"):
        (place / "link").symlink_to(outside)
        (place / "dangling").symlink_to("nowhere")
        os.mkfifo(place / "pipe")
    (tmp_path / "link").symlink_to(outside)
    for path in (tree, tmp_path / "link"):
        remove_tree(path)
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    assert (outside / "folder" / "file").read_text() == "stays"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o755


def test_a_file_in_its_place_and_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for _ in range(2):
        remove_tree(tmp_path / "file")
    remove_tree(tmp_path / "not" / "there")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_removed_keeps_nothing_else(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / ("x" * 300), tmp_path / "two"]
    for each in (folders[0], folders[2]):
        each.mkdir()
    with pytest.raises(OSError, match="too long"):
        remove_trees(folders)
    assert not list(tmp_path.iterdir())
