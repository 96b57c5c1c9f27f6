"""One client's connection: asyncssh's, with what it leaves open shut, and the login by keys that we keep."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import asyncssh

from pushd.kit.fingerprint import key_fingerprint
from pushd.model.user import User
from pushd.ssh.bounds import KEYS_TRIED, SESSIONS_PER_CONNECTION
from pushd.ssh.channel import Channel
from pushd.ssh.needs import Keys

log = logging.getLogger(__name__)

_WEAK_SIGNATURE = b"ssh-rsa"  # SHA-1, RFC 8332 has its successors
_NO_FORWARDING = "pushd forwards no connections: use your system's own SSH server for a tunnel"


class Connection(asyncssh.SSHServerConnection):
    """Knows by which key its client came, and whether it takes what is written."""

    def __init__(self, loop: asyncio.AbstractEventLoop, options: asyncssh.SSHServerConnectionOptions) -> None:
        super().__init__(loop, options)
        self.proven: bytes | None = None  # the public key that the client has signed with
        self.can_write = asyncio.Event()
        self.can_write.set()

    @property
    def source(self) -> str:
        """The client's address."""
        peer = self.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else ""

    async def validate_public_key(self, username: str, key_data: bytes, msg: bytes, signature: bytes) -> bool:
        """Whether this key is one of ours and, once the client shows it, its signature is right."""
        if msg and _algorithm_of(signature) == _WEAK_SIGNATURE:
            return False
        if not await super().validate_public_key(username, key_data, msg, signature):
            return False
        if msg:
            self.proven = key_data
        return True

    def create_server_channel(
        self, encoding: str | None = "", errors: str = "", window: int = 0, max_pktsize: int = 0
    ) -> asyncssh.SSHServerChannel[Any]:
        """A channel that takes no variables: asyncssh would keep as many as a client sends."""
        channel = super().create_server_channel(encoding, errors, window, max_pktsize)
        channel._process_env_request = lambda packet: False  # type: ignore[method-assign]
        return channel

    def pause_writing(self) -> None:
        """The client does not read: asyncssh would go on and keep all in memory."""
        self.can_write.clear()

    def resume_writing(self) -> None:
        self.can_write.set()

    def connection_lost(self, exc: Exception | None = None) -> None:
        self.can_write.set()
        super().connection_lost(exc)


class Visitor(asyncssh.SSHServer):
    """What one client may do, before and after it has logged in. The key tells who comes; the user name does not matter."""

    def __init__(
        self,
        keys: Keys,
        *,
        on_login: Callable[[Visitor, User], str],
        on_session: Callable[[Visitor, Channel], None],
        on_end: Callable[[Visitor], None],
    ) -> None:
        """`on_login` gives the reason to turn a known user away, "" for none."""
        self.connection: Connection
        self._keys = keys
        self._on_login, self._on_session, self._on_end = on_login, on_session, on_end
        self._refused: set[bytes] = set()
        self._sessions: set[Channel] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        assert isinstance(conn, Connection)
        self.connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end(self)

    # --- before the login ---------------------------------------------------------------------------------------------

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether somebody has this key. Asked before the client signs, and again when it has."""
        if await self._maybe_user(key.public_data) is not None:
            return True
        self._refused.add(key.public_data)
        if len(self._refused) > KEYS_TRIED:
            raise asyncssh.DisconnectError(
                asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE,
                f"{KEYS_TRIED} keys were tried, and none is known here: name one with ssh -o IdentitiesOnly=yes -i FILE",
            )
        return False

    def kbdint_auth_supported(self) -> bool:
        """Offered for one reason: clients try it when no key of theirs was taken, which is the time to say what to do."""
        return True

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> bool:
        self.connection.send_auth_banner(_who_are_you(self._refused))
        return False

    async def auth_completed(self) -> None:
        user = None if self.connection.proven is None else await self._maybe_user(self.connection.proven)
        reason = "this key is not known here any more" if user is None else self._on_login(self, user)
        if reason:
            self.connection.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS, reason)

    async def _maybe_user(self, public_data: bytes) -> User | None:
        try:
            return await self._keys.maybe_user(public_data)
        except Exception:  # asyncssh would end the connection without a word
            log.exception("cannot look up a key")
            return None

    # --- after it -----------------------------------------------------------------------------------------------------

    def session_requested(self) -> Channel:
        if len(self._sessions) >= SESSIONS_PER_CONNECTION:
            raise _refusal(f"{SESSIONS_PER_CONNECTION} sessions run in this connection already: open another one")
        channel = Channel(self._on_start, self.connection.can_write)
        self._sessions.add(channel)
        return channel

    def end_of(self, channel: Channel) -> None:
        """This session is over."""
        self._sessions.discard(channel)

    def _on_start(self, channel: Channel) -> None:
        self._on_session(self, channel)

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        raise _refusal(_NO_FORWARDING)

    def unix_connection_requested(self, dest_path: str) -> bool:
        raise _refusal(_NO_FORWARDING)

    def server_requested(self, listen_host: str, listen_port: int) -> bool:
        return self._no_listening()

    def unix_server_requested(self, listen_path: str) -> bool:
        return self._no_listening()

    def tun_requested(self, unit: int | None) -> bool:
        raise _refusal(_NO_FORWARDING)

    def tap_requested(self, unit: int | None) -> bool:
        raise _refusal(_NO_FORWARDING)

    def _no_listening(self) -> bool:
        self.connection.send_debug(_NO_FORWARDING, always_display=True)
        return False


def _refusal(reason: str) -> asyncssh.ChannelOpenError:
    return asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, reason)


def _algorithm_of(signature: bytes) -> bytes:
    return signature[4 : 4 + int.from_bytes(signature[:4], "big")]


def _who_are_you(refused: set[bytes]) -> str:
    shown = "".join(f"  {key_fingerprint(each)}\n" for each in sorted(refused))
    tried = f"This pushd server knows none of your keys:\n{shown}" if refused else "You have shown no SSH key.\n"
    return f"{tried}Add one with `pushd keys:add ~/.ssh/id_ed25519.pub`, or push over HTTP (`pushd login`).\n"
