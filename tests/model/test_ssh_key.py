"""Public SSH keys: which are taken, and what is said of the others."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pushd.errors import InvalidParams
from pushd.model.ssh_key import LINE_LIMIT, SshKey, key_data, parse_public_key
from tests.pki import pem_of, ssh_public_key

ED25519 = ssh_public_key(ed25519.Ed25519PrivateKey.generate())
SK = (
    "sk-ssh-ed25519@openssh.com "
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAdpy8dkqvXBdqUGrSKqhUiOkqJ10lZUlsXFLWPZ7WFhAAAABHNzaDo="
)


def parse(text: str) -> str:
    return parse_public_key(text, comment="ada@example.com")


KINDS = {
    key.partition(" ")[0]: key
    for key in (
        ED25519,
        SK,
        ssh_public_key(ec.generate_private_key(ec.SECP256R1())),
        ssh_public_key(ec.generate_private_key(ec.SECP521R1())),
        ssh_public_key(rsa.generate_private_key(65537, 2048)),
    )
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_comes_out_as_one_line(kind: str) -> None:
    line = KINDS[kind]
    assert parse(f"{line} ada@laptop") == f"{line} ada@laptop"
    assert parse(f"  {line.replace(' ', '   ')}  my  old laptop\r\n\n") == f"{line} my old laptop"


def test_without_a_comment_it_gets_one() -> None:
    assert parse(ED25519) == f"{ED25519} ada@example.com"


def test_the_comment_cannot_steer_a_terminal() -> None:
    assert parse(f"{ED25519} a\x1b[31mb\ud800") == f"{ED25519} a[31mb"


def test_what_is_shown_of_it() -> None:
    now = datetime.now(UTC)
    key = SshKey(
        id=UUID(int=1), user_id=UUID(int=2), email="a@b", public_key=f"{ED25519} my laptop", created_at=now, updated_at=now
    )

    assert key.comment == "my laptop"
    digest = hashlib.md5(key_data(ED25519), usedforsecurity=False).hexdigest()
    assert key.fingerprint.replace(":", "") == digest
    assert len(key.fingerprint) == 47


WRONG = [
    ("", "one line"),
    ("hello", "not an SSH public key"),
    (f"{ED25519} a\n{ED25519} b", "one line"),
    (f"{ED25519} {'x' * LINE_LIMIT}", "one line"),
    (pem_of(ec.generate_private_key(ec.SECP256R1())), "private key"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----", "private key"),
    (f'command="ls" {ED25519}', "not an SSH public key"),
    (ED25519.replace("ssh-ed25519", "ssh-dss"), "not an SSH public key"),
    (ED25519.replace("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"), "not an SSH public key"),
    (ED25519.replace("ssh-ed25519", "ssh-rsa"), "damaged"),
    (ED25519[:40], "damaged"),
    ("ssh-ed25519", "damaged"),
    ("ssh-ed25519 ÄÖÜ", "damaged"),
    ("ssh-ed25519 !!!! me", "damaged"),
    (ssh_public_key(rsa.generate_private_key(65537, 1024)), "1024 bits is too weak"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(InvalidParams, match=told) as caught:
        parse(text)
    assert ".pub" in caught.value.remedy
