"""Archives of others: what they may hold, and what never comes out of them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pushd.kit.archive import BadArchive, lift_single_folder, unpack

LIMIT = 1_000_000


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=format) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return raw.getvalue()


def zip_of(**files: bytes) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return raw.getvalue()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def put(place: Path, data: bytes, **options: object) -> None:
    archive = place.parent / "archive"
    archive.write_bytes(data)
    unpack(archive, place, limit_bytes=LIMIT, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("packed", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_tar_comes_out_as_it_went_in(place: Path, packed: Callable[[bytes], bytes]) -> None:
    os.umask(umask := os.umask(0o077))
    try:
        put(place, packed(tar_of(
            member("./bin/run", b"#!/bin/sh\n", mode=0o700), member("deep/er/file", b"x", mode=0o640),
            member("empty", type=tarfile.DIRTYPE), member("link", type=tarfile.SYMTYPE, linkname="../outside"),
            member(".git/config", b"no"), member("vendor/.git", b"no"), member("ü" * 90, b"long"),
        )))  # fmt: skip
    finally:
        os.umask(umask)

    assert sorted(path.name for path in place.iterdir()) == ["bin", "deep", "empty", "link", "ü" * 90]
    assert (place / "bin/run").read_bytes() == b"#!/bin/sh\n"
    assert stat.S_IMODE((place / "bin/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((place / "deep/er/file").stat().st_mode) == 0o644
    assert os.readlink(place / "link") == "../outside"


def test_zip_comes_out_too(place: Path) -> None:
    raw = io.BytesIO(zip_of(app__main=b"1\n"))
    with zipfile.ZipFile(raw, "a") as archive:
        program, link = zipfile.ZipInfo("run"), zipfile.ZipInfo("link")
        program.external_attr, link.external_attr = 0o100755 << 16, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(program, b"#!/bin/sh\n")
        archive.writestr(link, b"app/main")
    put(place, raw.getvalue())

    assert (place / "app/main").read_bytes() == b"1\n"
    assert os.access(place / "run", os.X_OK)
    assert os.readlink(place / "link") == "app/main"


SYMLINK_OUT = member("out", type=tarfile.SYMTYPE, linkname="/tmp")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (tar_of(member("../evil", b"x")), "leads out of its folder"),
        (tar_of(member("a/../../evil", b"x")), "leads out of its folder"),
        (tar_of(member("/etc/evil", b"x")), "an absolute path"),
        (tar_of(SYMLINK_OUT, member("out/evil", b"x")), "below a file or link"),
        (tar_of(member("file", b"x"), member("file/below", b"x")), "below a file or link"),
        (tar_of(member("dir", type=tarfile.DIRTYPE), member("dir", b"x")), "where something else is"),
        (tar_of(member("hard", type=tarfile.LNKTYPE, linkname="/etc/passwd")), "a hard link"),
        (tar_of(member("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "neither file, folder nor symlink"),
        (tar_of(member("pipe", type=tarfile.FIFOTYPE)), "neither file, folder nor symlink"),
        (tar_of(member("root", b"x", mode=0o4755)), "setuid"),
        (tar_of(member("big", b"0" * (LIMIT + 1))), "larger than 1000000 bytes"),
        (gzip.compress(tar_of(member("bomb", b"0" * 50_000_000)), mtime=0), "larger than 1000000 bytes"),
        (tar_of(member("a/" * 201 + "x", b"")), "nested more than 200 deep"),
        (tar_of(member("a", b"x", pax_headers={"comment": "c" * (2 << 20)})), "a header in it is too long"),
        (tar_of(member("n" * (2 << 20), b"x"), format=tarfile.GNU_FORMAT), "a header in it is too long"),
        (tar_of(member("n" * 300, b"x")), "'nnn"),
        (tar_of(member(".git/config", b"x")), "holds no files"),
        (b"", "neither tar"),
        (b"PK\x03\x04 and nothing of a zip", "broken"),
        (b"just text\n" * 100, "neither tar"),
        (gzip.compress(b"just text\n" * 100, mtime=0), "neither tar"),
        (gzip.compress(tar_of(member("cut", os.urandom(5000))))[:3000], "broken"),
        (tar_of(member("cut", b"x" * 5000))[:3000], "broken"),
        (zip_of(Procfile=b"web: x")[:30] + zip_of(Procfile=b"web: x")[40:], "is not in it"),  # the list lies elsewhere
        (zip_of(**{"..__evil": b"x"}), "leads out of its folder"),
        (zip_of(**{"__etc__evil": b"x"}), "an absolute path"),
        (zip_of(bomb=b"0" * 50_000_000), "larger than 1000000 bytes"),
    ],
)  # fmt: skip
def test_what_must_not_come_out_is_refused(place: Path, data: bytes, told: str) -> None:
    with pytest.raises((BadArchive, OSError), match=told):
        put(place, data)

    assert [path.name for path in place.parent.iterdir() if path.name not in ("place", "archive")] == []
    assert not Path("/tmp/evil").exists()


def test_of_two_entries_of_one_name_the_later_counts(place: Path) -> None:
    put(place, tar_of(SYMLINK_OUT, member("out", b"a file now"), member("out", b"another")))

    assert (place / "out").read_bytes() == b"another"


def test_all_may_have_to_lie_in_one_folder(place: Path) -> None:
    put(place, tar_of(member("./app/web", b"x"), member("./app/lib/y", b"")), top="app")
    assert sorted(path.name for path in place.iterdir()) == ["lib", "web"]

    with pytest.raises(BadArchive, match="not below"):
        put(place, tar_of(member("elsewhere", b"x")), top="app")


def test_it_ends_early_when_nobody_waits_for_it(place: Path) -> None:
    put(place, tar_of(member("one", b""), member("two", b"")), stopped=(place / "one").exists)

    assert [path.name for path in place.iterdir()] == ["one"]


def test_it_ends_early_in_what_is_skipped_too(place: Path) -> None:
    asked = iter([False, False, True])
    put(place, tar_of(member(".git/pack", b"0" * 500_000), member("one", b"")), stopped=lambda: next(asked))

    assert list(place.iterdir()) == []


def test_what_is_skipped_counts_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.kit.archive._ENTRIES", 10)

    with pytest.raises(BadArchive, match="larger than 1000000 bytes"):
        put(place, gzip.compress(tar_of(member(".git/bomb", b"0" * 2_000_000), member("one", b""))))


def global_header(number: int) -> tuple[tarfile.TarInfo, bytes]:
    """One of many: each with a key of its own, which holds for all that follows."""
    return member("g", f"600014 k{number:04d}={'a' * 600_000}\n".encode(), type=tarfile.XGLTYPE)


def sparse_of_pax(**headers: str) -> bytes:
    return tar_of(member("map", b"9" * 512, pax_headers={f"GNU.sparse.{key}": value for key, value in headers.items()}))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (tar_of(member("map", type=tarfile.GNUTYPE_SPARSE)), "neither file"),
        (sparse_of_pax(major="1", minor="0", realsize="1"), "neither file"),
        (sparse_of_pax(size="9", map="0,1"), "neither file"),
        (sparse_of_pax(size="9", numblocks="1"), "neither file"),
        (tar_of(global_header(1), member("a"), global_header(2), member("b")), "global headers"),
    ],
)
def test_what_tarfile_would_keep_in_memory_is_refused(place: Path, data: bytes, told: str) -> None:
    with pytest.raises(BadArchive, match=told):
        put(place, data)


def test_a_zip_may_not_list_for_ever(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.kit.archive._ZIP_LIST_BYTES", 1000)

    with pytest.raises(BadArchive, match="more than"):
        put(place, zip_of(**{f"{number}": b"" for number in range(100)}))


def test_a_single_folder_is_lifted(place: Path) -> None:
    put(place, tar_of(member("hello-1a2b/Procfile", b"web: x"), member("hello-1a2b/hello-1a2b", b"y")))

    assert lift_single_folder(place)
    assert sorted(path.name for path in place.iterdir()) == ["Procfile", "hello-1a2b"]
    assert not lift_single_folder(place)
