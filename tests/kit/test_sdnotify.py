from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pushd.kit.sdnotify import notify


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_each_state_as_one_message(tmp_path: Path, abstract: bool) -> None:
    address = f"@pushd-test-{tmp_path.name}-{id(tmp_path)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + address[1:] if abstract else address)
        manager.settimeout(10)

        notify(address, "READY=1")
        notify(address, "STOPPING=1")

        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]


@pytest.mark.parametrize("address", [None, "", "/nowhere/notify"])
def test_without_a_manager_nothing_happens(address: str | None) -> None:
    notify(address, "READY=1")
