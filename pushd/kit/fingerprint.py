"""By what two people can tell on the phone that they mean the same certificate."""

from __future__ import annotations

import hashlib
import ssl


def fingerprint(pem: bytes) -> str:
    """ "AB:CD:...": the SHA-256 of the first certificate in a PEM text, as `openssl x509 -fingerprint -sha256` shows it.

    Raises: ValueError for a text that holds none.
    """
    begin, end = pem.find(b"-----BEGIN CERTIFICATE-----"), pem.find(b"-----END CERTIFICATE-----")
    if begin < 0 or end < begin:
        raise ValueError("there is no certificate")
    der = ssl.PEM_cert_to_DER_cert(pem[begin : end + len(b"-----END CERTIFICATE-----")].decode("ascii"))
    return hashlib.sha256(der).digest().hex(":").upper()
