"""Many packs become one, and nothing that was ever pushed is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

from pushd.kit.aio import in_thread
from pushd.receiver.quarantine import Quarantine
from pushd.receiver.repack import PACKS_AT_MOST, repack
from tests.receiver.conftest import Git, Server
from tests.receiver.wire import Raw, blob, commit, id_of, pack, post, push_body, tree

GIT = str(shutil.which("git"))
ZERO = "0" * 40


def change(number: int, parent: str = "") -> list[Raw]:
    """A commit with a file of its own."""
    content = blob(b"%d\n" % number)
    folder = tree((b"100644", b"file", content))
    return [content, folder, commit(folder, parent) if parent else commit(folder)]


async def push_many(server: Server, count: int) -> list[str]:
    """So many pushes; gives the commits, oldest first."""
    commits = [ZERO]
    for number in range(count):
        objects = change(number, commits[-1] if number else "")
        commits.append(id_of(objects[-1]))
        body = push_body([(commits[-2], commits[-1], "refs/heads/other")], pack(objects))
        assert (await post(server, body)).report[0] == "unpack ok"
    await server.nursery.settle()
    return commits[1:]


def packs(server: Server) -> list[Path]:
    return sorted((server.repository.objects / "pack").glob("*.pack"))


async def test_a_repository_of_many_pushes_is_repacked_by_itself(server: Server) -> None:
    commits = await push_many(server, PACKS_AT_MOST)
    assert len(packs(server)) == PACKS_AT_MOST

    body = push_body([(commits[-1], ZERO, "refs/heads/other")], b"")
    assert (await post(server, body)).report == ["unpack ok", "ok refs/heads/other"]
    newest = change(1000)
    body = push_body([(ZERO, id_of(newest[-1]), "refs/heads/new")], pack(newest))
    assert (await post(server, body)).report == ["unpack ok", "ok refs/heads/new"]
    await server.nursery.settle()

    assert len(packs(server)) == 1
    git = Git(server.repository.folder)
    await git.ok("fsck", "--strict", "--full")
    for each in commits:  # no ref names them any more
        assert await git.ok("cat-file", "-t", each) == "commit"
    assert await server.refs() == {"refs/heads/new": id_of(newest[-1])}
    await server.assert_clean()
    further = change(1001, id_of(newest[-1]))
    body = push_body([(id_of(newest[-1]), id_of(further[-1]), "refs/heads/new")], pack(further))
    assert (await post(server, body)).report == ["unpack ok", "ok refs/heads/new"]


async def test_few_packs_stay_as_they_are(server: Server) -> None:
    await push_many(server, 3)
    before = packs(server)

    assert not await repack(server.repository, GIT, within=60, packs_at_most=3)
    assert packs(server) == before


async def test_killed_before_the_old_packs_went_it_is_whole_and_done_the_next_time(server: Server) -> None:
    commits = await push_many(server, 4)
    folder = server.repository.objects / "pack"
    old = {file.name: file.read_bytes() for file in folder.iterdir()}
    await repack(server.repository, GIT, within=60, packs_at_most=2)
    for name, data in old.items():
        (folder / name).write_bytes(data)
    (await in_thread(Quarantine, server.repository)).objects.joinpath("pack", "tmp_pack_x").write_bytes(b"half")

    await server.receiver.sweep()
    git = Git(server.repository.folder)
    await git.ok("fsck", "--strict", "--full")
    assert await repack(server.repository, GIT, within=60, packs_at_most=2)

    assert len(packs(server)) == 1
    await git.ok("fsck", "--strict", "--full")
    assert await server.refs() == {"refs/heads/other": commits[-1]}
    await server.assert_clean()


async def test_what_git_cannot_read_is_left_as_it_is(server: Server) -> None:
    await push_many(server, 3)
    damaged = packs(server)[0]
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[:-30])
    before = packs(server)

    assert not await repack(server.repository, GIT, within=60, packs_at_most=2)
    assert packs(server) == before
    await server.assert_clean()


async def test_head_and_config_that_a_bad_disk_lost_are_written_anew(server: Server) -> None:
    await push_many(server, 1)
    (server.repository.folder / "HEAD").write_text("")
    (server.repository.folder / "config").unlink()

    await server.repositories.open(server.app.id)

    await Git(server.repository.folder).ok("fsck", "--strict")
    assert server.repository.head() == "master"


async def test_a_git_that_hangs_is_ended_and_leaves_all_as_it_is(server: Server, tmp_path: Path) -> None:
    await push_many(server, 3)
    before = packs(server)
    hanging = tmp_path / "git"
    hanging.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 600; done\n")
    hanging.chmod(0o755)

    assert not await repack(server.repository, str(hanging), within=0.1, packs_at_most=2)
    assert packs(server) == before
    await server.assert_clean()
    assert await repack(server.repository, GIT, within=60, packs_at_most=2)
