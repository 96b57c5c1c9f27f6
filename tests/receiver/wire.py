"""Requests made by hand: what no git would send."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aiohttp

from pushd.receiver.commands import ZERO
from pushd.receiver.pktline import FLUSH, pkt
from tests.receiver.conftest import TOKEN, Server

COMMIT, TREE, BLOB, TAG, OFS_DELTA, REF_DELTA = 1, 2, 3, 4, 6, 7
WORDS = {COMMIT: b"commit", TREE: b"tree", BLOB: b"blob", TAG: b"tag"}
Raw = tuple[int, bytes]  # type, content


def id_of(raw: Raw) -> str:
    """As git computes it."""
    return hashlib.sha1(b"%b %d\0%b" % (WORDS[raw[0]], len(raw[1]), raw[1])).hexdigest()


def blob(content: bytes) -> Raw:
    return BLOB, content


def tree(*entries: tuple[bytes, bytes, Raw | str]) -> Raw:
    """Entries as given, in this order: mode, name, object or id."""
    parts = [b"%b %b\0%b" % (mode, name, bytes.fromhex(_id(what))) for mode, name, what in entries]
    return TREE, b"".join(parts)


def commit(of: Raw | str, *parents: str, message: str = "made by hand") -> Raw:
    lines = [f"tree {_id(of)}", *(f"parent {parent}" for parent in parents)]
    who = "Ada <ada@example.org> 1700000000 +0000"
    return COMMIT, "\n".join([*lines, f"author {who}", f"committer {who}", "", message]).encode()


def stored(type_number: int, content: bytes, *, size: int | None = None, base: bytes = b"") -> bytes:
    """One object as it lies in a pack; `size` may lie."""
    left = len(content) if size is None else size
    byte, left = type_number << 4 | left & 15, left >> 4
    head = bytearray()
    while left:
        head.append(byte | 0x80)
        byte, left = left & 0x7F, left >> 7
    head.append(byte)
    return bytes(head) + base + zlib.compress(content)


def pack(parts: Iterable[Raw | bytes], *, count: int | None = None) -> bytes:
    """A whole pack; bytes stand for objects that `stored` made."""
    bodies = [part if isinstance(part, bytes) else stored(*part) for part in parts]
    data = b"PACK" + (2).to_bytes(4, "big") + (len(bodies) if count is None else count).to_bytes(4, "big") + b"".join(bodies)
    return data + hashlib.sha1(data).digest()


def push_body(
    commands: Sequence[tuple[str, str, str]],
    pack_bytes: bytes = b"",
    *,
    capabilities: str = "report-status side-band-64k",
    options: Sequence[str] | None = None,
    shallow: Sequence[str] = (),
) -> bytes:
    """The body of a push: (old, new, ref) each."""
    lines = [pkt(f"shallow {each}".encode()) for each in shallow]
    for number, (old, new, ref) in enumerate(commands):
        tail = f"\0 {capabilities}" if number == 0 else ""
        lines.append(pkt(f"{old} {new} {ref}{tail}".encode("utf-8", "surrogateescape")))
    body = b"".join(lines) + FLUSH
    if options is not None:
        body += b"".join(pkt(option.encode()) for option in options) + FLUSH
    return body + pack_bytes


@dataclass
class Answer:
    """What came back: status, what the person reads, and the lines of the report."""

    status: int
    text: str
    report: list[str]


def basic(token: str = TOKEN) -> str:
    """The Authorization header of a client that has this token."""
    return "Basic " + base64.b64encode(f"x:{token}".encode()).decode()


def knocking(token: str = TOKEN) -> aiohttp.ClientSession:
    """A session of a client that has this token."""
    return aiohttp.ClientSession(headers={"Authorization": basic(token)}, auto_decompress=False)


async def post(
    server: Server,
    body: object,
    *,
    service: str = "git-receive-pack",
    token: str = TOKEN,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Send one request and read its answer."""
    data = io.BytesIO(body) if isinstance(body, bytes) else body
    content = {"Content-Type": f"application/x-{service}-request"}
    async with knocking(token) as session:
        url = f"http://127.0.0.1:{server.port}/myapp.git/{service}"
        async with session.post(url, data=data, headers={**content, **(headers or {})}) as response:
            data = await response.read()
            if response.content_type == "text/plain":
                return Answer(response.status, data.decode(), [])
            return parse_answer(response.status, data)


def parse_answer(status: int, data: bytes) -> Answer:
    """Take the bands apart."""
    text, report = b"", b""
    for line in lines_of(data):
        if line[0] == 2:
            text += line[1:]
        elif line[0] == 1:
            report += line[1:]
        else:
            report += pkt(line)
    return Answer(status, text.decode(), [line.decode().rstrip("\n") for line in lines_of(report)])


def lines_of(data: bytes) -> list[bytes]:
    """The data of all lines but flushes."""
    found = []
    while data:
        length = int(data[:4], 16)
        if length:
            found.append(data[4:length])
        data = data[max(length, 4) :]
    return found


async def push_objects(server: Server, objects: Sequence[Raw], tip: str, *, ref: str = "refs/heads/master") -> Answer:
    """Create `ref` at `tip` with a pack of these objects."""
    return await post(server, push_body([(ZERO, tip, ref)], pack(objects)))


def _id(what: Raw | str) -> str:
    return what if isinstance(what, str) else id_of(what)
