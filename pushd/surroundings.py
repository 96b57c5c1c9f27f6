"""Where this process is: its environment, the data folders that it means, and what clients read in one of them.

The only module that reads os.environ. It imports nothing else, because git waits for it during each push: `client/tokens.py`.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # `typing` itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Below a data folder; `layout.py` has all the rest.
ENDPOINTS = "run/endpoints.json"
ADMIN_TOKEN = "admin.token"
CA = "tls/ca.pem"

SERVICE_DATA_FOLDER = "/var/lib/pushd"


def process_environ() -> Mapping[str, str]:
    """The environment of this process; other modules get what they need of it as an argument."""
    return os.environ


def user_data_folder(environ: Mapping[str, str]) -> str:
    """$XDG_DATA_HOME/pushd, by default ~/.local/share/pushd."""
    base = environ.get("XDG_DATA_HOME") or os.path.join(environ.get("HOME", "/root"), ".local", "share")
    return os.path.join(base, "pushd")


def likely_data_folders(environ: Mapping[str, str]) -> Iterator[str]:
    """Where a daemon of this machine keeps its data: only PUSHD_DATA_DIR if that is set, else the user's, the service's."""
    if named := environ.get("PUSHD_DATA_DIR"):
        yield os.path.expanduser(named)
        return
    yield user_data_folder(environ)
    yield SERVICE_DATA_FOLDER


def user_config_folder(environ: Mapping[str, str]) -> str:
    """Where our client keeps what it must find again: $XDG_CONFIG_HOME/pushd, by default ~/.config/pushd."""
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(environ.get("HOME", "/root"), ".config")
    return os.path.join(base, "pushd")
