"""The key that encrypts config vars and credentials on the server's disk."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pushd.cli import render
from pushd.cli.options import place
from pushd.errors import NotFound, PushdError
from pushd.kit.key_file import make_next_key
from pushd.layout import Layout
from pushd.surroundings import likely_data_folders


@click.command("secret-key:rotate")
@click.option("--data-dir", metavar="PATH", help="Folder of the daemon; else yours, else the service's.")
def rotate(data_dir: str | None) -> None:
    """Make a new key for what the server encrypts.

    On the server, as the user whose daemon it is. At its next start the daemon encrypts all config vars, credentials and
    private keys anew and forgets the key before, in one step. Apps run on meanwhile.

    \b
    Example:
        sudo git pushd secret-key:rotate --data-dir /var/lib/pushd && sudo systemctl restart pushd
    """
    layout = Layout(_data_folder(data_dir))
    try:
        owner = layout.secret_key.stat().st_uid
    except FileNotFoundError:
        raise NotFound(
            f"{layout.secret_key} is not there.", resource="key",
            remedy="Name the daemon's folder with --data-dir; with secret_key_from the key is not pushd's to change.",
        ) from None  # fmt: skip
    except OSError as error:
        raise _cannot(layout, error) from error
    if owner != os.geteuid():
        raise PushdError(f"{layout.secret_key} belongs to another user.", remedy=f"Run it as that one: sudo -u '#{owner}' ...")
    try:
        made = make_next_key(layout.secret_key)
    except OSError as error:
        raise _cannot(layout, error) from error
    if not made:
        raise PushdError("A new key waits already.", remedy="Start the daemon again: it then goes over to it.")
    render.out("A new key waits. Start the daemon again: it then encrypts everything anew and forgets the old key.")
    render.hint("Then make new backups: older ones need the old key, and whoever has both can read them.")


def _data_folder(given: str | None) -> Path:
    """The first that has a key; the last if none has."""
    likely = [given] if given else list(likely_data_folders(place().environ))
    folders = [Path(each).expanduser().absolute() for each in likely]
    return next((each for each in folders if Layout(each).secret_key.exists()), folders[-1])


def _cannot(layout: Layout, error: OSError) -> PushdError:
    return PushdError(f"Cannot use {layout.data}: {error.strerror}.", remedy="Run it as the user whose daemon it is.")
