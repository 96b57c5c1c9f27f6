"""Certificates of an app."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from pushd.cli import render
from pushd.cli.confirming import confirm_app, confirm_option
from pushd.cli.options import Here, json_option, on_app, place
from pushd.client.shapes import CertificateShape, DomainShape
from pushd.errors import NotFound, PushdError

NAME = click.option("--name", metavar="NAME", help="The certificate, if the app has several.")
ENDPOINT = click.option("--endpoint", metavar="HOSTNAME", help="The certificate of that domain.")


@click.command("certs")
@on_app
@json_option
def list_certs(here: Here, as_json: bool) -> None:
    """List the certificates of an app.

    \b
    Example:
        pushd certs
    """
    found = here.client.certificates(here.app).all()
    if as_json:
        return render.json(found)
    if not found:
        return render.hint(f"{here.app} has no SSL certificates. Add one with `pushd certs:add CRT KEY`.")
    titles = ("Name", "Common Name(s)", "Expires", "Trusted", "Type", "Domains")
    rows = [
        (
            each["name"],
            ", ".join(each["ssl_cert"]["cert_domains"]),
            _date(each["ssl_cert"]["expires_at"]),
            each["ssl_cert"]["ca_signed?"],
            "ACM" if each["ssl_cert"]["acm"] else "SNI",
            len(each["domains"]),
        )
        for each in found
    ]
    render.table(titles, rows)


@click.command("certs:add")
@click.argument("crt")
@click.argument("key")
@on_app
@json_option
def add(here: Here, crt: str, key: str, as_json: bool) -> None:
    """Add a certificate to an app, and serve domains with it.

    CRT and KEY are files in PEM format; CRT holds the intermediate certificates too, in any order. On a terminal you are asked
    which of the app's domains it is for.

    \b
    Example:
        pushd certs:add example.com.crt example.com.key
    """
    pair = _pair(crt, key)
    with render.doing(f"Adding SSL certificate to {here.app}") as step:
        made = here.client.certificates(here.app).create(pair)
        step.note = made["name"]
    if as_json:
        return render.json(made)
    _show(made, "Certificate details:")
    domains = here.client.domains(here.app)
    for row in _fitting(made, domains.all()):
        if not sys.stdin.isatty():
            render.hint(f"To use it: pushd domains:update {row['hostname']} --cert {made['name']} --app {here.app}")
        elif click.confirm(f"Serve {row['hostname']} with it?", default=True, err=True):
            domains.update(row["id"], {"sni_endpoint": made["name"]})


@click.command("certs:info")
@NAME
@ENDPOINT
@click.option("--show-domains", is_flag=True, help="Show the domains that are served with it.")
@on_app
@json_option
def info(here: Here, name: str | None, endpoint: str | None, show_domains: bool, as_json: bool) -> None:
    """Show a certificate.

    \b
    Example:
        pushd certs:info --name brisk-fjord-48213
    """
    found = _find(here, name, endpoint)
    if as_json:
        return render.json(found)
    hostnames = [here.client.domains(here.app).find(each)["hostname"] for each in found["domains"]] if show_domains else []
    _show(found, f"Certificate details of {found['name']}:", hostnames)


@click.command("certs:update")
@click.argument("crt")
@click.argument("key")
@NAME
@ENDPOINT
@confirm_option()
@on_app
@json_option
def update(here: Here, crt: str, key: str, name: str | None, endpoint: str | None, confirm: str | None, as_json: bool) -> None:
    """Put a new certificate in the place of an older one.

    Its name and its domains stay.

    \b
    Example:
        pushd certs:update example.com.crt example.com.key --confirm myapp
    """
    found, pair = _find(here, name, endpoint), _pair(crt, key)
    confirm_app(here.app, confirm, f"This will replace the certificate {found['name']} of {here.app}.")
    with render.doing(f"Updating SSL certificate {found['name']} for {here.app}"):
        changed = here.client.certificates(here.app).update(found["name"], pair)
    if as_json:
        return render.json(changed)
    _show(changed, "Updated certificate details:")


@click.command("certs:remove")
@NAME
@ENDPOINT
@confirm_option()
@on_app
@json_option
def remove(here: Here, name: str | None, endpoint: str | None, confirm: str | None, as_json: bool) -> None:
    """Remove a certificate from an app.

    Its domains stay, without a certificate.

    \b
    Example:
        pushd certs:remove --name brisk-fjord-48213 --confirm myapp
    """
    found = _find(here, name, endpoint)
    confirm_app(here.app, confirm, f"This will remove the certificate {found['name']} from {here.app} for good.")
    with render.doing(f"Removing SSL certificate {found['name']} from {here.app}"):
        removed = here.client.certificates(here.app).remove(found["name"])
    if as_json:
        render.json(removed)


def _find(here: Here, name: str | None, endpoint: str | None) -> CertificateShape:
    """The one certificate that is meant. Raises: UsageError, NotFound, PushdError if it could be several."""
    if name and endpoint:
        raise click.UsageError("Give --name or --endpoint, not both.")
    if name:
        return here.client.certificates(here.app).find(name)
    if endpoint:
        bound = here.client.domains(here.app).find(endpoint)["sni_endpoint"]
        if bound is None:
            raise NotFound(f"{endpoint} has no certificate.", remedy="`pushd certs` lists those of the app.")
        return here.client.certificates(here.app).find(bound["name"])
    found = here.client.certificates(here.app).all()
    if not found:
        raise NotFound(f"{here.app} has no SSL certificates.", remedy="Add one with `pushd certs:add CRT KEY`.")
    if len(found) > 1:
        raise PushdError(
            f"Which certificate? {here.app} has {', '.join(each['name'] for each in found)}.", remedy="Add --name."
        )
    return found[0]


def _pair(crt: str, key: str) -> dict[str, str]:
    return {"certificate_chain": _read(crt), "private_key": _read(key)}


def _read(name: str) -> str:
    path = place().folder / name
    try:
        return Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise PushdError(f"{name} is not in PEM format.", remedy=f"Convert it: openssl x509 -inform der -in {name}.") from None
    except OSError as error:
        raise PushdError(f"Cannot read {name}: {error.strerror}.", remedy="Check the path.") from error


def _fitting(made: CertificateShape, domains: list[DomainShape]) -> list[DomainShape]:
    """The custom domains that the certificate is for."""
    names = {name.lower() for name in made["ssl_cert"]["cert_domains"]}
    custom = [row for row in domains if row["kind"] == "custom"]
    return [row for row in custom if names & {row["hostname"], "*." + row["hostname"].partition(".")[2]}]


def _show(found: CertificateShape, title: str, hostnames: list[str] | None = None) -> None:
    cert = found["ssl_cert"]
    render.out(title)
    rows: dict[str, object] = {
        "Name": found["name"],
        "Common Name(s)": ", ".join(cert["cert_domains"]),
        "Expires At": _date(cert["expires_at"]),
        "Issuer": cert["issuer"],
        "Starts At": _date(cert["starts_at"]),
        "Subject": cert["subject"],
    }
    render.pairs(rows | ({"Domain(s)": ", ".join(hostnames)} if hostnames else {}))
    if cert["ca_signed?"]:
        render.out("SSL certificate is verified by a root authority.")
    else:
        render.out(f"SSL certificate is {'self signed' if cert['self_signed?'] else 'not trusted'}.")


def _date(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
