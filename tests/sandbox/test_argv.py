"""The argvs, as text to read: golden/sandbox/*.txt has one argument per line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pushd.model.secret import Environ
from pushd.sandbox.argv import Way, bubblewrap, chain, home
from pushd.sandbox.system import System
from pushd.sandbox.view import STORAGE, Bind, Kind, Limits, View

GOLDEN = Path(__file__).parents[1] / "golden" / "sandbox"
SYSTEM = System(
    links=(("usr/bin", Path("/bin")),),
    shown=(Path("/usr"), Path("/etc/passwd")),
    proc_read_only=(Path("/proc/sys"), Path("/proc/sysrq-trigger")),
    proc_empty_folders=(Path("/proc/acpi"),),
    proc_empty_files=(Path("/proc/keys"),),
)
BWRAP = Path("/usr/bin/bwrap")
WAYS = {
    "root": Way(bubblewrap=BWRAP, overlay=True),
    "own": Way(bubblewrap=BWRAP, overlay=True, own_users=True),
    "filtered": Way(bubblewrap=BWRAP, overlay=True, own_users=True, filter=b"..."),
    "own_copy": Way(bubblewrap=BWRAP, own_users=True),
    "user": Way(bubblewrap=BWRAP, overlay=True, user_namespace=True, uid=1000, gid=1000),
    "copy": Way(bubblewrap=BWRAP),
    "plain": Way(),
}
DYNO = View(
    kind=Kind.DYNO,
    user=70001,
    root=Path("/data/slugs/abc"),
    scratch=Path("/data/run/dynos/1/scratch"),
    environ=Environ({"KEY": "top secret", "PATH": "/app/bin:/usr/bin"}),
    limits=Limits(scratch_bytes=512 << 20),
    read_only=(Bind(Path("/data/environments/a/e")),),
    read_write=(Bind(Path("/data/storage/a"), at=STORAGE),),
)
BUILD = View(
    kind=Kind.BUILD,
    user=70001,
    root=Path("/data/builds/1"),
    environ=Environ({"STACK": "heroku-24"}),
    limits=Limits(scratch_bytes=1 << 30, data_bytes=4 << 30, low_priority=True),
    read_write=(Bind(Path("/data/cache/a")), Bind(Path("/data/environments/a/e"))),
)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("view", [DYNO, BUILD], ids=lambda view: str(view.kind))
def test_argvs_are_as_written_down(view: View, way: str) -> None:
    lines = ["# starts", *chain(WAYS[way], view)]
    if way != "plain":
        lines += ["", "# bubblewrap reads", *bubblewrap(WAYS[way], view, SYSTEM)]
    assert "\n".join(lines) + "\n" == (GOLDEN / f"{view.kind}_{way}.txt").read_text()


@pytest.mark.parametrize("way", WAYS)
def test_no_variable_stands_in_what_we_start(way: str) -> None:
    assert not [argument for argument in chain(WAYS[way], DYNO) if "secret" in argument or "KEY" in argument]


def test_home_is_where_the_root_is_seen() -> None:
    assert home(WAYS["root"], DYNO) == Path("/app") == home(WAYS["copy"], BUILD)
    assert home(WAYS["plain"], DYNO) == Path("/data/run/dynos/1/scratch/app")
    assert home(WAYS["plain"], BUILD) == BUILD.root


def test_a_data_folder_below_usr_is_hidden_but_for_what_is_shown() -> None:
    data = Path("/usr/local/pushd")
    view = View(kind=Kind.BUILD, root=data / "builds/1", environ=Environ(), limits=Limits(scratch_bytes=1),
                read_only=(Bind(data / "cache/a"), Bind(Path("/usr/share/x"))))  # fmt: skip
    text = " ".join(bubblewrap(WAYS["root"], view, SYSTEM, data))
    hidden = "--perms 0711 --tmpfs /usr/local/pushd"
    assert f"{hidden} --perms 0711 --dir /usr/local/pushd/cache --ro-bind /usr/local/pushd/cache/a" in text
    assert "--dir /usr/share" not in text


def test_outer_binds_come_before_inner_ones() -> None:
    view = View(kind=Kind.BUILD, root=Path("/b"), environ=Environ(), limits=Limits(scratch_bytes=1),
                read_only=(Bind(Path("/x/y/z")),), read_write=(Bind(Path("/x")),))  # fmt: skip
    arguments = bubblewrap(WAYS["root"], view, SYSTEM)
    assert arguments.index("/x") < arguments.index("/x/y/z")
    assert "/x/y" not in arguments  # /x brings it with it


def test_folders_above_what_is_shown_can_be_passed_by_every_user() -> None:
    system = replace(SYSTEM, shown=(Path("/usr"), Path("/etc/ssl/certs")), links=(("../usr/x", Path("/etc/pki/tls/x")),))
    view = View(kind=Kind.BUILD, root=Path("/slug"), scratch=None, environ=Environ(), limits=Limits(scratch_bytes=1))

    text = " ".join(bubblewrap(WAYS["root"], view, system))

    for folder in ("/etc", "/etc/pki", "/etc/pki/tls", "/etc/ssl"):
        assert text.index(f"--perms 0755 --dir {folder} ") < text.index("--ro-bind /etc/ssl/certs")
