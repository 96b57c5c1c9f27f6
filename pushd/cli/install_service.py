"""`pushd install-service` and `uninstall-service`: pushd as a service of this machine, by systemd.

Both may be killed at any line and run again: a file is there wholly or not at all, and every step is one that may be repeated.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pushd.cli import render
from pushd.cli.confirming import confirm_app
from pushd.cli.options import place
from pushd.cli.service_files import (
    API,
    DYNOS,
    ENABLED,
    ROUTER,
    SERVICE,
    SOCKETS,
    SSH,
    UNITS,
    FileState,
    Installation,
    ServiceFile,
    maybe_data_folder,
    plan_files,
    state_of,
)
from pushd.cli.systemd import Systemd, check_may_change
from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically
from pushd.kit.listen import parse_address
from pushd.shipped import shipped
from pushd.surroundings import SERVICE_DATA_FOLDER

_OF_A_DATA_FOLDER = ("pushd.sqlite3", "secret.key", "admin.token", "run", "repos", "slugs")


def _root_option(function: Callable[..., Any]) -> Callable[..., Any]:
    help_ = "Work on the files below this folder, for a machine that starts from it; nothing is started or stopped."
    return click.option("--root", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False), help=help_)(function)


@click.command("install-service")
@click.option(
    "--data-dir", metavar="PATH", default=SERVICE_DATA_FOLDER, show_default=True, help="Folder that holds everything."
)
@click.option("--api-listen", metavar="ADDRESS", default=API, show_default=True, help="Where the API and git over HTTP listen.")
@click.option("--router-listen", metavar="ADDRESS", default=ROUTER, show_default=True, help="Where visitors arrive.")
@click.option("--ssh-listen", metavar="ADDRESS", default=SSH, show_default=True, help="Where git and commands over SSH arrive.")
@_root_option
@click.option("--dry-run", is_flag=True, help="Show the files that it would write; change nothing.")
def install_service(
    data_dir: str, api_listen: str, router_listen: str, ssh_listen: str, root: Path | None, dry_run: bool
) -> None:
    """Make pushd a service of this machine.

    Writes the units of systemd for this very installation, with the sockets that keep visitors waiting instead of refused
    while the daemon restarts, enables them and starts them. Run again, it brings what has changed and restarts the daemon:
    apps and router go on. All other settings are read from /etc/pushd/pushd.toml.

    \b
    Examples:
        sudo git pushd install-service
        sudo git pushd install-service --data-dir /srv/pushd --router-listen 127.0.0.1:8080
        git pushd install-service --dry-run
    """
    installation = Installation(
        program=_this_program(),
        data_dir=Path(data_dir).absolute(),
        api_listen=_address("--api-listen", api_listen),
        router_listen=_address("--router-listen", router_listen),
        ssh_listen=_address("--ssh-listen", ssh_listen, unix=False),
    )
    files = plan_files(shipped("systemd"), installation)
    if dry_run:
        for file in files:
            render.heading(f"/{file.path}")
            render.out(file.text)
        return
    check_may_change(root)
    systemd = Systemd(root, place().environ)
    changed = _without_edited(
        files, root, remedy="Put what you need of it into a drop-in (systemctl edit NAME), remove the file, and run this again."
    )
    with render.doing(f"Writing {len(changed)} of {len(files)} files") as step:
        for file in changed:
            path = _in(root, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, file.text.encode())
        step.note = f"for {installation.program}"
    _warn_of_others_programs(installation.program)
    if root is None:
        with render.doing("Making user and folders"):
            systemd.call("systemd-sysusers", "/etc/sysusers.d/pushd.conf")
            systemd.call("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/pushd.conf")
    with render.doing("Enabling the service"):
        systemd.call("systemctl", "daemon-reload")
        systemd.enable(*ENABLED)
    if root is None:
        _start(systemd, {file.path.name for file in changed})
        render.hint(f"Visitors arrive at {router_listen}, the API listens at {api_listen}, SSH at {ssh_listen}.")
        render.hint(f"Log in: pushd login --host http://{api_listen}, with the token in {installation.data_dir}/admin.token")


@click.command("uninstall-service")
@click.option("--delete-data", is_flag=True, help="Delete the data folder too: every app, its repository and its data.")
@click.option("--confirm", metavar="PATH", help="The data folder once more, instead of the question.")
@_root_option
def uninstall_service(delete_data: bool, confirm: str | None, root: Path | None) -> None:
    """Stop the service with all apps, and take its units away.

    Data and settings stay: a later install-service goes on with them. Drop-ins of yours stay too.

    \b
    Examples:
        sudo git pushd uninstall-service
        sudo git pushd uninstall-service --delete-data --confirm /var/lib/pushd
    """
    if delete_data and root is not None:
        raise click.UsageError("--delete-data is about this machine: leave --root away.", click.get_current_context())
    check_may_change(root)
    systemd = Systemd(root, place().environ)
    files = plan_files(shipped("systemd"), Installation(program=_this_program()))
    _without_edited(files, root, remedy="Remove the file yourself, or restore it, then run this again.")
    there = [file for file in files if _in(root, file).exists()]
    units = [file.path.name for file in there if file.path.name in ENABLED]
    data_dir = maybe_data_folder(_maybe_text(_in(root, UNITS / SERVICE)) or "") or Path(SERVICE_DATA_FOLDER)
    if delete_data:
        _confirm_deletion(data_dir, confirm)
    if root is None:
        with render.doing("Stopping the service and all apps"):
            _stop(systemd, units)
    elif not there:
        return render.hint(f"Nothing of pushd is installed below {root}.")
    if delete_data and data_dir.exists():
        with render.doing(f"Deleting {data_dir}"):
            shutil.rmtree(data_dir)
    with render.doing(f"Removing {len(there)} files"):
        systemd.disable(*units)
        for file in reversed(there):
            _in(root, file).unlink(missing_ok=True)
        systemd.call("systemctl", "daemon-reload")
    for folder in sorted(_in(root, UNITS).glob("pushd*.d")):
        render.warn(f"{folder} is yours and stays.")
    if not delete_data and data_dir.exists():
        render.hint(f"{data_dir} stays, with all apps and their data.")


def _start(systemd: Systemd, changed: set[str]) -> None:
    """Dynos' unit and sockets stand before the daemon starts; it alone is restarted, unless a socket has a new address."""
    with render.doing("Starting"):
        moved = [socket for socket in SOCKETS if socket in changed and systemd.is_active(socket)]
        if moved:  # systemd refuses that while the daemon has them
            systemd.call("systemctl", "stop", SERVICE)
            systemd.call("systemctl", "restart", *moved)
        systemd.call("systemctl", "start", DYNOS, *SOCKETS)
        systemd.call("systemctl", "restart", SERVICE)


def _stop(systemd: Systemd, units: Sequence[str]) -> None:
    """Sockets first, so that nobody starts it again; SIGINT ends the apps properly, their last lines are kept."""
    for unit in (unit for unit in SOCKETS if unit in units):
        systemd.call("systemctl", "stop", unit)
    if systemd.is_active(SERVICE):
        systemd.call("systemctl", "kill", "--kill-whom=main", "--signal=INT", SERVICE)
    for unit in (unit for unit in (SERVICE, DYNOS) if unit in units):
        systemd.call("systemctl", "stop", unit)


def _without_edited(files: Sequence[ServiceFile], root: Path | None, *, remedy: str) -> list[ServiceFile]:
    """Those that are not there as they should be. Raises: PushdError for one that is not ours to touch."""
    states = [(file, state_of(_maybe_text(_in(root, file)), file.text)) for file in files]
    edited = [str(_in(root, file)) for file, state in states if state is FileState.EDITED]
    if edited:
        raise PushdError(
            f"{' and '.join(edited)} {'was' if len(edited) == 1 else 'were'} not written by this command, or edited since; "
            "nothing was changed.",
            remedy=remedy,
        )
    return [file for file, state in states if state is not FileState.SAME]


def _in(root: Path | None, file: ServiceFile | Path) -> Path:
    return (root or Path("/")) / (file if isinstance(file, Path) else file.path)


def _maybe_text(path: Path) -> str | None:
    """What a file holds, whatever that is; None if there is none."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return None


def _this_program() -> Path:
    """The program that runs now, as one may call it at any time."""
    beside_python = Path(sys.executable).parent / "pushd"
    found = beside_python if beside_python.exists() else Path(sys.argv[0]).absolute()
    if not found.is_file():
        raise PushdError(f"{found} is no program.", remedy="Install pushd with pip or pipx, and run the one installed.")
    return found


def _warn_of_others_programs(program: Path) -> None:
    """A service runs as root: who may change its program is root too."""
    owner = program.stat().st_uid
    if owner != 0:
        render.warn(f"{program} belongs to uid {owner}, who thereby decides what runs as root. Install pushd as root.")


def _address(option: str, text: str, *, unix: bool = True) -> str:
    try:
        where = parse_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from None
    if isinstance(where, Path) and not unix:
        raise click.BadParameter(f"{text} is not host:port", param_hint=option)
    if not isinstance(where, Path) and where[1] == 0:
        raise click.BadParameter("a service has a port of its own, not 0", param_hint=option)
    return text


def _confirm_deletion(data_dir: Path, given: str | None) -> None:
    if data_dir.exists() and not any((data_dir / name).exists() for name in _OF_A_DATA_FOLDER):
        raise PushdError(
            f"{data_dir} does not look like pushd's data: nothing was changed.", remedy="Look, and delete it by hand."
        )
    confirm_app(str(data_dir), given, f"This deletes {data_dir} with every app, for ever.")
