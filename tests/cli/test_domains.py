"""Domains and certificates."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

DOMAINS, CERTS = "/apps/shop/domains", "/apps/shop/sni-endpoints"
DEFAULT = {
    "id": "d", "hostname": "shop.localhost", "kind": "heroku", "cname": None, "status": "none", "acm_status": None,
    "acm_status_reason": None, "app": {"id": "a", "name": "shop"}, "sni_endpoint": None, "created_at": "", "updated_at": "",
}  # fmt: skip


@pytest.fixture
def shop(shop: Cli) -> Cli:
    """With its default domain, and a certificate in two files."""
    shop.api.things[DOMAINS] = [dict(DEFAULT)]
    (shop.folder / "c.pem").write_text("the chain")
    (shop.folder / "k.pem").write_text("the key")
    return shop


def test_domains(shop: Cli) -> None:
    assert shop.ok("domains") == "=== shop Default Domain\n\nshop.localhost\n"
    shop.ok("domains:add", "www.example.com")
    shop.ok("domains:add", "example.com", "--cert", "calm-fjord-12345")

    assert shop.ok("domains") == (
        "=== shop Default Domain\n\nshop.localhost\n\n=== shop Custom Domains\n\n"
        "Domain Name      DNS Record Type  DNS Target      SNI Endpoint\n"
        "www.example.com  CNAME            shop.localhost\n"
        "example.com      ALIAS or ANAME   shop.localhost  calm-fjord-12345\n"
    )
    assert [row["hostname"] for row in json.loads(shop.ok("domains", "--json"))] == [
        "shop.localhost",
        "www.example.com",
        "example.com",
    ]


def test_domains_in_other_forms(shop: Cli) -> None:
    for name in ("www.example.com", "example.com", "*.example.com"):
        shop.ok("domains:add", name)

    assert shop.ok("domains", "--csv", "--sort", "Domain Name", "--columns", "Domain Name,DNS Record Type") == (
        "Domain Name,DNS Record Type\n*.example.com,CNAME\nexample.com,ALIAS or ANAME\nwww.example.com,CNAME\n"
    )
    assert shop.ok("domains", "-c", "--filter", "DNS Record Type=ALIAS", "--columns", "Domain Name") == (
        "Domain Name\nexample.com\n"
    )
    assert "ACM Status" in shop.ok("domains", "-x")
    assert len(json.loads(shop.ok("domains", "--json", "--filter", "Domain Name=www"))) == 2
    ended = shop("domains", "--columns", "Colour")
    assert (ended.code, "There is no column 'Colour'" in ended.err) == (2, True)


def test_add_says_what_dns_needs(shop: Cli) -> None:
    ended = shop("domains:add", "www.example.com", "--wait")

    assert (ended.code, ended.err) == (0, "Adding www.example.com to shop... done\n")
    assert ended.out == "Point the CNAME record of www.example.com to shop.localhost at your DNS provider.\n"
    assert shop.api.last("POST").body == {"hostname": "www.example.com", "sni_endpoint": None}
    assert json.loads(shop.ok("domains:add", "a.example.com", "--json"))["status"] == "succeeded"


def test_a_domain_is_shown_changed_waited_for_and_removed(shop: Cli) -> None:
    shop.ok("domains:add", "www.example.com")

    assert "cname:      shop.localhost\n" in shop.ok("domains:info", "www.example.com")
    assert json.loads(shop.ok("domains:info", "www.example.com", "--json"))["kind"] == "custom"
    shop.ok("domains:update", "www.example.com", "--cert", "calm-fjord-12345")
    assert shop.api.last("PATCH").body == {"sni_endpoint": "calm-fjord-12345"}
    assert "sni_endpoint: calm-fjord-12345\n" in shop.ok("domains:info", "www.example.com")
    assert shop("domains:wait").err == ""
    assert shop("domains:wait", "www.example.com").err == "Waiting for www.example.com... done\n"
    assert shop("domains:remove", "www.example.com").err == "Removing www.example.com from shop... done\n"
    assert shop("domains:info", "www.example.com").code == 1


def test_clear_leaves_the_default_domain(shop: Cli) -> None:
    shop.ok("domains:add", "www.example.com")
    shop.ok("domains:add", "*.example.com")

    assert len(json.loads(shop.ok("domains:clear", "--json"))) == 2
    assert [row["hostname"] for row in shop.api.things[DOMAINS]] == ["shop.localhost"]


def test_waiting_for_what_failed(shop: Cli) -> None:
    shop.ok("domains:add", "www.example.com")
    shop.api.things[DOMAINS][1]["status"] = "failed"

    ended = shop("domains:wait", "www.example.com")
    assert (ended.code, "could not be added" in ended.err) == (1, True)


def test_a_certificate_is_added_and_its_use_is_told(shop: Cli) -> None:
    shop.ok("domains:add", "a.shop.example.com")
    shop.ok("domains:add", "other.example.com")
    shop.api.warning = "Not served yet."

    ended = shop("certs:add", "c.pem", "k.pem")

    assert ended.code == 0
    assert shop.api.last("POST").body == {"certificate_chain": "the chain", "private_key": "the key"}
    assert ended.out == (
        "Certificate details:\n"
        "Name:           calm-fjord-12345\n"
        "Common Name(s): www.example.com, *.shop.example.com\n"
        "Expires At:     2026-04-02 03:04 UTC\n"
        "Issuer:         /CN=www.example.com\n"
        "Starts At:      2026-01-02 03:04 UTC\n"
        "Subject:        /CN=www.example.com\n"
        "SSL certificate is self signed.\n"
    )
    assert ended.err == (
        "Adding SSL certificate to shop... done, calm-fjord-12345\n"
        "To use it: pushd domains:update a.shop.example.com --cert calm-fjord-12345 --app shop\n"
        " !    Not served yet.\n"
    )


def test_on_a_terminal_it_asks_for_which_domains(shop: Cli) -> None:
    shop.ok("domains:add", "a.shop.example.com")
    shop.ok("domains:add", "www.example.com")

    ended = shop("certs:add", "c.pem", "k.pem", stdin="y\nn\n", terminal=True)

    assert ended.code == 0
    assert [row["sni_endpoint"] and row["sni_endpoint"]["name"] for row in shop.api.things[DOMAINS]] == [
        None,
        "calm-fjord-12345",
        None,
    ]


def test_certificates_are_listed_shown_updated_and_removed(shop: Cli) -> None:
    assert "certs:add CRT KEY" in shop("certs").err
    shop.ok("certs:add", "c.pem", "k.pem")
    assert shop.ok("certs") == (
        "Name              Common Name(s)                       Expires               Trusted  Type  Domains\n"
        "calm-fjord-12345  www.example.com, *.shop.example.com  2026-04-02 03:04 UTC  False    SNI   0\n"
    )
    assert json.loads(shop.ok("certs", "--json"))[0]["name"] == "calm-fjord-12345"
    shop.ok("domains:add", "www.example.com", "-c", "calm-fjord-12345")
    shop.api.things[CERTS][0]["domains"] = [shop.api.things[DOMAINS][1]["id"]]
    assert "Domain(s):      www.example.com\n" in shop.ok("certs:info", "--show-domains", "--endpoint", "www.example.com")
    assert json.loads(shop.ok("certs:info", "--json"))["name"] == "calm-fjord-12345"

    assert "wants a confirmation" in shop("certs:update", "c.pem", "k.pem").err
    assert "nothing was changed" in shop("certs:remove", "--confirm", "blog").err
    assert shop.api.paths(method="DELETE") == shop.api.paths(method="PATCH") == []
    assert shop.ok("certs:update", "c.pem", "k.pem", "--confirm", "shop").startswith("Updated certificate details:\n")
    shop.ok("certs:remove", "--name", "calm-fjord-12345", "--confirm", "shop")
    assert shop.api.things[CERTS] == []


def test_which_certificate_must_be_clear(shop: Cli) -> None:
    assert "has no SSL certificates" in shop("certs:info").err
    shop.ok("certs:add", "c.pem", "k.pem")
    shop.ok("certs:add", "c.pem", "k.pem")
    assert "Which certificate?" in shop("certs:info").err
    assert shop("certs:info", "--name", "a", "--endpoint", "b").code == 2
    assert "has no certificate" in shop("certs:info", "--endpoint", "shop.localhost").err


def test_files_that_cannot_be_read(shop: Cli) -> None:
    assert "Cannot read none.pem: No such file" in shop("certs:add", "none.pem", "k.pem").err
    (shop.folder / "c.der").write_bytes(b"\x30\x82\xff")
    assert "not in PEM format" in shop("certs:add", "c.der", "k.pem").err
    assert shop.api.asked == []


def test_automatic_certificates(shop: Cli) -> None:
    assert shop.ok("certs:auto") == "Automatic Certificate Management is disabled on shop\n"
    assert json.loads(shop.ok("certs:auto", "--json")) == {"acm": False}
    for command in ("certs:auto:enable", "certs:auto:refresh"):
        ended = shop(command)
        assert (ended.code, "certs:add CRT KEY" in ended.err) == (1, True)
    assert json.loads(shop.ok("certs:auto:disable", "--confirm", "shop", "--json"))["acm"] is False


def test_a_request_and_its_key_are_made(shop: Cli) -> None:
    ended = shop("certs:generate", "www.example.com", "--owner", "Ada/Co", "--country", "SE")

    assert ended.code == 0, ended.err
    assert "pushd certs:add CERTFILE www.example.com.key" in ended.err
    key, csr = shop.folder / "www.example.com.key", shop.folder / "www.example.com.csr"
    assert (key.stat().st_mode & 0o777, "PRIVATE KEY" in key.read_text()) == (0o600, True)
    told = openssl("req", "-in", csr, "-noout", "-text", "-nameopt", "RFC2253")
    assert "CN=www.example.com,O=Ada/Co,C=SE" in told
    assert "DNS:www.example.com" in told
    before = key.read_bytes()
    assert "is there already" in shop("certs:generate", "www.example.com", "--now").err
    assert key.read_bytes() == before


def test_a_self_signed_one_is_made(shop: Cli) -> None:
    shop.ok("certs:add", "c.pem", "k.pem")

    ended = shop("certs:generate", "www.example.com", "--selfsigned", "--now")

    assert "pushd certs:update www.example.com.crt www.example.com.key" in ended.err
    assert "CN=www.example.com" in openssl(
        "x509", "-in", shop.folder / "www.example.com.crt", "-noout", "-subject", "-nameopt", "RFC2253"
    )


def test_what_cannot_be_generated(shop: Cli) -> None:
    assert "cannot be the name of a file" in shop("certs:generate", "../x", "--now").err
    assert "openssl could not make it" in shop("certs:generate", "x.example.com", "--subject", "nonsense").err
    assert "no openssl program" in shop("certs:generate", "y.example.com", "--now", PATH="/nowhere").err
    assert sorted(path.name for path in shop.folder.iterdir()) == ["c.pem", "k.pem"]


def openssl(*words: str | Path) -> str:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=True).stdout
