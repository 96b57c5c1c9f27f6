"""Keys with a request for a certificate, or with a certificate of their own, made by the openssl program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from pushd.cli import render
from pushd.cli.options import Here, json_option, on_app, place
from pushd.errors import PushdError

PARTS = (("country", "C"), ("area", "ST"), ("city", "L"), ("owner", "O"))


@click.command("certs:generate")
@click.argument("domain")
@click.option("--selfsigned", is_flag=True, help="Make a certificate at once instead of a request for one.")
@click.option(
    "--keysize", metavar="BITS", type=click.IntRange(2048, 16384), default=2048, show_default=True, help="RSA key size."
)
@click.option("--owner", metavar="TEXT", help="Organization that the certificate is for.")
@click.option("--country", metavar="CC", help="Its country, two letters.")
@click.option("--area", metavar="TEXT", help="Its state or province.")
@click.option("--city", metavar="TEXT", help="Its city.")
@click.option("--subject", metavar="/C=.../CN=...", help="The whole subject, instead of these.")
@click.option("--now", is_flag=True, help="Ask for nothing.")
@on_app
@json_option
def generate(
    here: Here,
    domain: str,
    selfsigned: bool,
    keysize: int,
    subject: str | None,
    now: bool,
    as_json: bool,
    **parts: str | None,
) -> None:
    """Make a key, and a request for a certificate.

    DOMAIN.key and DOMAIN.csr are written into this folder; a certificate authority makes a certificate of the latter. With
    --selfsigned there is DOMAIN.crt at once, which browsers warn of.

    \b
    Examples:
        pushd certs:generate www.example.com --now
        pushd certs:generate www.example.com --selfsigned --owner "Ada & Co"
    """
    if not (now or subject or any(parts.values())) and sys.stdin.isatty():
        parts = {name: click.prompt(name.capitalize(), default="", show_default=False, err=True) for name, _ in PARTS}
    kind = "crt" if selfsigned else "csr"
    key, made = _free(f"{domain}.key"), _free(f"{domain}.{kind}")
    words = ["req", "-new", "-newkey", f"rsa:{keysize}", "-nodes", "-keyout", str(key), "-out", str(made)]
    words += ["-subj", subject or _subject(domain, parts), "-addext", f"subjectAltName=DNS:{domain}"]
    try:
        _run_openssl([*words, "-x509"] if selfsigned else words)
    except PushdError:
        key.unlink(missing_ok=True)
        raise
    if as_json:
        return render.json({"key": str(key), kind: str(made)})
    command = "update" if _has(here, domain) else "add"
    if selfsigned:
        render.hint("Your key and self-signed certificate have been generated. Next, run:")
        return render.hint(f"    pushd certs:{command} {made.name} {key.name}")
    render.hint("Your key and certificate signing request have been generated.")
    render.hint(f"Submit {made.name} to your certificate authority. When you have received the certificate, run:")
    render.hint(f"    pushd certs:{command} CERTFILE {key.name}")


def _has(here: Here, domain: str) -> bool:
    return any(domain in each["ssl_cert"]["cert_domains"] for each in here.client.certificates(here.app).all())


def _subject(domain: str, parts: dict[str, str | None]) -> str:
    """ "/C=SE/O=Example/CN=www.example.com"; openssl wants a slash within a part escaped."""
    named = [(short, parts[name]) for name, short in PARTS] + [("CN", domain)]
    return "".join(
        f"/{short}={value.replace(chr(92), chr(92) * 2).replace('/', chr(92) + '/')}" for short, value in named if value
    )


def _free(name: str) -> Path:
    """A file of this folder that is not there yet. Raises: PushdError."""
    path = place().folder / name
    if path.parent != place().folder:
        raise PushdError(f"{name} cannot be the name of a file.", remedy="Name a domain such as www.example.com.")
    if path.exists():
        raise PushdError(f"{name} is there already.", remedy="Move it away: it is never written over.")
    return path


def _run_openssl(words: list[str]) -> None:
    try:
        done = subprocess.run(["openssl", *words], capture_output=True, text=True, env=dict(place().environ))
    except FileNotFoundError:
        raise PushdError("There is no openssl program here.", remedy="Install openssl, then run it again.") from None
    if done.returncode:
        reason = next(iter(done.stderr.strip().splitlines()), f"status {done.returncode}")
        raise PushdError(f"openssl could not make it: {reason}", remedy="Check the domain, the subject and this folder.")
