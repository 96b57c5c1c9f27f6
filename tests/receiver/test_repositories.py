"""Repositories appear whole, go whole, and a start after a kill finds them clean."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

from pushd.kit.aio import in_thread
from pushd.kit.transcript import Transcript
from pushd.layout import Layout
from pushd.receiver.quarantine import Quarantine
from pushd.receiver.repositories import Repositories
from tests.receiver.conftest import Git, Server
from tests.receiver.wire import Raw, blob, commit, id_of, pack, post, push_body, push_objects, tree

FILE = blob(b"hello\n")
TREE = tree((b"100644", b"hello", FILE))
OBJECTS: list[Raw] = [FILE, TREE, commit(TREE)]


async def test_it_is_made_once_and_is_one_of_git(server: Server) -> None:
    repositories = await asyncio.gather(*(server.repositories.open(server.app.id) for _ in range(5)))
    assert len({repository.folder for repository in repositories}) == 1
    assert [path.name for path in repositories[0].folder.parent.iterdir()] == [f"{server.app.id}.git"]
    git = Git(repositories[0].folder)
    assert await git.ok("rev-parse", "--is-bare-repository") == "true"
    await git.ok("fsck", "--strict")


async def test_destroying_it(server: Server) -> None:
    await push_objects(server, OBJECTS, id_of(OBJECTS[-1]))
    assert await server.repositories.size_bytes(server.app.id) > 100
    await server.repositories.destroy(server.app.id)
    await server.repositories.destroy(server.app.id)
    assert list(server.repository.folder.parent.iterdir()) == []
    assert await server.repositories.size_bytes(server.app.id) == 0


async def test_a_start_after_a_kill(server: Server) -> None:
    await push_objects(server, OBJECTS, id_of(OBJECTS[-1]))
    await server.nursery.settle()
    quarantine = await in_thread(Quarantine, server.repository)
    (quarantine.objects / "pack" / "tmp_pack_1").write_bytes(b"half")
    (server.repository.folder.parent / f"{uuid4()}.git.{uuid4()}.new" / "objects").mkdir(parents=True)
    (server.repository.folder.parent / f"{uuid4()}.git.{uuid4()}.gone" / "objects").mkdir(parents=True)
    (server.repository.folder / "refs/heads/master.lock").write_text("")
    left = server.layout.outputs(server.app.id) / "pushes" / "left.txt"
    left.write_text("-----> Building")

    await server.receiver.sweep()

    await server.assert_clean()
    assert [path.name for path in server.repository.folder.parent.iterdir()] == [server.repository.folder.name]
    assert await server.refs() == {"refs/heads/master": id_of(OBJECTS[-1])}
    newer = commit(TREE, id_of(OBJECTS[-1]))
    body = push_body([(id_of(OBJECTS[-1]), id_of(newer), "refs/heads/master")], pack([newer]))
    assert (await post(server, body)).report == ["unpack ok", "ok refs/heads/master"]


async def test_an_app_that_is_destroyed_while_it_is_deployed(server: Server) -> None:
    async def script(transcript: Transcript) -> None:
        del server.apps.known["myapp"]
        await server.repositories.destroy(server.app.id)

    server.deploys.script = script
    answer = await push_objects(server, OBJECTS, id_of(OBJECTS[-1]))
    assert answer.report == ["unpack ok", "ng refs/heads/master the app was destroyed meanwhile"]
    await server.assert_clean()
    assert not server.repository.folder.exists()


async def test_a_kill_between_the_objects_and_the_ref(server: Server) -> None:
    """The objects are in, the ref is not: the same push works again, and accepting twice is fine."""
    answer = await push_objects(server, OBJECTS, id_of(OBJECTS[-1]), ref="refs/heads/other")
    assert answer.report[0] == "unpack ok"
    (server.repository.folder / "refs/heads/other").unlink()
    packs = {file.name for file in (server.repository.objects / "pack").iterdir()}

    answer = await push_objects(server, OBJECTS, id_of(OBJECTS[-1]))

    assert answer.report == ["unpack ok", "ok refs/heads/master"]
    assert {file.name for file in (server.repository.objects / "pack").iterdir()} == packs
    await Git(server.repository.folder).ok("fsck", "--strict", "--full")


async def test_a_pack_without_its_index_is_not_there(server: Server) -> None:
    """Killed between the two renames: the next push brings both."""
    await push_objects(server, OBJECTS, id_of(OBJECTS[-1]))
    (index,) = (server.repository.objects / "pack").glob("*.idx")
    index.unlink()
    (server.repository.folder / "refs/heads/master").unlink()

    answer = await push_objects(server, OBJECTS, id_of(OBJECTS[-1]))

    assert answer.report == ["unpack ok", "ok refs/heads/master"]
    await Git(server.repository.folder).ok("fsck", "--strict", "--full")


async def test_refs_that_git_packed_are_read_and_moved(server: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", server.url, "master", "master:feature")
    await Git(server.repository.folder).ok("pack-refs", "--all")
    second = await git.commit({"a": "2"})
    await git.ok("push", server.url, "master")
    assert (await server.refs())["refs/heads/master"] == second
    await git.ok("push", server.url, ":feature")
    assert list(await server.refs()) == ["refs/heads/master"]


def test_a_sweep_of_an_empty_folder(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.make()
    Repositories(layout).sweep()
