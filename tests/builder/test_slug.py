"""What a slug leaves out, what its checksum covers, and its place on the shelf."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection
from pathlib import Path

import pytest

from pushd.builder.folders import read_inside
from pushd.builder.slug import Stopped, apply_slugignore, is_whole, measure_content, shelve
from pushd.kit.remove import remove_tree


def make_tree(folder: Path, names: Collection[str]) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


@pytest.mark.parametrize(
    ("patterns", "gone"),
    [
        ("*.psd", {"a.psd", "deep/b.psd"}),
        ("/a.psd", {"a.psd"}),
        ("deep/*.psd", {"deep/b.psd"}),
        ("docs/", {"docs/x", "deep/docs/y"}),
        ("/docs", {"docs/x"}),
        ("a.psd/", set()),
        ("# a.psd\n\n!a.psd", set()),
        ("  a.psd  \r\nnothing-like-this", {"a.psd"}),
        ("../outside", set()),
        ("a.psd\na.psd", {"a.psd"}),
    ],
)
def test_slugignore(tmp_path: Path, patterns: str, gone: set[str]) -> None:
    names = {"a.psd", "deep/b.psd", "docs/x", "deep/docs/y", "keep.py"}
    (tmp_path / "outside").write_text("")
    tree = make_tree(tmp_path / "tree", names)
    (tree / ".slugignore").write_text(patterns)

    apply_slugignore(tree)

    left = {str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file()} - {".slugignore"}
    assert left == names - gone
    assert (tmp_path / "outside").exists()


def test_slugignore_removes_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", {"keep/a"})
    (tree / "link").symlink_to("keep")
    (tree / ".slugignore").write_text("link\n")

    apply_slugignore(tree)

    assert not (tree / "link").is_symlink()
    assert (tree / "keep" / "a").exists()


def test_the_checksum_covers_names_kinds_modes_and_contents_and_no_times(tmp_path: Path) -> None:
    def checksum(number: int, *, change: str = "") -> str:
        tree = make_tree(tmp_path / str(number), {"a", "b/c"})
        (tree / "link").symlink_to("a" if change != "link" else "b")
        if change == "content":
            (tree / "a").write_text("x")
        elif change == "mode":
            (tree / "a").chmod(0o755)
        elif change == "name":
            (tree / "a").rename(tree / "z")
        elif change == "folder":
            (tree / "empty").mkdir()
        elif change == "time":
            os.utime(tree / "a", (1, 1))
        return measure_content(tree).checksum

    changes = ["", "content", "mode", "name", "folder", "link"]
    assert len({checksum(number, change=change) for number, change in enumerate(changes)}) == len(changes)
    assert checksum(97) == checksum(98) == checksum(99, change="time")


def test_names_that_could_be_taken_for_each_other_differ(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    make_tree(one, {"a"})
    make_tree(two, {"b"})
    (one / "a").write_text("1 file 1 b")
    (two / "b").write_text("1 file 1 a")

    assert measure_content(one).checksum != measure_content(two).checksum


def test_fifos_are_left_out_and_sizes_counted(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", {"abc"})
    os.mkfifo(tree / "fifo")

    content = measure_content(tree)

    assert content.size_bytes == 3
    assert not (tree / "fifo").exists()


@pytest.mark.parametrize("count", [3, 100])
def test_a_slug_is_moved_to_its_place_once(tmp_path: Path, count: int) -> None:
    names = [f"file {number}" for number in range(count)]
    first, second = make_tree(tmp_path / "first", names), make_tree(tmp_path / "second", names)
    place = tmp_path / measure_content(first).checksum
    inode = first.stat().st_ino

    shelve(first, place)
    shelve(second, place)

    assert place.stat().st_ino == inode
    assert not first.exists()
    assert not second.exists()


def test_a_slug_that_is_not_whole_is_replaced(tmp_path: Path) -> None:
    first, second = make_tree(tmp_path / "first", ["file"]), make_tree(tmp_path / "second", ["file"])
    place = tmp_path / measure_content(first).checksum
    shelve(first, place)
    assert is_whole(place)
    (place / "file").write_text("")

    shelve(second, place, is_whole(place))

    assert measure_content(place).checksum == place.name
    assert not second.exists()


def test_read_inside_follows_links_only_within_the_tree(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    tree = make_tree(tmp_path / "tree", {"real"})
    (tree / "near").symlink_to("real")
    (tree / "far").symlink_to("../secret")
    (tree / "absolute").symlink_to(tmp_path / "secret")
    (tree / "loop").symlink_to("loop")
    os.mkfifo(tree / "fifo")

    assert read_inside(tree, "near") == b"real"
    assert [read_inside(tree, name) for name in ("far", "absolute", "loop", "fifo", "missing", "real/x")] == [None] * 6


def test_read_inside_reads_what_it_judged(tmp_path: Path) -> None:
    """Somebody who holds the folder open puts a file and a link that leads away into one place, again and again."""
    (tmp_path / "secret").write_text("secret")
    tree = make_tree(tmp_path / "tree", {"real"})
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (tree / "aside").symlink_to(tmp_path / "secret")
            (tree / "aside").replace(tree / "answer")
            (tree / "aside").write_text("own")
            (tree / "aside").replace(tree / "answer")

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        got = {read_inside(tree, "answer") for _ in range(5_000)}
    finally:
        stop.set()
        swapping.join()
    assert got <= {None, b"", b"own"}


def test_remove_tree_takes_what_has_no_permissions(tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", {"a/b"})
    (tree / "a").chmod(0)

    remove_tree(tree)
    remove_tree(tree)

    assert not tree.exists()


def test_the_reading_of_a_file_that_is_all_holes_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    """It takes no room, and would be read for hours."""
    tree = make_tree(tmp_path / "tree", ["file"])
    os.truncate(tree / "file", 1 << 42)
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        measure_content(tree, stopped=lambda: next(asked))
