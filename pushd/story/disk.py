"""Refuse work early when the disk is nearly full."""

from __future__ import annotations

import shutil
from pathlib import Path

from pushd.errors import DiskFull


class DiskReserve:
    """Keeps some room free: what would start new work asks `check()` first."""

    def __init__(self, folder: Path, reserve_bytes: int) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes

    def check(self) -> None:
        """Raises: DiskFull with the figures when less than the reserve is free."""
        free = shutil.disk_usage(self._folder).free
        if free < self._reserve_bytes:
            raise DiskFull(
                f"The disk of {self._folder} is full: {free // 1_000_000} MB are free, "
                f"{self._reserve_bytes // 1_000_000} MB are needed.",
                remedy="Make room, then try again; nothing was changed. What pushd keeps is bounded by the daemon's slugs_kept "
                "and each app's log-limit-mb.",
            )
