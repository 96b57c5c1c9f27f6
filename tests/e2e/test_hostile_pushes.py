"""Repositories and archives that are traps for who unpacks them: git's own config and hooks, links, devices, setuid."""

from __future__ import annotations

import os
import signal
import tarfile
from pathlib import Path

import pytest

from tests.e2e.harness import Project, Server, eventually
from tests.e2e.refusals import assert_told, unchanged
from tests.e2e.test_source_builds import build, ended
from tests.kit.test_archive import member, tar_of

CONFIG = """[core]
	repositoryformatversion = 0
	bare = true
	fsmonitor = "touch {mark}"
	hooksPath = hooks
	sshCommand = "touch {mark}"
[filter "hostile"]
	clean = touch {mark}
	smudge = touch {mark}
	required = true
[uploadpack]
	packObjectsHook = touch {mark}
[include]
	path = /etc/shadow
"""
MODULES = """[submodule "../../evil"]
	path = ../../evil
	url = -u./touch {mark}
	update = !touch {mark}
"""
HOOKS = ("pre-receive", "update", "post-receive", "post-checkout", "reference-transaction", "fsmonitor-watchman")


def furnish(project: Project, mark: Path) -> dict[str, str]:
    """Lay the work tree out as if it were a repository itself, which git would take it for; gives the files."""
    files = {
        "HEAD": "ref: refs/heads/master\n",
        "config": CONFIG.format(mark=mark),
        "objects/info/alternates": "/\n",
        "refs/heads/master": f"{'0' * 40}\n",
        ".gitattributes": "* filter=hostile diff=hostile merge=hostile export-subst ident\n",
        ".gitconfig": CONFIG.format(mark=mark),
        ".gitmodules": MODULES.format(mark=mark),
        **{f"hooks/{name}": f"#!/bin/sh\ntouch {mark}\n" for name in HOOKS},
    }
    for name, text in files.items():
        project.write(name, text)
        (project.folder / name).chmod(0o755)
    return files


@pytest.fixture(scope="module")
def shop(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An app that is live, and goes on through all that is refused here."""
    made = server.project(tmp_path_factory.mktemp("shop") / "shop", "hostile-pushes")
    made.deploy()
    return made


def test_nothing_that_git_heeds_is_heeded(project: Project, tmp_path: Path) -> None:
    """A folder in which git would run hooks, filters and monitors goes live as what it is: files. Cloned, it is the same."""
    mark = tmp_path / "mark"
    files = furnish(project, mark)
    project.commit("a repository in a repository")
    project.deploy()

    assert project.get().body.startswith("version one")
    assert {name: project.get(f"/read/app/{name}").body for name in files} == files
    address = project.git("remote", "get-url", "pushd").stdout.strip()
    helper = f"credential.{project.server.api}.helper=!git pushd git:credentials"
    project.git("clone", "-q", "-c", helper, address, str(tmp_path / "clone"))
    assert (tmp_path / "clone" / "hooks" / "post-checkout").read_text() == files["hooks/post-checkout"]
    project.commit("again")
    project.deploy()
    assert not mark.exists()


def test_the_git_program_heeds_nothing_of_a_large_push_either(shop: Project, tmp_path: Path) -> None:
    """Git itself refuses the trap in .gitmodules; what only its work trees would heed comes in."""
    mark = tmp_path / "mark"
    furnish(shop, mark)
    (shop.folder / "large").write_bytes(os.urandom(1_200_000))
    shop.commit("large")
    with unchanged(shop):
        push = shop.push()
    assert push.exit_code == 1
    assert_told(push.output, ("Your push was not stored: ", "gitmodules"), shop.server)
    (shop.folder / ".gitmodules").unlink()
    shop.git("add", "-A")
    shop.git("commit", "-q", "--amend", "-m", "large, without it")
    shop.deploy()
    assert shop.get().body.startswith("version one")
    assert not mark.exists()


@pytest.mark.parametrize("name", [b".git", b".GIT", b"git~1", b".git .", b".g\xe2\x80\x8dit"])
def test_a_folder_that_git_would_take_for_its_own_is_refused(shop: Project, tmp_path: Path, name: bytes) -> None:
    """At the top and further down, with a hook and a config in it; and the daemon's log says what was refused."""
    mark = tmp_path / "mark"
    furnish(shop, mark)
    shop.commit("traps")
    inner = tree_of(shop, "HEAD^{tree}")
    shop.git("reset", "-q", "--hard", "HEAD~1")
    evil = made_tree(shop, tmp_path, b"40000 %b\0%b" % (name, inner))
    for top in (evil, made_tree(shop, tmp_path, b"40000 deeper\0%b" % bytes.fromhex(evil))):
        commit = shop.git("commit-tree", top, "-p", "HEAD", "-m", "evil").stdout.strip()
        before = len(shop.server.daemon_log())
        with unchanged(shop):
            push = shop.push(f"{commit}:refs/heads/master")
        assert push.exit_code == 1
        told = ("Your push was not stored: ", "a tree has an entry called", "that is where git keeps its own files", "git fsck")
        assert_told(push.output, told, shop.server)
        (line,) = [line for line in shop.server.daemon_log()[before:].splitlines() if 'msg="push ended"' in line]
        assert "that is where git keeps its own files" in line
    assert not mark.exists()


def test_a_submodule_that_leads_away_is_refused(shop: Project) -> None:
    head = shop.git("rev-parse", "HEAD").stdout.strip()
    shop.write(".gitmodules", MODULES.format(mark="/tmp/mark"))
    shop.git("add", "-A")
    shop.git("update-index", "--add", "--cacheinfo", f"160000,{head},evil")
    shop.git("commit", "-q", "-m", "with a submodule")

    with unchanged(shop):
        push = shop.push()

    assert push.exit_code == 1
    assert_told(push.output, ("cannot check out the submodule 'evil'", "git rm --cached"), shop.server)


FILE = member("Procfile", b"web: python3 app.py\n")
ARCHIVES = {
    "a hard link": (tar_of(FILE, member("key", type=tarfile.LNKTYPE, linkname="/etc/shadow")), "a hard link"),
    "memory": (tar_of(FILE, member("mem", type=tarfile.CHRTYPE, devmajor=1, devminor=1)), "neither file, folder nor symlink"),
    "a setuid program": (tar_of(FILE, member("root", b"#!/bin/sh\n", mode=0o4755)), "setuid"),
    "through a link": (
        tar_of(FILE, member("out", type=tarfile.SYMTYPE, linkname="/tmp"), member("out/pushd-evil", b"x")),
        "below a file or link",
    ),
}


def test_archives_that_are_traps_are_refused(shop: Project) -> None:
    """Each build fails, and its output and its record say why."""
    before = shop.get().body
    for name, (archive, told) in ARCHIVES.items():
        _, made = build(shop.server, shop.app, archive)
        failed = ended(shop.server, shop.app, made["id"])
        assert (failed["status"], told in failed["reason"]) == ("failed", True), (name, failed)
        assert told in shop.ok("builds:output", made["id"])
    assert shop.get().body == before
    assert not Path("/tmp/pushd-evil").exists()


def test_git_folders_of_an_archive_are_left_out(shop: Project, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    app = shop.folder / "app.py"
    archive = tar_of(
        FILE, member("app.py", app.read_bytes()), member("requirements.txt", b""),
        member(".git/config", CONFIG.format(mark=mark).encode()), member(".git/hooks/post-checkout", b"x", mode=0o755),
        member("lib/.git/config", CONFIG.format(mark=mark).encode()),
    )  # fmt: skip
    _, made = build(shop.server, shop.app, archive)

    assert ended(shop.server, shop.app, made["id"])["status"] == "succeeded"
    eventually(lambda: shop.get("/read/app/.git/config").body == "(no such file)", what="the new version")
    assert shop.get("/read/app/lib/.git/config").body == "(no such file)"
    assert not mark.exists()


def tree_of(project: Project, what: str) -> bytes:
    return bytes.fromhex(project.git("rev-parse", what).stdout.strip())


def made_tree(project: Project, folder: Path, content: bytes) -> str:
    """A tree that git itself would not write."""
    (folder / "tree").write_bytes(content)
    return project.git("hash-object", "-t", "tree", "-w", "--literally", str(folder / "tree")).stdout.strip()


NEST = """#!/usr/bin/env python3
import os
for _ in range(1_500):
    os.mkdir("folder")
    os.chdir("folder")
"""


def test_folders_without_end_are_a_matter_of_their_app_alone(own_server: Server, tmp_path: Path) -> None:
    """Left by a build or in the storage: the push is told, others push, the daemon starts again, all of it can be removed."""
    server = own_server
    neighbour, hostile = (server.project(tmp_path / name, name) for name in ("neighbour", "hostile"))
    neighbour.deploy()
    hostile.write("bin/post_compile", NEST)
    (hostile.folder / "bin" / "post_compile").chmod(0o755)
    hostile.commit("nest")
    push = hostile.push()
    assert push.exit_code == 1
    assert_told(push.output, (" nested ", "Look for what makes a folder in a folder", "This push is not live"), server)
    assert "Traceback" not in push.output
    hostile.write("nest.py", NEST)
    (hostile.folder / "bin" / "post_compile").unlink()
    hostile.commit("in the storage")
    hostile.deploy()
    hostile.ok("run", "cd /storage && python3 /app/nest.py")
    server.stop(signal.SIGTERM)
    server.start()
    neighbour.commit("again")
    neighbour.deploy()
    hostile.ok("apps:destroy", "--confirm", "hostile")
    folders = [server.data / name for name in ("storage", "environments", "cache")]
    eventually(lambda: [len(list(folder.iterdir())) for folder in folders] == [1, 1, 1], what="the end of its folders")
    assert "level=error" not in server.daemon_log()
