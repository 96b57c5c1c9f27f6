"""Folders of a user for tests: git without the machine's own config, data folders of daemons."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path


def git_environ(home: Path, **more: str) -> dict[str, str]:
    """An environment in which git reads the repository's own config, and what was written into this home."""
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CEILING_DIRECTORIES": str(home.parent), **more,
    }  # fmt: skip


def git(folder: Path, *words: str) -> str:
    """What git prints, without the newline."""
    ended = subprocess.run(["git", *words], cwd=folder, env=git_environ(folder), capture_output=True, text=True, check=True)
    return ended.stdout.rstrip("\n")


def data_folder(folder: Path, api: str, token: str | None) -> Path:
    """A data folder as a daemon at `api` leaves it."""
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "endpoints.json").write_text(json.dumps({"api": api, "router": "http://127.0.0.1:8080"}))
    if token:
        (folder / "admin.token").write_text(token + "\n")
    return folder
