"""Reading git objects. Everything here blocks; it is imported by our child processes too, so it imports little."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dulwich.object_store import BaseObjectStore, DiskObjectStore
from dulwich.objects import Commit, ObjectID

CACHE_LIMIT_BYTES = 16_000_000  # of whole objects that deltas build on, for each pack


@contextmanager
def open_store(objects: Path, *alternates: Path) -> Iterator[DiskObjectStore]:
    """The objects below `objects`, and those of the stores that it names or that are given."""
    store = DiskObjectStore(objects, alternates=[*alternates], delta_base_cache_limit=CACHE_LIMIT_BYTES)
    for each in store.alternates:
        if isinstance(each, DiskObjectStore):
            each.delta_base_cache_limit = CACHE_LIMIT_BYTES
    try:
        yield store
    finally:
        store.close()
        for each in store.alternates:
            each.close()


def descends(store: BaseObjectStore, new: str, old: str) -> bool:
    """Whether `old` is `new` or one of its ancestors. Newest first, so that the usual push is answered after a few steps."""
    wanted = ObjectID(old.encode())
    seen = {ObjectID(new.encode())}
    todo = [(0, ObjectID(new.encode()))]
    while todo:
        _, id_ = heapq.heappop(todo)
        if id_ == wanted:
            return True
        commit = store[id_]
        if not isinstance(commit, Commit):
            return False
        for parent in commit.parents:
            if parent not in seen:
                seen.add(parent)
                heapq.heappush(todo, (-commit.commit_time, parent))
    return False
