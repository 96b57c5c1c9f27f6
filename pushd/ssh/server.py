"""Takes connections in, tells who comes, and serves what they ask for."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from uuid import UUID

import asyncssh

from pushd.errors import PushdError
from pushd.kit.accept import Acceptor
from pushd.kit.addresses import source_of
from pushd.kit.aio import Nursery
from pushd.kit.crowd import plan_room
from pushd.kit.fingerprint import key_fingerprint
from pushd.kit.transcript import complaint
from pushd.model.user import User
from pushd.ssh.bounds import (
    CONNECTIONS_PER_USER,
    KEEP_ALIVE_SECONDS,
    LOGIN_SECONDS,
    UNANSWERED,
    UNKNOWN_AT_MOST,
    UNKNOWN_PER_SOURCE,
)
from pushd.ssh.channel import Channel
from pushd.ssh.command import ClientCommand, GitService, NotServed, no_files, no_shell, parse_command
from pushd.ssh.connection import Connection, Visitor
from pushd.ssh.needs import Git, Keys
from pushd.ssh.programs import Programs

log = logging.getLogger(__name__)

FAILED = 1  # the exit status of what was refused
_LAST_WORDS_SECONDS = 3.0  # when we stop, for sessions to end by themselves: pushes have been told by then
_LEAVE_SECONDS = 1.0  # then, for clients to go by themselves: one that we hang up on takes its session for failed
_CLOSE_SECONDS = 2.0
_OUR_BUG = "Something in pushd itself went wrong here; its log says what.\nTry again, and tell the operator of this server."
# Elliptic curves, with and without post-quantum: the old groups of whole numbers would hold up the loop for each stranger.
# asyncssh refuses a pattern that fits nothing, so only what it has on every machine is named.
_KEY_EXCHANGES = "-diffie-hellman-*,rsa2048-*"
_MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
logging.getLogger("asyncssh").setLevel(logging.CRITICAL)  # it tells of command lines, and these hold values of config vars


class SshServer:
    """Listens between `start` and `close_door`; what came in goes on until `stop`. A failing session is its own affair."""

    def __init__(
        self,
        *,
        keys: Keys,
        git: Git,
        programs: Programs,
        on_write: Callable[[Callable[[], None]], Callable[[], None]],
        on_failed: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """`on_write` tells of every change to the store; `on_failed` is told when the socket does not listen any more."""
        self._keys = keys
        self._git = git
        self._programs = programs
        self._acceptor = Acceptor(self._admit, on_failed=on_failed)
        self._nursery = Nursery("ssh")
        self._sessions = Nursery("ssh sessions")
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self._waiting: dict[Connection, str] = {}  # without a login, oldest first, and where they come from
        self._known: dict[Connection, UUID] = {}  # and whose they are
        self._is_stopping = False
        self._on_write = on_write
        self._news = asyncio.Event()
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self, listening: socket.socket, host_key: asyncssh.SSHKey) -> None:
        """Serve this listening socket from now on, and own it."""
        await self._programs.prepare()
        self._options = await asyncssh.SSHServerConnectionOptions.construct(
            server_factory=self._make_visitor,
            server_host_keys=[host_key],
            server_version="pushd",
            authorized_client_keys=None,
            public_key_auth=True,
            kbdint_auth=True,
            password_auth=False,
            host_based_auth=False,
            gss_host=None,
            kex_algs=_KEY_EXCHANGES,
            mac_algs=_MACS,
            compression_algs=None,
            login_timeout=LOGIN_SECONDS,
            keepalive_interval=KEEP_ALIVE_SECONDS,
            keepalive_count_max=UNANSWERED,
            x11_forwarding=False,
            agent_forwarding=False,
            allow_scp=False,
            line_editor=False,
            encoding=None,
        )
        self._unsubscribe = self._on_write(self._news.set)
        self._nursery.keep(self._watch_keys, name="watch keys")
        self._acceptor.listen(listening)

    def close_door(self) -> None:
        """Take nobody in any more."""
        self._acceptor.close()

    async def stop(self, *, grace_seconds: float = _LAST_WORDS_SECONDS) -> None:
        """Let sessions end for a moment, then cut them off and all connections with them. Safe to call again."""
        self.close_door()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._sessions.settle()
        self._is_stopping = True
        self._unsubscribe()
        self._unsubscribe = lambda: None
        await self._sessions.close()
        await _all_closed(self._known, within=min(grace_seconds, _LEAVE_SECONDS))
        connections = [*self._waiting, *self._known]
        for connection in connections:
            connection.disconnect(asyncssh.DISC_BY_APPLICATION, "the server is stopping")
        await _all_closed(connections, within=_CLOSE_SECONDS)
        await self._nursery.close()

    # --- connections --------------------------------------------------------------------------------------------------

    def _admit(self, accepted: socket.socket) -> None:
        try:
            source = source_of(str(accepted.getpeername()[0]))
        except OSError:  # gone already
            accepted.close()
            return
        if (loser := plan_room(self._waiting, source, at_most=UNKNOWN_AT_MOST, per_source=UNKNOWN_PER_SOURCE)) is not None:
            del self._waiting[loser]
            loser.abort()
        assert self._options is not None
        connection = Connection(asyncio.get_running_loop(), self._options)
        self._waiting[connection] = source
        self._nursery.start(self._begin(connection, accepted), name="begin")

    async def _begin(self, connection: Connection, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, accepted)
        except OSError as error:
            log.debug("connection not established", extra={"error": error})
            self._waiting.pop(connection, None)
            accepted.close()
            return
        if connection not in self._waiting and connection not in self._known:  # it had to make room meanwhile
            connection.abort()

    def _make_visitor(self) -> Visitor:
        return Visitor(self._keys, on_login=self._on_login, on_session=self._on_session, on_end=self._on_end)

    def _on_login(self, visitor: Visitor, user: User) -> str:
        if Counter(self._known.values())[user.id] >= CONNECTIONS_PER_USER:
            return f"you have {CONNECTIONS_PER_USER} connections open: close some"
        connection = visitor.connection
        self._waiting.pop(connection, None)
        self._known[connection] = user.id
        key = key_fingerprint(connection.proven or b"")
        log.info("ssh login", extra={"user": user.email, "key": key, "from": connection.source})
        return ""

    def _on_end(self, visitor: Visitor) -> None:
        self._waiting.pop(visitor.connection, None)
        self._known.pop(visitor.connection, None)

    async def _watch_keys(self) -> None:
        """End the connections of keys that were removed, and with them what runs there; pushes go on."""
        while True:
            await self._news.wait()
            self._news.clear()
            for connection in list(self._known):
                if await self._keys.maybe_user(connection.proven or b"") is None:
                    connection.disconnect(asyncssh.DISC_BY_APPLICATION, "this key is not known here any more")

    # --- sessions -----------------------------------------------------------------------------------------------------

    def _on_session(self, visitor: Visitor, channel: Channel) -> None:
        if self._is_stopping:
            channel.exit(FAILED)
            return
        self._sessions.start(self._serve(visitor, channel), name="session")

    async def _serve(self, visitor: Visitor, channel: Channel) -> None:
        status = FAILED
        try:
            status = await self._explained(visitor, channel)
        except ConnectionError:
            log.info("ssh client is gone", extra={"from": visitor.connection.source})
        finally:
            channel.exit(status)
            visitor.end_of(channel)

    async def _explained(self, visitor: Visitor, channel: Channel) -> int:
        """Answer, and say why if not. Raises: ConnectionError."""
        try:
            connection = visitor.connection
            with self._keys.lend(connection.proven or b"", connection.source) as token:
                return await self._answer(channel, token)
        except PushdError as error:
            await channel.tell(f"{complaint(error.text)}\n")
        except ConnectionError:
            raise
        except Exception:
            log.exception("ssh session failed")
            await channel.tell(f"{complaint(_OUR_BUG)}\n")
        return FAILED

    async def _answer(self, channel: Channel, token: str) -> int:
        user = await self._keys.by_token(token)
        if user is None:
            raise NotServed("Your key is not known here any more.", remedy="`pushd keys` lists yours.")
        if channel.subsystem is not None:
            raise no_files()
        if channel.command is None:
            await channel.tell(f"Hello, {user.email}. This is pushd.\n")
            raise no_shell()
        match parse_command(channel.command):
            case GitService(service, app):
                log.info("ssh git", extra={"user": user.email, "service": service})
                return await self._git(user, service, app, channel)
            case ClientCommand(words):
                log.info("ssh command", extra={"user": user.email})  # not which: it may hold secrets
                return await self._programs.run(user, token, words, channel)


async def _all_closed(connections: Iterable[Connection], *, within: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            for connection in list(connections):
                await connection.wait_closed()
