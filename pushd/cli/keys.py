"""One's SSH keys."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from pushd.cli import render
from pushd.cli.options import json_option, on_server, place
from pushd.client.client import Client
from pushd.client.shapes import KeyShape
from pushd.errors import NotFound, PushdError

NAME_ONE = "Name the file: pushd keys:add FILE."


@click.command("keys")
@click.option("-l", "--long", "whole", is_flag=True, help="Print whole keys.")
@on_server
@json_option
def list_keys(client: Client, whole: bool, as_json: bool) -> None:
    """List your SSH keys.

    \b
    Example:
        pushd keys --long
    """
    found = client.keys.all()
    if as_json:
        return render.json(found)
    if not found:
        return render.hint("You have no SSH keys. Add one with `pushd keys:add`.")
    render.heading(f"{found[0]['email']} keys")
    for each in found:
        render.out(render.printable(each["public_key"] if whole else _short(each)))


@click.command("keys:add")
@click.argument("file", required=False)
@click.option("-y", "--yes", is_flag=True, help="Answer yes to all questions.")
@on_server
@json_option
def add(client: Client, file: str | None, yes: bool, as_json: bool) -> None:
    """Add an SSH key.

    FILE is a public key, such as ~/.ssh/id_ed25519.pub. Without FILE it is looked for in ~/.ssh, and made if there is none.

    \b
    Examples:
        pushd keys:add
        pushd keys:add ~/.ssh/id_ed25519.pub
    """
    path = place().folder / file if file else _found_or_made(Path(place().environ.get("HOME", "")) / ".ssh", yes=yes)
    try:
        public_key = path.read_text("utf-8", "replace")
    except OSError as error:
        raise PushdError(f"Cannot read {path}: {error.strerror}.", remedy=NAME_ONE) from error
    if "PRIVATE KEY" in public_key:
        raise PushdError(f"{path} is a private key: it must stay where it is.", remedy="Name the file that ends in .pub.")
    with render.doing(f"Uploading {path} SSH key"):
        made = client.keys.create({"public_key": public_key})
    if as_json:
        render.json(made)


@click.command("keys:remove")
@click.argument("key", metavar="COMMENT")
@on_server
@json_option
def remove(client: Client, key: str, as_json: bool) -> None:
    """Remove an SSH key.

    COMMENT is the last part of the key, as `pushd keys` shows it. A fingerprint or an id does as well.

    \b
    Example:
        pushd keys:remove ada@laptop
    """
    found = client.keys.all()
    wanted = [each for each in found if key in (each["comment"], each["fingerprint"], each["id"])]
    if not wanted:
        known = ", ".join(render.printable(each["comment"]) for each in found)
        raise NotFound(f"SSH key {key} not found.", remedy=f"Yours are {known}." if known else "You have no SSH keys.")
    with render.doing(f"Removing {key} SSH key"):
        removed = [client.keys.remove(each["id"]) for each in wanted]
    if as_json:
        render.json(removed)


@click.command("keys:clear")
@on_server
@json_option
def clear(client: Client, as_json: bool) -> None:
    """Remove all your SSH keys.

    \b
    Example:
        pushd keys:clear
    """
    with render.doing("Removing all SSH keys"):
        removed = [client.keys.remove(each["id"]) for each in client.keys.all()]
    if as_json:
        render.json(removed)


def _found_or_made(folder: Path, *, yes: bool) -> Path:
    """A public key of this user, chosen or made. Raises: PushdError if they want none, or cannot be asked."""
    there = sorted(folder.glob("*.pub"))
    if not there:
        _ask(f"There is no SSH key in {folder}. Make one?", yes=yes)
        return _make(folder)
    if len(there) == 1:
        _ask(f"Found an SSH key at {there[0]}. Upload it?", yes=yes)
        return there[0]
    if not sys.stdin.isatty():
        raise PushdError(f"Which SSH key? There are {', '.join(each.name for each in there)}.", remedy=NAME_ONE)
    for number, each in enumerate(there, 1):
        render.hint(f"{number}  {each}")
    chosen: int = click.prompt("Which one", type=click.IntRange(1, len(there)), err=True)
    return there[chosen - 1]


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise PushdError(f"{question} Nobody is there to answer.", remedy=f"Add --yes. {NAME_ONE}")
    if not click.confirm(question, default=True, err=True):
        raise PushdError("No key to upload.", remedy=NAME_ONE)


def _make(folder: Path) -> Path:
    folder.mkdir(mode=0o700, exist_ok=True)
    file = folder / "id_ed25519"
    try:
        done = subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)],
            stdin=subprocess.DEVNULL,
            env=dict(place().environ),
        )
    except FileNotFoundError:
        raise PushdError("There is no ssh-keygen program here.", remedy="Install OpenSSH, then run it again.") from None
    if done.returncode:
        raise PushdError("ssh-keygen could not make a key.", remedy=f"What it said stands above. {NAME_ONE}")
    return file.with_suffix(".pub")


def _short(key: KeyShape) -> str:
    """ "ssh-ed25519 AAAAC3NzaC...dnZDjZjBzJ me@laptop" """
    kind, data, comment = key["public_key"].split(" ", 2)
    return f"{kind} {data[:10]}...{data[-10:]} {comment}"
