"""The API as one aiohttp application, and the server that answers for it on one port, plain and TLS."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.typedefs import Handler

from pushd.access.access import Access
from pushd.access.logins import Logins
from pushd.access.rates import Rates
from pushd.access.standing import Standing
from pushd.api.absent import add_absent
from pushd.api.certificate import Served
from pushd.api.conditional import conditional
from pushd.api.needs import (
    ACCESS,
    APPS,
    AUTHORITY,
    BELONGINGS,
    CLOCK,
    DEPLOYS,
    DISK_USAGE,
    DYNOS,
    LOGINS,
    OUTPUTS,
    PROMOTIONS,
    RATES,
    REMAINING,
    RUNS,
    SIGNER,
    SITE,
    SLUG_UPLOADS,
    SOURCE_BUILDS,
    STANDING,
    STORE,
    STRANGERS,
    STREAMS,
    TAILS,
    UPLOADS,
    USER,
    Apps,
    Belongings,
    Deploys,
    Dynos,
    Outputs,
    Promotions,
    Runs,
    Site,
    Tails,
)
from pushd.api.rendezvous import Rendezvous, TlsDoor
from pushd.api.routes import add_routes
from pushd.api.signed import KEY, Signer
from pushd.api.strangers import KEEP_ALIVE_SECONDS, HttpDoor, Strangers
from pushd.api.streams import Streams
from pushd.errors import PushdError
from pushd.kit.aio import Nursery, in_thread
from pushd.kit.clock import Clock
from pushd.kit.listen import Listener, is_of_this_machine
from pushd.problems import REQUEST_ID, problems
from pushd.store.store import Store
from pushd.story.disk_usage import DiskUsage
from pushd.story.slug_uploads import SlugUploads
from pushd.story.source_builds import SourceBuilds
from pushd.story.uploads import Uploads

log = logging.getLogger(__name__)

# Of a head; all of it is kept twice until its end is there, and strangers may send it.
_LONGEST_HEADER_BYTES = 8190  # the Heroku CLI repeats up to 7 KiB of ids in one
_HEADERS = 64
_FIRST_WORD_SECONDS = 3.0  # when we stop, for who has just connected
_LINGER_SECONDS = 3.0  # to read on after a refused body, so that the client reads the refusal and no reset
_TLS_PLEASE = (
    b"This server speaks to other machines with TLS only.\n"
    b"Write https:// instead of http://; `pushd login https://HOST:PORT` shows its CA and asks whether to trust it.\n"
)
_ONLY_TLS = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (
    len(_TLS_PLEASE),
    _TLS_PLEASE,
)
_CERTIFICATE_CHECK_SECONDS = 3600.0


async def make_application(
    *,
    store: Store,
    access: Access,
    standing: Standing,
    rates: Rates,
    deploys: Deploys,
    dynos: Dynos,
    apps: Apps,
    belongings: Belongings,
    promotions: Promotions,
    runs: Runs,
    outputs: Outputs,
    uploads: Uploads,
    source_builds: SourceBuilds,
    slug_uploads: SlugUploads,
    disk_usage: DiskUsage,
    tails: Tails,
    clock: Clock,
    site: Site,
) -> web.Application:
    """Every path of routes.py and absent.py; others (git) may add theirs before it is served."""
    application = web.Application(middlewares=[_welcome, problems, conditional])
    application[STORE] = store
    application[ACCESS] = access
    application[RATES] = rates
    application[LOGINS] = Logins(clock)
    application[DEPLOYS] = deploys
    application[DYNOS] = dynos
    application[APPS] = apps
    application[BELONGINGS] = belongings
    application[PROMOTIONS] = promotions
    application[RUNS] = runs
    application[OUTPUTS] = outputs
    application[UPLOADS] = uploads
    application[SOURCE_BUILDS] = source_builds
    application[SLUG_UPLOADS] = slug_uploads
    application[DISK_USAGE] = disk_usage
    application[TAILS] = tails
    application[CLOCK] = clock
    application[SITE] = site
    application[SIGNER] = Signer(store.derive_key(KEY))
    application[STREAMS] = Streams()
    application[STRANGERS] = Strangers()
    application[STANDING] = standing
    add_routes(application)
    add_absent(application)
    application.on_response_prepare.append(_add_headers)
    application.on_startup.append(_start_standing)
    application.on_shutdown.append(_end_streams)
    return application


class ApiServer:
    """Serves one application on any number of sockets; the first byte of a connection tells TLS from plain HTTP."""

    def __init__(
        self,
        application: web.Application,
        *,
        certificate: Served,
        clock: Clock,
        clear_text: bool = False,
        stop_seconds: float = 5.0,
        on_failed: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """`clear_text`: to other machines too. `on_failed` is told when one of the sockets does not listen any more."""
        application[AUTHORITY] = certificate.authority
        self._certificate = certificate
        self._clock = clock
        self._clear_text = clear_text
        self._on_failed = on_failed
        self._runner = web.AppRunner(
            application,
            access_log=None,
            logger=_quiet_logger(),
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            max_line_size=_LONGEST_HEADER_BYTES,
            max_field_size=_LONGEST_HEADER_BYTES,
            max_headers=_HEADERS,
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,  # it would unzip in the loop, also what strangers send: 5 MB held everybody up for seconds
            shutdown_timeout=stop_seconds,
        )
        self._nursery = Nursery("api")
        self._listener: Listener | None = None
        self.strangers = application[STRANGERS]
        self._rendezvous = Rendezvous(application[RUNS], application[STANDING], self.strangers)

    @property
    def authority(self) -> Path:
        """The file with the CA behind our certificate."""
        return self._certificate.authority

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Answer on these listening sockets from now on; the server owns them."""
        await in_thread(self._certificate.refresh, self._clock.now())
        await self._runner.setup()
        assert self._runner.server is not None  # setup made it
        server = self._runner.server
        strangers = self.strangers
        self._listener = Listener(
            lambda: HttpDoor(server, strangers),
            tls=self._certificate.context,
            tls_protocol=lambda: TlsDoor(lambda: HttpDoor(server, strangers), self._rendezvous.meet, strangers),
            handshakes=strangers.crowd,
            refuses_plain=lambda connection: not (self._clear_text or is_of_this_machine(connection)),
            refusal=_ONLY_TLS,
            on_failed=self._on_failed,
        )
        for listening in sockets:
            self._listener.listen(listening)
        self._nursery.keep(self._renew, name="renew the certificate", pause_seconds=_CERTIFICATE_CHECK_SECONDS)

    async def stop(self) -> None:
        """Accept no more, end open streams properly, let requests under way finish for a while, then cut them."""
        await self._nursery.close()
        if self._listener is not None:
            await self._listener.close(grace_seconds=_FIRST_WORD_SECONDS)
        await self._rendezvous.close()
        await self._runner.cleanup()
        self.strangers.close()

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(_CERTIFICATE_CHECK_SECONDS)
            try:
                await in_thread(self._certificate.refresh, self._clock.now())
            except PushdError as error:
                log.error("the certificate of before is served on", extra={"because": error.message})


def _quiet_logger() -> logging.Logger:
    """Where aiohttp logs what it cannot hand to a handler."""
    logger = log.getChild("http")
    logger.addFilter(_is_no_clients_doing)
    return logger


def _is_no_clients_doing(record: logging.LogRecord) -> bool:
    """Whether a record is about a bug of ours.

    Who sends what is no HTTP is told so, and the error's text would repeat what they sent, tokens too.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError | web.HTTPException | ConnectionError)


@web.middleware
async def _welcome(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Who has sent a head is answered, and waited for again unless they came with a token."""
    strangers, transport = request.app[STRANGERS], request.transport
    strangers.known(transport)
    try:
        return await handler(request)
    finally:
        if USER not in request and transport is not None and not transport.is_closing():
            strangers.wait_for(transport, KEEP_ALIVE_SECONDS)


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    if REQUEST_ID in request:  # a refused Expect comes to no middleware
        response.headers["Request-Id"] = request[REQUEST_ID]
    response.headers["Server"] = "pushd"
    if REMAINING in request:
        response.headers["RateLimit-Remaining"] = str(request[REMAINING])


async def _start_standing(application: web.Application) -> None:
    application[STANDING].start()


async def _end_streams(application: web.Application) -> None:
    await application[STREAMS].close()
    await application[STANDING].close()
