"""The parts of this machine's own files that every confined program needs: /usr, the links to it, some of /etc, /proc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Read at run time by libc, TLS libraries, locales and interpreters; nothing in here is secret.
_ETC = (
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies", "debian_version", "fonts",
    "gai.conf", "group", "host.conf", "hostname", "hosts", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
    "locale.alias", "locale.conf", "localtime", "lsb-release", "magic", "mime.types", "networks", "nsswitch.conf",
    "os-release", "passwd", "pki/ca-trust/extracted", "pki/tls/certs", "profile", "protocols", "python3", "resolv.conf",
    "rpc", "services", "ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone",
)  # fmt: skip

_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Files of procfs that act on the whole machine and that uid 0 may write even without any capability. bubblewrap 0.8
# covers some of them, but not /proc/sys when it runs as root (its test of the folder's mode misleads it).
_PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs", "mtrr")
_PROC_EMPTY_FOLDERS = ("acpi", "scsi", "asound")
_PROC_EMPTY_FILES = ("kcore", "keys", "latency_stats", "sched_debug", "timer_list", "timer_stats")


@dataclass(frozen=True, slots=True)
class System:
    """What to show: links as (target, place), folders and files at their own paths; parts of /proc to cover."""

    links: tuple[tuple[str, Path], ...]
    shown: tuple[Path, ...]
    proc_read_only: tuple[Path, ...]
    proc_empty_folders: tuple[Path, ...]
    proc_empty_files: tuple[Path, ...]


def find_system(root: Path = Path("/")) -> System:
    """Look once what this machine has; a link into /usr stays a link, so that programs read its name (localtime)."""
    links: list[tuple[str, Path]] = []
    shown = [Path("/usr")]
    for place in (*(Path(name) for name in _TOP), *(Path("etc", name) for name in _ETC)):
        path = root / place
        if path.is_symlink() and (root / "usr") in path.resolve().parents:
            links.append((str(path.readlink()), Path("/") / place))
        elif path.exists():
            shown.append(Path("/") / place)
    return System(
        tuple(links), tuple(shown), _there(_PROC_READ_ONLY, root), _there(_PROC_EMPTY_FOLDERS, root),
        _there(_PROC_EMPTY_FILES, root),
    )  # fmt: skip


def _there(names: tuple[str, ...], root: Path) -> tuple[Path, ...]:
    return tuple(Path("/proc", name) for name in names if (root / "proc" / name).exists())
