"""What an exit that nobody asked for means, in words for the person who pushed."""

from __future__ import annotations

import signal

from pushd.errors import BootFailed

_SHELL_NOT_EXECUTABLE, _SHELL_NOT_FOUND = 126, 127  # what sh and bash exit with


def exit_failure(name: str, command: str, status: int, *, was_up: bool, killed_because: str = "") -> BootFailed:
    """Why a dyno that ended with this status could not be put into traffic, and what to do next."""
    when = "right after it was ready" if was_up else "while booting"
    logs = f"Its output: pushd logs --ps {name}"
    if killed_because:
        return BootFailed(
            f"{name} was ended {when}: {killed_because}",
            remedy=f"Make it take less, or raise the quota: pushd resources:set {name.partition('.')[0]} memory=1G\n{logs}",
        )
    if status == _SHELL_NOT_FOUND:
        advice = f"Its command, or a program that it calls, was not found: {command}\nIs it in requirements.txt?"
    elif status == _SHELL_NOT_EXECUTABLE:
        advice = f"Its command cannot be executed: {command}\nIs the file executable in git? (git update-index --chmod=+x)"
    elif status == 0:
        advice = "A process of this type must keep running: does its command end, or start something in the background?"
    else:
        advice = "Mend what its last lines say, then try again."
    return BootFailed(f"{name} exited with status {status}{_signal(status)} {when}", remedy=f"{advice}\n{logs}")


def _signal(status: int) -> str:
    """ " (SIGKILL)" for 137: a shell's way to tell the signal."""
    try:
        return f" ({signal.Signals(status - 128).name})" if status > 128 else ""
    except ValueError:
        return ""
