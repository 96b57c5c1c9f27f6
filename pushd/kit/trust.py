"""The certificate authorities that this machine trusts."""

from __future__ import annotations

import ssl


def machine_roots() -> list[bytes]:
    """Their certificates in DER, as the operating system keeps them; [] where it keeps none. Reads the disk."""
    return ssl.create_default_context().get_ca_certs(binary_form=True)
