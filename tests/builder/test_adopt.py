"""A slug taken over by another app: the same files at its own paths, out of reach of the first app's later builds."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pushd.builder.adopt import Move, copy_tree, fingerprint
from pushd.builder.builder import Built
from pushd.errors import Conflict
from pushd.kit import proc
from tests.builder.conftest import Files, Workplace, make_app

SOURCE = Files(files={"requirements.txt": "greeter==1.0\n", "Procfile": "web: greeter\n", "app.py": "print('x')\n"})
TARGET = make_app(2)


async def test_the_copy_runs_from_its_own_paths_alone(workplace: Workplace) -> None:
    built = await workplace.build(SOURCE)

    adopted = Built(await workplace.builder.adopt(TARGET, built.slug), ())

    assert adopted.slug.app_id == TARGET.id
    assert (adopted.slug.commit, adopted.slug.process_types) == (built.slug.commit, built.slug.process_types)
    workplace.check_clean()
    await workplace.builder.destroy(workplace.app.id)
    profile = (workplace.folder(adopted) / ".profile.d" / "python.sh").read_text()
    assert str(workplace.environment(adopted)) in profile
    python = workplace.environment(adopted) / "bin" / "python"
    shown: list[bytes] = []
    show = "import greeter, sys; print(sys.prefix, greeter.__file__)"
    assert await proc.run([str(python), "-c", show], env={}, on_output=shown.append, within=60) == 0
    assert b"".join(shown).decode().count(str(workplace.environment(adopted))) == 2
    for file in _files(workplace.environment(adopted)):
        assert str(workplace.app.id).encode() not in (os.readlink(file).encode() if file.is_symlink() else file.read_bytes())


async def test_a_second_promotion_copies_no_environment_unless_it_has_changed(workplace: Workplace) -> None:
    built = await workplace.build(SOURCE)
    first = await workplace.builder.adopt(TARGET, built.slug)
    again = await workplace.builder.adopt(TARGET, built.slug)

    (workplace.environment(built) / "bin" / "greeter").write_text("#!/bin/sh\necho later\n")
    changed = await workplace.builder.adopt(TARGET, built.slug)

    assert again.environment == first.environment
    assert changed.environment != first.environment
    assert "later" not in (workplace.layout.environment(TARGET.id, first.environment) / "bin" / "greeter").read_text()
    assert "later" in (workplace.layout.environment(TARGET.id, changed.environment) / "bin" / "greeter").read_text()


async def test_a_slug_whose_record_went_is_refused_and_leaves_nothing(workplace: Workplace) -> None:
    built = await workplace.build(SOURCE)
    workplace.slugs.stored.clear()

    with pytest.raises(Conflict, match="no longer kept"):
        await workplace.builder.adopt(TARGET, built.slug)

    assert not workplace.slugs.stored
    assert not list((workplace.layout.slugs / ".builds").glob("*"))


async def test_a_slug_whose_environment_went_is_refused(workplace: Workplace) -> None:
    built = await workplace.build(SOURCE)
    workplace.environment(built).rename(workplace.layout.data / "elsewhere")

    with pytest.raises(Conflict, match="no longer kept"):
        await workplace.builder.adopt(TARGET, built.slug)


async def test_what_a_killed_promotion_left_is_not_used(workplace: Workplace) -> None:
    built = await workplace.build(SOURCE)
    half = workplace.layout.incoming_environment(TARGET.id)
    half.mkdir(parents=True)
    (half / "half").touch()

    adopted = await workplace.builder.adopt(TARGET, built.slug)

    assert not half.exists()
    assert not (workplace.layout.environment(TARGET.id, adopted.environment) / "half").exists()


def test_holes_are_neither_copied_nor_looked_through(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    with (origin / "file").open("wb") as file:
        file.write(b"AAAA")
        file.truncate(1 << 42)
        file.seek(1 << 41)
        file.write(b"..AAAA")

    copy_tree(origin, tmp_path / "copy", Move(b"AAAA", b"BBBB"))

    copied = (tmp_path / "copy" / "file").stat()
    assert (copied.st_size, copied.st_blocks < 100) == (1 << 42, True)
    with (tmp_path / "copy" / "file").open("rb") as file:
        assert file.read(5) == b"BBBB\0"
        file.seek((1 << 41) + 2)
        assert file.read(5) == b"BBBB\0"


def test_copies_have_the_new_path_wherever_the_old_one_stood(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    (origin / "deep").mkdir(parents=True)
    (origin / "deep" / "binary").write_bytes(b"\0AAAA\0xAAAA" + b"\xff" * 10_000 + b"AAAA")
    (origin / "link").symlink_to("/data/AAAA/x")
    (origin / "run").write_text("AAA")
    (origin / "run").chmod(0o4755)
    (origin / "empty").touch()
    os.utime(origin / "run", ns=(1, 2))
    os.mkfifo(origin / "pipe")

    copy_tree(origin, tmp_path / "copy", Move(b"AAAA", b"BBBB"))

    copy = tmp_path / "copy"
    assert (copy / "deep" / "binary").read_bytes() == b"\0BBBB\0xBBBB" + b"\xff" * 10_000 + b"BBBB"
    assert os.readlink(copy / "link") == "/data/BBBB/x"
    assert ((copy / "run").read_text(), os.access(copy / "run", os.X_OK), (copy / "run").stat().st_mtime_ns) == ("AAA", True, 2)
    assert not (copy / "run").stat().st_mode & stat.S_ISUID
    assert not (copy / "pipe").exists()
    assert (origin / "deep" / "binary").read_bytes().count(b"AAAA") == 3


def test_links_out_of_the_folder_stay_links(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret")
    origin = tmp_path / "origin"
    origin.mkdir()
    (origin / "file").symlink_to(tmp_path / "secret")
    (origin / "folder").symlink_to(tmp_path)

    copy_tree(origin, tmp_path / "copy")

    assert all((tmp_path / "copy" / name).is_symlink() for name in ("file", "folder"))


def test_a_fingerprint_tells_contents_apart(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = fingerprint(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "a.pyc").touch()
    assert fingerprint(tmp_path) == before

    (tmp_path / "a").chmod(0o755)
    assert fingerprint(tmp_path) != before


def test_paths_of_other_lengths_cannot_take_each_others_place() -> None:
    with pytest.raises(ValueError, match="as long"):
        Move(b"a", b"bb")


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
