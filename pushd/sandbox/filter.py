"""Which system calls no program of an app may make: a seccomp filter, written once by libseccomp, loaded by bubblewrap.

What is refused is of no use without privileges, or opens ways into the kernel in which holes were found again and again:
namespaces of one's own above all, for in one a program has every capability. What servers, compilers and tools need stays.
Source of the choice: Docker's default profile and the kernel's man pages; whoever is refused sees EPERM, as without privileges.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import termios
from types import ModuleType
from typing import Any

log = logging.getLogger(__name__)

_NAMESPACES = (  # flags of clone(2) and unshare(2)
    0x00000080, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_NEW_USERS = 0x10000000
_REFUSED = (
    # namespaces and mounts
    "setns", "mount", "umount", "umount2", "pivot_root", "open_tree", "open_tree_attr", "move_mount", "mount_setattr", "fsopen",
    "fsconfig", "fsmount", "fspick",
    # keys of the kernel's, which namespaces do not keep apart
    "keyctl", "add_key", "request_key",
    # programs in the kernel, and looks into it
    "bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "lookup_dcookie",
    "init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load", "syslog",
    # the machine as a whole
    "acct", "reboot", "swapon", "swapoff", "settimeofday", "clock_settime", "clock_settime64", "stime", "clock_adjtime",
    "clock_adjtime64", "iopl", "ioperm", "quotactl", "quotactl_fd", "vhangup", "nfsservctl", "_sysctl", "uselib", "ustat",
    # files past all folders
    "open_by_handle_at", "name_to_handle_at", "fanotify_init",
)  # fmt: skip
_ENTERING = frozenset({"setns"})
_ABSENT = ("clone3",)  # its flags lie in memory, where no filter looks: libc then takes clone
_FAMILIES = (socket.AF_VSOCK, socket.AF_ALG, socket.AF_PACKET)  # to the hypervisor; into the kernel's ciphers; of the wire
_TERMINAL_INPUT = (termios.TIOCSTI, termios.TIOCLINUX)  # words put into somebody's mouth
_INT = 0xFFFF_FFFF  # what the kernel looks at of an argument that is an int; the filter sees the whole register
_OTHER_ARCHITECTURE = {"x86_64": "X86", "aarch64": "ARM"}  # programs of 32 bits are filtered too


class NoFilter(Exception):
    """This machine has no way to write a filter; the text says why."""


def make_filter(*, entering: bool = False) -> bytes:
    """The filter, as `bwrap --seccomp` reads it. Takes some 30 ms, then less than one. Raises: NoFilter.

    `entering`: for a program that comes into a sandbox which is there. It has to be able to call setns(2), and loses with its
    capabilities what it could do by it.
    """
    try:
        import pyseccomp  # type: ignore[import-untyped]  # looks for the library when it is imported
    except (ImportError, OSError, RuntimeError) as error:
        raise NoFilter(f"libseccomp is not installed (apt-get install libseccomp2): {error}") from error
    try:
        with open(os.memfd_create("pushd-seccomp"), "w+b", buffering=0) as file:
            _written(pyseccomp, _ENTERING if entering else frozenset()).export_bpf(file)
            file.seek(0)
            return file.readall()
    except (OSError, ValueError) as error:
        raise NoFilter(f"libseccomp cannot write the filter: {error}") from error


def _written(library: ModuleType, allowed: frozenset[str]) -> Any:
    found = library.SyscallFilter(library.ALLOW)
    if (other := _OTHER_ARCHITECTURE.get(os.uname().machine)) is not None:
        found.add_arch(getattr(library.Arch, other))
    refuse, absent = library.ERRNO(errno.EPERM), library.ERRNO(errno.ENOSYS)

    def rule(action: int, call: str, *arguments: object) -> None:
        try:
            found.add_rule(action, call, *arguments)
        except (OSError, ValueError) as error:  # a call that this library or this machine does not know
            log.debug("no rule for a system call", extra={"call": call, "cause": str(error)})

    for call in _REFUSED:
        if call not in allowed:
            rule(refuse, call)
    for call in _ABSENT:
        rule(absent, call)
    for flag in _NAMESPACES:
        rule(refuse, "unshare", library.Arg(0, library.MASKED_EQ, flag, flag))
    rule(refuse, "clone", library.Arg(0, library.MASKED_EQ, _NEW_USERS, _NEW_USERS))
    for family in _FAMILIES:
        rule(refuse, "socket", library.Arg(0, library.MASKED_EQ, _INT, family))
    # NETLINK_ROUTE stays (getifaddrs asks it); the others, of firewalls, audit and devices, are as in a kernel without them.
    not_route = (library.Arg(0, library.MASKED_EQ, _INT, socket.AF_NETLINK), library.Arg(2, library.NE, 0))
    rule(library.ERRNO(errno.EPROTONOSUPPORT), "socket", *not_route)
    for request in _TERMINAL_INPUT:
        rule(refuse, "ioctl", library.Arg(1, library.MASKED_EQ, _INT, request))
    return found
