"""Lines for a shell that point the Heroku CLI at a pushd server, and the files with our CA that they name."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import click

from pushd.cli import render
from pushd.cli.options import discover, host_option, json_option, place
from pushd.client.client import Client
from pushd.client.heroku_variables import find_port, original, plan_changes, plan_undoing, shell_text
from pushd.client.transport import NotOurs
from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically
from pushd.surroundings import user_config_folder


@click.command("heroku-env")
@click.option(
    "--shell", type=click.Choice(["sh", "bash", "zsh", "fish"]), default="sh", show_default=True, help="For which shell."
)
@click.option("--unset", is_flag=True, help="Print what takes it all back.")
@host_option
@json_option
def heroku_env(shell: str, unset: bool, host: str | None, as_json: bool) -> None:
    """Print the variables that point the Heroku CLI here.

    Evaluate them in a shell: there `heroku` means this server, and git trusts the server's certificate for its own URL.
    The lines hold your token. A few commands of the CLI would send it to Heroku all the same: docs/heroku-cli.md names them.

    \b
    Examples:
        eval "$(git pushd heroku-env)"
        eval "$(git pushd heroku-env --unset)"
        git pushd heroku-env --shell fish | source
    """
    environ = place().environ
    if unset:
        changes = plan_undoing(environ)
        if not changes:
            render.hint("Nothing to take back: this shell's variables are its own.")
    else:
        where = discover(host=host)
        port = find_port(where.server)
        token = where.find_token(where.server)
        where.client.account()  # is it there, and does it know us?
        environ = original(environ)
        alone, together = _keep_authorities(where.client, port, environ)
        changes = plan_changes(environ, port=port, token=token, git_authority=str(alone), node_authorities=str(together))
    if as_json:
        return render.json(changes)
    render.out(shell_text(changes, shell))


def _keep_authorities(client: Client, port: int, environ: Mapping[str, str]) -> tuple[Path, Path]:
    """Two files of the user's: the server's CA, and the same behind those that Node trusts already.

    Raises: PushdError when the server has no CA that can be read, or the files cannot be written.
    """
    ours = client.authority()
    _check(ours, client)
    folder = Path(user_config_folder(environ))
    alone = folder / f"localhost-{port}-ca.pem"
    together = folder / f"localhost-{port}-node-ca.pem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(alone, ours)
        write_atomically(together, _trusted_by_node(environ) + ours)
    except OSError as error:
        raise PushdError(
            f"Cannot keep the server's CA in {folder}: {error.strerror}.", remedy="Set XDG_CONFIG_HOME to a folder of yours."
        ) from error
    return alone, together


def _check(authority: bytes, client: Client) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=authority.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise NotOurs(
            f"{client.server} has no CA certificate that can be read.", remedy="Is it a pushd of this version?"
        ) from error


def _trusted_by_node(environ: Mapping[str, str]) -> bytes:
    """The CAs that the user's shell names for Node; a file that Node cannot read either counts for nothing."""
    named = environ.get("NODE_EXTRA_CA_CERTS")
    if not named:
        return b""
    try:
        found = Path(named).read_bytes()
    except OSError as error:
        render.warn(f"NODE_EXTRA_CA_CERTS names {named}, which cannot be read: {error.strerror}")
        return b""
    return found if found.endswith(b"\n") else found + b"\n"
