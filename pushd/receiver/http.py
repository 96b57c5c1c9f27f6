"""Git's smart HTTP on aiohttp: requests in, the receiver's answers out. Source: gitprotocol-http(5); protocol v0."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Awaitable, Callable
from contextlib import aclosing

from aiohttp import web

from pushd.access.sessions import address_behind
from pushd.access.tokens import maybe_token
from pushd.errors import BadRequest, DiskFull, PushdError, Unauthorized
from pushd.kit.addresses import address_of
from pushd.model.app import App
from pushd.model.user import User
from pushd.problems import answer_to_git
from pushd.receiver.commands import LINES_LIMIT_BYTES, read_push
from pushd.receiver.damage import RepositoryDamaged
from pushd.receiver.needs import Connections
from pushd.receiver.pktline import FLUSH, PktReader, Read, pkt
from pushd.receiver.receiver import Receiver, refusal
from pushd.receiver.room import explaining_full_disk
from pushd.receiver.services import RECEIVE, SERVICES, SILENCE_SECONDS, UPLOAD, fetching, find_app
from pushd.receiver.upload import advertise_upload, upload

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

RECEIVER: web.AppKey[Receiver] = web.AppKey("receiver", Receiver)
CONNECTIONS: web.AppKey[Connections] = web.AppKey("connections", Connections)
CLIENT_GONE = 499  # nobody reads it; the access log does
_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1 << 16
_NOT_CACHED = {"Cache-Control": "no-cache, max-age=0, must-revalidate", "Pragma": "no-cache"}


def add_routes(app: web.Application, receiver: Receiver, connections: Connections) -> None:
    """Let `app` answer git: `/<app>.git/...`, with or without the `.git`."""
    app[RECEIVER] = receiver
    app[CONNECTIONS] = connections
    app.router.add_get("/{app}/info/refs", _explained(info_refs))
    app.router.add_post("/{app}/git-receive-pack", _explained(receive_pack))
    app.router.add_post("/{app}/git-upload-pack", _explained(upload_pack))
    app.on_shutdown.append(_stop_pushes)


async def _stop_pushes(app: web.Application) -> None:
    await app[RECEIVER].stop()


async def info_refs(request: web.Request) -> web.StreamResponse:
    """GET /{app}.git/info/refs?service=S -> 200: what is there, and what this server can."""
    service = request.query.get("service", "")
    if service not in SERVICES:
        raise BadRequest("This server speaks git's smart HTTP only.", remedy="Use git 1.6.6 or newer.")
    receiver = request.app[RECEIVER]
    app, _ = await _enter(request, service)
    repository = await receiver.repositories.open(app.id)
    if service == RECEIVE:
        refs = await receiver.advertise(repository)
    else:
        refs = await advertise_upload(receiver.git, repository)
    return web.Response(
        body=pkt(f"# service={service}\n".encode()) + FLUSH + refs,
        headers=_NOT_CACHED,
        content_type=f"application/x-{service}-advertisement",
    )


async def receive_pack(request: web.Request) -> web.StreamResponse:
    """POST /{app}.git/git-receive-pack -> 200: output while it comes, then the report. The push outlives this request."""
    receiver = request.app[RECEIVER]
    app, user = await _enter(request, RECEIVE)
    reader = PktReader(_Body(request, RECEIVE).read, limit_bytes=LINES_LIMIT_BYTES)
    wanted = await read_push(reader)
    if wanted is None:
        return _answer(RECEIVE)
    try:
        ongoing = await receiver.receive(app, user, wanted, reader.rest, source=address_behind(user, request.remote))
    except (DiskFull, RepositoryDamaged) as error:  # git shows no other answer than the report
        while await reader.rest():
            pass
        return web.Response(body=refusal(wanted, error), headers=_headers(RECEIVE))
    try:
        response = _answer(RECEIVE)
        await response.prepare(request)
        await ongoing.tell(response.write, keepalive_seconds=receiver.keepalive_seconds)
        await response.write_eof()
        return response
    finally:
        ongoing.forget()


async def upload_pack(request: web.Request) -> web.StreamResponse:
    """POST /{app}.git/git-upload-pack -> 200: what a clone or fetch asks for."""
    receiver = request.app[RECEIVER]
    app, user = await _enter(request, UPLOAD)
    repository = await receiver.repositories.open(app.id)
    response = _answer(UPLOAD)

    async def fetch(read: Read) -> None:
        async with aclosing(upload(receiver.git, repository, read)) as pieces:
            async for piece in pieces:
                if not response.prepared:
                    await response.prepare(request)
                await response.write(piece)

    try:
        await fetching(receiver, user, app, _Body(request, UPLOAD).read, fetch)
    except PushdError as error:
        if not response.prepared:
            raise
        log.info("fetch cut off", extra={"app": app.name, "because": error.message})
        if request.transport is not None:
            request.transport.abort()  # an orderly end would look like that of a whole pack
        return response
    if not response.prepared:
        await response.prepare(request)
    await response.write_eof()
    return response


class _Body:
    """The body of a request as it comes; gunzipped here, at a pace that leaves others the loop, if aiohttp does not do it."""

    def __init__(self, request: web.Request, service: str) -> None:
        if request.content_type != f"application/x-{service}-request":
            raise BadRequest(f"This address takes the requests of git's {service} only.")
        self._content = request.content
        self._may_be_zipped = "gzip" in request.headers.get("Content-Encoding", "")
        self._unzip: zlib._Decompress | None = None
        self._pending = b""

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises: ConnectionError when the client is gone, BadRequest for a broken body."""
        while True:
            if self._pending:
                await asyncio.sleep(0)  # what came at once may hold a thousand pieces
            data = self._pending or await self._next()
            if self._may_be_zipped and data:
                self._may_be_zipped = False
                self._unzip = zlib.decompressobj(wbits=31) if data.startswith(_GZIP) else None
            if self._unzip is None:
                return data
            if not data:
                if not self._unzip.eof:
                    raise BadRequest("The gzip body of this request is cut off.", remedy="Try again.")
                return b""
            if out := self._inflate(data):
                return out

    async def _next(self) -> bytes:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await self._content.readany()
        except TimeoutError:
            raise BadRequest(f"Nothing came for {SILENCE_SECONDS:g} seconds.", remedy="Try again.") from None
        except web.RequestPayloadError as error:
            raise BadRequest("The body of this request is broken.", remedy="Try again.") from error

    def _inflate(self, data: bytes) -> bytes:
        assert self._unzip is not None
        try:
            out = self._unzip.decompress(data, _PIECE_BYTES)
        except zlib.error as error:
            raise BadRequest("The gzip body of this request is broken.", remedy="Try again.") from error
        self._pending = self._unzip.unconsumed_tail
        if self._unzip.unused_data:
            raise BadRequest("Something follows the gzip body of this request.", remedy="Try again.")
        return out


async def _enter(request: web.Request, service: str) -> tuple[App, User]:
    """Who asks, for which app. Raises: Unauthorized, NotFound, Forbidden."""
    receiver = request.app[RECEIVER]
    token = maybe_token(request.headers.get("Authorization"))
    user = await receiver.access.authenticate(token, source=address_of(request.remote))
    if user is None:
        if token:
            raise Unauthorized("This server does not know the token.", remedy="`pushd login` keeps the right one for git.")
        raise Unauthorized("Give your token as the password.", remedy="`pushd login` keeps it for git.")
    request.app[CONNECTIONS].belongs_to(request.transport, user.id)
    return await find_app(receiver, user, service, request.match_info["app"], source=address_behind(user, request.remote)), user


def _answer(service: str) -> web.StreamResponse:
    return web.StreamResponse(headers=_headers(service))


def _headers(service: str) -> dict[str, str]:
    return {**_NOT_CACHED, "Content-Type": f"application/x-{service}-result"}


def _explained(handler: Handler) -> Handler:
    """`handler`, with refusals as plain text: git shows that to the person as `remote:` lines."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            with explaining_full_disk():
                return await handler(request)
        except PushdError as error:
            return answer_to_git(error)
        except ConnectionError:
            log.info("git is gone", extra={"path": request.path})
            return web.Response(status=CLIENT_GONE)

    return answer
