"""Calls the programs of systemd, for `install-service` and `uninstall-service`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pushd.errors import PushdError

_BOOTED = Path("/run/systemd/system")  # sd_booted(3)


def check_may_change(root: Path | None) -> None:
    """Raises: PushdError without root's rights or without systemd; a folder that is only filled needs neither."""
    if root is not None:
        return
    if os.geteuid() != 0:
        raise PushdError("Services are root's.", remedy="Run it with sudo. `--dry-run` shows what it would do.")
    if not _BOOTED.is_dir():
        raise PushdError(
            "systemd does not run this machine.",
            remedy="Start `pushd serve` with what does, or fill a folder for another machine: --root FOLDER.",
        )


class Systemd:
    """What is to be done, on this machine or in a folder that another one will start from."""

    def __init__(self, root: Path | None, environ: Mapping[str, str]) -> None:
        self._root = root
        self._environ = dict(environ)

    def enable(self, *units: str) -> None:
        """Have them started at boot."""
        self._run("systemctl", *self._in_root, "--quiet", "enable", *units)

    def disable(self, *units: str) -> None:
        """No longer."""
        if units:
            self._run("systemctl", *self._in_root, "--quiet", "disable", *units)

    def call(self, *words: str) -> None:
        """Run one of systemd's programs; in a folder there is nothing to call. Raises: PushdError with its own words."""
        if self._root is None:
            self._run(*words)

    def is_active(self, unit: str) -> bool:
        """Whether it runs now."""
        return self._root is None and self._status("systemctl", "is-active", "--quiet", unit) == 0

    @property
    def _in_root(self) -> list[str]:
        return [f"--root={self._root}"] if self._root else []

    def _status(self, *words: str) -> int:
        return subprocess.run(words, env=self._environ, capture_output=True).returncode

    def _run(self, *words: str) -> None:
        try:
            done = subprocess.run(words, env=self._environ, capture_output=True, text=True)
        except FileNotFoundError:
            raise PushdError(f"There is no {words[0]} program here.", remedy="Install systemd, then run it again.") from None
        if done.returncode:
            raise PushdError(
                f"`{' '.join(words)}` failed: {(done.stderr or done.stdout).strip() or f'status {done.returncode}'}",
                remedy="What was done so far stays. Mend the cause (is an address taken?), then run it again.",
            )
