"""The wheel works without the checkout: it is built, installed into an empty virtualenv, and asked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import uv

from pushd.shipped import shipped

CHECKOUT = Path(__file__).parents[1]
PARTS = ("pushd", "buildpacks", "hooks", "systemd", "examples", "setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in")
TEXTS = ("README.md", "LICENSE")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package `pushd` as a wheel puts it into a virtualenv."""
    top = tmp_path_factory.mktemp("packaging")
    source = top / "source"
    source.mkdir()
    for name in (*PARTS, *TEXTS):
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        else:
            shutil.copy2(CHECKOUT / name, source / name)
    _uv("build", "--quiet", "--out-dir", top, source)  # the wheel is built from the source archive: it must be whole too
    _uv("venv", "--quiet", top / "venv")
    (wheel,) = top.glob("*.whl")
    _uv("pip", "install", "--quiet", "--no-deps", "--python", top / "venv", wheel)
    (package,) = (top / "venv").glob("lib/python*/site-packages/pushd")
    return package


@pytest.mark.long  # two builds, with a download of the build tool
def test_every_file_is_in_the_wheel_with_its_exec_bit(installed: Path) -> None:
    for name in ("buildpacks", "hooks", "systemd", "examples"):
        ours, theirs = _files(CHECKOUT / name), _files(installed / "_shipped" / name)
        assert theirs == ours


@pytest.mark.long
def test_data_beside_the_code_is_in_the_wheel(installed: Path) -> None:
    ours = {name for name in _files(CHECKOUT / "pushd") if not name.endswith((".py", ".pyc"))}

    assert ours
    assert ours <= set(_files(installed))


@pytest.mark.long
def test_the_installed_package_finds_them(installed: Path) -> None:
    python = installed.parents[3] / "bin" / "python"
    question = "from pushd.shipped import shipped; print(shipped('buildpacks'))"
    answer = subprocess.run([python, "-c", question], capture_output=True, text=True, check=True, cwd="/")

    folder = Path(answer.stdout.strip())
    assert folder.is_relative_to(installed.resolve()) or folder.is_relative_to(installed)
    detect = subprocess.run(
        [folder / "python" / "bin" / "detect", CHECKOUT / "examples" / "flask"], capture_output=True, check=True
    )
    assert detect.stdout == b"Python\n"


def test_the_checkout_finds_its_own() -> None:
    assert shipped("examples") == CHECKOUT / "examples"


def test_a_folder_that_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-thing is missing; install it again"):
        shipped("no-such-thing")


def _files(top: Path) -> dict[str, bool]:
    """Path below `top` -> may it be executed; caches left out."""
    return {
        str(path.relative_to(top)): bool(path.stat().st_mode & 0o100)
        for path in top.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _uv(*arguments: str | Path) -> None:
    subprocess.run([uv.find_uv_bin(), *arguments], check=True)
