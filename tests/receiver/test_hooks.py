"""Pushes over a file path to a bare repository that another git serves; our hooks hand them over.

`git pushd` is the real hook script's next step; here it is a small program that calls the hook's function.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushd.errors import BadRequest, BuildFailed, Forbidden
from pushd.kit.listen import short_path
from pushd.kit.transcript import Transcript
from pushd.receiver.hooks import HookServer, parse_hook_push
from tests.fakes import settings_in
from tests.receiver.conftest import OPERATOR, Git, Server

HOOKS = Path(__file__).parents[2] / "hooks"
ME = os.geteuid()
COMMAND = """#!{python}
import os, sys
from pushd.cli.hook import hook
sys.exit(hook(sys.argv[2], os.environ, sys.stdin, sys.stdout))
"""


class Foreign:
    """A bare repository that git itself serves."""

    def __init__(self, folder: Path, git: Git) -> None:
        self.folder = folder
        self.git = git
        self.inside = Git(folder)

    async def install(self, kind: str) -> None:
        shutil.copy(HOOKS / kind, self.folder / "hooks" / kind)

    async def config(self, **values: str) -> None:
        for name, value in values.items():
            await self.inside.ok("config", f"pushd.{name.replace('_', '-')}", value)


@pytest.fixture
async def hooks(server: Server) -> AsyncIterator[Server]:
    """A server that listens for hooks too."""
    async with HookServer(layout=server.layout, receiver=server.receiver, users=server.users):
        yield server


@pytest.fixture
async def foreign(tmp_path: Path, git: Git, server: Server) -> Foreign:
    """Named after myapp, with `git pushd` in the PATH of whoever pushes to it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "git-pushd").write_text(COMMAND.format(python=sys.executable))
    (programs / "git-pushd").chmod(0o755)
    git.environ["PATH"] = f"{programs}:{git.environ['PATH']}"
    folder = tmp_path / "served elsewhere.git"
    await git.ok("init", "-q", "--bare", str(folder))
    foreign = Foreign(folder, git)
    await foreign.config(app="myapp", data_dir=str(server.layout.data))
    return foreign


async def fail_build(transcript: Transcript) -> None:
    raise BuildFailed("cannot find a Procfile", remedy="Write one.")


@pytest.mark.parametrize("kind", ["pre-receive", "post-receive"])
async def test_a_push_by_path_deploys(hooks: Server, foreign: Foreign, git: Git, kind: str) -> None:
    await foreign.install(kind)
    for content in ("1", "2"):  # the second builds on objects that are there already
        commit = await git.commit({"a": content, "b": "stays"}, f"number {content}")
        ran = await git("push", str(foreign.folder), "master")
        assert ran.code == 0, ran.err
        assert "remote: -----> Done" in ran.err
        deployed = hooks.deploys.done[-1]
        assert (deployed.commit, deployed.branch, deployed.description) == (commit, "master", f"number {content}")
        assert (deployed.folder / "a").read_text() == content
        assert (deployed.folder / "b").read_text() == "stays"
        assert await foreign.inside.ok("rev-parse", "master") == commit
    await hooks.nursery.settle()
    assert list(hooks.layout.outputs(hooks.app.id).glob("pushes/*")) == []
    told = f"{OPERATOR.email} git push by the {kind} hook myapp from {foreign.folder}: done refs/heads/master"
    assert hooks.audit.entries == [told, told]


async def test_a_failed_deploy_refuses_the_push(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    hooks.deploys.script = fail_build
    await git.commit({"a": "1"})
    ran = await git("push", str(foreign.folder), "master")
    assert ran.code == 1
    assert "remote:  !     cannot find a Procfile" in ran.err
    assert "(pre-receive hook declined)" in ran.err
    assert await foreign.inside.ok("for-each-ref") == ""
    hooks.deploys.script = None
    assert (await git("push", str(foreign.folder), "master")).code == 0


async def test_after_the_fact_the_ref_has_moved(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("post-receive")
    hooks.deploys.script = fail_build
    await git.commit({"a": "1"})
    ran = await git("push", str(foreign.folder), "master")
    assert ran.code == 0
    assert "remote:  !     cannot find a Procfile" in ran.err
    assert await foreign.inside.ok("for-each-ref") != ""


async def test_output_comes_while_the_build_runs(hooks: Server, foreign: Foreign, git: Git) -> None:
    seen = asyncio.Event()

    async def script(transcript: Transcript) -> None:
        transcript.say("-----> Installing gr\u00fcn")
        transcript.write(b"\xff\xfe not UTF-8\n")
        await seen.wait()

    await foreign.install("pre-receive")
    hooks.deploys.script = script
    await git.commit({"a": "1"})
    child = await git.start("push", str(foreign.folder), "master")
    assert child.stderr is not None
    read = b""
    while b"not UTF-8" not in read:
        line = await child.stderr.readline()
        assert line, read
        read += line
    assert "Installing gr\u00fcn".encode() in read
    assert b"\xff\xfe not UTF-8" in read
    seen.set()
    _, rest = await child.communicate()
    assert child.returncode == 0
    assert b"Done" in rest


async def test_a_pack_that_git_keeps_as_a_pack(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    await foreign.inside.ok("config", "receive.unpackLimit", "1")
    await git.commit({f"file{number}": str(number) for number in range(20)})
    assert (await git("push", str(foreign.folder), "master")).code == 0
    assert len(list(hooks.deploys.done[0].folder.iterdir())) == 20


async def test_other_branches_and_deletes_pass(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    await git.commit({"a": "1"})
    ran = await git("push", str(foreign.folder), "master:feature")
    assert ran.code == 0
    assert "git push <remote> feature:master" in ran.err
    assert (await git("push", str(foreign.folder), ":feature")).code == 0
    assert hooks.deploys.done == []


async def test_push_options(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    await foreign.inside.ok("config", "receive.advertisePushOptions", "true")
    await git.commit({"a": "1"})
    assert (await git("push", "-o", "no-cache", str(foreign.folder), "master")).code == 0
    assert hooks.deploys.done[-1].no_cache
    ran = await git("push", "-o", "nonsense", str(foreign.folder), "master:feature")
    assert ran.code == 1
    assert "Unknown push option 'nonsense'" in ran.err


async def test_the_policy_of_the_app_holds(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    hooks.set(force_push="refuse")
    await git.commit({"a": "1"})
    await git.ok("push", str(foreign.folder), "master")
    await git.ok("commit", "-q", "--amend", "-m", "other words")
    ran = await git("push", "--force", str(foreign.folder), "master")
    assert ran.code == 1
    assert "settings:set force-push=allow" in ran.err
    ran = await git("push", str(foreign.folder), "master:main", "HEAD~0:refs/heads/master", "--force")
    assert ran.code == 1
    assert len(hooks.deploys.done) == 1


async def test_an_evil_tree_of_a_foreign_repository(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    file = await git.ok("hash-object", "-w", "--stdin", stdin=b"x")
    root = await git.ok("mktree", stdin=f"100644 blob {file}\t..\n".encode())
    commit = await git.ok("commit-tree", root, "-m", "evil")
    ran = await git("push", str(foreign.folder), f"{commit}:refs/heads/master")
    assert ran.code == 1
    assert "leads out of its folder" in ran.err


async def test_it_must_say_which_app(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    await foreign.inside.ok("config", "--unset", "pushd.app")
    await git.commit({"a": "1"})
    ran = await git("push", str(foreign.folder), "master")
    assert ran.code == 1
    assert "git config pushd.app NAME" in ran.err


async def test_an_app_that_is_not_there(hooks: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    await foreign.config(app="noapp")
    await git.commit({"a": "1"})
    ran = await git("push", str(foreign.folder), "master")
    assert ran.code == 1
    assert "Couldn't find that app" in ran.err


async def test_no_daemon_answers(server: Server, foreign: Foreign, git: Git) -> None:
    await foreign.install("pre-receive")
    await git.commit({"a": "1"})
    ran = await git("push", str(foreign.folder), "master")
    assert ran.code == 1
    assert "No pushd daemon answers" in ran.err
    assert "git pushd serve" in ran.err
    assert "Traceback" not in ran.err


async def test_a_deep_data_folder(tmp_path: Path) -> None:
    server = Server(tmp_path, settings_in(tmp_path / ("deep" * 30) / "data"))
    async with HookServer(layout=server.layout, receiver=server.receiver, users=server.users):
        assert len(str(server.layout.hook_socket)) > 107
        assert server.layout.hook_socket.stat().st_mode & 0o777 == 0o660
        with short_path(server.layout.hook_socket) as name:
            reader, writer = await asyncio.open_unix_connection(name)
        writer.write(b"rubbish\n")
        assert b"no request of a hook" in await reader.readline()
        assert json.loads(await reader.readline()) == {"exit": 1}
        writer.close()
        await writer.wait_closed()
    assert not server.layout.hook_socket.exists()


def request(repository: Path, /, **changes: object) -> bytes:
    found: dict[str, object] = {
        "kind": "pre-receive",
        "app": "myapp",
        "repository": str(repository),
        "object_directory": "",
        "alternates": [],
        "options": [],
        "updates": [["0" * 40, "1" * 40, "refs/heads/master"]],
    }
    return json.dumps(found | changes).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "update"},
        {"app": 7},
        {"app": "a\0b"},
        {"repository": "relative"},
        {"updates": [["short", "1" * 40, "refs/heads/master"]]},
        {"updates": [["0" * 64, "1" * 64, "refs/heads/master"]]},
        {"updates": 3},
        {"options": [1]},
        {"object_directory": "relative"},
    ],
)
def test_requests_that_no_hook_sends(tmp_path: Path, changes: dict[str, object]) -> None:
    (tmp_path / "objects").mkdir()
    with pytest.raises(BadRequest):
        parse_hook_push(request(tmp_path, **changes), peer_uid=ME, our_uid=ME)


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="cannot read the repository"):
        parse_hook_push(request(tmp_path / "none"), peer_uid=ME, our_uid=ME)
    with pytest.raises(BadRequest, match="cannot read"):
        parse_hook_push(request(tmp_path), peer_uid=ME, our_uid=ME)


def test_who_may_deploy(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    owner, stranger, daemon = tmp_path.stat().st_uid, 54321, 12345
    for uid in (0, owner, daemon):
        assert parse_hook_push(request(tmp_path), peer_uid=uid, our_uid=daemon).app == "myapp"
    with pytest.raises(Forbidden, match="User 54321 may not deploy"):
        parse_hook_push(request(tmp_path), peer_uid=stranger, our_uid=daemon)


def test_an_owner_may_name_objects_of_its_own_repository_only(tmp_path: Path) -> None:
    repository, elsewhere = tmp_path / "a.git", tmp_path / "b.git"
    for folder in (repository, elsewhere):
        (folder / "objects" / "incoming").mkdir(parents=True)
    os.chown(repository, 54321, -1) if ME == 0 else pytest.skip("needs root")
    named = {"object_directory": str(repository / "objects/incoming"), "alternates": [str(elsewhere / "objects")]}
    own = (repository / "objects/incoming", repository / "objects")
    found = parse_hook_push(request(repository, **named), peer_uid=54321, our_uid=12345)
    assert found.objects == own
    found = parse_hook_push(request(repository, **named), peer_uid=0, our_uid=12345)
    assert set(found.objects) == {*own, elsewhere / "objects"}
