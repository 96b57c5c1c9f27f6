"""install-service and uninstall-service, as far as files go; tests/service has them start what they write."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pushd.cli.service_files import FileState, Installation, filled_in, maybe_data_folder, sealed, state_of
from tests.cli.conftest import Cli

UNITS = "etc/systemd/system"
FILES = {
    f"{UNITS}/pushd.service", f"{UNITS}/pushd-dynos.service", f"{UNITS}/pushd.slice", f"{UNITS}/pushd-api.socket",
    f"{UNITS}/pushd-router.socket", f"{UNITS}/pushd-ssh.socket", "etc/sysusers.d/pushd.conf", "etc/tmpfiles.d/pushd.conf",
}  # fmt: skip


def written(root: Path) -> dict[str, str]:
    """Plain files below the root, by their path; not what systemctl links."""
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file() and not path.is_symlink()
    }


def test_a_folder_is_filled_for_another_machine(cli: Cli, tmp_path: Path) -> None:
    root = tmp_path / "root"
    cli.ok("install-service", "--root", str(root), "--data-dir", "/srv/p", "--router-listen", "127.0.0.1:8080",
           "--api-listen", "unix:/run/pushd-api.sock")  # fmt: skip

    files = written(root)
    assert set(files) == FILES
    service = files[f"{UNITS}/pushd.service"]
    program = Path(sys.executable).parent / "pushd"
    addresses = "--api-listen unix:/run/pushd-api.sock --router-listen 127.0.0.1:8080 --ssh-listen 127.0.0.1:2222"
    assert f"\nExecStart={program} serve {addresses}\n" in service
    assert "\nEnvironment=PUSHD_DATA_DIR=/srv/p\n" in service
    assert "\nReadWritePaths=/srv/p " in service
    assert "\nListenStream=/run/pushd-api.sock\n" in files[f"{UNITS}/pushd-api.socket"]
    assert "\nListenStream=127.0.0.1:8080\n" in files[f"{UNITS}/pushd-router.socket"]
    assert "\nd /srv/p 0711 root root\n" in files["etc/tmpfiles.d/pushd.conf"]
    assert not [text for text in files.values() if "/var/lib/pushd" in text or "/opt/pushd" in text]
    wanted = root / UNITS / "multi-user.target.wants"
    assert sorted(os.listdir(wanted)) == ["pushd-dynos.service", "pushd.service"]
    assert sorted(os.listdir(root / UNITS / "sockets.target.wants")) == [
        "pushd-api.socket", "pushd-router.socket", "pushd-ssh.socket",
    ]  # fmt: skip


def test_addresses_and_paths_that_hold_each_other_are_filled_in_once() -> None:
    ours = Installation(
        program=Path("/var/lib/pushd/venv/bin/pushd"),
        data_dir=Path("/srv/data"),
        api_listen="0.0.0.0:8000",
        router_listen="127.0.0.1:8080",
    )
    shipped = (
        "ListenStream=127.0.0.1:5000\nListenStream=0.0.0.0:80\n"
        "ExecStart=/opt/pushd/bin/pushd serve --api-listen 127.0.0.1:5000 --router-listen 0.0.0.0:80\n"
        "ReadWritePaths=/var/lib/pushd -/tmp\n# /var/lib/pushd-old /opt/pushd/bin/pushd.sh 127.0.0.1:50001\n"
    )

    assert filled_in(shipped, ours) == (
        "ListenStream=0.0.0.0:8000\nListenStream=127.0.0.1:8080\n"
        "ExecStart=/var/lib/pushd/venv/bin/pushd serve --api-listen 0.0.0.0:8000 --router-listen 127.0.0.1:8080\n"
        "ReadWritePaths=/srv/data -/tmp\n# /var/lib/pushd-old /opt/pushd/bin/pushd.sh 127.0.0.1:50001\n"
    )


def test_run_again_it_writes_what_differs_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    cli.ok("install-service", "--root", str(tmp_path))
    before = written(tmp_path)

    again = cli("install-service", "--root", str(tmp_path))
    assert (again.code, written(tmp_path)) == (0, before)
    assert "Writing 0 of 8 files" in again.err

    moved = cli("install-service", "--root", str(tmp_path), "--router-listen", "0.0.0.0:8000")
    assert (moved.code, set(written(tmp_path))) == (0, FILES)
    assert "Writing 2 of 8 files" in moved.err


def test_one_that_was_killed_half_way_is_finished_by_the_next(cli: Cli, tmp_path: Path) -> None:
    cli.ok("install-service", "--root", str(tmp_path))
    whole = written(tmp_path)
    for name in sorted(FILES)[::2]:
        (tmp_path / name).unlink()

    cli.ok("install-service", "--root", str(tmp_path))
    assert written(tmp_path) == whole

    (tmp_path / UNITS / "pushd.service").unlink()
    cli.ok("uninstall-service", "--root", str(tmp_path))
    cli.ok("uninstall-service", "--root", str(tmp_path))
    assert written(tmp_path) == {}


@pytest.mark.parametrize("command", ["install-service", "uninstall-service"])
@pytest.mark.parametrize("edit", [lambda text: text + "# mine\n", lambda text: text.split("\n", 1)[1], lambda text: "[Unit]\n"])
def test_an_edited_unit_is_in_the_way(cli: Cli, tmp_path: Path, command: str, edit: object) -> None:
    cli.ok("install-service", "--root", str(tmp_path))
    path = tmp_path / UNITS / "pushd.service"
    path.write_text(edit(path.read_text()))  # type: ignore[operator]
    (tmp_path / UNITS / "pushd.slice").unlink()
    before = written(tmp_path)

    refused = cli(command, "--root", str(tmp_path))

    assert (refused.code, written(tmp_path)) == (1, before)
    assert f"{path} was not written by this command, or edited since; nothing was changed." in refused.err
    assert ("drop-in" if command == "install-service" else "or restore it") in refused.err


def test_of_a_folder_nothing_is_told_that_was_not_done(cli: Cli, tmp_path: Path) -> None:
    assert cli("uninstall-service", "--root", str(tmp_path)).err == f"Nothing of pushd is installed below {tmp_path}.\n"

    told = cli("install-service", "--root", str(tmp_path)).err + cli("uninstall-service", "--root", str(tmp_path)).err
    assert "Making user" not in told
    assert "Stopping" not in told
    assert "Removing 8 files... done" in told


def test_drop_ins_are_the_operators(cli: Cli, tmp_path: Path) -> None:
    drop_in = tmp_path / UNITS / "pushd.service.d" / "override.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nEnvironment=PUSHD_DOMAIN=apps.example.com\n")

    cli.ok("install-service", "--root", str(tmp_path))
    gone = cli("uninstall-service", "--root", str(tmp_path))

    assert list(written(tmp_path)) == [str(drop_in.relative_to(tmp_path))]
    assert f"{drop_in.parent} is yours and stays." in gone.err
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]


def test_a_dry_run_shows_the_files_and_writes_none(cli: Cli, tmp_path: Path) -> None:
    shown = cli.ok("install-service", "--dry-run", "--root", str(tmp_path))

    assert [f"/{name}" in shown for name in FILES] == [True] * len(FILES)
    assert "Type=notify" in shown
    assert written(tmp_path) == {}


@pytest.mark.parametrize("command", ["install-service", "uninstall-service"])
def test_it_is_refused_without_root_or_without_systemd(cli: Cli, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushd.cli.systemd._BOOTED", Path("/nowhere"))
    for uid, why in ((1000, "Services are root's."), (0, "systemd does not run this machine.")):
        monkeypatch.setattr(os, "geteuid", lambda uid=uid: uid)

        refused = cli(command)

        assert (refused.code, why in refused.err) == (1, True)


@pytest.mark.parametrize("path", ["/srv/my apps", "/srv/100%", "/srv/$HOME", '/srv/"'])
def test_a_path_that_systemd_would_read_otherwise_is_refused(cli: Cli, tmp_path: Path, path: str) -> None:
    refused = cli("install-service", "--root", str(tmp_path), "--data-dir", path)

    assert (refused.code, written(tmp_path)) == (1, {})
    assert f"{path} cannot stand in a unit of systemd." in refused.err


@pytest.mark.parametrize(
    ("address", "why"), [("80", "write host:port or unix:/path"), ("0.0.0.0:0", "a port of its own, not 0")]
)
def test_an_address_that_will_not_do_is_a_usage_error(cli: Cli, tmp_path: Path, address: str, why: str) -> None:
    refused = cli("install-service", "--root", str(tmp_path), "--router-listen", address)

    assert (refused.code, written(tmp_path)) == (2, {})
    assert why in refused.err


def test_data_of_another_machine_is_not_deleted(cli: Cli, tmp_path: Path) -> None:
    assert cli("uninstall-service", "--delete-data", "--root", str(tmp_path)).code == 2


def test_the_seal_tells_ours_from_edited() -> None:
    ours, other = sealed("a\n"), sealed("b\n")

    assert state_of(None, ours) is FileState.MISSING
    assert state_of(ours, ours) is FileState.SAME
    assert state_of(other, ours) is FileState.OURS
    assert state_of(other + "\n", ours) is FileState.EDITED
    assert state_of("", ours) is FileState.EDITED  # masked: a link to /dev/null


def test_the_data_folder_is_found_again() -> None:
    installation = Installation(program=Path("/usr/bin/pushd"), data_dir=Path("/srv/p"))

    unit = filled_in(
        "[Service]\nEnvironment=PUSHD_DATA_DIR=/var/lib/pushd\nExecStart=/opt/pushd/bin/pushd serve\n", installation
    )

    assert "ExecStart=/usr/bin/pushd serve\n" in unit
    assert maybe_data_folder(unit) == Path("/srv/p")
    assert maybe_data_folder("") is None
