"""By what two people can tell on the phone that they mean the same certificate, or the same SSH key."""

from __future__ import annotations

import base64
import hashlib
import re
import ssl

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def certificates_in(pem: bytes) -> bytes:
    """The certificates of a PEM text and nothing else that may stand beside them, a private key above all."""
    return b"".join(found + b"\n" for found in _CERTIFICATE.findall(pem))


def first_certificate(pem: bytes) -> bytes:
    """The first certificate of a PEM text alone, written anew: whatever stands beside it, or within its lines, is gone.

    Raises: ValueError for a text that holds none.
    """
    return ssl.DER_cert_to_PEM_cert(_first_der(pem)).encode("ascii")


def fingerprint(pem: bytes) -> str:
    """ "AB:CD:...": the SHA-256 of the first certificate in a PEM text, as `openssl x509 -fingerprint -sha256` shows it.

    Raises: ValueError for a text that holds none.
    """
    return hashlib.sha256(_first_der(pem)).digest().hex(":").upper()


def key_fingerprint(public_data: bytes) -> str:
    """ "SHA256:...", as OpenSSH shows a key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(public_data).digest()).decode().rstrip("=")


def _first_der(pem: bytes) -> bytes:
    found = _CERTIFICATE.search(pem)
    if found is None:
        raise ValueError("there is no certificate")
    return ssl.PEM_cert_to_DER_cert(found[0].decode("ascii"))
