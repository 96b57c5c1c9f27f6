"""What a deploy finds in its folder: the commit's tree as it is, and nothing outside."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from dulwich.object_store import DiskObjectStore
from dulwich.objects import ShaFile

from pushd.errors import PushdError
from pushd.receiver.checkout import DEPTH_LIMIT, CannotCheckOut, CommitSource
from tests.receiver.conftest import Git, Server
from tests.receiver.wire import Raw, blob, commit, id_of, tree

FILE = blob(b"hello\n")


async def pushed(server: Server, git: Git) -> Path:
    """The folder that the deploy of HEAD saw."""
    ran = await git("push", server.url, "HEAD:refs/heads/master")
    assert ran.code == 0, ran.err
    return server.deploys.done[-1].folder


def write_objects(folder: Path, objects: list[Raw]) -> Path:
    """Loose objects, as a foreign repository may hold them; nobody looked at them."""
    folder.mkdir()
    store = DiskObjectStore.init(folder)
    for type_number, content in objects:
        store.add_object(ShaFile.from_raw_string(type_number, content))
    store.close()
    return folder


async def check_out(tmp_path: Path, objects: list[Raw]) -> Path:
    """Check the last of these objects, a commit, out."""
    source = await CommitSource.read(id_of(objects[-1]), [write_objects(tmp_path / "objects", objects)])
    folder = tmp_path / "outer" / "tree"
    folder.mkdir(parents=True)
    await source.checkout(folder)
    return folder


def everything_below(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*")}


async def test_files_are_what_they_were(server: Server, git: Git) -> None:
    files: dict[str, bytes] = {
        "Procfile": b"\xef\xbb\xbfweb: gunicorn hello:app\r\n\r\n",
        "crlf.txt": b"one\r\ntwo\r\n",
        "binary": bytes(range(256)) * 10,
        "empty": b"",
        "gr\u00fc\u00dfe/\u65e5\u672c\u8a9e/\U0001f600.py": b"x = 1\n",
        "a name with blanks and 'quotes' \"two\".txt": b"",
        "back\\slash": b"",
        "n" * 255: b"long",
        "/".join(["deep"] * 60 + ["file"]): b"deep",
        "export.txt": b"$Id$\r\n",
    }
    for name, content in files.items():
        (git.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (git.folder / name).write_bytes(content)
    await git.commit()
    attributes = await git.ok("hash-object", "-w", "--stdin", stdin=b"*.txt text eol=lf export-ignore ident\n")
    await git.ok("update-index", "--add", "--cacheinfo", f"100644,{attributes},.gitattributes")  # git add would heed it
    await git.ok("commit", "-q", "-m", "attributes that we do not heed")
    folder = await pushed(server, git)
    for name, content in files.items():
        assert (folder / name).read_bytes() == content
    assert stat.S_IMODE((folder / "empty").stat().st_mode) == 0o644
    assert stat.S_IMODE((folder / "deep").stat().st_mode) == 0o755


async def test_exec_bits_and_symlinks(server: Server, git: Git) -> None:
    await git.commit({"bin/run": "#!/bin/sh\n", "file": "1"})
    (git.folder / "bin/run").chmod(0o755)
    (git.folder / "link").symlink_to("file")
    (git.folder / "dangling").symlink_to("nowhere/at all")
    (git.folder / "absolute").symlink_to("/etc/passwd")
    (git.folder / "escaping").symlink_to("../../../..")
    await git.commit()
    folder = await pushed(server, git)
    assert stat.S_IMODE((folder / "bin/run").stat().st_mode) == 0o755
    links = {name: os.readlink(folder / name) for name in ("link", "dangling", "absolute", "escaping")}
    assert links == {"link": "file", "dangling": "nowhere/at all", "absolute": "/etc/passwd", "escaping": "../../../.."}


async def test_an_empty_commit(server: Server, git: Git) -> None:
    await git.ok("commit", "-q", "--allow-empty", "--allow-empty-message", "-m", "")
    folder = await pushed(server, git)
    assert list(folder.iterdir()) == []
    assert server.deploys.done[-1].description == ""


async def test_a_submodule_is_refused_with_what_to_do(server: Server, git: Git) -> None:
    first = await git.commit({"a": "1", ".gitmodules": '[submodule "lib"]\n\tpath = lib\n\turl = https://example.org/lib\n'})
    await git.ok("update-index", "--add", "--cacheinfo", f"160000,{first},lib")
    await git.ok("commit", "-q", "-m", "with a submodule")
    ran = await git("push", server.url, "master")
    assert ran.code == 1
    assert "(cannot check out the submodule 'lib': submodules are not fetched)" in ran.err
    assert "git rm --cached PATH" in ran.err
    assert await server.refs() == {}
    assert (await git("push", server.url, "master:stored-only")).code == 0
    await server.assert_clean()


async def test_a_tree_nested_too_deep(server: Server, git: Git) -> None:
    await git.commit({"/".join(["d"] * (DEPTH_LIMIT + 2)): "x"})
    ran = await git("push", server.url, "master")
    assert ran.code == 1
    assert "nested more than 200 deep" in ran.err


async def test_deeper_than_a_path_may_be_long(tmp_path: Path) -> None:
    """190 folders of 200 bytes: 38,000 bytes of path, where the kernel takes 4,096."""
    objects: list[Raw] = [FILE]
    inner = tree((b"100644", b"file", FILE))
    objects.append(inner)
    for _ in range(190):
        inner = tree((b"40000", b"d" * 200, inner))
        objects.append(inner)
    folder = await check_out(tmp_path, [*objects, commit(inner)])
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(190):
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = deeper
    assert os.listdir(descriptor) == ["file"]
    os.close(descriptor)


LINK_OUT = blob(b"../..")
EVIL: dict[str, list[Raw]] = {
    "dot dot": [FILE, tree((b"100644", b"..", FILE))],
    "git folder": [FILE, tree((b"100644", b"config", FILE)), tree((b"40000", b".GIT", tree((b"100644", b"config", FILE))))],
    "slash": [FILE, tree((b"100644", b"../evil", FILE))],
    "absolute": [FILE, tree((b"100644", b"/tmp/evil", FILE))],
    "a link and a folder of one name": [
        FILE,
        LINK_OUT,
        tree((b"100644", b"evil", FILE)),
        tree((b"120000", b"a", LINK_OUT), (b"40000", b"a", tree((b"100644", b"evil", FILE)))),
    ],
    "a link and a file of one name": [FILE, LINK_OUT, tree((b"120000", b"a", LINK_OUT), (b"100644", b"a", FILE))],
    "a name too long for the disk": [FILE, tree((b"100644", b"n" * 256, FILE))],
    "an empty link": [blob(b""), tree((b"120000", b"a", blob(b"")))],
    "a link with NUL": [blob(b"a\0b"), tree((b"120000", b"a", blob(b"a\0b")))],
    "a missing file": [tree((b"100644", b"a", "1" * 40))],
    "a missing tree": [tree((b"40000", b"a", "2" * 40))],
    "a file for a folder": [FILE, tree((b"40000", b"a", FILE))],
}


@pytest.mark.parametrize("objects", EVIL.values(), ids=EVIL.keys())
async def test_what_cannot_be_checked_out(tmp_path: Path, objects: list[Raw]) -> None:
    """Foreign repositories bring trees that we did not check when they came in."""
    with pytest.raises(CannotCheckOut) as caught:
        await check_out(tmp_path, [*objects, commit(objects[-1])])
    assert caught.value.remedy
    assert everything_below(tmp_path / "outer") <= {"tree", "a"}


async def test_what_is_no_commit(tmp_path: Path) -> None:
    objects = write_objects(tmp_path / "objects", [FILE])
    with pytest.raises(CannotCheckOut, match="is no commit"):
        await CommitSource.read(id_of(FILE), [objects])
    with pytest.raises(CannotCheckOut, match="cannot read the commit 1111111"):
        await CommitSource.read("1" * 40, [objects])


async def test_the_guard_is_asked_first(tmp_path: Path) -> None:
    root = tree((b"100644", b"a", FILE))
    objects = write_objects(tmp_path / "objects", [FILE, root, commit(root)])

    async def refuse() -> None:
        raise PushdError("not now")

    source = await CommitSource.read(id_of(commit(root)), [objects], refuse)
    (tmp_path / "tree").mkdir()
    with pytest.raises(PushdError, match="not now"):
        await source.checkout(tmp_path / "tree")
    assert list((tmp_path / "tree").iterdir()) == []
