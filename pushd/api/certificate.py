"""The certificate of the API port: signed by a CA of our own that is made at first start, renewed before it ends.

Files in the `tls` folder: ca.pem is for clients that must trust us; the keys are for the daemon alone (0600).
"""

from __future__ import annotations

import ipaddress
import logging
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pushd.errors import PushdError
from pushd.kit.atomic import write_atomically

log = logging.getLogger(__name__)

_CA_VALID = timedelta(days=3650)
_SERVER_VALID = timedelta(days=397)  # the longest that clients of today accept
_RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(days=1)  # for clients whose clock is behind
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Served(Protocol):
    """What the API port needs of a certificate."""

    context: ssl.SSLContext

    @property
    def authority(self) -> Path:
        """What a client trusts that does not know it yet, in PEM."""

    def refresh(self, now: datetime) -> None:
        """Bring `context` up to date; blocks."""


class CertificateTrouble(PushdError):
    """A certificate that was given for the API port cannot be used."""

    id, status = "bad_certificate", 500


class GivenCertificate:
    """Fits `Served`: files that somebody else renews, read again with each refresh."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain, self._key = chain, key
        self.context = _server_context()

    @property
    def authority(self) -> Path:
        """What clients may have to trust: the chain itself, which is enough if it signs itself."""
        return self._chain

    def refresh(self, now: datetime) -> None:
        """Load the files. Raises: CertificateTrouble, for the first time; later the ones before are served on."""
        try:
            self.context.load_cert_chain(self._chain, self._key, password=_no_password)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            why = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "they do not fit"
            raise CertificateTrouble(
                f"cannot use {self._chain} with {self._key} for the API port: {why}",
                remedy="Give a chain and its key, both in PEM, that this user may read: api_certificate and api_private_key.",
            ) from None


class Certificate:
    """Fits `Served`: a certificate of our own CA's. Keeps the files whole and fresh, and the context that serves them."""

    def __init__(self, folder: Path, domain: str, hosts: Callable[[], Sequence[str]] = tuple) -> None:
        """`hosts` is asked with each refresh: names and addresses beside those of this machine's loopback and the domain."""
        self._folder = folder
        self._domain = domain
        self._hosts = hosts
        self.context = _server_context()

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*_LOCAL_NAMES, self._domain, f"*.{self._domain}", *self._hosts())))

    @property
    def authority(self) -> Path:
        """The CA's certificate, in PEM."""
        return self._folder / "ca.pem"

    def refresh(self, now: datetime) -> None:
        """Make what is missing, broken, made for other names or near its end, and load it; for new connections at once.

        Blocks for some milliseconds of disk and arithmetic. Raises: OSError when the files cannot be written.
        """
        names = self._names
        if not self._is_usable(now, names):
            self._make_server(now, names, *self._authority(now))
        self._load()

    def _is_usable(self, now: datetime, names: Sequence[str]) -> bool:
        try:
            found = x509.load_pem_x509_certificate(self._path("server.pem").read_bytes())
            authority = x509.load_pem_x509_certificate(self.authority.read_bytes())
            found.verify_directly_issued_by(authority)
            its_names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            self._load()
        except Exception as error:  # whatever is wrong with the files, the answer is the same: make them again
            log.info("making a certificate for the API port", extra={"because": type(error).__name__})
            return False
        return found.not_valid_after_utc - now > _RENEW_BEFORE and its_names == _alternative_names(names)

    def _load(self) -> None:
        self.context.load_cert_chain(self._path("server.pem"), self._path("server-key.pem"))

    def _authority(self, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """The CA's certificate and key: those on disk, or new ones."""
        try:
            certificate = x509.load_pem_x509_certificate(self.authority.read_bytes())
            key = serialization.load_pem_private_key(self._path("ca-key.pem").read_bytes(), None)
            lasts = certificate.not_valid_after_utc - now > _SERVER_VALID
            if lasts and isinstance(key, ec.EllipticCurvePrivateKey) and certificate.public_key() == key.public_key():
                return certificate, key
        except FileNotFoundError:
            log.info("making a certificate authority")
        except (OSError, ValueError) as error:
            why = f"{self.authority} or its key cannot be read: clients must trust the new one"
            log.warning("making a certificate authority", extra={"because": type(error).__name__, "why": why})
        return self._make_authority(now)

    def _make_authority(self, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("pushd local CA")
        certificate = (
            _builder(name, name, key, now, _CA_VALID)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(for_authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        self._write("ca-key.pem", _key_pem(key), 0o600)
        self._write("ca.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        return certificate, key

    def _make_server(
        self, now: datetime, names: Sequence[str], authority: x509.Certificate, authority_key: ec.EllipticCurvePrivateKey
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        certificate = (
            _builder(_name("pushd"), authority.subject, key, now, _SERVER_VALID)
            .add_extension(_alternative_names(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(for_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(issuer_id, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        self._write("server-key.pem", _key_pem(key), 0o600)
        self._write("server.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _write(self, name: str, data: bytes, mode: int) -> None:
        write_atomically(self._path(name), data, mode=mode)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> bytes:
    """A key that needs one cannot be used by a daemon, which must not ask on its terminal."""
    raise ValueError("the key is encrypted")


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, valid: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now - _BACKDATED + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _alternative_names(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general_name(name) for name in names])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _key_usage(*, for_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not for_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=for_authority,
        crl_sign=for_authority,
        encipher_only=False,
        decipher_only=False,
    )
