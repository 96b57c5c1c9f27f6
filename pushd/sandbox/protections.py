"""What keeps apps apart on this machine, in words: for `serve --check`, `apps:info` and the daemon's log."""

from __future__ import annotations

import os
from pathlib import Path

from pushd.kit.cgroup import Groups
from pushd.kit.cgroup_tree import CPU, MEMORY, PIDS
from pushd.kit.scope import has_scopes
from pushd.model.protection import Protection
from pushd.sandbox.argv import Way


def protections(way: Way, why_not: str, groups: Groups, no_user: str, no_filter: str) -> list[Protection]:
    """What `serve --check` and the daemon's log say."""
    on = way.bubblewrap is not None
    confined = "own files, processes, IPC and /tmp, by bubblewrap" if on else why_not
    layer = "by a memory-backed layer over the slug" if way.overlay else f"as a copy of the slug per dyno ({why_not})"
    if way.user_namespace:
        privileges = "programs run as the daemon's user, in a user namespace"
        processes = "in each program's user namespace"
    else:
        privileges = "programs have no capability" if on else why_not
        exempt = "counted per app" if way.own_users else "the kernel exempts root from it" if on else why_not
        processes = "by control groups" if groups.holds(PIDS) else exempt
    if way.own_users:
        users = "each app's programs run as a user of their own"
    else:
        users = why_not if not on else no_user or ("only root can give apps users of their own" if os.geteuid() else why_not)
    if way.filter is not None:
        filtered = "those of no use without privileges are refused"
    else:
        filtered = no_filter or why_not
    if way.scoped:
        scoped = "those of the machine and of other programs are out of reach, by Landlock"
    else:
        scoped = "it takes Landlock of Linux 6.12" if on and not has_scopes() else why_not
    memory = "by control groups" if groups.holds(MEMORY) else "looked at every 4 seconds, each process held by the kernel"
    cpu = "by control groups" if groups.holds(CPU) else "only control groups bound time of the processor, and there are none"
    autogroups = Path("/proc/self/autogroup").exists()
    shares = groups.holds(CPU)
    by = "by control groups" if shares else "by the kernel's autogroups"
    return [
        Protection("sandbox", on, confined),
        Protection("private /app", True, layer),
        Protection("no privileges", on, privileges),
        Protection("system calls", way.filter is not None, filtered),
        Protection("abstract sockets", way.scoped, scoped),
        Protection("own user", way.own_users, users),
        Protection("process limit", way.user_namespace or way.own_users or groups.holds(PIDS), processes),
        Protection("memory limit", True, memory),
        Protection("processor limit", groups.holds(CPU), cpu),
        Protection("build limits", True, "by control groups" if groups.holds(PIDS) else "counted four times a second"),
        Protection("build priority", shares or autogroups, by),
    ]
