"""Which addresses may be reached on behalf of users."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pushd.kit.reach import OutOfReach, Reach, parse_reach

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "ff02::1", "64:ff9b:1::7f00:1", "::ffff:0:7f00:1", "::7f00:1", "fec0::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_out_of_reach(address: str) -> None:
    assert not Reach().allows("somewhere.example.com", address)


@pytest.mark.parametrize("address", ["1.1.1.1", "140.82.121.3", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_public_ones_are_not(address: str) -> None:
    assert Reach().allows("somewhere.example.com", address)


def test_what_the_operator_lists_is_reached() -> None:
    reach = parse_reach(" git.lan, 10.1.0.0/16,192.168.1.7 ,fd00::/8")

    assert reach.allows("GIT.lan", "10.9.9.9")
    assert reach.allows("any", "10.1.2.3")
    assert reach.allows("any", "192.168.1.7")
    assert reach.allows("any", "fd00::7")
    assert not reach.allows("any", "10.2.0.1")
    assert str(reach) == "git.lan,10.1.0.0/16,192.168.1.7/32,fd00::/8"
    assert parse_reach(str(reach)) == reach
    assert parse_reach("") == Reach()


@pytest.mark.parametrize("text", ["10.0.0.0/99", "10.0.0.1/8", "a b", "http://x", "x:80"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host names, addresses and networks"):
        parse_reach(text)


async def test_a_name_for_a_private_address_is_out_of_reach() -> None:
    with pytest.raises(OutOfReach, match="localhost is no public address"):
        await Reach().addresses("localhost", 80)
    assert "127.0.0.1" in await parse_reach("localhost").addresses("localhost", 80)


ASK = """import asyncio, json
from pushd.kit.outward import check_literal
from pushd.kit.reach import OutOfReach, Reach, is_own, parse_reach
def told(url, reach):
    try:
        return check_literal(url, reach) or "reached"
    except OutOfReach as error:
        return str(error)
print(json.dumps([is_own("8.8.8.8"), is_own("8.8.4.4"), is_own("127.0.0.1"),
    *(told(f"http://8.8.8.8:{port}/", Reach()) for port in (80, 443, 5000)), told("https://8.8.8.8/", Reach()),
    told("http://8.8.8.8:5000/", parse_reach("8.8.8.8")), asyncio.run(Reach().addresses("8.8.8.8", 80))]))
"""


def test_of_this_machines_public_addresses_the_ports_that_serve_everybody_are_reached() -> None:
    root = Path(__file__).parents[2]
    script = f'ip link set lo up && ip address add 8.8.8.8/32 dev lo && exec {sys.executable} -c "$0"'
    done = subprocess.run(
        ["unshare", "-Urn", "--", "/bin/sh", "-c", script, ASK], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    no, yes = "8.8.8.8 is no public address", "reached"
    assert json.loads(done.stdout) == [True, False, True, yes, yes, no, yes, yes, ["8.8.8.8"]]
