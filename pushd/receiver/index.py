"""Index a pack with dulwich alone, and look at every object on the way.

An object enters our repositories only if all that it names is there too and its trees are harmless. That holds for every object
stored before, so looking at the new ones alone proves that a push is complete, without a walk through history.

Small packs are indexed in a thread; `python -m pushd.receiver.index PACK OBJECTS` does large ones where the git program is
missing: a process of its own, so that neither the event loop nor the daemon's memory feels it.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from dulwich.errors import ApplyDeltaError, ChecksumMismatch, ObjectFormatException
from dulwich.object_format import DEFAULT_OBJECT_FORMAT
from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID
from dulwich.pack import (
    PackData,
    PackIndexEntry,
    PackIndexer,
    UnpackedObject,
    UnresolvedDeltas,
    extend_pack,
    write_pack_index,
)

from pushd.receiver.objects import open_store
from pushd.receiver.survey import BLOB, COMMIT, TAG, TREE, PackRefused, Stored, survey
from pushd.receiver.trees import FOLDER, SUBMODULE, EvilTree, read_tree

MEMORY_LIMIT_BYTES = 1 << 30  # of the child process
_WORDS = {COMMIT: "commit", TREE: "tree", BLOB: "file", TAG: "tag"}
_TYPE_OF_WORD = {b"commit": COMMIT, b"tree": TREE, b"blob": BLOB, b"tag": TAG}
_DAMAGE = (ApplyDeltaError, ChecksumMismatch, ObjectFormatException, AssertionError, zlib.error)


class TooMuchToUnpack(Exception):
    """The pack unpacks to more than the caller wants to do where it is."""


class CheckingIndexer(PackIndexer):
    """Resolves deltas and yields index entries; `types` and `named` tell of each object what it is and what it names."""

    def __init__(self, store: DiskObjectStore) -> None:
        super().__init__(None, hashlib.sha1, resolve_ext_ref=store.get_raw, object_format=DEFAULT_OBJECT_FORMAT)
        self.types: dict[bytes, int] = {}
        self.named: dict[bytes, int] = {}

    def _result(self, unpacked: UnpackedObject) -> PackIndexEntry:
        entry = super()._result(unpacked)
        number = unpacked.obj_type_num or 0
        self.types[entry[0]] = number
        if number != BLOB:
            self.named.update(links(number, b"".join(unpacked.obj_chunks or ())))
        return entry


def index_pack(pack: Path, objects: Path, *, unpacked_limit_bytes: int | None = None) -> None:
    """Check the file `pack`, complete it if it is thin, and move it with its index into `objects/pack`.

    Raises: PackRefused if it is damaged or not complete; TooMuchToUnpack before anything is unpacked for good.
    """
    stored = survey(pack)
    if unpacked_limit_bytes is not None and sum(each.unpacked_bytes for each in stored) > unpacked_limit_bytes:
        raise TooMuchToUnpack
    if not stored:
        return  # everything pushed is here already
    try:
        with open_store(objects) as store:
            _index(pack, objects / "pack", store, stored)
    except EvilTree as error:
        raise PackRefused(str(error)) from error
    except UnresolvedDeltas as error:
        raise PackRefused("the pack builds on an object that is missing") from error
    except _DAMAGE as error:
        raise PackRefused(f"the pack is damaged ({type(error).__name__})") from error


def links(type_number: int, raw: bytes) -> Iterator[tuple[bytes, int]]:
    """The objects that one object names, each with the type it must have; submodules' commits live elsewhere.

    Raises: EvilTree, or PackRefused for a commit or tag that cannot be read.
    """
    if type_number == TREE:
        for entry in read_tree(raw):
            if entry.mode != SUBMODULE:
                yield entry.id, TREE if entry.mode == FOLDER else BLOB
        return
    lines = raw.partition(b"\n\n")[0].split(b"\n")
    try:
        if type_number == COMMIT:
            yield _linked(lines[0], b"tree "), TREE
            for line in lines[1:]:
                if not line.startswith(b"parent "):
                    return
                yield _linked(line, b"parent "), COMMIT
        else:
            yield _linked(lines[0], b"object "), _TYPE_OF_WORD[lines[1].removeprefix(b"type ")]
    except (ValueError, KeyError, IndexError):
        raise PackRefused(f"a {_WORDS[type_number]} cannot be read") from None


def _linked(line: bytes, word: bytes) -> bytes:
    if not line.startswith(word) or len(line) != len(word) + 40:
        raise ValueError(line)
    return bytes.fromhex(line[len(word) :].decode("ascii"))


def _index(pack: Path, folder: Path, store: DiskObjectStore, stored: Sequence[Stored]) -> None:
    indexer = CheckingIndexer(store)
    with pack.open("r+b") as file:
        with PackData(pack, DEFAULT_OBJECT_FORMAT, file=file) as data:
            indexer.set_pack_data(data)
            for each in stored:
                indexer.record(UnpackedObject(each.type_number, delta_base=each.base, offset=each.offset))
            entries = list(indexer)
        _check_complete(indexer, store)
        checksum, bases = extend_pack(file, set(indexer.ext_refs()), store.get_raw, DEFAULT_OBJECT_FORMAT)
        entries.extend(bases)
    name = folder / f"pack-{checksum.hex()}"
    with name.with_suffix(".idx").open("wb") as index:
        write_pack_index(index, sorted(entries), checksum, version=2)
    pack.rename(name.with_suffix(".pack"))


def _check_complete(indexer: CheckingIndexer, store: DiskObjectStore) -> None:
    for id_, wanted in indexer.named.items():
        found = indexer.types.get(id_)
        if found is None and ObjectID(id_.hex().encode()) not in store:
            raise PackRefused(f"the {_WORDS[wanted]} {id_.hex()} is missing")
        if found is not None and found != wanted:
            raise PackRefused(f"{id_.hex()} is a {_WORDS[found]} and not a {_WORDS[wanted]}")


def main(arguments: Sequence[str]) -> int:
    """Index one pack in a process of its own: 0, or 1 with the reason on stderr."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    try:
        index_pack(Path(arguments[0]), Path(arguments[1]))
    except PackRefused as error:
        print(error, file=sys.stderr)
        return 1
    except MemoryError:
        print("a file in it is too large to unpack here; with the git program on the server it would not be", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
