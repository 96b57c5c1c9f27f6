"""`serve --check`: the settings, where each came from, and what this machine can do."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import uvloop

from pushd.sandbox.sandbox import Sandbox
from pushd.settings import SETTINGS, Effective


def check(effective: Effective, *, environ: Mapping[str, str], as_json: bool = False) -> int:
    """Print them; changes nothing that stays. Gives the exit code."""
    values = {setting.name: getattr(effective.settings, setting.name) for setting in SETTINGS}
    with tempfile.TemporaryDirectory(prefix="pushd-check-") as folder:
        wanted = effective.settings
        sandbox = uvloop.run(Sandbox.probe(Path(folder), wanted.sandbox, data=wanted.data_dir, tree=wanted.dyno_cgroup))
    git = shutil.which("git", path=environ.get("PATH"))
    if as_json:
        settings = {name: {"value": value, "origin": effective.origins[name]} for name, value in values.items()}
        protections = [{"name": each.name, "on": each.on, "why": each.why} for each in sandbox.protections]
        print(json.dumps({"settings": settings, "protections": protections, "git": git}, indent=2, default=str))
        return 0
    for name, value in values.items():
        print(f"{name} = {_shown(value)}  ({effective.origins[name]})")
    print()
    for protection in sandbox.protections:
        print(f"{protection.name}: {'on' if protection.on else 'OFF: ' + protection.why}")
    print(f"git program: {git or 'not found: large packs are indexed more slowly'}")
    return 0


def _shown(value: object) -> str:
    """A value as one may write it into the settings file."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "(empty)" if value is None or str(value) == "" else str(value)
