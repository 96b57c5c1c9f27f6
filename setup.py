"""Puts the folders that pushd ships beside its code into the wheel, exec bits kept. All else is in setup.cfg."""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = ("buildpacks", "hooks", "systemd", "examples")


class BuildWithShipped(build_py):
    """`pushd/shipped.py` finds them at run time; an editable installation uses those of the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in SHIPPED:
            target = Path(self.build_lib) / "pushd" / "_shipped" / name
            shutil.rmtree(target, ignore_errors=True)
            if os.path.isdir(name):
                shutil.copytree(name, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


setup(cmdclass={"build_py": BuildWithShipped})
