"""The units are such that systemd reads them without a complaint, and name the sockets as the daemon knows them."""

from __future__ import annotations

import os
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

UNITS = Path(__file__).parents[1] / "systemd"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_has_nothing_to_complain_about(tmp_path: Path) -> None:
    for unit in UNITS.iterdir():  # where the program is not installed
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/pushd/bin/pushd", "/bin/true"))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(unit.name for unit in tmp_path.iterdir())],
        cwd=tmp_path, env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_each_socket_has_its_name_and_our_service() -> None:
    named = {}
    for unit in UNITS.glob("*.socket"):
        parsed = ConfigParser()
        parsed.read(unit)
        named[parsed["Socket"]["FileDescriptorName"]] = parsed["Socket"]["Service"]

    assert named == {"api": "pushd.service", "router": "pushd.service"}
