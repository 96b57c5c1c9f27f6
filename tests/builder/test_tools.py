"""Which programs of the machine builds are told of."""

from __future__ import annotations

import os
from pathlib import Path

from pushd.builder.tools import Tools


def test_pythons_of_pyenv_and_uv_are_found_once_each(tmp_path: Path) -> None:
    pyenv, managed = tmp_path / ".pyenv" / "versions" / "3.98.1", tmp_path / "managed"
    for folder in (pyenv / "bin", managed / "cpython-3.97.0-linux" / "bin"):
        folder.mkdir(parents=True)
    for name in ("python3.98", "python3.98-config", "python3", "pip"):
        (pyenv / "bin" / name).write_text("#!/bin/sh\n")
        (pyenv / "bin" / name).chmod(0o755)
    (managed / "cpython-3.97.0-linux" / "bin" / "python3.97").touch(mode=0o755)
    (managed / "cpython-3.96").symlink_to("cpython-3.97.0-linux")

    tools = Tools.find({"HOME": str(tmp_path), "UV_PYTHON_INSTALL_DIR": str(managed)})

    names = [path.name for path in tools.pythons if path.is_relative_to(tmp_path)]
    assert sorted(names) == ["python3.97", "python3.98"]
    assert tools.collections == (pyenv.parent, managed)


def test_a_folder_of_pythons_that_is_not_ours_to_read_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    tmp_path.chmod(0)
    left = os.fork()
    if left == 0:  # root may read everything, another user may not
        os.geteuid() or os.setresuid(64_999, 64_999, 64_999)
        found = Tools.find({"HOME": "/nowhere", "PYENV_ROOT": str(tmp_path)})
        os._exit(len(found.collections))
    _, status = os.waitpid(left, 0)
    tmp_path.chmod(0o700)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_home_without_anything_still_has_the_daemons_own(tmp_path: Path) -> None:
    tools = Tools.find({"HOME": str(tmp_path)})

    assert tools.python.exists()
    assert tools.python in tools.pythons or any(path.resolve() == tools.python for path in tools.pythons)
    assert tools.uv.exists()
    assert tools.uv_version[0].isdigit()
