"""Authorizations: the tokens of your account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from pushd.cli import render
from pushd.cli.options import json_option, on_server
from pushd.client.client import Client
from pushd.client.shapes import AuthorizationShape


@click.command("authorizations")
@on_server
@json_option
def list_authorizations(client: Client, as_json: bool) -> None:
    """List your tokens, not their text.

    \b
    Example:
        pushd authorizations
    """
    rows = sorted(client.authorizations(), key=lambda row: row["description"])
    if as_json:
        return render.json(rows)
    headings = ["Description", "ID", "Scope", "App"]
    render.table(headings, [(_described(row), row["id"], ",".join(row["scope"]), _app(row)) for row in rows])


@click.command("authorizations:create")
@click.option("-d", "--description", metavar="TEXT", help="What it is for.")
@click.option("-e", "--expires-in", type=click.IntRange(min=1), metavar="SECONDS", help="How long it is valid. [for ever]")
@click.option(
    "-s", "--scope", metavar="SCOPE,...", help="global, identity, read, write, read-protected, write-protected, deploy."
)
@click.option("-a", "--app", metavar="APP", help="Reach this app alone. [all that you have access to]")
@click.option("-S", "--short", is_flag=True, help="Print the token alone.")
@on_server
@json_option
def create(
    client: Client,
    description: str | None,
    expires_in: int | None,
    scope: str | None,
    app: str | None,
    short: bool,
    as_json: bool,
) -> None:
    """Make a token for a program, and print it this once.

    \b
    Examples:
        pushd authorizations:create --description "CI of the shop" --scope deploy --app shop
        pushd authorizations:create --short --expires-in 3600
    """
    with render.doing("Creating OAuth Authorization"):
        scopes = [name.strip() for name in scope.split(",")] if scope else []
        made = client.create_authorization(description=description, expires_in=expires_in, scopes=scopes, app=app)
    if short:
        return render.out(made["access_token"]["token"])
    _show(made, as_json)


@click.command("authorizations:info")
@click.argument("id_", metavar="ID")
@on_server
@json_option
def info(client: Client, id_: str, as_json: bool) -> None:
    """Show a token, masked.

    \b
    Example:
        pushd authorizations:info 105a7bfa-34c3-476e-873a-b1ac3fdc12fb
    """
    _show(client.authorization(id_), as_json)


@click.command("authorizations:update")
@click.argument("id_", metavar="ID")
@click.option("-d", "--description", metavar="TEXT", required=True, help="What it is for.")
@on_server
@json_option
def update(client: Client, id_: str, description: str, as_json: bool) -> None:
    """Describe a token anew.

    \b
    Example:
        pushd authorizations:update 105a7bfa-34c3-476e-873a-b1ac3fdc12fb --description "CI of the shop"
    """
    with render.doing("Updating OAuth Authorization"):
        changed = client.describe_authorization(id_, description)
    _show(changed, as_json)


@click.command("authorizations:rotate")
@click.argument("id_", metavar="ID")
@on_server
@json_option
def rotate(client: Client, id_: str, as_json: bool) -> None:
    """Replace the text of a token; the old one ends at once.

    \b
    Example:
        pushd authorizations:rotate 105a7bfa-34c3-476e-873a-b1ac3fdc12fb
    """
    with render.doing("Rotating OAuth Authorization"):
        changed = client.rotate_authorization(id_)
    _show(changed, as_json)


@click.command("authorizations:revoke")
@click.argument("id_", metavar="ID")
@on_server
@json_option
def revoke(client: Client, id_: str, as_json: bool) -> None:
    """End a token at once.

    \b
    Example:
        pushd authorizations:revoke 105a7bfa-34c3-476e-873a-b1ac3fdc12fb
    """
    with render.doing("Revoking OAuth Authorization") as step:
        ended = client.revoke_authorization(id_)
        step.note = f"revoked authorization from {ended['description']}"
    if as_json:
        render.json(ended)


def _app(row: AuthorizationShape) -> str:
    app = row.get("app")  # an older server does not say
    return app["name"] if app else "all"


def _described(row: AuthorizationShape) -> str:
    """What has ended is listed for a while, so that one sees why it opens nothing. No column more: ids are to be whole."""
    return row["description"] + (" (expired)" if row["access_token"]["expires_in"] == 0 else "")


def _show(row: AuthorizationShape, as_json: bool) -> None:
    if as_json:
        return render.json(row)
    rows = {
        "Client": "<none>",
        "ID": row["id"],
        "Description": row["description"],
        "Scope": ",".join(row["scope"]),
        "App": _app(row),
        "Token": row["access_token"]["token"],
        "Updated at": render.when(row["updated_at"]),
    }
    if (left := row["access_token"]["expires_in"]) is not None:
        end = datetime.now(UTC) + timedelta(seconds=left)
        rows["Expires at"] = f"{end:%Y/%m/%d %H:%M:%S %z}" if left else "has expired"
    render.pairs(rows)
