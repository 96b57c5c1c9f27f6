"""Lets tests run as a user who is not root, with a home, a folder and a virtualenv of their own."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOBODY = 65534
PROGRAMS = {"pushd": "pushd.cli.entry", "git-pushd": "pushd.cli.entry"}  # those that a user of the installed package has


@dataclass(frozen=True)
class Ordinary:
    """Somebody without any privilege; `folder` is theirs."""

    folder: Path
    python: Path

    def pytest(self, *words: str, long: bool = False) -> subprocess.CompletedProcess[str]:
        """Run tests as this user; what is marked `long` is left out unless asked for."""
        marks = () if long else ("-m", "not long")
        command = [self.python, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *marks, "--basetemp", self.folder / "t"]
        environ = {
            "PATH": f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"), "PYTHONDONTWRITEBYTECODE": "1", **_installing(os.environ),
        }  # fmt: skip
        return subprocess.run([*become(NOBODY), *command, *words], cwd=ROOT, env=environ, capture_output=True, text=True)


def become(uid: int) -> tuple[str, ...]:
    """What turns a program into that user's."""
    return ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--")


@contextlib.contextmanager
def ordinary_user() -> Iterator[Ordinary]:
    """Skips where no Python can be executed by another user, or our files cannot be read by one.

    pytest's own folder is for root only, and so may be the virtualenv, or the Python that it was made with.
    """
    folder = Path(tempfile.mkdtemp(prefix="pushd-ordinary-"))
    try:
        for name in ("home", "tmp"):
            (folder / name).mkdir()
        python = _virtualenv(folder / "venv")
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        tried = subprocess.run(
            [*become(NOBODY), python, "-c", "import pushd, pytest, psutil, uvloop"], cwd="/", env={}, capture_output=True
        )
        if tried.returncode != 0:
            pytest.skip("no Python that another user can execute, or no packages that one can read")
        yield Ordinary(folder, python)
    finally:
        shutil.rmtree(folder)


def _virtualenv(folder: Path) -> Path:
    """One of the system's Python with the packages of ours, made by hand: they are not copied. Gives its interpreter."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = next((path for path in (Path("/usr/bin"), Path("/usr/local/bin")) if (path / version).exists()), None)
    home = system or Path(os.path.realpath(sys.executable)).parent
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "ours.pth").write_text("\n".join([str(ROOT), *ours, ""]))
    python = folder / "bin" / "python"
    python.symlink_to(home / version)
    for name, module in PROGRAMS.items():
        program = folder / "bin" / name
        program.write_text(f"#!{python}\nimport sys\nfrom {module} import main\nsys.exit(main())\n")
        program.chmod(0o755)
    return python


def _installing(environ: Mapping[str, str]) -> dict[str, str]:
    """Where packages of apps come from."""
    return {name: value for name, value in environ.items() if name.startswith(("PIP_", "UV_")) or name == "SSL_CERT_FILE"}
