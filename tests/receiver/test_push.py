"""Pushes with the real git over HTTP."""

from __future__ import annotations

import asyncio
import errno
import os
import signal

import pytest

from pushd.errors import BootFailed, BuildFailed, Superseded
from pushd.kit.transcript import Transcript
from pushd.receiver.quarantine import Quarantine
from tests.receiver.conftest import OPERATOR, READING_TOKEN, TOKEN, Git, MakeServer, Ran, Server, until


async def fail_build(transcript: Transcript) -> None:
    raise BuildFailed("cannot find a Procfile", remedy="Write one.")


async def finish_push(child: asyncio.subprocess.Process, err: bytes = b"") -> Ran:
    out, rest = await child.communicate()
    assert child.returncode is not None
    return Ran(child.returncode, out.decode(), (err + rest).decode())


async def read_until(child: asyncio.subprocess.Process, text: bytes) -> bytes:
    assert child.stderr is not None
    read = b""
    while text not in read:
        line = await child.stderr.readline()
        assert line, read
        read += line
    return read


@pytest.fixture(params=["auto", "never"])
async def either(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    """A server with the git program, and one without; every pack counts as large where git is there."""
    return await make_server(git_program=request.param, git_index_above_bytes=0)


async def test_a_push_deploys_and_moves_the_ref(either: Server, git: Git) -> None:
    commit = await git.commit({"app.py": "print(1)\n", "bin/run": "#!/bin/sh\n"}, "First words\n\nand more")

    ran = await git("push", either.url, "master")

    assert ran.code == 0, ran.err
    assert "remote: -----> Building" in ran.err
    assert await either.refs() == {"refs/heads/master": commit}
    (deployed,) = either.deploys.done
    assert (deployed.commit, deployed.description, deployed.branch) == (commit, "First words", "master")
    assert not deployed.no_cache
    assert (deployed.folder / "app.py").read_text() == "print(1)\n"
    assert either.repository.head() == "master"
    await either.assert_clean()
    assert either.apps.known["myapp"].repo_size_bytes > 0


async def test_a_push_stands_in_the_audit_trail(server: Server, git: Git) -> None:
    await git.commit({"Procfile": "web: serve"})
    assert (await git("push", server.url, "master")).code == 0
    server.deploys.script = fail_build
    await git.commit({"Procfile": "web: serve again"})
    await git("push", server.url, "master")

    await server.nursery.settle()
    good, bad = server.audit.entries
    assert good == f"{OPERATOR.email} git push myapp from 127.0.0.1: done refs/heads/master"
    assert bad == f"{OPERATOR.email} git push myapp from 127.0.0.1: refused: build failed refs/heads/master"


async def test_a_push_by_who_may_not_stands_there_too(server: Server, git: Git) -> None:
    await git.commit({"Procfile": "web: serve"})
    url = server.url.replace(TOKEN, READING_TOKEN)
    assert (await git("push", url, "master")).code == (await git("fetch", url)).code == 128

    assert server.audit.entries == [
        f"{OPERATOR.email} git push myapp from 127.0.0.1: refused: The scope of your token (read) does not let you push to "
        "this app. "
    ]


async def test_a_second_push_sends_a_thin_pack(either: Server, git: Git) -> None:
    lines = [f"line {number}\n" for number in range(500)]
    await git.commit({"long.txt": "".join(lines)})
    assert (await git("push", either.url, "master")).code == 0
    lines[250] = "changed\n"
    commit = await git.commit({"long.txt": "".join(lines)})

    ran = await git("push", either.url, "master")

    assert ran.code == 0, ran.err
    assert await either.refs() == {"refs/heads/master": commit}
    assert (either.deploys.done[-1].folder / "long.txt").read_text() == "".join(lines)
    check = Git(either.repository.folder)
    await check.ok("fsck", "--strict", "--full")
    await either.assert_clean()


async def test_a_failed_deploy_refuses_the_push_and_the_same_push_works_again(server: Server, git: Git) -> None:
    commit = await git.commit({"a": "1"})
    server.deploys.script = fail_build

    ran = await git("push", server.url, "master")

    assert ran.code == 1
    assert "remote:  !     cannot find a Procfile" in ran.err
    assert "remote:  !     Write one." in ran.err
    assert "! [remote rejected] master -> master (build failed)" in ran.err
    assert await server.refs() == {}
    await server.assert_clean()

    server.deploys.script = None
    assert (await git("push", server.url, "master")).code == 0
    assert await server.refs() == {"refs/heads/master": commit}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BootFailed("web.1 did not listen", remedy="Bind $PORT."), "boot failed"),
        (Superseded("superseded by 1a2b3c4"), "superseded by 1a2b3c4"),
        (ValueError("a bug"), "internal error, see the daemon's log"),
    ],
)
async def test_the_reason_stands_in_brackets(server: Server, git: Git, error: Exception, reason: str) -> None:
    async def script(transcript: Transcript) -> None:
        raise error

    await git.commit({"a": "1"})
    server.deploys.script = script
    ran = await git("push", server.url, "master")
    assert ran.code == 1
    assert f"! [remote rejected] master -> master ({reason})" in ran.err
    assert "Traceback" not in ran.err
    assert await server.refs() == {}


async def test_output_comes_while_the_build_runs(make_server: MakeServer, git: Git) -> None:
    server = await make_server(build_keepalive_seconds=0.01)
    seen = asyncio.Event()

    async def script(transcript: Transcript) -> None:
        transcript.say("-----> Installing")
        await seen.wait()

    server.deploys.script = script
    await git.commit({"a": "1"})
    child = await git.start("push", server.url, "master")

    read = await read_until(child, b"Installing")  # the build cannot end before this line was read
    assert b"-----> Done" not in read
    seen.set()
    ran = await finish_push(child, read)

    assert ran.code == 0, ran.err
    assert "remote: -----> Done" in ran.err


async def test_a_second_push_waits_and_descends(server: Server, git: Git) -> None:
    building, go_on = asyncio.Event(), asyncio.Event()

    async def script(transcript: Transcript) -> None:
        building.set()
        await go_on.wait()

    server.deploys.script = script
    await git.commit({"a": "1"})
    first = await git.start("push", server.url, "master")
    await building.wait()
    commit = await git.commit({"a": "2"})
    second = await git.start("push", server.url, "master")
    await read_until(first, b"Building")
    go_on.set()

    assert (await finish_push(first)).code == 0
    ran = await finish_push(second)
    assert ran.code == 0, ran.err
    assert await server.refs() == {"refs/heads/master": commit}
    assert [len(server.deploys.done), server.deploys.done[-1].commit] == [2, commit]
    await server.assert_clean()


async def test_a_waiting_push_that_does_not_descend_is_not_deployed(server: Server, git: Git) -> None:
    building, go_on = asyncio.Event(), asyncio.Event()

    async def script(transcript: Transcript) -> None:
        building.set()
        await go_on.wait()

    server.deploys.script = script
    first_commit = await git.commit({"a": "1"})
    first = await git.start("push", server.url, "master")
    await building.wait()
    await git.commit({"a": "2"})
    await git.ok("checkout", "-q", "--orphan", "elsewhere")
    await git.commit({"a": "3"})
    second = await git.start("push", server.url, "elsewhere:master")
    await until(lambda: len(list(server.repository.quarantines.iterdir())) == 2)
    go_on.set()

    assert (await finish_push(first)).code == 0
    ran = await finish_push(second)
    assert ran.code == 1
    assert "(fetch first: master was moved by another push)" in ran.err
    assert await server.refs() == {"refs/heads/master": first_commit}
    assert len(server.deploys.done) == 1
    await server.assert_clean()


async def test_a_branch_that_was_moved_under_a_deploy(server: Server, git: Git) -> None:
    """A push with -o no-deploy does not wait; whoever deploys meanwhile is told that the branch is elsewhere now."""
    building, go_on = asyncio.Event(), asyncio.Event()

    async def script(transcript: Transcript) -> None:
        building.set()
        await go_on.wait()

    server.deploys.script = script
    await git.commit({"a": "1"})
    first = await git.start("push", server.url, "master")
    await building.wait()
    await git.ok("checkout", "-q", "--orphan", "elsewhere")
    other = await git.commit({"a": "2"})
    await git.ok("push", "-o", "no-deploy", server.url, "elsewhere:master")
    go_on.set()

    ran = await finish_push(first)
    assert ran.code == 1
    assert "(fetch first: master was moved by another push)" in ran.err
    assert "The new version is live all the same." in ran.err
    assert await server.refs() == {"refs/heads/master": other}
    await server.assert_clean()


async def test_a_client_that_goes_away_cancels_nothing(server: Server, git: Git) -> None:
    go_on = asyncio.Event()

    async def script(transcript: Transcript) -> None:
        await go_on.wait()

    server.deploys.script = script
    commit = await git.commit({"a": "1"})
    child = await git.start("push", server.url, "master")
    await read_until(child, b"Building")
    os.killpg(child.pid, signal.SIGKILL)
    await child.communicate()
    go_on.set()
    await server.nursery.settle()
    assert await server.refs() == {"refs/heads/master": commit}
    await server.assert_clean()


async def test_a_push_that_a_stopping_server_cuts_off_is_told_to_push_again(server: Server, git: Git) -> None:
    async def script(transcript: Transcript) -> None:
        await asyncio.Event().wait()

    server.deploys.script = script
    await git.commit({"a": "1"})
    child = await git.start("push", server.url, "master")
    await read_until(child, b"Building")
    await server.receiver.stop(grace_seconds=0)

    ran = await finish_push(child)
    assert ran.code == 1
    assert "[remote rejected] master -> master (the server is stopping, push again)" in ran.err
    assert await server.refs() == {}
    await server.assert_clean()


@pytest.mark.parametrize(("option", "deployed", "no_cache"), [("no-cache", 1, True), ("no-deploy", 0, False)])
async def test_push_options(server: Server, git: Git, option: str, deployed: int, no_cache: bool) -> None:
    commit = await git.commit({"a": "1"})
    ran = await git("push", "-o", option, server.url, "master")
    assert ran.code == 0, ran.err
    assert [each.no_cache for each in server.deploys.done] == [no_cache] * deployed
    assert ("not deployed" in ran.err) is not bool(deployed)
    assert await server.refs() == {"refs/heads/master": commit}


async def test_an_unknown_push_option_is_refused(server: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    ran = await git("push", "-o", "no-cash", server.url, "master")
    assert ran.code == 1
    assert "(Unknown push option 'no-cash')" in ran.err
    assert "git push -o no-cache" in ran.err
    assert await server.refs() == {}
    await server.assert_clean()


async def test_other_branches_and_tags_are_stored(server: Server, git: Git) -> None:
    commit = await git.commit({"a": "1"})
    await git.ok("tag", "-a", "v1", "-m", "one")
    tag = await git.ok("rev-parse", "v1")

    ran = await git("push", server.url, "master:feature", "v1")

    assert ran.code == 0, ran.err
    assert server.deploys.done == []
    assert await server.refs() == {"refs/heads/feature": commit, "refs/tags/v1": tag}
    assert "git push <remote> feature:master" in ran.err
    assert "git push <remote> v1^{}:refs/heads/master" in ran.err

    assert (await git("push", server.url, "v1^{}:refs/heads/master")).code == 0  # as the output says; nothing new to send
    assert server.deploys.done[-1].commit == commit


async def test_the_deploy_branch_is_a_setting(server: Server, git: Git) -> None:
    server.set(deploy_branch="live")
    await git.commit({"a": "1"})
    ran = await git("push", server.url, "master")
    assert server.deploys.done == []
    assert "git push <remote> master:live" in ran.err
    assert (await git("push", server.url, "master:live")).code == 0
    assert [each.branch for each in server.deploys.done] == ["live"]
    assert server.repository.head() == "live"


async def test_only_one_branch_deploys_in_a_push(server: Server, git: Git) -> None:
    commit = await git.commit({"a": "1"})
    ran = await git("push", server.url, "master", "master:main", "master:other")
    assert ran.code == 1
    assert ran.err.count("can be deployed at a time") == 2
    assert server.deploys.done == []
    assert await server.refs() == {"refs/heads/other": commit}


async def test_an_atomic_push_moves_all_or_nothing(server: Server, git: Git) -> None:
    server.deploys.script = fail_build
    await git.commit({"a": "1"})
    ran = await git("push", "--atomic", server.url, "master", "master:other")
    assert ran.code == 1
    assert "(build failed)" in ran.err
    assert "master -> other (atomic push fail" in ran.err
    assert await server.refs() == {}
    await server.assert_clean()
    server.deploys.script = None
    assert (await git("push", "--atomic", server.url, "master", "master:other")).code == 0
    assert len(await server.refs()) == 2


async def test_without_atomic_the_other_ref_is_stored(server: Server, git: Git) -> None:
    server.deploys.script = fail_build
    commit = await git.commit({"a": "1"})
    ran = await git("push", server.url, "master", "master:other")
    assert ran.code == 1
    assert await server.refs() == {"refs/heads/other": commit}
    await Git(server.repository.folder).ok("fsck", "--strict", "--full")


async def test_branches_are_deleted_unless_they_deploy(server: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", server.url, "master", "master:feature")

    assert (await git("push", server.url, ":feature")).code == 0
    assert list(await server.refs()) == ["refs/heads/master"]
    ran = await git("push", server.url, ":master")
    assert ran.code == 1
    assert "(the branch that deploys cannot be deleted)" in ran.err

    await git.ok("push", server.url, "master:feature")
    server.set(ref_delete="refuse")
    ran = await git("push", server.url, ":feature")
    assert ran.code == 1
    assert "settings:set ref-delete=allow" in ran.err
    assert len(await server.refs()) == 2
    await server.assert_clean()


async def test_rewriting_a_branch_is_allowed_or_not(server: Server, git: Git) -> None:
    first = await git.commit({"a": "1"})
    await git.ok("push", server.url, "master")
    await git.ok("commit", "-q", "--amend", "-m", "other words")
    second = await git.ok("rev-parse", "HEAD")

    server.set(force_push="refuse")
    ran = await git("push", "--force", server.url, "master")
    assert ran.code == 1
    assert "settings:set force-push=allow" in ran.err
    assert await server.refs() == {"refs/heads/master": first}

    server.set()
    assert (await git("push", "--force", server.url, "master")).code == 0
    assert await server.refs() == {"refs/heads/master": second}
    assert len(server.deploys.done) == 2


async def test_a_branch_name_in_the_way_is_a_reason(server: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", server.url, "master:one")
    ran = await git("push", server.url, "master:one/two")
    assert ran.code == 1
    assert "(another ref's name stands in the way)" in ran.err


async def test_nothing_to_do_is_told_by_git(server: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", server.url, "master")
    ran = await git("push", server.url, "master")
    assert ran.code == 0
    assert "Everything up-to-date" in ran.err
    assert len(server.deploys.done) == 1


async def test_a_chunked_push(either: Server, git: Git) -> None:
    commit = await git.commit({"random": "".join(str(number * 7919) for number in range(30_000))})
    ran = await git("-c", "http.postBuffer=1000", "push", either.url, "master")
    assert ran.code == 0, ran.err
    assert await either.refs() == {"refs/heads/master": commit}
    await either.assert_clean()


async def test_a_shallow_clone_is_told_how_to_push(server: Server, git: Git) -> None:
    await git.commit({"a": "1"})
    await git.commit({"a": "2"})
    await git.ok("clone", "-q", "--depth", "1", f"file://{git.folder}", "shallow")
    shallow = Git(git.folder / "shallow")
    ran = await shallow("push", server.url, "master")
    assert ran.code == 1
    assert "git fetch --unshallow" in ran.err
    assert "(shallow update not allowed" in ran.err
    assert await server.refs() == {}
    await server.assert_clean()

    await shallow.ok("fetch", "-q", "--unshallow")
    assert (await shallow("push", server.url, "master")).code == 0


async def test_a_full_disk_refuses_the_push(make_server: MakeServer, git: Git) -> None:
    server = await make_server(disk_reserve_bytes=1 << 60)
    await git.commit({"a": "1"})
    ran = await git("push", server.url, "master")
    assert ran.code == 1
    assert "(disk full)" in ran.err
    assert "Make room there" in ran.err
    await server.assert_clean()


async def test_a_disk_without_room_for_the_output_is_told_all_the_same(
    server: Server, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    await git.commit({"a": "1"})
    await git.ok("push", server.url, "master:stored")

    with monkeypatch.context() as patch:
        patch.setattr("pushd.receiver.receiver.open_transcript", _no_room)
        ran = await git("push", server.url, "master")

    assert ran.code == 1
    assert "! [remote rejected] master -> master (disk full)" in ran.err
    assert "remote:  !     Make room there, then push again." in ran.err
    assert set(await server.refs()) == {"refs/heads/stored"}
    await server.assert_clean()


async def test_a_version_that_is_live_is_not_called_refused(server: Server, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    await git.commit({"a": "1"})

    with monkeypatch.context() as patch:
        patch.setattr(Quarantine, "accept", _no_room)
        ran = await git("push", server.url, "master")

    assert ran.code == 1
    assert "The new version is live, but the disk of the server is full: the branch could not be moved." in ran.err
    assert len(server.deploys.done) == 1
    assert await server.refs() == {}
    assert (await git("push", server.url, "master")).code == 0


def _no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_what_the_buildpack_has_said_is_not_said_again(server: Server, git: Git) -> None:
    async def fail(transcript: Transcript) -> None:
        transcript.say(" !     Cannot install the dependencies.")
        raise BuildFailed("Cannot install the dependencies", told=True)

    server.deploys.script = fail
    await git.commit({"a": "1"})

    ran = await git("push", server.url, "master")

    assert ran.err.count("Cannot install the dependencies") == 1
    assert "remote:  !     This push is not live; nothing has changed for visitors." in ran.err
    assert "(build failed)" in ran.err
