"""`pushd serve`: this process becomes the daemon."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from pushd import settings
from pushd.cli.options import json_option, place
from pushd.errors import PushdError

log = logging.getLogger(__name__)


def _setting_options(function: Any) -> Any:
    """One option per row of the settings table."""
    for setting in reversed(settings.SETTINGS):
        default = "" if setting.default in (None, "") else f"; default {setting.default}"
        help_ = f"{setting.help} [{setting.variable}{default}]"
        metavar = setting.unit.partition(" ")[0].upper()
        function = click.option(setting.flag, setting.name, metavar=metavar, help=help_)(function)
    return function


@click.command("serve")
@_setting_options
@click.option(
    "--config", metavar="FILE", type=click.Path(path_type=Path), help=f"Settings file. [default: {settings.DEFAULT_CONFIG}]"
)
@click.option("--check", is_flag=True, help="Show the settings, where each comes from, and what this machine can do; then end.")
@json_option
def serve(config: Path | None, check: bool, as_json: bool, **flags: str | None) -> None:
    """Run the daemon.

    Git pushes and API calls come in, apps and their pages go out. When it is ready it prints one line: ready api=URL
    router=URL ... SIGINT (Ctrl-C) stops the apps too, SIGTERM and SIGHUP leave them running for the next daemon. A setting
    comes from a flag, else its PUSHD_* variable, else the settings file.

    \b
    Examples:
        git pushd serve
        git pushd serve --data-dir /srv/pushd --router-listen 0.0.0.0:80 --domain apps.example.com
        git pushd serve --check
    """
    if as_json and not check:
        raise click.UsageError("--json goes with --check.", click.get_current_context())
    environ = place().environ
    effective = settings.load(flags, environ=environ, config=config)
    try:
        from pushd import daemon

        if check:
            code = daemon.check(effective, environ=environ, as_json=as_json)
        else:
            code = daemon.serve(effective, environ=environ)
    except (PushdError, KeyboardInterrupt):
        raise
    except Exception:
        log.exception("the daemon ended by a mistake of its own")  # our stderr is the daemon's log: it keeps the traceback
        code = 1
    raise click.exceptions.Exit(code)
