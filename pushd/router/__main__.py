"""The router process: `python -m pushd.router --control PATH`. It says `ready` on stdout once daemons can connect."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import signal
import sys

import uvloop

from pushd import __version__
from pushd.router.limits import Limits, limits_from_text
from pushd.router.proxy import Proxy
from pushd.router.server import ControlServer, Stop

_AT_TERM = Stop(within=30.0, idle_within=5.0)
_LONELY_SECONDS = 60.0  # without table and daemon: whoever started us is dead


def main() -> int:
    """Parse the arguments and serve until a daemon says stop, or TERM."""
    parser = argparse.ArgumentParser(prog="pushd.router", description=__doc__)
    parser.add_argument("--control", required=True, metavar="PATH", help="where the daemon connects")
    parser.add_argument("--uid", type=int, help="run as this user and group once the control socket is there")
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=NUMBER", help="for tests; see limits.py")
    arguments = parser.parse_args()
    try:
        limits = limits_from_text(arguments.limit)
    except ValueError as error:
        parser.error(str(error))
    _allow_many_sockets()
    gc.freeze()  # what is imported stays; looking through it again and again would only hold requests up
    uvloop.run(_serve(arguments.control, arguments.uid, limits))
    return 0


async def _serve(path: str, uid: int | None, limits: Limits) -> None:
    async with Proxy(limits) as proxy:
        control = ControlServer(proxy, path, version=__version__)
        try:
            if uid is not None:
                _become(uid)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, _ask_to_end, control.stop)
            loop.add_signal_handler(signal.SIGINT, lambda: None)  # a terminal's Ctrl-C is not for us: the daemon says stop
            control.start()
            _say_ready()
            stop = await _until_stop(control)
            control.hide()
            await proxy.finish(stop.within, idle_within=stop.idle_within)
            proxy.journal.flush()
        finally:
            await control.close()


async def _until_stop(control: ControlServer) -> Stop:
    """Returns when we are to finish: at once when nobody has ever wanted anything of us."""
    while True:
        done, _ = await asyncio.wait({control.stop}, timeout=_LONELY_SECONDS)
        if done:
            return control.stop.result()
        if control.is_forgotten:
            return Stop(within=0.0, idle_within=0.0)


def _ask_to_end(stop: asyncio.Future[Stop]) -> None:
    if not stop.done():
        stop.set_result(_AT_TERM)


def _become(uid: int) -> None:
    """Give up root and with it every capability; where the kernel has no such uid, say so and stay."""
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    except OSError as error:
        print(f"cannot run as uid {uid}: {error}", file=sys.stderr, flush=True)


def _allow_many_sockets() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say_ready() -> None:
    """Tell whoever started us, and let go of the pipe: we outlive its reader."""
    print("ready", flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
