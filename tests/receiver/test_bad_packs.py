"""Packs made by hand that must not get in: each is refused with a reason, moves nothing and leaves nothing.

Every case goes two ways, dulwich in a thread and the git program; one of each kind goes through dulwich in a process of its
own, which is the same code behind a slower door.
"""

from __future__ import annotations

import hashlib

import pytest

from pushd.receiver.commands import ZERO
from tests.receiver.conftest import Git, MakeServer, Server
from tests.receiver.wire import (
    COMMIT,
    OFS_DELTA,
    REF_DELTA,
    TREE,
    Raw,
    blob,
    commit,
    id_of,
    pack,
    post,
    push_body,
    push_objects,
    stored,
    tree,
)

FILE = blob(b"hello\n")
OTHER = blob(b"other\n")
GOOD_TREE = tree((b"100644", b"hello", FILE))
GOOD = commit(GOOD_TREE)
OBJECTS: list[Raw] = [FILE, GOOD_TREE, GOOD]
GOOD_PACK = pack(OBJECTS)
CREATE = (ZERO, id_of(GOOD), "refs/heads/master")


@pytest.fixture(params=["thread", "git"])
async def any_server(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    if request.param == "git":
        return await make_server(git_index_above_bytes=0)
    return await make_server(git_program="never")


@pytest.fixture
async def apart(make_server: MakeServer) -> Server:
    """Indexes every pack with dulwich in a process of its own."""
    return await make_server(git_program="never", git_index_above_bytes=0)


async def assert_refused(server: Server, pack_bytes: bytes, tip: str, *, because: str = "") -> None:
    answer = await post(server, push_body([(ZERO, tip, "refs/heads/master")], pack_bytes))
    assert answer.status == 200
    assert answer.report[0].startswith("unpack ")
    assert answer.report[0] != "unpack ok"
    assert because in answer.report[0]
    assert answer.report[1:] == ["ng refs/heads/master unpacker error"]
    assert "Your push was not stored" in answer.text
    assert "Traceback" not in answer.text
    assert await server.refs() == {}
    assert server.deploys.done == []
    await server.assert_clean()
    assert list((server.repository.objects / "pack").iterdir()) == []
    again = await push_objects(server, OBJECTS, id_of(GOOD))
    assert again.report == ["unpack ok", "ok refs/heads/master"]


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def resealed(data: bytes) -> bytes:
    """With a checksum that fits."""
    return data[:-20] + hashlib.sha1(data[:-20]).digest()


DAMAGED = {
    "empty": b"",
    "no pack": b"rubbish that is long enough to be a pack, in principle",
    "header only": GOOD_PACK[:12],
    "truncated": GOOD_PACK[:-30],
    "without checksum": GOOD_PACK[:-20],
    "wrong checksum": flipped(GOOD_PACK, len(GOOD_PACK) - 1),
    "flipped byte": flipped(GOOD_PACK, len(GOOD_PACK) // 2),
    "flipped byte, resealed": resealed(flipped(GOOD_PACK, 40)),
    "version 9": resealed(flipped(GOOD_PACK, 7)),
    "more objects promised": pack(OBJECTS, count=4),
    "fewer objects promised": pack(OBJECTS, count=2),
    "object larger than it says": pack([FILE, GOOD_TREE, stored(COMMIT, GOOD[1], size=10)]),
    "object smaller than it says": pack([FILE, GOOD_TREE, stored(COMMIT, GOOD[1], size=len(GOOD[1]) + 1)]),
    "unknown type": pack([FILE, GOOD_TREE, stored(5, GOOD[1])]),
    "delta without base": pack([*OBJECTS, stored(REF_DELTA, b"\x06\x06\x90\x06", base=bytes(20))]),
    "delta that reaches back too far": pack([*OBJECTS, stored(OFS_DELTA, b"\x06\x06\x90\x06", base=b"\xff\x7f")]),
    "delta of nothing": pack([*OBJECTS, stored(OFS_DELTA, b"\x06\x06\x90\x06", base=b"\x00")]),
    "delta that copies too much": pack([FILE, stored(REF_DELTA, b"\x06\x20\x90\x20", base=bytes.fromhex(id_of(FILE)))]),
    "delta with no size": pack([FILE, stored(REF_DELTA, b"", base=bytes.fromhex(id_of(FILE)))]),
    "garbage in a commit": pack([FILE, GOOD_TREE, (COMMIT, b"not a commit")]),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED.keys())
async def test_a_damaged_pack(any_server: Server, data: bytes) -> None:
    await assert_refused(any_server, data, id_of(GOOD))


EVIL = {
    "dot dot": b"..",
    "dot": b".",
    "empty": b"",
    "slash": b"a/b",
    "leading slash": b"/etc",
    "up and away": b"../../etc/passwd",
    "git": b".git",
    "git in capitals": b".GIT",
    "git in mixed case": b".Git",
    "git with a blank": b".git ",
    "git with a dot": b".git.",
    "git with dots and blanks": b".git . .",
    "git with a stream": b".git::$INDEX_ALLOCATION",
    "git by its short name": b"git~1",
    "git by its short name in capitals": b"GIT~1",
    "git with an ignored character": b".g\xe2\x80\x8cit",
    "git behind a backslash": b"a\\.git\\config",
}


@pytest.mark.parametrize("name", EVIL.values(), ids=EVIL.keys())
async def test_an_evil_file(any_server: Server, name: bytes) -> None:
    evil = tree((b"100644", name, FILE))
    tip = commit(evil)
    await assert_refused(any_server, pack([FILE, evil, tip]), id_of(tip))


@pytest.mark.parametrize("name", [b"..", b".git", b".GiT "])
async def test_an_evil_folder_further_down(any_server: Server, name: bytes) -> None:
    evil = tree((b"40000", name, GOOD_TREE))
    root = tree((b"40000", b"deeper", evil))
    tip = commit(root)
    await assert_refused(any_server, pack([FILE, GOOD_TREE, evil, root, tip]), id_of(tip))


MALFORMED = {
    "the same name twice": tree((b"100644", b"a", FILE), (b"100644", b"a", OTHER)),
    "a file and a folder of one name": tree((b"100644", b"a", FILE), (b"40000", b"a", GOOD_TREE)),
    "an entry without id": (TREE, b"100644 a\0short"),
    "an entry without NUL": (TREE, b"100644 a" + bytes.fromhex(id_of(FILE)).replace(b"\0", b"x")),
    "no mode": (TREE, b" a\0" + bytes.fromhex(id_of(FILE))),
    "a mode of letters": (TREE, b"10x644 a\0" + bytes.fromhex(id_of(FILE))),
    "a file where a folder should be": tree((b"40000", b"a", FILE)),
    "a folder where a file should be": tree((b"100644", b"a", GOOD_TREE)),
}


@pytest.mark.parametrize("evil", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_tree(any_server: Server, evil: Raw) -> None:
    tip = commit(evil)
    await assert_refused(any_server, pack([FILE, OTHER, GOOD_TREE, evil, tip]), id_of(tip))


MISSING = {
    "the tree": ([FILE, GOOD], id_of(GOOD)),
    "a file": ([GOOD_TREE, GOOD], id_of(GOOD)),
    "a parent": ([FILE, GOOD_TREE, commit(GOOD_TREE, "1" * 40)], id_of(commit(GOOD_TREE, "1" * 40))),
    "an inner folder": (
        [FILE, tree((b"40000", b"a", "2" * 40)), commit(tree((b"40000", b"a", "2" * 40)))],
        id_of(commit(tree((b"40000", b"a", "2" * 40)))),
    ),
}


@pytest.mark.parametrize(("objects", "tip"), MISSING.values(), ids=MISSING.keys())
async def test_an_object_is_missing(any_server: Server, objects: list[Raw], tip: str) -> None:
    await assert_refused(any_server, pack(objects), tip)


async def test_the_commit_itself_is_missing(any_server: Server) -> None:
    answer = await push_objects(any_server, [FILE], "3" * 40)
    assert answer.report == ["unpack ok", "ng refs/heads/master missing necessary objects"]
    assert await any_server.refs() == {}
    await any_server.assert_clean()
    assert list((any_server.repository.objects / "pack").iterdir()) == []


async def test_what_is_incomplete_cannot_come_in_two_steps(any_server: Server) -> None:
    """A commit without its tree is not let in beside a good one, to be named by a ref later."""
    lone = commit("4" * 40)
    answer = await push_objects(any_server, [*OBJECTS, lone], id_of(GOOD))
    assert answer.report[0] != "unpack ok"
    assert await any_server.refs() == {}


async def test_a_branch_must_name_a_commit(any_server: Server) -> None:
    answer = await push_objects(any_server, OBJECTS, id_of(FILE))
    assert answer.report == ["unpack ok", "ng refs/heads/master a branch must name a commit"]
    answer = await push_objects(any_server, OBJECTS, id_of(GOOD_TREE), ref="refs/tags/tree")
    assert answer.report == ["unpack ok", "ok refs/tags/tree"]


async def test_an_oversize_pack(any_server: Server) -> None:
    any_server.set(pack_limit_mb="1")
    noise = blob(b"".join(hashlib.sha512(str(number).encode()).digest() for number in range(20_000)))
    root = tree((b"100644", b"noise", noise))
    tip = commit(root)
    await assert_refused(any_server, pack([noise, root, tip]), id_of(tip), because="larger than 1 MB")


@pytest.mark.parametrize(
    ("data", "tip"),
    [
        (DAMAGED["truncated"], id_of(GOOD)),
        (
            pack([FILE, tree((b"100644", b"..", FILE)), commit(tree((b"100644", b"..", FILE)))]),
            id_of(commit(tree((b"100644", b"..", FILE)))),
        ),
        (pack(MISSING["a file"][0]), MISSING["a file"][1]),
    ],
    ids=["damaged", "evil", "missing"],
)
async def test_a_process_of_its_own_refuses_the_same(apart: Server, data: bytes, tip: str) -> None:
    await assert_refused(apart, data, tip)


async def test_a_pack_that_unpacks_to_much_leaves_the_daemon(make_server: MakeServer) -> None:
    """Small on the wire, so it would be indexed in a thread; it is passed on to a process of its own."""
    server = await make_server(git_program="never")
    zeros = blob(bytes(40_000_000))
    root = tree((b"100644", b"zeros", zeros))
    tip = commit(root)
    answer = await push_objects(server, [zeros, root, tip], id_of(tip))
    assert answer.report == ["unpack ok", "ok refs/heads/master"]
    assert (server.deploys.done[0].folder / "zeros").stat().st_size == 40_000_000
    await server.assert_clean()


async def test_a_pack_made_to_fill_the_memory(make_server: MakeServer) -> None:
    """A small delta that says it makes many gigabytes: each copies the whole of a base of 16 MB."""
    server = await make_server(git_program="never")
    base = blob(bytes(1 << 24))
    copies = 200
    target = copies * ((1 << 24) - 1)
    delta = _varint(1 << 24) + _varint(target) + b"\xf0\xff\xff\xff" * copies
    data = pack([base, stored(REF_DELTA, delta, base=bytes.fromhex(id_of(base)))])
    assert len(data) < 100_000
    answer = await post(server, push_body([CREATE], data))
    assert answer.report[0].startswith("unpack ")
    assert answer.report[0] != "unpack ok"
    assert await server.refs() == {}
    await server.assert_clean()


async def test_old_and_honest_oddities_get_in(any_server: Server) -> None:
    """Modes that git writes no more, a time zone of a broken clock: real histories hold them."""
    root = tree((b"100664", b"a", FILE), (b"040000", b"b", GOOD_TREE))
    text = commit(root)[1].replace(b"+0000", b"+051800")
    tip = (COMMIT, text)
    answer = await push_objects(any_server, [FILE, GOOD_TREE, root, tip], id_of(tip))
    assert answer.report == ["unpack ok", "ok refs/heads/master"]
    assert (any_server.deploys.done[0].folder / "b/hello").read_bytes() == b"hello\n"


async def test_what_came_in_is_a_repository_of_git(any_server: Server) -> None:
    await push_objects(any_server, OBJECTS, id_of(GOOD))
    await Git(any_server.repository.folder).ok("fsck", "--strict", "--full")


@pytest.mark.parametrize(
    "ref", ["HEAD", "refs/heads/..", "refs/heads/a b", "refs/heads/a.lock", "refs/../../etc", "refs/heads/\x01", "master"]
)
async def test_a_funny_ref(server: Server, ref: str) -> None:
    answer = await push_objects(server, OBJECTS, id_of(GOOD), ref=ref)
    assert answer.report == ["unpack ok", f"ng {ref} funny refname"]
    assert await server.refs() == {}
    await server.assert_clean()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
