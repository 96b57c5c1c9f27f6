"""What of root's rights this process has: capabilities, by the kernel's names. Source: capabilities(7), linux/capability.h."""

from __future__ import annotations

import re
from pathlib import Path

NUMBERS = {  # those that we have a use for
    "CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_FSETID": 4, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7,
    "CAP_SETPCAP": 8, "CAP_NET_BIND_SERVICE": 10, "CAP_NET_ADMIN": 12, "CAP_SYS_CHROOT": 18, "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
}  # fmt: skip
_IN_FORCE = re.compile(r"^CapEff:\s*([0-9a-f]+)$", re.MULTILINE)


def capabilities(status: Path = Path("/proc/self/status")) -> frozenset[str]:
    """Those in force, of the names above. Raises: OSError where there is no /proc."""
    found = _IN_FORCE.search(status.read_text())
    mask = int(found[1], 16) if found else 0
    return frozenset(name for name, number in NUMBERS.items() if mask >> number & 1)
