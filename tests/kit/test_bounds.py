"""What a tree of processes takes too much of; who is ended for it is in tests/sandbox."""

from __future__ import annotations

import os

import pytest

from pushd.kit import procfs
from pushd.kit.bounds import Bounds, find_excess
from pushd.kit.procfs import Family

MB = 1 << 20


def test_what_a_build_has_in_swap_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no control group bounds it, one that went on growing there was never ended."""
    family, bounds = Family(frozenset({os.getpid()}), 1), Bounds(tasks=10, memory_bytes=1000 * MB)
    assert find_excess(bounds, family, lambda _: 500 * MB) is None

    monkeypatch.setattr(procfs, "swapped_bytes", lambda _, exact=False: (600 if exact else 1000) * MB)

    excess = find_excess(bounds, family, lambda _: 500 * MB)
    assert excess is not None
    assert (excess.what, excess.taken) == ("memory", 1100 * MB)
    assert find_excess(bounds, family, lambda _: 300 * MB) is None
