"""Looks at processes through /proc: who they are, who belongs together, on which sockets they listen. Changes nothing."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ENDED = (b"Z", b"X", b"x")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_NSPID = re.compile(rb"^NSpid:(.*)$", re.MULTILINE)
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD in the kernel's include/linux/sched.h
_LOOKS, _LOOK_AGAIN_SECONDS = 100, 0.0005
_NS_GET_USERNS = 0xB701  # in the kernel's include/uapi/linux/nsfs.h; on architectures that count as x86 and ARM do
_LISTEN = "0A"  # TCP_LISTEN in the kernel's include/net/tcp_states.h


@dataclass(frozen=True, slots=True)
class Identity:
    """One process, for ever: a pid alone may belong to another one later."""

    boot_id: str
    pid: int
    started: int  # clock ticks after boot

    @property
    def text(self) -> str:
        """For `from_text`; to others it says nothing."""
        return f"{self.boot_id} {self.pid} {self.started}"

    @classmethod
    def from_text(cls, text: str) -> Identity | None:
        """None for a text that is none of ours."""
        try:
            boot_id, pid, started = text.split()
            return cls(boot_id, int(pid), int(started))
        except ValueError:
            return None


@cache
def boot_id() -> str:
    """Differs after every boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Identity | None:
    """Who has this pid now; None when nobody does, or only a zombie that waits to be reaped.

    Source: proc(5), /proc/pid/stat, fields 3 and 22.
    """
    try:
        fields = _stat(pid)
    except OSError:
        return None
    state, started = fields[0], int(fields[19])
    return None if state in _ENDED else Identity(boot_id(), pid, started)


def is_alive(identity: Identity) -> bool:
    """Whether that very process still runs."""
    return identify(identity.pid) == identity


def rss_bytes(pid: int) -> int:
    """Its resident memory; pages that it shares count in full. 0 when it is gone. Source: proc(5), /proc/pid/statm."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0


def swapped_bytes(pids: Sequence[int], *, exact: bool = False) -> int:
    """What of their memory is in swap; pages that they share count for each, unless `exact`, which costs a millisecond each.

    Source: proc(5), /proc/swaps, VmSwap in /proc/pid/status, SwapPss in /proc/pid/smaps_rollup.
    """
    if len(Path("/proc/swaps").read_bytes().splitlines()) < 2:  # its heading alone
        return 0
    return sum((exact and _sized(pid, "smaps_rollup", b"SwapPss:")) or _sized(pid, "status", b"VmSwap:") for pid in pids)


def _sized(pid: int, file: str, name: bytes) -> int:
    """A number of kilobytes, in bytes; 0 when the process is gone, or is not ours to look at so closely."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_bytes().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name)), 0)


@dataclass(frozen=True, slots=True)
class Family:
    """Some processes with all below them, and how many tasks (threads) they are."""

    pids: frozenset[int]
    tasks: int


def family(roots: Iterable[int], *, enough: int) -> Family:
    """These and their descendants, nearest first; once there are more than `enough` tasks nobody else is looked for."""
    pids: dict[int, None] = dict.fromkeys(roots)
    tasks, line = 0, list(pids)
    for pid in line:  # grows while we walk it
        found = 0
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                found += 1
                for child in Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split():
                    if int(child) not in pids:
                        pids[int(child)] = None
                        line.append(int(child))
        except OSError:
            pass
        tasks += found
        if tasks > enough:
            break
    return Family(frozenset(pids), tasks)


def leads_namespace(pid: int) -> bool:
    """Whether it is the first process of a pid namespace below ours: all in there die with it.

    Source: proc(5), /proc/pid/status, NSpid: its pid in each namespace, ours first.
    """
    try:
        found = _NSPID.search(Path(f"/proc/{pid}/status").read_bytes())
    except OSError:
        return False
    return found is not None and len(pids := found[1].split()) > 1 and pids[-1] == b"1"


def children(pid: int) -> list[int]:
    """Pids of the direct children, those of all its threads; none when it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            found.extend(int(child) for child in Path(f"/proc/{pid}/task/{thread}/children").read_bytes().split())
    except OSError:
        pass
    return found


def descendants(pid: int) -> list[int]:
    """Pids of its children, their children and so on, parents first; `pid` itself is not among them."""
    found = children(pid)
    for each in found:  # grows while we walk it
        found.extend(children(each))
    return found


def session(pid: int) -> int | None:
    """The pid that leads its session; None when it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def marked(name: str, value: str, *, patient: bool = True) -> list[int]:
    """Pids of all processes that started with `name=value` in their environment, as far as we may look.

    A mark finds what left the tree and the session (double fork, setsid); zombies have no environment.
    """
    mark = f"{name}={value}".encode()
    return [pid for pid in pids() if mark in environ(pid, patient=patient)]


def environ(pid: int, *, patient: bool = True) -> Sequence[bytes]:
    """The variables that it started with; none for kernel threads, for who is gone, and if we may not look.

    In the middle of an exec, and of its end, a process has none for a moment: a patient one looks again, for 50 ms at most.
    """
    try:
        for _ in range(_LOOKS if patient else 1):
            if (found := Path(f"/proc/{pid}/environ").read_bytes()) or not patient or not _has_some(pid):
                return found.split(b"\0")[:-1]
            time.sleep(_LOOK_AGAIN_SECONDS)
    except OSError:
        pass
    return ()


def arguments(pid: int) -> Sequence[str]:
    """Its command line; none for kernel threads, zombies and who is gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return ()
    return [os.fsdecode(word) for word in words]


def pids() -> Iterator[int]:
    """Every process that we can see."""
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def namespace(pid: int, kind: str) -> int | None:
    """The inode number of one namespace ("pid", "mnt") of a process; None when it is gone or not ours to look at."""
    try:
        text = os.readlink(f"/proc/{pid}/ns/{kind}")  # pid:[4026532194]
    except OSError:
        return None
    return int(text.partition("[")[2].rstrip("]"))


@dataclass(frozen=True, slots=True)
class UserNamespaces:
    """Descriptors, which the caller closes: of the one that owns a process's other namespaces, and of its own if it differs."""

    owner: int
    own: int | None


def open_user_namespaces(pid: int) -> UserNamespaces:
    """Those in which one must be to enter the namespaces of this process, or of a child of it if we may not look at it.

    Source: ioctl_ns(2). Raises: OSError.
    """
    try:
        return _open_user_namespaces(pid)
    except PermissionError:
        for child in children(pid):
            return _open_user_namespaces(child)
        raise


def _open_user_namespaces(pid: int) -> UserNamespaces:
    own = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    try:
        processes = os.open(f"/proc/{pid}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        try:
            owner = fcntl.ioctl(processes, _NS_GET_USERNS)
        finally:
            os.close(processes)
    except OSError:
        os.close(own)
        raise
    if not os.path.samestat(os.fstat(own), os.fstat(owner)):
        return UserNamespaces(owner, own)
    os.close(own)
    return UserNamespaces(owner, None)


def listening(of: Iterable[int]) -> list[tuple[str, int]]:
    """Address and port of every TCP socket on which one of these processes listens; no doubles, in no special order.

    Shape: ("127.0.0.1", 5000), ("::", 8080). Reads this process's network namespace.
    """
    inodes = {inode for pid in of for inode in _socket_inodes(pid)}
    if not inodes:
        return []
    found: dict[tuple[str, int], None] = {}
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        found.update((where, None) for where, inode in _listeners(table, family) if inode in inodes)
    return list(found)


def _has_some(pid: int) -> bool:
    """Whether it has variables, though none were seen: it had no memory in which they could stand, or had none when we looked.

    Source: proc(5), /proc/pid/stat: field 9 are flags, fields 50 and 51 are where the environment begins and ends.
    """
    fields = _stat(pid)
    begin, end = int(fields[47]), int(fields[48])
    return fields[0] not in _ENDED and not int(fields[6]) & _KERNEL_THREAD and (end == 0 or end > begin)


def _stat(pid: int) -> list[bytes]:
    """Fields of /proc/pid/stat from the third on: the command's name may hold blanks and parentheses. Raises: OSError."""
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def _socket_inodes(pid: int) -> Iterator[int]:
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield int(target[8:-1])


def _listeners(table: str, family: socket.AddressFamily) -> Iterator[tuple[tuple[str, int], int]]:
    """The kernel lists listening sockets first: we stop at the first other one, however many connections there are."""
    path = Path(f"/proc/net/{table}")
    if not path.exists():
        return  # a kernel without IPv6
    with path.open() as lines:
        next(lines)  # the heading
        for line in lines:
            fields = line.split()
            if fields[3] != _LISTEN:
                return
            address, _, port = fields[1].partition(":")
            words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
            packed = struct.pack(f"={len(words)}I", *words)  # each word is printed in this machine's byte order
            yield (socket.inet_ntop(family, packed), int(port, 16)), int(fields[9])
