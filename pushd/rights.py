"""What the daemon may do on its machine: the capabilities that it uses as root, and what is off without each; a user has none.

The unit of systemd bounds it to these very ones (`CapabilityBoundingSet=`), each with its reason there too.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pushd.kit.capabilities import capabilities

_OWN_USER = "apps have no users of their own"
USED = {  # what is off without it
    "CAP_SYS_ADMIN": f"the sandbox is an ordinary user's, if there is one: {_OWN_USER}",
    "CAP_SYS_CHROOT": "`run:inside` does not come into dynos",
    "CAP_SETUID": f"{_OWN_USER}, nor does the router",
    "CAP_SETGID": f"{_OWN_USER}, nor does the router",
    "CAP_SETPCAP": f"the sandbox is an ordinary user's, if there is one: {_OWN_USER}",
    "CAP_CHOWN": _OWN_USER,
    "CAP_DAC_OVERRIDE": _OWN_USER,
    "CAP_FOWNER": _OWN_USER,
    "CAP_FSETID": "what an app's dyno makes of the setgid bits of its files is lost",
    "CAP_KILL": _OWN_USER,
    "CAP_SYS_PTRACE": _OWN_USER,
    "CAP_NET_ADMIN": "no port of an app is closed to others",
    "CAP_NET_BIND_SERVICE": "nothing listens on ports below 1024, unless systemd hands the sockets over",
}
_FOR_USERS = tuple(name for name, lost in USED.items() if _OWN_USER in lost)
_FIRST_FREE_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_GET_THEM = "Its unit names all of them (CapabilityBoundingSet=); a container is given them with --cap-add."


@dataclass(frozen=True, slots=True)
class Rights:
    """Who this daemon is, and which capabilities it lacks."""

    uid: int
    lacks: tuple[str, ...]

    @classmethod
    def found(cls) -> Rights:
        """Ours, as they are now."""
        have = capabilities()
        return cls(os.geteuid(), tuple(name for name in USED if name not in have))

    @property
    def is_root(self) -> bool:
        return self.uid == 0

    def why_no_users(self) -> str:
        """What keeps root from giving apps users of their own; "" if nothing does."""
        return _missing([name for name in _FOR_USERS if name in self.lacks])

    def why_no_fence(self) -> str:
        """The same for ports that are closed to others."""
        return _missing([name for name in ("CAP_NET_ADMIN",) if name in self.lacks])

    def told(self) -> list[str]:
        """For `serve --check`: who runs the daemon and, a line each, what is off for that."""
        if not self.is_root:
            return [f"uid {self.uid}, an ordinary user; as root it would also", *self._as_root()]
        if not self.lacks:
            return [f"root, with the {len(USED)} capabilities that it uses"]
        told = [f"without {name}: {USED[name]}" for name in self.lacks]
        return [f"root, with {len(USED) - len(self.lacks)} of the {len(USED)} capabilities that it uses", *told, _GET_THEM]

    def _as_root(self) -> list[str]:
        told = [
            "run each app as a user of its own, and close its ports to other apps",
            "send visitors to a port only while its own app listens there",
            "run the router and commands over SSH as other users than itself",
        ]
        if "CAP_NET_BIND_SERVICE" in self.lacks and (first := int(_FIRST_FREE_PORT.read_text())) > 1:
            told.append(f"listen on ports below {first}, where systemd does not hand the sockets over")
        return told


def _missing(names: Collection[str]) -> str:
    return f"the daemon runs without {' and '.join(names)}" if names else ""
