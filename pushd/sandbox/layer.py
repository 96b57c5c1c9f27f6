"""A private layer over a slug, in a mount namespace of its own, made by root with a few calls of the kernel.

It is done in a thread, which alone enters the namespace; what is left of it is a descriptor, and with the last process or
descriptor that holds it all of it is gone, however anybody was killed. Files of the slug are root's on the disk; through an
id-mapped mount they look like the app's own.
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pushd.kit.spawn import spawn

# Numbers of asm-generic/unistd.h, the same on all architectures that have these calls since Linux 5.12; flags of linux/mount.h.
_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_CLONE, _MOVE_EMPTY_PATH, _AT_EMPTY_PATH, _AT_FDCWD = 1, 0x4, 0x1000, -100
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _IDMAP = 0x1, 0x2, 0x4, 0x100000
_NEW_MOUNTS = 0x20000
_PRIVATE, _RECURSIVE, _NOSUID, _NODEV = 1 << 18, 0x4000, 2, 4
_HELPER_SECONDS = 10.0

_libc = ctypes.CDLL(None, use_errno=True)


class _Attributes(ctypes.Structure):
    """mount_attr of mount_setattr(2)."""

    _fields_ = (("set", ctypes.c_uint64), ("clear", ctypes.c_uint64), ("propagation", ctypes.c_uint64), ("fd", ctypes.c_uint64))


def open_layer(slug: Path, scratch: Path, *, size_bytes: int, owner: tuple[int, int] | None) -> int:
    """A descriptor of a mount namespace in which `scratch/layer/app` is the slug under a layer of its own in memory.

    `owner`: the uid that its files shall have, and a descriptor of a user namespace made by `open_user_map`; None leaves them.
    Blocks for some milliseconds. Raises: OSError, also where the kernel or the slug's file system cannot do it.
    """
    found: list[int] = []
    failed: list[OSError] = []

    def work() -> None:
        try:
            found.append(_make(slug, scratch, size_bytes, owner))
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="layer")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def open_user_map(uid: int) -> int:
    """A descriptor of a user namespace that shows root's files as those of `uid`, its group likewise. Raises: OSError."""
    reading, telling = os.pipe2(os.O_CLOEXEC)
    waiting, releasing = os.pipe2(os.O_CLOEXEC)
    try:
        argv = ["unshare", "--user", "--", "/bin/sh", "-c", "echo; read -r _"]
        pid = spawn(argv, env={"PATH": os.defpath}, stdin=waiting, stdout=telling)
        try:
            os.close(telling)
            telling = -1
            if os.read(reading, 1) != b"\n":
                raise OSError(errno.EPERM, "no user namespace can be made")
            for kind in ("uid", "gid"):
                with open(f"/proc/{pid}/{kind}_map", "w") as file:
                    file.write(f"0 {uid} 1\n")
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.close(releasing)
            releasing = -1
            os.waitid(os.P_PID, pid, os.WEXITED)
    finally:
        for descriptor in (reading, telling, waiting, releasing):
            if descriptor >= 0:
                os.close(descriptor)


def _make(slug: Path, scratch: Path, size_bytes: int, owner: tuple[int, int] | None) -> int:
    """From here on this thread has mounts, and a working folder, of its own."""
    _check(_libc.unshare(_NEW_MOUNTS), "a mount namespace")
    _mount(None, "/", None, _PRIVATE | _RECURSIVE)
    place = scratch / "layer"
    place.mkdir(exist_ok=True)
    _mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, f"size={size_bytes},mode=755")
    os.chdir(place)  # so that no path stands in an option
    for name in ("lower", "upper", "work", "app"):
        os.mkdir(name)
    os.chmod("upper", 0o755)  # it is what the program sees of /app, whatever our umask
    with _opened(_cloned, slug) as tree:
        flags = _READ_ONLY | _NO_SETUID | _NO_DEVICES | (_IDMAP if owner else 0)
        wanted = _Attributes(flags, 0, 0, owner[1] if owner else 0)
        size = ctypes.c_size_t(ctypes.sizeof(wanted))
        _check(_libc.syscall(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, ctypes.byref(wanted), size), "an id-mapped mount")
        _check(_libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, b"lower", _MOVE_EMPTY_PATH), "a mount of the slug")
    if owner:
        os.chown("upper", owner[0], owner[0])
    _mount("overlay", "app", "overlay", _NOSUID | _NODEV, "lowerdir=lower,upperdir=upper,workdir=work")
    os.chdir("/")
    return os.open("/proc/thread-self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _opened(opening: Callable[[Path], int], path: Path) -> Iterator[int]:
    descriptor = opening(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _cloned(path: Path) -> int:
    flags = _CLONE | os.O_CLOEXEC
    return _check(_libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), "a mount of the slug")


def _mount(source: str | None, place: Path | str, kind: str | None, flags: int, options: str = "") -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, place, kind)]
    _check(_libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None), f"{kind or 'private'} mount")


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
