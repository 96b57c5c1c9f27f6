"""The wheel alone is enough: installed into an empty virtualenv, its demo builds, serves and cleans up without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import uv

CHECKOUT = Path(__file__).parents[1]
NOT_FOR_IT = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "tests", "docs")
PROGRAMS = ("buildpacks/python/bin/detect", "buildpacks/python/bin/compile", "hooks/pre-receive", "hooks/post-receive")

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtualenv with the wheel and what it requires, nothing else."""
    top = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(CHECKOUT, top / "source", ignore=NOT_FOR_IT, symlinks=True)
    _uv("build", "--quiet", "--wheel", "--out-dir", top, source)
    shutil.rmtree(source)
    (wheel,) = top.glob("*.whl")
    _uv("venv", "--quiet", top / "venv")
    _uv("pip", "install", "--quiet", "--python", top / "venv", wheel)
    return top / "venv"


@pytest.mark.timeout(300)
def test_the_demo_works_from_the_wheel(venv: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    environ = {"HOME": str(tmp_path), "PATH": f"{venv}/bin:/usr/local/bin:/usr/bin:/bin"}
    environ |= {
        name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_")) or "proxy" in name
    }
    demo = subprocess.run(
        ["pushd", "demo", "--once"], cwd=empty, env=environ, capture_output=True, text=True, check=False, timeout=280
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Every step worked, and nothing is left running." in demo.stdout
    assert str(CHECKOUT) not in demo.stdout + demo.stderr
    assert [path.name for path in empty.iterdir()] == [".demo"]


def test_programs_can_be_run(venv: Path) -> None:
    (shipped,) = venv.glob("lib/python*/site-packages/pushd/_shipped")

    assert [name for name in PROGRAMS if not os.access(shipped / name, os.X_OK)] == []
    assert all(os.access(venv / "bin" / name, os.X_OK) for name in ("pushd", "git-pushd"))


def _uv(*arguments: str | Path) -> None:
    subprocess.run([uv.find_uv_bin(), *arguments], check=True)
