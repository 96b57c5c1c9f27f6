"""Domains of an app."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app
from pushd.client.client import Client
from pushd.client.shapes import DomainShape
from pushd.errors import PushdError

POLL_SECONDS = 5.0
Column = Callable[[DomainShape], str]

COLUMNS: Mapping[str, Column] = {
    "Domain Name": lambda row: row["hostname"],
    "DNS Record Type": lambda row: _record_type(row["hostname"]),
    "DNS Target": lambda row: row["cname"] or "",
    "SNI Endpoint": lambda row: row["sni_endpoint"]["name"] if row["sni_endpoint"] else "",
}
EXTENDED: Mapping[str, Column] = {
    "ACM Status": lambda row: row["acm_status"] or "",
    "ACM Reason": lambda row: row["acm_status_reason"] or "",
}


@click.command("domains")
@click.option("-c", "--csv", "as_csv", is_flag=True, help="Print comma-separated values.")
@click.option("-x", "--extended", is_flag=True, help="Show more columns.")
@click.option("--columns", metavar="NAME,NAME", help="Show these columns only.")
@click.option("--filter", "wanted", metavar="NAME=TEXT", help="Show domains with that text in that column.")
@click.option("--sort", metavar="NAME", help="Sort by that column.")
@on_app
@json_option
def list_domains(
    here: Here, as_csv: bool, extended: bool, columns: str | None, wanted: str | None, sort: str | None, as_json: bool
) -> None:
    """List the domains of an app.

    Its default domain, and those that were added to it.

    \b
    Examples:
        pushd domains
        pushd domains --csv --filter "Domain Name=example.com"
    """
    available = {**COLUMNS, **(EXTENDED if extended else {})}
    shown = [_column(available, name.strip()) for name in columns.split(",")] if columns else list(available)
    found = here.client.domains(here.app).all()
    custom = [row for row in found if row["kind"] == "custom"]
    if wanted is not None:
        name, _, text = wanted.partition("=")
        column = available[_column(available, name)]
        custom = [row for row in custom if text in column(row)]
    if sort is not None:
        custom.sort(key=available[_column(available, sort)])
    if as_json:
        return render.json([row for row in found if row["kind"] != "custom" or row in custom])
    rows = [[available[name](row) for name in shown] for row in custom]
    if as_csv:
        return csv.writer(sys.stdout, lineterminator="\n").writerows([shown, *rows])
    render.heading(f"{here.app} Default Domain")
    render.out("".join(row["hostname"] for row in found if row["kind"] != "custom"))
    if rows:
        render.out("")
        render.heading(f"{here.app} Custom Domains")
        render.table(shown, rows)


@click.command("domains:add")
@click.argument("hostname")
@click.option("-c", "--cert", metavar="NAME", help="The certificate to serve it with.")
@click.option("--wait", "wait_", is_flag=True, help="End when the domain is in use.")
@on_app
@json_option
def add(here: Here, hostname: str, cert: str | None, wait_: bool, as_json: bool) -> None:
    """Add a domain to an app.

    Visitors of that name reach the app at once, as soon as DNS leads them here. `*.example.com` takes every name of that form
    that no app has by itself.

    \b
    Examples:
        pushd domains:add www.example.com
        pushd domains:add "*.example.com" --cert brisk-fjord-48213
    """
    with render.doing(f"Adding {hostname} to {here.app}"):
        made = here.client.domains(here.app).create({"hostname": hostname, "sni_endpoint": cert})
        if wait_:
            made = _settled(here.client, here.app, made)
    if as_json:
        return render.json(made)
    render.out(
        f"Point the {_record_type(made['hostname'])} record of {made['hostname']} to {made['cname']} at your DNS provider."
    )


@click.command("domains:info")
@click.argument("hostname")
@on_app
@json_option
def info(here: Here, hostname: str, as_json: bool) -> None:
    """Show a domain.

    \b
    Example:
        pushd domains:info www.example.com
    """
    found = here.client.domains(here.app).find(hostname)
    if as_json:
        return render.json(found)
    rows: dict[str, object] = {
        "id": found["id"],
        "app": found["app"]["name"],
        "hostname": found["hostname"],
        "kind": found["kind"],
        "cname": found["cname"],
        "status": found["status"],
        "acm_status": found["acm_status"],
        "sni_endpoint": found["sni_endpoint"]["name"] if found["sni_endpoint"] else None,
        "created_at": found["created_at"],
        "updated_at": found["updated_at"],
    }
    render.pairs({name: value for name, value in rows.items() if value is not None})


@click.command("domains:update")
@click.argument("hostname")
@click.option("--cert", metavar="NAME", required=True, help="Name or id of the certificate to serve it with.")
@on_app
@json_option
def update(here: Here, hostname: str, cert: str, as_json: bool) -> None:
    """Serve a domain with another certificate.

    \b
    Example:
        pushd domains:update www.example.com --cert brisk-fjord-48213
    """
    with render.doing(f"Updating {hostname} to use {cert} certificate"):
        changed = here.client.domains(here.app).update(hostname, {"sni_endpoint": cert})
    if as_json:
        render.json(changed)


@click.command("domains:wait")
@click.argument("hostname", required=False)
@on_app
def wait(here: Here, hostname: str | None) -> None:
    """Wait until a domain is in use, or all of them.

    \b
    Example:
        pushd domains:wait www.example.com
    """
    domains = here.client.domains(here.app)
    waiting = [domains.find(hostname)] if hostname else [row for row in domains.all() if row["status"] == "pending"]
    for domain in waiting:
        with render.doing(f"Waiting for {domain['hostname']}"):
            _settled(here.client, here.app, domain)


@click.command("domains:remove")
@click.argument("hostname")
@on_app
@json_option
def remove(here: Here, hostname: str, as_json: bool) -> None:
    """Remove a domain from an app.

    \b
    Example:
        pushd domains:remove www.example.com
    """
    with render.doing(f"Removing {hostname} from {here.app}"):
        removed = here.client.domains(here.app).remove(hostname)
    if as_json:
        render.json(removed)


@click.command("domains:clear")
@on_app
@json_option
def clear(here: Here, as_json: bool) -> None:
    """Remove all domains from an app but its default one.

    \b
    Example:
        pushd domains:clear --app myapp
    """
    domains = here.client.domains(here.app)
    with render.doing(f"Removing all domains from {here.app}"):
        removed = [domains.remove(row["id"]) for row in domains.all() if row["kind"] == "custom"]
    if as_json:
        render.json(removed)


def _settled(client: Client, app: str, domain: DomainShape) -> DomainShape:
    """The domain once it is in use, however long that takes. Raises: PushdError if it failed."""
    while domain["status"] == "pending":
        time.sleep(POLL_SECONDS)
        domain = client.domains(app).find(domain["id"])
    if domain["status"] == "failed":
        raise PushdError(f"{domain['hostname']} could not be added.", remedy="Remove it and add it again.")
    return domain


def _column(available: Mapping[str, Column], name: str) -> str:
    """The column of that name. Raises: UsageError with those that there are."""
    if name not in available:
        raise click.UsageError(f"There is no column {name!r}; there are {', '.join(available)}.")
    return name


def _record_type(hostname: str) -> str:
    """A name right below a top-level domain cannot have a CNAME record (RFC 1912 section 2.4)."""
    apex: Sequence[str] = hostname.split(".")
    return "ALIAS or ANAME" if len(apex) == 2 and apex[0] != "*" else "CNAME"
