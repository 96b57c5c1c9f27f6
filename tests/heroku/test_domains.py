"""Domains, certificates, collaborators, SSH keys and log drains, by the Heroku CLI."""

from __future__ import annotations

from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku
from tests.pki import Issued, issue, ssh_public_key

URL = "https://ada:p%40ss@logs.example.com:8443/in/t0ken?a=b%20c&d"


def upload(heroku: Heroku, app: str, issued: Issued) -> str:
    """A certificate by the API: `certs:add` asks on a terminal for which domains it is. Its name."""
    made = heroku.call(f"/apps/{app}/sni-endpoints", "POST", {"certificate_chain": issued.pem, "private_key": issued.key_pem})
    return str(made["name"])


def test_domains_are_added_listed_and_removed(heroku: Heroku, live: Live) -> None:
    app, www = live.name, f"www.{live.name}.example.com"

    added = heroku("domains:add", www, "--wait", "-a", app)
    heroku("domains:add", f"*.{app}.example.org", "-a", app)

    assert f"point to the DNS Target {app}.localhost" in added
    assert heroku.server.get(app, Host=www).body == heroku.server.get(app).body
    listed = heroku("domains", "-a", app)
    assert f"=== {app} Heroku Domain\n\n{app}.localhost" in listed
    assert f"*.{app}.example.org" in listed
    assert [row["kind"] for row in heroku.json("domains", "-a", app)].count("custom") == 2
    assert f"hostname:   {www}" in heroku("domains:info", www, "-a", app)
    heroku("domains:wait", www, "-a", app)
    heroku("domains:remove", www, "-a", app)
    assert heroku.server.get(app, Host=www).status == 404
    heroku("domains:clear", "-a", app)
    assert [row["kind"] for row in heroku.call(f"/apps/{app}/domains")] == ["heroku"]


def test_domains_that_are_refused(heroku: Heroku, app: str) -> None:
    heroku("domains:add", f"www.{app}.example.com", "-a", app)

    assert "Domain already added to this app." in heroku.fails("domains:add", f"www.{app}.example.com", "-a", app).stderr
    assert "is not a valid domain name" in heroku.fails("domains:add", "http://x", "-a", app).stderr
    assert "Couldn't find that domain name." in heroku.fails("domains:remove", "none.example.com", "-a", app).stderr
    assert "default domain and stays" in heroku.fails("domains:remove", f"{app}.localhost", "-a", app).stderr


def test_certificates(heroku: Heroku, app: str) -> None:
    assert "has no SSL certificates" in heroku("certs", "-a", app)
    added = heroku.run("certs:add", *_files(heroku, issue("other.example.com")), "-a", app)
    assert "/CN=other.example.com" in added.stdout
    assert "does not serve TLS" in added.stderr
    heroku("certs:remove", "-a", app, "--confirm", app)
    name = upload(heroku, app, issue(f"www.{app}.example.com"))
    heroku("domains:add", f"www.{app}.example.com", "-c", name, "-a", app)

    listed, shown = heroku("certs", "-a", app), heroku("certs:info", "--show-domains", "-a", app)

    assert name in listed
    assert "SSL certificate is self signed." in shown
    assert f"Domain(s):      www.{app}.example.com" in shown
    assert name in heroku("domains", "-a", app)
    heroku("certs:update", *_files(heroku, issue("newer.example.com")), "-a", app, "--confirm", app)
    assert heroku.call(f"/apps/{app}/sni-endpoints/{name}")["ssl_cert"]["cert_domains"] == ["newer.example.com"]
    refused = heroku.fails("certs:update", "k.pem", "c.pem", "-a", app, "--confirm", app)
    assert "The private key cannot be read." in refused.stderr
    heroku("domains:update", f"www.{app}.example.com", "--cert", name, "-a", app)
    heroku("certs:remove", "--name", name, "-a", app, "--confirm", app)
    assert heroku.call(f"/apps/{app}/domains/www.{app}.example.com")["sni_endpoint"] is None


def test_automatic_certificates_are_refused_in_one_sentence(heroku: Heroku, app: str) -> None:
    assert "disabled" in heroku("certs:auto", "-a", app)
    assert "does not issue certificates by itself yet" in heroku.fails("certs:auto:enable", "-a", app).stderr


def test_access(heroku: Heroku, app: str) -> None:
    email = f"{app}@example.com"
    heroku("access:add", email, "-a", app)

    assert f"{email}" in heroku("access", "-a", app)
    assert {row["role"] for row in heroku.json("access", "-a", app)} == {"owner", "collaborator"}
    assert "already a collaborator" in heroku.fails("access:add", email, "-a", app).stderr
    heroku("access:remove", email, "-a", app)
    assert [row["role"] for row in heroku.call(f"/apps/{app}/collaborators")] == ["owner"]
    assert "an owner cannot be removed" in heroku.fails("access:remove", "admin@localhost", "-a", app).stderr


def test_keys(heroku: Heroku) -> None:
    key = ssh_public_key(ed25519.Ed25519PrivateKey.generate())
    (heroku.folder / "id.pub").write_text(f"{key} ada@laptop\n")

    heroku("keys:add", "id.pub")

    assert "ada@laptop" in heroku("keys")
    assert key in heroku("keys", "--long")
    assert "Fingerprint already exists." in heroku.fails("keys:add", "id.pub").stderr
    heroku("keys:remove", "ada@laptop")
    assert key not in str(heroku.call("/account/keys"))


def test_drains(heroku: Heroku, app: str) -> None:
    added = heroku.run("drains:add", URL, "-a", app)

    assert f"Successfully added drain {URL}" in added.stdout
    assert "does not deliver to drains yet" in " ".join(added.stderr.replace("›", "").split())
    assert URL in heroku("drains", "-a", app)
    assert heroku.call(f"/apps/{app}/log-drains/{quote(URL, safe='')}")["url"] == URL
    assert "Url has already been taken" in heroku.fails("drains:add", URL, "-a", app).stderr
    assert f"Successfully removed drain {URL}" in heroku("drains:remove", URL, "-a", app)
    assert heroku.call(f"/apps/{app}/log-drains") == []


def _files(heroku: Heroku, issued: Issued) -> tuple[str, str]:
    (heroku.folder / "c.pem").write_text(issued.pem)
    (heroku.folder / "k.pem").write_text(issued.key_pem)
    return "c.pem", "k.pem"
