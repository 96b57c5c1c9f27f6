"""Links of a chain of programs that are written in Python: each does a thing to its process, which then becomes the next."""

from __future__ import annotations

import sys

# What Python itself did to signals and environment (PEP 538) must not stay. `words` are the next program's.
_LINK = """import _signal, ctypes, os, struct, sys
libc, words = ctypes.CDLL(None, use_errno=True), sys.argv[1:]
{deed}
for number in (_signal.SIGPIPE, _signal.SIGXFSZ):
    _signal.signal(number, _signal.SIG_DFL)
with open("/proc/self/environ", "rb") as file:
    given = dict(each.partition(b"=")[::2] for each in file.read().split(b"\\0")[:-1])
os.execvpe(words[0], words, given)
"""

# 36 is PR_SET_CHILD_SUBREAPER, which stays over an exec and goes to no child.
_ADOPT = "libc.prctl(36, 1, 0, 0, 0)"

# 38 is PR_SET_NO_NEW_PRIVS, without which the kernel takes no filter from who is no root; 22, 2: PR_SET_SECCOMP, a filter.
_FILTER = """with open({fd}, "rb") as file:
    program = file.read()
kept = ctypes.create_string_buffer(program, len(program))
told = struct.pack("@HP", len(program) // 8, ctypes.addressof(kept))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, told):
    sys.exit("Cannot filter system calls: " + os.strerror(ctypes.get_errno()))"""


def adopting() -> list[str]:
    """Makes the next program a sub-reaper: orphans below it become its children. Takes some 10 to 50 ms. Source: prctl(2)."""
    return _link(_ADOPT)


def filtering(fd: int) -> list[str]:
    """Puts the next program under the seccomp filter that this descriptor holds, for ever, and closes it. Takes as long."""
    return _link(_FILTER.format(fd=fd))


def _link(deed: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _LINK.format(deed=deed)]
