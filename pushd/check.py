"""`serve --check`: the settings, where each came from, and what this machine can do."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import uvloop

from pushd.confinement import find_fence, why_no_users
from pushd.errors import PushdError
from pushd.kit.aio import in_thread
from pushd.kit.cgroup import Groups
from pushd.kit.fingerprint import fingerprint
from pushd.kit.uids import UNUSED, UidRange, is_known, parse_uid_range
from pushd.layout import Layout
from pushd.model.protection import Protection
from pushd.rights import Rights
from pushd.sandbox.sandbox import Sandbox, owner_of
from pushd.settings import SETTINGS, Effective, Settings
from pushd.ssh.host_key import maybe_host_key
from pushd.ssh.programs import why_no_user


async def _try_protections(wanted: Settings) -> Sequence[Protection]:
    """By starting programs, as the daemon does; what it requires is told here and not refused."""
    owner = f"{owner_of(wanted.data_dir)}-check"  # a daemon that starts meanwhile tries the same by another name
    with tempfile.TemporaryDirectory(prefix="pushd-check-") as folder:
        sandbox = await Sandbox.probe(
            Path(folder),
            "off" if wanted.sandbox == "off" else "auto",
            data=wanted.data_dir,
            groups=await in_thread(Groups.find, owner, wanted.dyno_cgroup),
            user=_some_uid(wanted),
            no_user=why_no_users(wanted) if os.geteuid() == 0 else "",
        )
    _, ports = await find_fence(wanted, Layout(wanted.data_dir), sandbox)
    return (*sandbox.protections, ports)


def _some_uid(wanted: Settings) -> int | None:
    """One that an app may get, if this machine knows it; none of the range is taken."""
    if os.geteuid() != 0 or why_no_users(wanted):
        return None
    found = UNUSED if wanted.uid_range == "auto" else parse_uid_range(wanted.uid_range)
    return found.first if is_known(UidRange(found.first, found.first)) else None


def check(effective: Effective, *, environ: Mapping[str, str], as_json: bool = False) -> int:
    """Print them; changes nothing that stays. Gives the exit code."""
    values = {setting.name: getattr(effective.settings, setting.name) for setting in SETTINGS}
    protections = uvloop.run(_try_protections(effective.settings))
    git = shutil.which("git", path=environ.get("PATH"))
    rights = Rights.found()
    given = effective.settings.api_certificate  # clients are shown, and trust, that one then
    authority = _maybe_fingerprint(given or Layout(effective.settings.data_dir).tls / "ca.pem")
    if as_json:
        settings = {name: {"value": value, "origin": effective.origins[name]} for name, value in values.items()}
        told = [asdict(each) for each in protections]
        shown = {
            "settings": settings,
            "runs_as": {"uid": rights.uid, "lacks": rights.lacks, "told": rights.told()},
            "protections": told,
            "git": git,
            "ssh": _ssh(effective.settings),
            "ssh_commands": _ssh_commands(effective.settings, protections),
            "ca_sha256": authority,
        }
        print(json.dumps(shown, indent=2, default=str))
        return 0
    for name, value in values.items():
        print(f"{name} = {_shown(value)}  ({effective.origins[name]})")
    print()
    print("runs as:", "\n    ".join(rights.told()))
    for protection in protections:
        print(f"{protection.name}: {'on' if protection.on else 'OFF: ' + protection.why}")
    print(f"git program: {git or 'not found: large packs are indexed more slowly'}")
    print(f"CA of the API port: {authority or (f'none in {given}' if given else 'made at the first start')} (SHA-256)")
    print(f"commands over SSH: {_ssh_commands(effective.settings, protections)}")
    print(f"ssh: {_ssh(effective.settings)}")
    return 0


def _ssh(settings: Settings) -> str:
    """Where it listens, and by which key clients know it."""
    if not settings.ssh_listen:
        return "off: ssh_listen is empty"
    try:
        key = maybe_host_key(Layout(settings.data_dir).ssh_host_key)
    except (PushdError, OSError) as error:  # another user's folder
        return f"{settings.ssh_listen}; {error}"
    shown = "host key is made at the first start" if key is None else f"host key {key.get_fingerprint()}"
    return f"{settings.ssh_listen}, {shown}"


def _ssh_commands(settings: Settings, protections: Sequence[Protection]) -> str:
    """Whom they run as."""
    own = next(each for each in protections if each.name == "own user")
    if why := own.why if not own.on else why_no_user(settings.api_listen):
        return f"run as the daemon's user: {why}"
    return "run as a user of their own"


def _maybe_fingerprint(file: Path) -> str | None:
    try:
        return fingerprint(file.read_bytes())
    except (OSError, ValueError):
        return None


def _shown(value: object) -> str:
    """A value as one may write it into the settings file."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "(empty)" if value is None or str(value) == "" else str(value)
