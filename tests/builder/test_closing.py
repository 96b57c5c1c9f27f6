"""A finished tree is closed to whoever got hold of a part of it."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from pushd.builder.closing import close_tree
from pushd.errors import BuildFailed


def modes(tree: Path) -> dict[str, str]:
    found = [tree, *tree.rglob("*")]
    return {str(path.relative_to(tree)): oct(stat.S_IMODE(path.lstat().st_mode)) for path in found if not path.is_symlink()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A program, a file, a folder with a file, links in and out; `tree` lies beside a file that is not part of it."""
    made = tmp_path / "tree"
    (made / "folder").mkdir(parents=True)
    for name, mode in {"run": 0o755, "file": 0o644, "folder/file": 0o644}.items():
        (made / name).write_text(name)
        (made / name).chmod(mode)
    (tmp_path / "outside").write_text("outside")
    (tmp_path / "outside").chmod(0o666)
    (made / "out").symlink_to(tmp_path / "outside")
    (made / "up").symlink_to(tmp_path)
    os.mkfifo(made / "pipe", 0o600)
    return made


def test_an_honest_tree_stays_as_it_is(tree: Path) -> None:
    before, inodes = modes(tree), {path.lstat().st_ino for path in tree.rglob("*")}
    assert close_tree(tree) == 0
    assert modes(tree) == before
    assert {path.lstat().st_ino for path in tree.rglob("*")} == inodes


def test_others_lose_their_rights_and_programs_setuid(tree: Path, tmp_path: Path) -> None:
    for name, mode in {".": 0o777, "folder": 0o1777, "folder/file": 0o666, "run": 0o6775, "file": 0o662}.items():
        (tree / name).chmod(mode)
    assert close_tree(tree) == 0
    assert modes(tree) == {
        ".": "0o755", "folder": "0o1755", "folder/file": "0o644", "run": "0o755", "file": "0o640", "pipe": "0o600",
    }  # fmt: skip
    assert stat.S_IMODE((tmp_path / "outside").stat().st_mode) == 0o666


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can own what was another's")
def test_what_belongs_to_somebody_is_ours(tree: Path, tmp_path: Path) -> None:
    for path in (tree / "folder", tree / "folder" / "file", tmp_path / "outside"):
        os.chown(path, 61_184, 61_184)
    close_tree(tree)
    assert {path.lstat().st_uid for path in tree.rglob("*")} == {0}
    assert (tmp_path / "outside").stat().st_uid == 61_184


@pytest.mark.parametrize("way", ["descriptor", "memory"])
def test_who_has_a_file_open_writes_into_one_of_their_own(tree: Path, way: str) -> None:
    with (tree / "run").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        if way == "memory":
            file.close()
        assert close_tree(tree) == 1
        if way == "memory":
            memory[:3] = b"bad"
        else:
            file.write(b"bad")
            file.flush()
    assert (tree / "run").read_text() == "run"
    assert oct(stat.S_IMODE((tree / "run").stat().st_mode)) == "0o755"
    assert {path.name for path in tree.iterdir()} == {"folder", "run", "file", "out", "up", "pipe"}
    assert close_tree(tree) == 0


def test_a_file_of_great_length_is_copied_with_its_holes(tree: Path) -> None:
    with (tree / "file").open("r+b") as file:
        file.truncate(1 << 40)
        assert close_tree(tree) == 1
        file.write(b"bad")
    status = (tree / "file").stat()
    assert (status.st_size, status.st_blocks < 100) == (1 << 40, True)
    with (tree / "file").open("rb") as file:
        assert file.read(4) == b"file"


def test_each_name_of_a_file_that_is_open_gets_its_own(tree: Path) -> None:
    os.link(tree / "file", tree / "folder" / "second")
    with (tree / "file").open("r+b") as file:
        assert close_tree(tree) == 2
        file.write(b"bad")
    assert ((tree / "file").read_text(), (tree / "folder" / "second").read_text()) == ("file", "file")


def test_whoever_opens_it_meanwhile_does_not_end_us(tree: Path) -> None:
    """The kernel tells the holder of a lease by a signal; most of those end a program."""
    stop = threading.Event()

    def open_and_close() -> None:
        while not stop.is_set():
            os.close(os.open(tree / "file", os.O_WRONLY))

    opening = threading.Thread(target=open_and_close)
    opening.start()
    try:
        for _ in range(50):
            with contextlib.suppress(BuildFailed):  # it was open at each look
                close_tree(tree)
    finally:
        stop.set()
        opening.join()
    assert signal.getsignal(signal.SIGIO) is signal.SIG_DFL
