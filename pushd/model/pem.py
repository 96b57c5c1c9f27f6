"""Reads certificates and private keys that users upload; says plainly what is wrong with them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from pushd.errors import InvalidParams
from pushd.model.certificate import Facts

CHAIN_LIMIT = 100_000  # characters
CHAIN_LENGTH = 10  # certificates
KEY_LIMIT = 20_000  # characters
RSA_BITS_AT_LEAST = 2048
_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})  # RFC 8446 section 4.2.3

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
_HOST = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+", re.IGNORECASE)
_SHORT = {
    NameOID.COUNTRY_NAME: "C", NameOID.STATE_OR_PROVINCE_NAME: "ST", NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O", NameOID.ORGANIZATIONAL_UNIT_NAME: "OU", NameOID.COMMON_NAME: "CN",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}  # fmt: skip
_PEM = "Send text that starts with -----BEGIN CERTIFICATE-----."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate chain in its right order, and the key that belongs to its first."""

    certificate_chain: str
    private_key: str = field(repr=False)
    facts: Facts


def parse_pair(chain_text: str, key_text: str, *, roots: Sequence[bytes], now: datetime) -> Pair:
    """Read and check an uploaded chain and key. The order of the chain does not matter; it comes out right.

    `roots` are the trusted authorities, in DER.

    Raises: InvalidParams that says what is wrong with which of them, and never repeats the key.
    """
    key = _parse_key(key_text)
    chain = _in_order(_parse_chain(chain_text), key)
    leaf = chain[0]
    if leaf.not_valid_after_utc <= now:
        raise InvalidParams(f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d}.", remedy="Get a new one.")
    return Pair(
        certificate_chain="".join(_pem_of(each) for each in chain),
        private_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii"),
        facts=Facts(
            domains=_domains_of(leaf),
            issuer=_one_line(leaf.issuer),
            subject=_one_line(leaf.subject),
            starts_at=leaf.not_valid_before_utc,
            expires_at=leaf.not_valid_after_utc,
            self_signed=_issued(leaf, by=leaf),
            ca_signed=_is_trusted(chain, roots, now),
        ),
    )


def _parse_key(text: str) -> PrivateKey:
    if len(text) > KEY_LIMIT:
        raise InvalidParams(f"The private key is longer than {KEY_LIMIT} characters.", remedy="Send the key alone.")
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except TypeError:
        raise InvalidParams(
            "The private key is encrypted with a passphrase.", remedy="Take it off: openssl pkey -in KEY -out PLAIN_KEY."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidParams(
            "The private key cannot be read.", remedy="Send a PEM text that starts with -----BEGIN PRIVATE KEY-----."
        ) from None
    if not isinstance(key, PrivateKey):
        raise InvalidParams("The private key is of a type that no browser takes.", remedy="Use RSA, ECDSA or Ed25519.")
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name not in _CURVES:
        raise InvalidParams(f"No browser takes keys on the curve {key.curve.name}.", remedy="Use P-256, P-384, RSA or Ed25519.")
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < RSA_BITS_AT_LEAST:
        raise InvalidParams(
            f"An RSA key of {key.key_size} bits is too weak; {RSA_BITS_AT_LEAST} is the least.", remedy="Make a new key."
        )
    return key


def _parse_chain(text: str) -> list[x509.Certificate]:
    if len(text) > CHAIN_LIMIT:
        raise InvalidParams(f"The certificate chain is longer than {CHAIN_LIMIT} characters.", remedy=_PEM)
    try:
        found = x509.load_pem_x509_certificates(text.encode())
        for each in found:
            _ = each.subject, each.issuer, each.extensions, each.public_key(), each.not_valid_after_utc  # read when asked for
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
        raise InvalidParams("The certificate cannot be read.", remedy=_PEM) from None
    unique = list(dict.fromkeys(found))
    if len(unique) > CHAIN_LENGTH:
        raise InvalidParams(
            f"The chain holds {len(unique)} certificates; {CHAIN_LENGTH} is the most.",
            remedy="Send the app's own certificate and its intermediates, no bundle of roots.",
        )
    return unique


def _in_order(found: Sequence[x509.Certificate], key: PrivateKey) -> list[x509.Certificate]:
    """The certificate of the key, then each issuer of the one before."""
    public = _public_bytes(key)
    chain = [each for each in found if _public_bytes(each) == public][:1]
    if not chain:
        raise InvalidParams(
            "The private key does not belong to the certificate.",
            remedy="Send the key that the certificate was requested with.",
        )
    rest = [each for each in found if each != chain[0]]
    while issuer := next((each for each in rest if _issued(chain[-1], by=each)), None):
        chain.append(issuer)
        rest.remove(issuer)
    if rest:
        raise InvalidParams(
            f"The chain has a gap: {_one_line(rest[0].subject)[:200]} has not signed what comes before it.",
            remedy="Send the app's own certificate and the intermediates that lead to its root.",
        )
    return chain


def _issued(certificate: x509.Certificate, *, by: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_trusted(chain: Sequence[x509.Certificate], roots: Sequence[bytes], now: datetime) -> bool:
    """Whether a browser that trusts `roots` would take it, for one of its own names."""
    names = [name.replace("*.", "www.", 1) for name in _domains_of(chain[0])]
    trusted = list(_readable(roots))
    if not trusted or not names:
        return False
    verifier = PolicyBuilder().store(Store(trusted)).time(now).build_server_verifier(x509.DNSName(names[0]))
    try:
        verifier.verify(chain[0], list(chain[1:]))
    except (VerificationError, ValueError):
        return False
    return True


def _readable(roots: Sequence[bytes]) -> Iterator[x509.Certificate]:
    for each in roots:
        with contextlib.suppress(ValueError):  # some systems keep very old ones
            yield x509.load_der_x509_certificate(each)


def _domains_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Host names only, the common name first; addresses and e-mail addresses lead no visitor to an app."""
    names = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names += alternatives.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        pass
    return tuple(dict.fromkeys(name.lower() for name in names if _HOST.fullmatch(name)))


def _one_line(name: x509.Name) -> str:
    """ "/C=US/O=Example/CN=www.example.com", the form that Heroku shows."""
    return "".join(f"/{_SHORT.get(each.oid, each.oid.dotted_string)}={each.value!s}" for each in name)


def _public_bytes(holder: x509.Certificate | PrivateKey) -> bytes:
    return holder.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pem_of(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")
