"""Keeps the PORT of a dyno to its own app and the router, by nftables: one table of ours, changed whole or not at all.

Everybody on this machine else reaches it by 127.0.0.1, past the router: other apps, and users of the machine. Other ports stay
as they are: what an app's programs say to each other is theirs, and databases of the machine are the operator's.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection

from pushd.kit import proc
from pushd.kit.uids import ROUTER_UID

log = logging.getLogger(__name__)

_SECONDS = 30.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TABLE = """add table inet {name}
delete table inet {name}
table inet {name} {{
    set ports {{ type inet_service; {ports} }}
    set own {{ type uid . inet_service; {own} }}
    chain output {{
        type filter hook output priority 0; policy accept;
        oif "lo" tcp dport @ports meta skuid != {{ 0, {router} }} meta skuid . tcp dport != @own reject with tcp reset
    }}
}}
"""

Door = tuple[int, int]  # an app's uid and a port of its dynos


class NoFence(Exception):
    """There is none on this machine; the text says why."""


class Fence:
    """The table of one data folder. It stays while no daemon runs: dynos do too."""

    def __init__(self, program: str | None, name: str) -> None:
        self._program = program
        self._name = name

    @classmethod
    async def find(cls, name: str) -> Fence:
        """Try it, and leave nothing. Raises: NoFence."""
        program = shutil.which("nft", path=_PATH)
        if program is None:
            raise NoFence("nft is not installed: apt-get install nftables")
        fence = cls(program, name)
        if failure := await fence._run(_text(name, ()), "--check"):
            raise NoFence(f"nft is refused: {failure}")
        return fence

    async def reset(self, doors: Collection[Door]) -> None:
        """These and no others, in one step."""
        await self._do(_text(self._name, doors))

    async def open(self, uid: int, port: int) -> None:
        """From now on this port is that app's."""
        await self._do(self._elements("add", uid, port))

    async def close(self, uid: int, port: int) -> None:
        """It is nobody's any more; fine if it was not."""
        await self._do(self._elements("add", uid, port) + self._elements("delete", uid, port))

    async def remove(self) -> None:
        """Take the whole table away: no dyno is left."""
        await self._do(_no_table(self._name))

    async def remove_of(self, name: str) -> bool:
        """The same for the table of another data folder, if there is one; whether it is gone."""
        if self._program is None:
            return False
        if failure := await self._run(_no_table(name)):
            log.warning("cannot remove the table of a data folder that is gone", extra={"table": name, "cause": failure})
        return not failure

    def _elements(self, verb: str, uid: int, port: int) -> str:
        table = f"{verb} element inet {self._name}"
        return f"{table} own {{ {uid} . {port} }}\n{table} ports {{ {port} }}\n"

    async def _do(self, text: str) -> None:
        """Without it dynos run as well, so a failure is told and no more."""
        if self._program is not None and (failure := await self._run(text)):
            log.warning("cannot keep a port to its app", extra={"table": self._name, "cause": failure})

    async def _run(self, text: str, *flags: str) -> str:
        """What nft complains about; "" if it does not."""
        said = bytearray()
        script = 'printf %s "$TABLE" | exec "$0" "$@" -f -'
        try:
            status = await proc.run(
                ["/bin/sh", "-c", script, str(self._program), *flags],
                env={"PATH": _PATH, "TABLE": text},
                on_output=said.extend,
                within=_SECONDS,
            )
        except (OSError, proc.RanTooLong) as error:
            return str(error)
        if status == 0:
            return ""
        lines = said.decode("utf-8", "replace").strip().splitlines()
        return lines[0] if lines else f"it ended with status {status}"


NO_FENCE = Fence(None, "")


def _no_table(name: str) -> str:
    return f"add table inet {name}\ndelete table inet {name}\n"


def _text(name: str, doors: Collection[Door]) -> str:
    ports = ", ".join(str(port) for _, port in sorted(doors))
    own = ", ".join(f"{uid} . {port}" for uid, port in sorted(doors))
    return _TABLE.format(
        name=name,
        router=ROUTER_UID,
        ports=f"elements = {{ {ports} }}" if ports else "",
        own=f"elements = {{ {own} }}" if own else "",
    )
