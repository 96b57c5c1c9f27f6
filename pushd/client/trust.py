"""Which authority of its own each server has, as far as this user has said that they trust it."""

from __future__ import annotations

import os
import re

from pushd.surroundings import user_config_folder

TYPE_CHECKING = False  # `typing` itself is slow to import
if TYPE_CHECKING:
    from collections.abc import Mapping

_ODD = re.compile(r"[^a-z0-9.-]")


def trusted_file(server: str, environ: Mapping[str, str]) -> str:
    """Where the CA of a server is kept, in PEM, once it is trusted; "https://host:5000" -> ".../ca/host_5000.pem".

    No two servers share one.
    """
    name = _ODD.sub(lambda odd: "_" if odd[0] == ":" else f"%{ord(odd[0]):02x}", server.partition("://")[2].lower())
    return os.path.join(user_config_folder(environ), "ca", f"{name}.pem")


def maybe_trusted(server: str, environ: Mapping[str, str]) -> str | None:
    """That file, if there is one."""
    file = trusted_file(server, environ)
    return file if server.startswith("https:") and os.path.exists(file) else None
