"""Folders that come with pushd and are no Python of its own: buildpacks, hooks, units, the demo's example."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent
_IN_WHEEL = _HERE / "_shipped"  # setup.py puts them there


def shipped(name: str) -> Path:
    """The folder called `name` ("buildpacks", "hooks", "systemd", "examples"), in the installed package or the checkout.

    Raises: FileNotFoundError when the installation lacks it.
    """
    folder = (_IN_WHEEL if _IN_WHEEL.is_dir() else _HERE.parent) / name
    if not folder.is_dir():
        raise FileNotFoundError(f"pushd is not installed completely: {folder} is missing; install it again")
    return folder
