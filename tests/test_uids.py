"""Which users apps run as: the range of a data folder, and the number of each app in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from pushd.errors import Unavailable
from pushd.kit.clock import SystemClock
from pushd.kit.uids import UNUSED, UidRange, parse_uid_range
from pushd.store.keys import KeyFile
from pushd.store.store import Store
from pushd.uids import BLOCK, AppUids, NoUids, UidsTaken, abandoned, reserved

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has uids to give")
FIRST, SECOND = list(UNUSED.blocks(BLOCK))[:2]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def data_folder(tmp_path: Path, name: str) -> Path:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    (folder / "format").write_text("1\n")
    return folder


@as_root
def test_two_daemons_get_different_ranges_and_each_keeps_its_own(tmp_path: Path, notes: Path) -> None:
    one, two = data_folder(tmp_path, "one"), data_folder(tmp_path, "two")
    with reserved("auto", one, last=None, notes=notes) as ours, reserved("auto", two, last=None, notes=notes) as theirs:
        assert (ours, theirs) == (FIRST, SECOND)
    with reserved("auto", two, last=theirs, notes=notes) as again:
        assert again == SECOND


@as_root
def test_a_range_of_another_data_folder_is_refused_while_that_folder_is_there(tmp_path: Path, notes: Path) -> None:
    one, two = data_folder(tmp_path, "one"), data_folder(tmp_path, "two")
    with reserved("70000-70999", one, last=None, notes=notes):
        pass  # its daemon has ended; its dynos may run, and its files are there
    with pytest.raises(UidsTaken) as caught, reserved("70500-71000", two, last=None, notes=notes):
        pass
    assert str(one) in caught.value.message
    assert "70000-70999" in caught.value.message
    (one / "format").unlink()
    with reserved("70500-71000", two, last=None, notes=notes) as found:
        assert found == UidRange(70500, 71000)


@as_root
def test_what_a_running_daemon_holds_is_refused_even_if_its_folder_is_gone(tmp_path: Path, notes: Path) -> None:
    one, two = data_folder(tmp_path, "one"), data_folder(tmp_path, "two")
    code = f"""if 1:
        import sys
        from pathlib import Path
        from pushd.uids import reserved
        with reserved("70000-70999", Path({str(one)!r}), last=None, notes=Path({str(notes)!r})):
            print("held", flush=True)
            sys.stdin.read()"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        (one / "format").unlink()
        with pytest.raises(UidsTaken), reserved("70999-72000", two, last=None, notes=notes):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with reserved("70999-72000", two, last=None, notes=notes):  # nobody's any more
        with abandoned(notes=notes) as found:
            assert [(note.read_text().split()[0], data) for note, data in found] == [("70000-70999", one)]
            found[0][0].unlink()
        with abandoned(notes=notes) as found:
            assert found == []


@as_root
def test_a_note_that_was_cut_short_counts_as_none(tmp_path: Path, notes: Path) -> None:
    notes.mkdir()
    (notes / "abc").write_text("1879048192-18")
    with reserved("auto", data_folder(tmp_path, "one"), last=None, notes=notes) as found:
        assert found == FIRST


def test_without_a_place_for_notes_there_are_no_uids(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NoUids), reserved("auto", tmp_path, last=None, notes=tmp_path / "file" / "notes"):
        pass


def test_what_a_range_may_be() -> None:
    assert parse_uid_range("70000-70001") == UidRange(70000, 70001)
    for bad in ("", "70000-70000", "auto-1", "5", "0-10", "9-1", "1-4294967295", "-5-6", "1-٣", "64000-65000"):
        with pytest.raises(ValueError, match="it must"):
            parse_uid_range(bad)


async def test_each_app_keeps_its_number_until_it_is_forgotten_and_no_number_is_given_twice(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store", KeyFile(tmp_path / "key"), SystemClock())
    try:
        uids = AppUids(store.uids, UidRange(70000, 70003), is_root=True)  # the last one is for commands over SSH
        apps = [uuid4() for _ in range(4)]
        assert [await uids.uid_of(app) for app in apps[:3]] == [70000, 70001, 70002]
        assert await uids.uid_of(apps[1]) == 70001
        with pytest.raises(Unavailable):
            await uids.uid_of(apps[3])
        await store.uids.forget(apps[1])
        assert await uids.uid_of(apps[3]) == 70001
        assert set(await store.uids.app_ids()) == {apps[0], apps[2], apps[3]}
        assert await AppUids(store.uids, None, is_root=True).uid_of(apps[0]) == 0
        assert await AppUids(store.uids, None, is_root=False).uid_of(apps[0]) is None
    finally:
        await store.close()


async def test_in_a_smaller_range_an_app_gets_another_number(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "store", KeyFile(tmp_path / "key"), SystemClock())
    try:
        apps = [uuid4() for _ in range(3)]
        for app in apps:
            await AppUids(store.uids, UidRange(70000, 70009), is_root=True).uid_of(app)
        await store.uids.forget(apps[0])
        assert await AppUids(store.uids, UidRange(80000, 80002), is_root=True).uid_of(apps[2]) == 80000
    finally:
        await store.close()
