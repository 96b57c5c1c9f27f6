"""HTTP to one server, synchronous and kept alive: JSON in and out, every failure a `PushdError` with a next step."""

from __future__ import annotations

import errno
import http.client
import json
import os
import select
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import urlsplit

from pushd import __version__
from pushd.errors import DiskFull, Forbidden, InvalidParams, NotFound, PushdError, TooLarge, Unauthorized, Unavailable

ANSWER_SECONDS = 90.0  # the API answers everything but streams well within 60 s
CONNECT_SECONDS = 10.0
SERVE_HINT = (
    "Is `git pushd serve` running? Another server: --host URL or PUSHD_HOST=URL; one of this machine that keeps its data in "
    "another folder: PUSHD_DATA_DIR=FOLDER."
)
_KINDS: Mapping[int, type[PushdError]] = {
    401: Unauthorized, 403: Forbidden, 413: TooLarge, 422: InvalidParams, 503: Unavailable, 507: DiskFull,
}  # fmt: skip


class Unreachable(PushdError):
    """No answer: nobody listens, the name is unknown, the connection broke or the time was over."""

    id, status = "unreachable", 503


class Untrusted(Unreachable):
    """Nobody whom we trust has signed the server's certificate, or it is for another name."""


class NotOurs(PushdError):
    """Something answered, and it does not speak our API."""

    id, status = "not_pushd", 502


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer: `value` is its JSON, `headers` are by lower-case name."""

    status: int
    headers: Mapping[str, str]
    value: Any


class Transport:
    """Calls to one server with one token. Not for two threads at once; `close()` ends its connection.

    `server` is a URL without a slash at the end, or `unix:/path`. `ca_file` is trusted beside the system's own.
    `trusts_anyone`: whoever answers is taken for the server; only to ask who it is, and never with a token.
    """

    def __init__(self, server: str, *, token: str | None, ca_file: str | None = None, trusts_anyone: bool = False) -> None:
        assert not (token and trusts_anyone)
        self.server = server
        self.token = token
        self.ca_file = ca_file
        self._trusts_anyone = trusts_anyone
        self._path_prefix = "" if server.startswith("unix:") else urlsplit(server).path
        self._connection: http.client.HTTPConnection | None = None
        self.warnings: list[str] = []  # what the server said beside its answers, each text once

    def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        within: float = ANSWER_SECONDS,
    ) -> Answer:
        """One request and its JSON. Raises: PushdError for a refusal, Unreachable, NotOurs."""
        data = b"" if body is None and method in ("POST", "PATCH", "PUT") else None
        sent = {**self._headers(), **(headers or {})}
        if body is not None:
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        with _TellingFailures(self, within):
            connection = self._kept_alive(within)
            connection.request(method, self._path_prefix + path, body=data, headers=sent)
            response = connection.getresponse()
            content = response.read()
        return self._answer(response, content)

    def stream(self, path: str, *, silence_seconds: float, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The body of a GET as it comes, on a connection of its own and without our token: its URL is a secret itself.

        Raises: PushdError for a refusal; Unreachable when it breaks off, or when so long nothing came.
        """
        connection = self._connect(CONNECT_SECONDS)
        try:
            with _TellingFailures(self, silence_seconds):
                connection.connect()
                connection.sock.settimeout(silence_seconds)
                sent = {"User-Agent": f"pushd/{__version__}", **(headers or {})}
                connection.request("GET", self._path_prefix + path, headers=sent)
                response = connection.getresponse()
                if response.status >= 300:
                    self._answer(response, response.read())
                while data := response.read1(1 << 16):
                    yield data
        finally:
            connection.close()

    def upload(self, path: str, content: IO[bytes], size_bytes: int) -> None:
        """PUT a file, on a connection of its own and without our token: its URL is a secret itself.

        Raises: PushdError for a refusal, Unreachable.
        """
        connection = self._connect(CONNECT_SECONDS)
        sent = {"User-Agent": f"pushd/{__version__}", "Content-Length": str(size_bytes)}
        try:
            with _TellingFailures(self, ANSWER_SECONDS):
                connection.connect()
                connection.sock.settimeout(ANSWER_SECONDS)
                with suppress(BrokenPipeError, ConnectionResetError):  # it may refuse before it has all: the answer says why
                    connection.request("PUT", self._path_prefix + path, body=content, headers=sent)
                response = connection.getresponse()
                data = response.read()
            if response.status >= 300:
                self._answer(response, data)
        finally:
            connection.close()

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/vnd.heroku+json; version=3", "User-Agent": f"pushd/{__version__}"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers

    def _kept_alive(self, within: float) -> http.client.HTTPConnection:
        """The connection, fresh if the server has closed the old one while we were idle (an editor was open)."""
        if self._connection and self._connection.sock and select.select([self._connection.sock], [], [], 0)[0]:
            self.close()
        if self._connection is None:
            self._connection = self._connect(CONNECT_SECONDS)
        if self._connection.sock is None:
            self._connection.connect()
        self._connection.sock.settimeout(within)
        return self._connection

    def _connect(self, timeout: float) -> http.client.HTTPConnection:
        if self.server.startswith("unix:"):
            return _UnixConnection(self.server.removeprefix("unix:"), timeout)
        url = urlsplit(self.server)
        if url.scheme == "https":
            context = _unchecked_context() if self._trusts_anyone else tls_context(self.ca_file)
            return http.client.HTTPSConnection(url.hostname or "", url.port, timeout=timeout, context=context)
        return http.client.HTTPConnection(url.hostname or "", url.port, timeout=timeout)

    def _answer(self, response: http.client.HTTPResponse, content: bytes) -> Answer:
        headers = {name.lower(): value for name, value in response.getheaders()}
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if not (kind == "application/json" or kind.endswith("+json")) or 300 <= response.status < 400:
            self.close()
            raise NotOurs(
                f"{self.server} answered {response.status} {kind or 'without content'}: that is not a pushd API.",
                remedy="Check the URL in --host, PUSHD_HOST or the git remote.",
            )
        try:
            value = json.loads(content)
        except ValueError:
            self.close()
            raise NotOurs(f"{self.server} answered with broken JSON.", remedy="Look at the server's log.") from None
        if response.status >= 400:
            raise refusal(response.status, value)
        if (warning := headers.get("x-heroku-warning")) and warning not in self.warnings:
            self.warnings.append(warning)
        return Answer(response.status, headers, value)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """What trusts the system's authorities, and this one."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


def _unchecked_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextmanager
def folder_of_socket(path: str) -> Iterator[tuple[int, str]]:
    """An open descriptor of the folder that a unix socket is in, and its name there: so paths over 107 bytes work too."""
    folder = os.open(os.path.dirname(path) or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder, os.path.basename(path)
    finally:
        os.close(folder)


def refusal(status: int, value: object) -> PushdError:
    """The API's {"id", "message"} as an error; lines of the message after the first are its remedy.

    Where the server gives no remedy, what this client's user can do is added.
    """
    body = value if isinstance(value, dict) else {}
    message, _, remedy = str(body.get("message") or f"The server refused with status {status}.").partition("\n")
    remedy = remedy or _remedy(status, str(body.get("resource", "")))
    if status == 404:
        error: PushdError = NotFound(message, resource=str(body.get("resource", "")), remedy=remedy)
    else:
        error = _KINDS.get(status, PushdError)(message, remedy=remedy)
    return error


def _remedy(status: int, resource: str) -> str:
    if status == 401:
        return "Log in with `pushd login`, or set PUSHD_API_KEY."
    if status == 404 and resource == "app":
        return "`pushd apps` lists yours; name one with --app."
    if status >= 500:
        return "Try again; if it stays so, look at the daemon's log."
    return ""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._socket_path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with folder_of_socket(self._socket_path) as (folder, name):
            self.sock.connect(f"/proc/self/fd/{folder}/{name}")


class _TellingFailures:
    """Turns what sockets, TLS and http.client raise into Unreachable or NotOurs, and drops the broken connection."""

    def __init__(self, transport: Transport, within: float) -> None:
        self._transport = transport
        self._within = within

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        server = self._transport.server
        self._transport.close()
        match error:
            case ConnectionRefusedError() | FileNotFoundError():
                raise Unreachable(f"Cannot reach {server}: nobody listens there.", remedy=SERVE_HINT) from error
            case socket.gaierror():
                raise Unreachable(f"Cannot find the host of {server}.", remedy="Check the URL.") from error
            case ssl.SSLCertVerificationError():
                raise Untrusted(
                    f"Cannot trust the certificate of {server}: {error.verify_message}.",
                    remedy=f"Run `pushd login {server}`: it shows the server's CA and asks whether to trust it.",
                ) from error
            case ssl.SSLError():
                raise Unreachable(f"Cannot speak TLS with {server}.", remedy="Does it want http:// instead?") from error
            case TimeoutError():
                raise Unreachable(
                    f"{server} gave no answer within {self._within:g} s.", remedy="Look at the daemon's log, then try again."
                ) from error
            case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
                raise Unreachable(
                    f"Cannot reach {server}: {os.strerror(error.errno or 0).lower()}.",
                    remedy="Check the address, and whether a firewall stands between.",
                ) from error
            case OSError() | http.client.RemoteDisconnected() | http.client.IncompleteRead():
                raise Unreachable(f"The connection to {server} broke.", remedy="Try again. " + SERVE_HINT) from error
            case http.client.HTTPException():
                raise NotOurs(f"{server} does not answer in HTTP.", remedy="Check the URL in --host or PUSHD_HOST.") from error
