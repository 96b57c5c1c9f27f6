"""Uploaded certificates: what is read from them, and what is wrong with them in plain words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ssl import DER_cert_to_PEM_cert

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from pushd.errors import InvalidParams
from pushd.model.pem import CHAIN_LENGTH, CHAIN_LIMIT, KEY_LIMIT, Pair, parse_pair
from tests.pki import chain, ders, issue, pem_of

NOW = datetime.now(UTC)
ROOT = issue(common_name="Root", ca=True)
MIDDLE = issue(common_name="Middle", ca=True, by=ROOT)
LEAF = issue("www.example.com", "*.example.com", by=MIDDLE)
ALONE = issue("www.example.com")
OTHER = issue("other.example.com")


def read(certificates: str, key: str, *, roots: list[bytes] | None = None) -> Pair:
    return parse_pair(certificates, key, roots=roots or [], now=NOW)


def test_a_self_signed_one() -> None:
    facts = read(ALONE.pem, ALONE.key_pem).facts

    assert facts.domains == ("www.example.com",)
    assert facts.issuer == facts.subject == "/C=SE/O=Example/CN=www.example.com"
    assert (facts.self_signed, facts.ca_signed) == (True, False)
    assert abs(facts.expires_at - NOW - timedelta(days=90)) < timedelta(minutes=5)


@pytest.mark.parametrize("order", [(LEAF, MIDDLE, ROOT), (ROOT, MIDDLE, LEAF), (MIDDLE, LEAF), (LEAF, LEAF, MIDDLE)])
def test_the_chain_comes_out_in_its_order(order: tuple[object, ...]) -> None:
    pair = read(chain(*order), LEAF.key_pem)  # type: ignore[arg-type]  # parametrize knows no types

    assert pair.certificate_chain.startswith(chain(LEAF, MIDDLE))
    assert pair.facts.issuer == "/C=SE/O=Example/CN=Middle"
    assert not pair.facts.self_signed


def test_the_key_alone_decides_which_certificate_is_the_apps() -> None:
    pair = read(chain(ROOT, MIDDLE, LEAF), LEAF.key_pem)

    assert pair.facts.domains == ("www.example.com", "*.example.com")
    assert pair.private_key == LEAF.key_pem


def test_who_is_trusted_and_who_is_not() -> None:
    assert read(chain(LEAF, MIDDLE), LEAF.key_pem, roots=list(ders(ROOT))).facts.ca_signed
    assert not read(chain(LEAF), LEAF.key_pem, roots=list(ders(ROOT))).facts.ca_signed
    assert not read(chain(LEAF, MIDDLE), LEAF.key_pem, roots=[b"damaged", *ders(OTHER)]).facts.ca_signed


def test_a_certificate_without_host_names() -> None:
    one = issue(common_name="Ada Lovelace")

    assert read(one.pem, one.key_pem).facts.domains == ()


def test_text_around_the_blocks_is_fine() -> None:
    assert read(f"Bag Attributes\n\n{ALONE.pem}\n\n", f"\n{ALONE.key_pem}").facts.domains


@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()])
def test_other_types_of_keys(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> None:
    one = issue("www.example.com", by=ROOT, key=key)

    assert read(one.pem, one.key_pem).private_key == one.key_pem


WRONG = [
    ("", ALONE.key_pem, "certificate cannot be read"),
    ("nonsense", ALONE.key_pem, "certificate cannot be read"),
    (ALONE.pem[:200], ALONE.key_pem, "certificate cannot be read"),
    (ALONE.pem.replace("MII", "MIJ", 1), ALONE.key_pem, "certificate cannot be read"),
    (ALONE.key_pem, ALONE.key_pem, "certificate cannot be read"),
    ("\ud800", ALONE.key_pem, "certificate cannot be read"),
    ("x" * (CHAIN_LIMIT + 1), ALONE.key_pem, "longer than"),
    (ALONE.pem, "", "private key cannot be read"),
    (ALONE.pem, "\ud800", "private key cannot be read"),
    (ALONE.pem, ALONE.pem, "private key cannot be read"),
    (ALONE.pem, ALONE.key_pem[:80], "private key cannot be read"),
    (ALONE.pem, "x" * (KEY_LIMIT + 1), "longer than"),
    (ALONE.pem, ALONE.encrypted_key_pem, "passphrase"),
    (ALONE.pem, OTHER.key_pem, "does not belong"),
    (MIDDLE.pem, LEAF.key_pem, "does not belong"),
    (chain(LEAF, OTHER), LEAF.key_pem, "gap: /C=SE/O=Example/CN=other.example.com"),
    (chain(LEAF, ROOT), LEAF.key_pem, "gap"),
    (chain(*(issue("www.example.com") for _ in range(CHAIN_LENGTH + 1))), ALONE.key_pem, "is the most"),
    (ALONE.pem, pem_of(dsa.generate_private_key(1024)), "no browser takes"),
    (ALONE.pem, pem_of(ec.generate_private_key(ec.SECP256K1())), "on the curve secp256k1"),
    (ALONE.pem, pem_of(rsa.generate_private_key(65537, 1024)), "too weak"),
]


@pytest.mark.parametrize(("certificates", "key", "told"), WRONG, ids=[told for *_, told in WRONG])
def test_what_is_wrong_is_said(certificates: str, key: str, told: str) -> None:
    with pytest.raises(InvalidParams, match=told) as caught:
        read(certificates, key)
    assert caught.value.remedy
    assert ALONE.key_pem.splitlines()[1] not in caught.value.text


def test_an_expired_one_is_refused() -> None:
    old = issue("www.example.com", days=-1)
    with pytest.raises(InvalidParams, match="expired on"):
        read(old.pem, old.key_pem)


def test_a_subject_that_is_no_text_is_refused() -> None:
    damaged = DER_cert_to_PEM_cert(ALONE.der.replace(b"Example", b"Ex\xff\xfeple"))
    with pytest.raises(InvalidParams, match="certificate cannot be read"):
        read(damaged, ALONE.key_pem)


def test_nobody_prints_the_key() -> None:
    assert "PRIVATE" not in repr(read(ALONE.pem, ALONE.key_pem))
