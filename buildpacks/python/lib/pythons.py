"""Which Python: runtime.txt, .python-version, else the newest one that runs here. Tried, not assumed."""

import os

import say
from manager import UV_LOCK
from pack import read_text, write_whole

_PROBE = "import sys; v = sys.version_info; print('%d.%d.%d' % v[:3], v[3], sys.implementation.name)"


class Python:
    """An interpreter that ran: its path, its full version, and why it was chosen."""

    def __init__(self, path, version, why):
        self.path, self.version, self.why = path, version, why


def find_python(pack, tool):
    """The interpreter to use. Raises: say.Refused for a request that cannot be read or met; it lists the installed ones."""
    wanted, file = _requested(pack)
    candidates = Candidates(pack)
    try:
        if wanted:
            return _matching(candidates, wanted, file)
        return _newest(candidates, *(_lower_and_upper(pack) if tool == UV_LOCK else ((), ())))
    finally:
        candidates.remember()


class Candidates:
    """The interpreters of this machine, newest first, each started once and then remembered until its file changes."""

    def __init__(self, pack):
        self._paths = sorted(pack.interpreters, key=lambda path: (_minor(path), -pack.interpreters.index(path)), reverse=True)
        self._file = os.path.join(pack.cache, "pythons")
        self._known = dict(line.split("\t", 1) for line in read_text(self._file).splitlines() if "\t" in line)
        self._tried = dict(self._known)

    def all(self, minor=None):
        """(version, path) of each that runs, newest minor version first."""
        for path in self._paths:
            if minor is None or _minor(path) == minor:
                version = self._version(path)
                if version:
                    yield version, path

    def remember(self):
        if self._tried != self._known:
            write_whole(self._file, "".join(f"{key}\t{version}\n" for key, version in self._tried.items()))

    def _version(self, path):
        """The version of a final CPython that starts here; "" for anything else."""
        try:
            status = os.stat(path)
        except OSError:
            return ""
        key = f"{path}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{os.getuid()}"
        if key not in self._tried:
            self._tried[key] = _try(path)
        return self._tried[key]


def _try(path):
    import subprocess  # a known interpreter is not started again: most builds do without this import

    environ = {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8"}
    try:
        answer = subprocess.run([path, "-EsSc", _PROBE], capture_output=True, text=True, timeout=30, env=environ, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    words = answer.stdout.split()
    return words[0] if answer.returncode == 0 and words[1:] == ["final", "cpython"] else ""


def _requested(pack):
    """("3.11" or "3.11.7", name of the file that says so), or ("", ""). Raises: say.Refused."""
    text = read_text(pack.path("runtime.txt")).strip()
    if pack.has("runtime.txt"):
        version = text.removeprefix("python-") if text.startswith("python-") else ""
        if not _is_version(version):
            raise say.Refused(
                f"runtime.txt says {text[:60]!r}, which names no Python version.\nWrite one line like this: python-3.11"
            )
        return version, "runtime.txt"
    if not pack.has(".python-version"):
        return "", ""
    lines = [line.split("#")[0].strip() for line in read_text(pack.path(".python-version")).splitlines()]
    lines = [line for line in lines if line]
    if len(lines) != 1 or not _is_version(lines[0].removeprefix("python-")):
        shown = "nothing" if not lines else repr(", ".join(lines)[:60])
        raise say.Refused(f".python-version says {shown}, which is not one Python version.\nWrite one line like this: 3.11")
    return lines[0].removeprefix("python-"), ".python-version"


def _matching(candidates, wanted, file):
    numbers = _numbers(wanted)
    found = list(candidates.all(minor=numbers[:2]))
    for version, path in found:
        if _numbers(version)[: len(numbers)] == numbers:
            return Python(path, version, f"as {file} asks")
    if found:
        version, path = max(found, key=lambda each: _numbers(each[0]))
        say.detail(f"{file} asks for Python {wanted}; {version} is the one of {version.rpartition('.')[0]} that is installed.")
        return Python(path, version, f"for {wanted} in {file}")
    raise say.Refused(
        f"Python {wanted} is not installed on this server, but {file} asks for it.\n"
        f"Installed: {_listed(candidates)}.\n"
        f"Write one of these versions into {file}, or have the operator install Python {'.'.join(map(str, numbers[:2]))}."
    )


def _newest(candidates, at_least, below):
    for version, path in candidates.all():
        if tuple(at_least) <= _numbers(version) and (not below or _numbers(version) < tuple(below)):
            why = "(the newest one installed; a .python-version file can name another)"
            return Python(path, version, why)
    if at_least or below:
        raise say.Refused(
            "No installed Python fits requires-python in pyproject.toml.\n"
            f"Installed: {_listed(candidates)}.\n"
            "Widen requires-python and run `uv lock`, or have the operator install another Python."
        )
    raise say.Refused(
        "No Python that can be started is installed on this server.\n"
        "The operator can install python3 with the system's packages."
    )


def _lower_and_upper(pack):
    """Bounds that requires-python in uv.lock gives: at least, below. What is more complicated is left to uv's own check."""
    for line in read_text(pack.path("uv.lock"), limit=4096).splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "requires-python":
            lower, upper = (), ()
            for part in value.strip().strip('"').split(","):
                part = part.strip()
                if part.startswith(">="):
                    lower = _numbers(part[2:])
                elif part.startswith("<") and not part.startswith("<="):
                    upper = _numbers(part[1:])
                elif part.startswith("==") and part.endswith(".*"):
                    lower = _numbers(part[2:-2])
                    upper = (*lower[:-1], lower[-1] + 1)
            return lower, upper
    return (), ()


def _listed(candidates):
    return ", ".join(sorted({version for version, _ in candidates.all()}, key=_numbers)) or "none that can be started"


def _is_version(text):
    parts = text.split(".")
    return (
        len(parts) in (2, 3) and all(part.isascii() and part.isdigit() and len(part) < 4 for part in parts) and parts[0] == "3"
    )


def _numbers(version):
    digits = version.strip().split(".")
    return tuple(int(part) for part in digits if part.isascii() and part.isdigit())


def _minor(path):
    """/usr/bin/python3.11 -> (3, 11)"""
    return _numbers(os.path.basename(path).removeprefix("python"))
