"""Folders that change hands."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from pushd.kit.ownership import give, lend, make_owned, make_shared, maybe_sealed, seal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
ADA, BOB = 70_001, 70_002


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_all_in_a_folder_is_given_and_links_are_not_followed(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "file").touch()
    (folder / "deep" / "file").touch(0o755)
    (folder / "deep" / "file").chmod(0o4755)
    (folder / "link").symlink_to(outside)
    (folder / "deep" / "link").symlink_to(outside / "file")

    give(folder, ADA)

    assert {owner(path) for path in (folder, *folder.rglob("*"))} == {(ADA, ADA)}
    assert {owner(path) for path in (outside, outside / "file")} == {(0, 0)}
    assert stat.S_IMODE((folder / "deep" / "file").stat().st_mode) == 0o755  # setuid goes with the owner
    give(tmp_path / "nothing", ADA)


def test_a_folder_that_is_theirs_is_not_walked_again_and_another_user_gets_all_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    make_owned(folder, ADA)
    (folder / "file").touch()
    make_owned(folder, ADA)
    assert owner(folder / "file") == (0, 0)
    make_owned(folder, BOB)
    assert (owner(folder), owner(folder / "file")) == ((BOB, BOB), (BOB, BOB))
    make_owned(folder, None)
    assert owner(folder) == (BOB, BOB)


def test_what_is_sealed_in_a_shared_folder_cannot_be_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    (folder / "old").mkdir(parents=True)
    (folder / ".cache").mkdir()
    make_shared(folder, ADA)
    assert owner(folder / ".cache") == (ADA, ADA)

    as_ada = ["setpriv", f"--reuid={ADA}", f"--regid={ADA}", "--clear-groups", "/bin/sh", "-c"]
    script = "mkdir new; touch new/file; mv old 'old moved'; mv new 'new moved'; true"
    subprocess.run([*as_ada, script], cwd=folder, check=True, capture_output=True, timeout=60)

    assert sorted(path.name for path in folder.iterdir()) == [".cache", "new moved", "old"]
    seal(folder / "new moved", ADA)
    assert owner(folder / "new moved") == (0, ADA)
    assert owner(folder / "new moved" / "file") == (ADA, ADA)


def test_what_stands_in_place_of_a_folder_is_neither_sealed_nor_followed(tmp_path: Path) -> None:
    folder, secret = tmp_path / "shared", tmp_path / "secret"
    secret.mkdir(0o700)
    (secret / "file").touch(0o600)
    folder.mkdir()
    (folder / "link").symlink_to(secret)
    (folder / "file").symlink_to(secret / "file")
    os.mkfifo(folder / "pipe", 0o600)
    make_shared(folder, ADA)
    for name in ("link", "file", "pipe"):
        with pytest.raises(NotADirectoryError):
            seal(folder / name, ADA)
        assert maybe_sealed(folder / name, ADA) is None
    assert [stat.S_IMODE(path.stat().st_mode) for path in (secret, secret / "file", folder / "pipe")] == [0o700, 0o600, 0o600]
    (folder / "theirs").mkdir()
    os.chown(folder / "theirs", ADA, ADA)
    assert maybe_sealed(folder / "theirs", ADA) is None
    assert maybe_sealed(folder / "theirs", 0) is not None
    seal(folder / "theirs", ADA)
    assert maybe_sealed(folder / "theirs", ADA) == ((status := (folder / "theirs").stat()).st_dev, status.st_ino)


def test_a_lent_pipe_is_opened_by_name(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    lend(writing, ADA)
    lend(writing, None)
    assert os.fstat(writing).st_uid == ADA
    os.close(reading)
    os.close(writing)
