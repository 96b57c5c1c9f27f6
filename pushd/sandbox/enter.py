"""How a second program gets into where a dyno already runs: the same files and processes, and no more rights than it has. Pure.

Its variables are set in there by a shell that reads them from a descriptor: no link of the chain before may see them
(LD_PRELOAD would act on it), and no argv may show them.
"""

from __future__ import annotations

from pushd.kit.link import filtering
from pushd.sandbox.argv import FILTER_FD, VARIABLES_FD, Way, become, inner_limits, limits, user_of
from pushd.sandbox.view import View

OWNER_FD, OWN_FD = 4, 3  # two user namespaces

# Opened anew through /proc, so that it is read from its start.
_BEGIN = """{limits}
. /proc/self/fd/{fd}
exec {fd}<&- {owner}<&- {own}<&-
cd "$HOME" || exit
exec "$@" """


def chain(way: Way, view: View, first_process: int | None, *, nested: bool) -> list[str]:
    """What to start; the program's own argv goes behind it. `first_process` is the one of the dyno's pid namespace.

    `nested`: bubblewrap has put the program into a user namespace within the one that owns the others (for its /dev/pts).
    setpriv takes away what root has outside; who is no root has lost it by then, and may not even say so.
    """
    enter: list[str] = []
    if way.bubblewrap is not None:
        namespaces = ["--mount", "--ipc", "--uts", "--pid"]
        if way.user_namespace:
            namespaces += [f"--user=/proc/self/fd/{OWNER_FD}", "--preserve-credentials"]
        # The filter comes first, while our own Python is in sight: it lets setns(2) alone pass.
        enter = filtering(FILTER_FD) if way.filter is not None else []
        enter += ["/usr/bin/env", "nsenter", f"--target={first_process}", *namespaces, "--"]
        if nested:
            enter += ["/usr/bin/nsenter", f"--user=/proc/self/fd/{OWN_FD}", "--preserve-credentials", "--"]
        if (user := user_of(way, view)) is not None:
            enter += become(user)
        else:
            lost = ["--bounding-set=-all", "--inh-caps=-all"] if way.uid == 0 else []
            enter += ["/usr/bin/setpriv", "--no-new-privs", *lost, "--"]
    session = ["/usr/bin/setsid", *(["-c"] if view.terminal else [])]
    script = _BEGIN.format(
        limits="\n".join((*limits(view, way), *inner_limits(view, way))), fd=VARIABLES_FD, owner=OWNER_FD, own=OWN_FD
    )
    return [*enter, *session, "/bin/sh", "-c", script, "pushd-sandbox"]
