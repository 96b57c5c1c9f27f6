from __future__ import annotations

import subprocess
import sys

import pytest

SERVES = """
import asyncio, os, signal
from pushd.kit.ending import Ending
async def main():
    ending = Ending()
    ending.listen()
    for name in NAMES:
        os.kill(os.getpid(), getattr(signal, name))
        await asyncio.sleep(0)
    await ending.wait()
    print(ending.asked.name)
asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("before", "names", "asked"),
    [
        ([], ["SIGHUP"], "SIGHUP"),
        ([], ["SIGTERM", "SIGINT"], "SIGTERM"),
        (["nohup"], ["SIGHUP", "SIGINT"], "SIGINT"),
    ],
)
def test_the_first_signal_counts_and_nohup_is_respected(before: list[str], names: list[str], asked: str) -> None:
    ended = subprocess.run(
        [*before, sys.executable, "-c", f"NAMES = {names!r}\n{SERVES}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )

    assert ended.stdout.decode().strip() == asked
