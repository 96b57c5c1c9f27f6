"""The API port's certificate, and one port for plain HTTP and TLS."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from pushd.api.certificate import Certificate, CertificateTrouble, GivenCertificate
from tests.api.conftest import TOKEN, Api
from tests.pki import issue

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def made(folder: Path, now: datetime = NOW, domain: str = "apps.example.com") -> x509.Certificate:
    folder.mkdir(exist_ok=True)
    Certificate(folder, domain).refresh(now)
    return x509.load_pem_x509_certificate((folder / "server.pem").read_bytes())


def test_it_is_made_once_for_all_our_names_with_keys_for_the_daemon_alone(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path, NOW + timedelta(days=100))

    assert first == second
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "apps.example.com", "*.apps.example.com"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca-key.pem": 0o600, "server.pem": 0o644, "server-key.pem": 0o600}


def test_it_has_the_names_of_today_and_the_same_authority_when_they_change(tmp_path: Path) -> None:
    hosts = ["192.0.2.7", "box.example"]
    certificate = Certificate(tmp_path, "apps.example.com", lambda: hosts)
    certificate.refresh(NOW)
    authority = (tmp_path / "ca.pem").read_bytes()
    hosts[0] = "192.0.2.8"

    certificate.refresh(NOW)

    made = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1", "192.0.2.8"]
    assert "box.example" in names.get_values_for_type(x509.DNSName)
    assert (tmp_path / "ca.pem").read_bytes() == authority


def test_one_that_was_given_is_served_and_read_again(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    given = GivenCertificate(chain, key)
    with pytest.raises(CertificateTrouble, match="No such file"):
        given.refresh(NOW)
    first = issue("api.example")
    chain.write_text(first.pem)
    key.write_text(issue("another.example").key_pem)
    with pytest.raises(CertificateTrouble, match="they do not fit"):
        given.refresh(NOW)
    key.write_text(first.encrypted_key_pem)
    with pytest.raises(CertificateTrouble, match="they do not fit"):
        given.refresh(NOW)
    key.write_text(first.key_pem)

    given.refresh(NOW)

    assert given.authority == chain


async def test_only_certificates_are_told_to_everybody(api: Api, tmp_path: Path) -> None:
    both = issue("api.example")
    (api.tls / "ca.pem").write_text(both.key_pem + both.pem)  # as one file for both is given

    answer = await api.request("GET", "/-/ca.pem", token=None)

    assert answer.text == both.pem


@pytest.mark.parametrize("days", [380, 5000])
def test_it_is_renewed_before_it_ends(tmp_path: Path, days: int) -> None:
    first, later = made(tmp_path), NOW + timedelta(days=days)
    authority = (tmp_path / "ca.pem").read_bytes()

    second = made(tmp_path, later)

    assert second != first
    assert second.not_valid_after_utc > later + timedelta(days=300)
    assert ((tmp_path / "ca.pem").read_bytes() == authority) == (days == 380)  # clients trust the CA: it stays while it can


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"])
@pytest.mark.parametrize("damage", ["missing", "empty", "garbage", "other"])
def test_damaged_files_are_made_again(tmp_path: Path, name: str, damage: str) -> None:
    made(tmp_path / "tls")
    made(tmp_path / "other")
    path = tmp_path / "tls" / name
    match damage:
        case "missing":
            path.unlink()
        case "other":
            path.write_bytes((tmp_path / "other" / name).read_bytes())
        case _:
            path.write_bytes(b"" if damage == "empty" else b"garbage")

    server = made(tmp_path / "tls", NOW + timedelta(days=2000) if name == "ca-key.pem" else NOW)

    authority = x509.load_pem_x509_certificate((tmp_path / "tls" / "ca.pem").read_bytes())
    server.verify_directly_issued_by(authority)


def test_another_domain_makes_another_certificate_of_the_same_authority(tmp_path: Path) -> None:
    first = made(tmp_path)
    authority = (tmp_path / "ca.pem").read_bytes()

    assert made(tmp_path, domain="localhost") != first
    assert (tmp_path / "ca.pem").read_bytes() == authority


async def test_tls_and_plain_http_share_one_port(api: Api) -> None:
    trusting = ssl.create_default_context(cafile=str(api.tls / "ca.pem"))
    port = api.address.split(":")[1]
    await api.create("blog")

    for host in ("localhost", "127.0.0.1"):
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession() as session:
            async with session.get(f"https://{host}:{port}/apps/blog", ssl=trusting, headers=headers) as response:
                assert (await response.json())["git_url"] == f"https://{host}:{port}/blog.git"
    assert (await api.get("/apps/blog"))["git_url"] == f"http://{api.address}/blog.git"


async def test_a_client_that_does_not_trust_us_disturbs_nobody(api: Api) -> None:
    host, port = api.address.split(":")
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection(host, int(port), ssl=ssl.create_default_context())

    assert (await api.request("GET", "/-/health", token=None)).status == 200


async def test_the_authority_is_for_everybody_to_read(api: Api) -> None:
    answer = await api.request("GET", "/-/ca.pem", token=None)

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-pem-file")
    assert answer.text == (api.tls / "ca.pem").read_text()
