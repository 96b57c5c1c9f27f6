"""Certificates of apps: what an SNI endpoint holds and shows. `pem.py` reads them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

CERTIFICATES_PER_APP = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a certificate chain says of itself, in the words that people read."""

    domains: tuple[str, ...]  # its common name and alternative names
    issuer: str  # "/C=US/O=Let's Encrypt/CN=R3"
    subject: str
    starts_at: datetime
    expires_at: datetime
    self_signed: bool
    ca_signed: bool  # a root that this machine trusts has signed it


@dataclass(frozen=True, slots=True, kw_only=True)
class SniEndpoint:
    """A certificate of an app, for the domains that are bound to it. Its private key is read by the store alone."""

    id: UUID
    app_id: UUID
    name: str
    certificate_chain: str  # PEM, the app's own certificate first, then each issuer of the one before
    facts: Facts
    domain_ids: tuple[UUID, ...]
    created_at: datetime
    updated_at: datetime
