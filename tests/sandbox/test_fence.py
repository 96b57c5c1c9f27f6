"""The fence around ports, in a network of the test's own: no rule reaches the machine's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pushd.sandbox.fence import Fence, NoFence

ROOT = Path(__file__).parents[2]
CODE = """if 1:
    import asyncio, json, os, socket, subprocess
    from pushd.kit.uids import ROUTER_UID
    from pushd.sandbox.fence import Fence

    ADA, BOB, SOMEBODY = 70001, 70002, 1000
    four = socket.create_server(("127.0.0.1", 5001))
    six = socket.create_server(("::", 5002), family=socket.AF_INET6, dualstack_ipv6=True)
    other = socket.create_server(("127.0.0.1", 5432))

    def reaches(uid, host, port):
        if (pid := os.fork()) == 0:
            code = 2
            try:
                os.setgid(uid)
                os.setuid(uid)
                client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
                client.settimeout(20)
                client.connect((host, port))
                code = 0
            except ConnectionRefusedError:
                code = 1
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, 1), (uid, host, port)
        return code == 0

    def who(host, port):
        return [uid for uid in (0, ROUTER_UID, ADA, BOB, SOMEBODY) if reaches(uid, host, port)]

    def tables():
        return subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout.split()

    async def main():
        told = {}
        fence = await Fence.find("pushd_test")
        told["tried"] = tables()
        await fence.reset([(ADA, 5001)])
        await fence.open(BOB, 5002)
        await fence.open(BOB, 5002)
        told["four"], told["six"], told["by six"] = who("127.0.0.1", 5001), who("127.0.0.1", 5002), who("::1", 5002)
        told["other"] = who("127.0.0.1", 5432)
        await fence.close(BOB, 5002)
        await fence.close(BOB, 5002)
        told["closed"] = who("127.0.0.1", 5002)
        await (await Fence.find("pushd_test")).reset([(ADA, 5001)])  # of the next daemon
        told["adopted"] = who("127.0.0.1", 5001)
        told["tables"] = tables()
        told["of others"] = [await (await Fence.find("pushd_other")).remove_of(name) for name in ("pushd_no", "pushd_test")]
        told["taken"] = tables()
        await fence.remove()
        await fence.remove()
        told["left"] = tables()
        print(json.dumps(told))
    asyncio.run(main())"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("nft"), reason="only root with nftables can")
def test_a_port_is_reached_by_its_app_and_the_router_alone() -> None:
    ada, bob, somebody, root, router = 70001, 70002, 1000, 0, 64918
    script = f'ip link set lo up && exec {sys.executable} -c "$0"'
    done = subprocess.run(["unshare", "-n", "--", "/bin/sh", "-c", script, CODE], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 0, done.stderr
    everybody = [root, router, ada, bob, somebody]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "tried": [],
        "four": [root, router, ada],
        "six": [root, router, bob],
        "by six": [root, router, bob],
        "other": everybody,
        "closed": everybody,
        "adopted": [root, router, ada],
        "tables": ["table", "inet", "pushd_test"],
        "of others": [True, True],
        "taken": [],
        "left": [],
    }
    assert done.stderr == ""  # no complaint of nft's


async def test_without_nft_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.sandbox.fence._PATH", "/nowhere")
    with pytest.raises(NoFence, match="apt-get install nftables"):
        await Fence.find("pushd_test")
