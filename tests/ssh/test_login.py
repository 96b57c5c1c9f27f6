"""Who gets in: keys that are kept, of every kind, and nobody else; strangers are told what to do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pushd.ssh.bounds import KEYS_TRIED, LOGIN_SECONDS, SESSIONS_PER_CONNECTION, UNKNOWN_PER_SOURCE
from pushd.ssh.host_key import BadHostKey, open_host_key
from tests.ssh.conftest import KINDS, Door, fingerprint_of, public


@pytest.mark.parametrize("kind", [f"{kind}{bits}" for kind, bits in KINDS])
async def test_a_key_of_every_kind_logs_in(door: Door, keys: dict[str, Path], kind: str) -> None:
    door.people.add(public(keys[kind]), "ben@example.com")

    ran = await door("git-upload-pack", "'/myapp.git'", key=keys[kind])

    assert (ran.code, ran.err) == (5, "")
    assert door.git.asked == [("ben@example.com", "git-upload-pack", "myapp.git")]


class SecurityKey(asyncssh.SSHKeyPair):
    """What a FIDO authenticator does, in software. Source: OpenSSH's PROTOCOL.u2f."""

    _key_type = "sk"

    def __init__(self, *, touched: bool) -> None:
        self._secret = ed25519.Ed25519PrivateKey.generate()
        self._flags = b"\1" if touched else b"\0"
        raw = self._secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        algorithm = b"sk-ssh-ed25519@openssh.com"
        data = _string(algorithm) + _string(raw) + _string(b"ssh:")
        super().__init__(algorithm, algorithm, (algorithm,), (algorithm,), data, b"authenticator", None)

    @property
    def public_key(self) -> str:
        return f"sk-ssh-ed25519@openssh.com {base64.b64encode(self.public_data).decode()} authenticator"

    def sign(self, data: bytes) -> bytes:
        counter = bytes(4)
        signed = hashlib.sha256(b"ssh:").digest() + self._flags + counter + hashlib.sha256(data).digest()
        return _string(b"sk-ssh-ed25519@openssh.com") + _string(self._secret.sign(signed)) + self._flags + counter


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


async def test_a_security_key_logs_in_once_it_was_touched(door: Door) -> None:
    touched, untouched = SecurityKey(touched=True), SecurityKey(touched=False)
    door.people.add(touched.public_key)
    door.people.add(untouched.public_key)

    async with door.connect(client_keys=[touched]) as client:
        assert (await client.run("echo in")).stdout == "in\n"
    with pytest.raises(asyncssh.PermissionDenied):
        await door.connect(client_keys=[untouched])


async def test_a_stranger_is_told_which_keys_were_tried_and_what_to_do(door: Door, keys: dict[str, Path]) -> None:
    ran = await door("logs", key=keys["stranger"])

    assert ran.code == 255
    assert fingerprint_of(public(keys["stranger"])) in ran.err
    assert "pushd keys:add" in ran.err
    assert door.git.asked == []


async def test_who_has_no_key_is_told_too(door: Door) -> None:
    ran = await door("logs", key=Path("/dev/null"))

    assert ran.code == 255
    assert "You have shown no SSH key." in ran.err


async def test_no_password_opens(door: Door) -> None:
    with pytest.raises(asyncssh.PermissionDenied):
        await door.connect(client_keys=None, password="")


async def test_a_signature_by_sha1_is_none(door: Door, keys: dict[str, Path]) -> None:
    door.people.add(public(keys["rsa2048"]))

    with pytest.raises(asyncssh.PermissionDenied):
        await door.connect(client_keys=[str(keys["rsa2048"])], signature_algs=["ssh-rsa"])
    async with door.connect(client_keys=[str(keys["rsa2048"])], signature_algs=["rsa-sha2-256"]) as client:
        assert (await client.run("echo in")).stdout == "in\n"


@pytest.mark.parametrize("option", ["KexAlgorithms=diffie-hellman-group16-sha512", "MACs=hmac-sha1 -o Ciphers=aes128-ctr"])
async def test_what_is_old_or_slow_is_not_spoken(door: Door, option: str) -> None:
    ran = await door("echo", "in", options=("-o", *option.split(" ")))

    assert ran.code == 255
    assert "no matching" in ran.err


async def test_a_public_key_alone_opens_nothing(door: Door, keys: dict[str, Path]) -> None:
    """A client that shows somebody's public key and signs with its own."""
    pair = asyncssh.load_keypairs([str(keys["stranger"])])[0]
    pair.public_data = asyncssh.read_public_key(f"{keys['ed25519']}.pub").public_data

    with pytest.raises(asyncssh.PermissionDenied):
        await door.connect(client_keys=[pair])


async def test_too_many_keys_end_the_connection_with_a_word(door: Door) -> None:
    many = [asyncssh.generate_private_key("ssh-ed25519") for _ in range(KEYS_TRIED + 1)]

    with pytest.raises(asyncssh.DisconnectError, match="IdentitiesOnly=yes"):
        await door.connect(client_keys=many)


async def test_a_key_that_is_removed_opens_nothing_more_in_a_connection_that_it_began(
    door: Door, keys: dict[str, Path]
) -> None:
    async with door.connect() as client:
        assert (await client.run("echo in")).stdout == "in\n"
        door.people.owners.clear()
        ran = await client.run("echo in")

    assert ran.exit_status == 1
    assert ran.stdout == ""
    assert "not known here any more" in str(ran.stderr)


async def test_a_key_that_is_removed_ends_what_runs_in_its_connections_at_once(door: Door) -> None:
    child = await door.start("echo ready; cat")
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"

    door.people.remove_all()
    await child.communicate()

    assert child.returncode == 255  # why is told too, but may be lost: the connection is cut right behind it


async def test_the_oldest_silent_connection_of_a_source_makes_room(door: Door) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(UNKNOWN_PER_SOURCE)]
    for reader, _ in silent:
        assert (await reader.readline()).startswith(b"SSH-2.0-pushd")

    ran = await door("echo", "in")
    assert ran.out == "in\n"
    first, _ = silent[0]
    await first.read()  # ended
    second, writer = silent[1]
    writer.write(b"SSH-2.0-still-here\r\n")
    assert await second.read(1)
    for _, writer in silent:
        writer.close()


async def test_who_does_not_log_in_in_time_is_cut_off(door: Door, skip: object) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    assert await reader.readline()
    assert callable(skip)
    skip(LOGIN_SECONDS)
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n" * 100, b"\x16\x03\x01" + bytes(300), bytes(100_000), b"SSH-2.0-x\r\n" + b"\xff" * 5000],
)
async def test_what_is_no_ssh_is_cut_off_and_harms_nobody(door: Door, garbage: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(garbage)
    try:
        writer.write_eof()
        await reader.read()
    except OSError:
        pass
    writer.close()

    assert (await door("echo", "in")).out == "in\n"


async def test_a_connection_has_so_many_sessions_and_says_so(door: Door) -> None:
    async with door.connect() as client:
        running = [await client.create_process("git-upload-pack x", encoding=None) for _ in range(SESSIONS_PER_CONNECTION)]
        with pytest.raises(asyncssh.ChannelOpenError, match="open another one"):
            await client.create_process("git-upload-pack x")
        for each in running:
            each.stdin.write_eof()
            await each.wait()
        assert (await client.run("echo in")).stdout == "in\n"


def test_the_host_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "ssh_host_key"

    made = open_host_key(file)

    assert file.stat().st_mode & 0o777 == 0o600
    assert open_host_key(file).public_data == made.public_data
    assert [each.name for each in tmp_path.iterdir()] == ["ssh_host_key"]


def test_a_host_key_that_is_damaged_is_named_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "ssh_host_key"
    file.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n")

    with pytest.raises(BadHostKey) as refused:
        open_host_key(file)

    assert str(file) in refused.value.message
    assert "backup" in refused.value.remedy
    assert file.read_text().endswith("xx\n")
