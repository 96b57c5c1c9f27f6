"""What a bad disk leaves in a repository: the next push works, or is told before a build that the server is to blame."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.receiver.conftest import Git, Server


def ref(folder: Path) -> Path:
    return folder / "refs/heads/master"


def one(folder: Path, suffix: str) -> Path:
    (found,) = (folder / "objects/pack").glob(f"*.{suffix}")
    found.chmod(0o600)
    return found


def cut(file: Path, count: int) -> None:
    os.truncate(file, file.stat().st_size - count)


HARMLESS: dict[str, Callable[[Path], object]] = {
    "an empty ref": lambda folder: ref(folder).write_bytes(b""),
    "a ref of zeros": lambda folder: ref(folder).write_bytes(bytes(41)),
    "a ref of garbage": lambda folder: ref(folder).write_bytes(b"\xff\xfe\n"),
    "half a ref": lambda folder: cut(ref(folder), 20),
    "a tag that nobody pushes": lambda folder: (folder / "refs/tags/v1").write_bytes(b""),
    "an empty list of refs": lambda folder: (folder / "packed-refs").write_bytes(b""),
    "a list of refs of zeros": lambda folder: (folder / "packed-refs").write_bytes(bytes(100)),
    "a HEAD of garbage": lambda folder: (folder / "HEAD").write_bytes(b"\xff\xfe"),
    "a HEAD of zeros": lambda folder: (folder / "HEAD").write_bytes(bytes(23)),
    "a config of zeros": lambda folder: (folder / "config").write_bytes(bytes(80)),
}
TOLD: dict[str, tuple[Callable[[Path], object], str]] = {
    "garbage as list of refs": (lambda folder: (folder / "packed-refs").write_bytes(b"garbage\0\n"), "packed-refs is no list"),
    "an empty index": (lambda folder: one(folder, "idx").write_bytes(b""), ".idx is not whole"),
    "half an index": (lambda folder: cut(one(folder, "idx"), 60), ".idx is not whole"),
    "an empty pack": (lambda folder: one(folder, "pack").write_bytes(b""), ".pack is not whole"),
    "half a pack": (lambda folder: cut(one(folder, "pack"), 30), ".pack is not whole"),
    "a pack of zeros": (lambda folder: one(folder, "pack").write_bytes(bytes(300)), ".pack is not whole"),
    "no pack": (lambda folder: one(folder, "pack").unlink(), ".pack is missing"),
    "neither": (
        lambda folder: shutil.rmtree(folder / "objects/pack") or (folder / "objects/pack").mkdir(),  # type: ignore[func-returns-value]
        "refs/heads/master names a commit that is missing",
    ),
}


async def pushed(server: Server, git: Git) -> Path:
    await git.commit({"a": "1"})
    await git.ok("push", server.url, "master")
    await server.nursery.settle()
    return server.repository.folder


@pytest.mark.parametrize("damage", HARMLESS)
async def test_the_next_push_makes_anew_what_says_nothing(server: Server, git: Git, damage: str) -> None:
    folder = await pushed(server, git)
    HARMLESS[damage](folder)
    commit = await git.commit({"a": "2"})

    await git.ok("push", server.url, "master")

    refs = await git.ok("ls-remote", server.url, "HEAD", "refs/heads/*")
    assert refs.split() == [commit, "HEAD", commit, "refs/heads/master"]
    await git.ok("clone", "-q", server.url, "../copy")
    await Git(folder).ok("fsck", "--strict", "--full")


@pytest.mark.parametrize("damage", TOLD)
async def test_what_cannot_be_read_is_told_as_the_servers_and_nothing_is_built(server: Server, git: Git, damage: str) -> None:
    folder = await pushed(server, git)
    do, what = TOLD[damage]
    do(folder)
    commit = await git.commit({"a": "2"})

    for arguments in (["push", server.url, "master"], ["clone", server.url, "../copy"]):
        ran = await git(*arguments)
        assert ran.code != 0
        assert "remote: The app's repository on the server is damaged: repos/" in ran.err
        assert what in ran.err
        assert f"removes the folder repos/{folder.name}" in ran.err
    assert len(server.deploys.done) == 1

    shutil.rmtree(folder)
    await git.ok("push", server.url, "master")
    assert await server.refs() == {"refs/heads/master": commit}


async def test_a_damaged_ref_falls_back_to_what_git_had_packed(server: Server, git: Git) -> None:
    folder = await pushed(server, git)
    await Git(folder).ok("pack-refs", "--all")
    await git.commit({"a": "2"})
    await git.ok("push", server.url, "master")
    ref(folder).write_bytes(b"")
    commit = await git.commit({"a": "3"})

    await git.ok("push", server.url, "master")

    assert await server.refs() == {"refs/heads/master": commit}
