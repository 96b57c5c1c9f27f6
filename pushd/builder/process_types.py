"""Which process types an app has: those of its Procfile, else the buildpack's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pushd.builder.buildpack import Compiled
from pushd.builder.folders import read_inside
from pushd.builder.slug import apply_slugignore
from pushd.errors import BuildFailed
from pushd.kit.crash import crash_point
from pushd.model.procfile import parse_procfile

PROCFILE = "Procfile"
_MISSPELT_PROCFILES = ("procfile", "ProcFile", "PROCFILE", "Procfile.txt", "procfile.txt", "Profile")


def prepare(tree: Path) -> Mapping[str, str]:
    """Leave out what .slugignore names; gives the process types that the Procfile declares. Raises: ProcfileError."""
    crash_point("workshop.checked-out")
    apply_slugignore(tree)
    return parse_procfile(read_inside(tree, PROCFILE) or b"")


def find_process_types(tree: Path, declared: Mapping[str, str], compiled: Compiled) -> Mapping[str, str]:
    """Those of the Procfile, also of one that the build made; else the buildpack's own. Raises: BuildFailed without any."""
    crash_point("workshop.compiled")
    types = declared or parse_procfile(read_inside(tree, PROCFILE) or b"") or compiled.process_types
    if types:
        return types
    misspelt = [name for name in _MISSPELT_PROCFILES if (tree / name).is_file()]
    if misspelt:
        raise BuildFailed(
            f"There is no Procfile, but a file called {misspelt[0]}", remedy=f"Rename it: git mv {misspelt[0]} Procfile"
        )
    example = compiled.suggestion or "web: gunicorn hello:app"
    what = "The Procfile names no process type" if (tree / PROCFILE).is_file() else "There is no Procfile"
    raise BuildFailed(
        f"{what}, so nobody knows how to start this app",
        remedy=f"Commit a file called Procfile at the root of the repository with a line such as:\n  {example}",
    )
