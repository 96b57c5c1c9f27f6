"""One request, from its head to its log line: finds a target, sends it on, brings the answer back, or says why not."""

from __future__ import annotations

import math
from enum import Enum, auto
from typing import TYPE_CHECKING

from pushd.router.bodies import LAST_CHUNK, BadBody, Body, Bytes, ChunkedBody, LengthBody, chunk
from pushd.router.codes import CODES, INFO, NO_SUCH_APP, Code
from pushd.router.forwarding import forwarded_for, new_request_id, request_bytes
from pushd.router.heads import RequestHead, ResponseHead
from pushd.router.journal import request_line
from pushd.router.reply import Reply

if TYPE_CHECKING:
    from pushd.router.client import ClientConnection
    from pushd.router.proxy import Proxy
    from pushd.router.targets import AppTraffic, LiveTarget
    from pushd.router.upstream import UpstreamConnection

# Requests that may be sent a second time when a kept connection turns out dead. Source: RFC 9110 section 9.2.2.
_IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))


class Step(Enum):
    """How far a request has come."""

    NEW = auto()
    WAITING = auto()  # for a target with room
    CONNECTING = auto()
    ASKED = auto()  # its head is sent, its body may still be on the way; no answer yet
    ANSWERING = auto()  # the answer's head went to the client
    PIPING = auto()  # switched to another protocol: bytes pass both ways
    OVER = auto()


# Looking a member up in its class takes longer than all else that is done with it.
_NEW, _WAITING, _CONNECTING, _ASKED, _ANSWERING, _PIPING, _OVER = Step


class Exchange:
    """Made by a client's connection for each request; it ends by itself, exactly once, with a line in the journal."""

    __slots__ = (
        "_again", "_app", "_body", "_connected_at", "_ends", "_fwd", "_picked_at", "_proxy", "_queue_until", "_reply",
        "_request_id", "_target", "_tries", "_upstream", "client", "head", "step",
    )  # fmt: skip

    def __init__(self, client: ClientConnection, proxy: Proxy, head: RequestHead) -> None:
        self.client = client
        self.head = head
        self.step = _NEW
        self._proxy = proxy
        self._app: AppTraffic | None = None
        self._target: LiveTarget | None = None
        self._upstream: UpstreamConnection | None = None
        self._body: Body | None = None  # of the request
        if head.has_body:
            self._body = ChunkedBody() if head.chunked else LengthBody(head.length)
        self._request_id = head.request_id.decode() or new_request_id()
        self._fwd = forwarded_for(head, client.peer)
        self._tries = 0
        self._queue_until = math.inf  # loop time; set when it has to wait for a target
        self._ends = 0  # sides of a pipe that say no more
        self._again = False  # a kept connection was dead: take a fresh one now
        self._picked_at = self._connected_at = 0.0  # loop time; 0 = not yet
        self._reply = Reply(client, head)

    # -- what the client's connection asks and tells

    @property
    def takes_data(self) -> bool:
        """Whether bytes after the head are wanted now: body, or anything once the protocol was switched."""
        if self.step is _PIPING:
            return True
        return self.step in (_ASKED, _ANSWERING) and not self.request_done

    @property
    def piping(self) -> bool:
        return self.step is _PIPING

    @property
    def request_done(self) -> bool:
        return self._body is None or self._body.done

    def start(self) -> None:
        """Find the app and a target."""
        self._app = self._proxy.maybe_app(self.head.host)
        self.dispatch()

    def on_client_data(self, data: bytes) -> bytes:
        """Pass on what belongs to this request; the rest is given back."""
        upstream, body = self._upstream, self._body
        if upstream is None:
            return data
        if self.step is _PIPING or body is None:
            upstream.transport.write(data)
            self.on_progress()
            return b""
        try:
            payload, rest = body.feed(data)
        except BadBody as error:
            self.fail("H26", cause=str(error))
            return b""
        if payload:
            upstream.transport.write(chunk(payload) if self.head.chunked else payload)
        if body.done and self.head.chunked:
            upstream.transport.write(LAST_CHUNK + body.trailers + b"\r\n")
        self.on_progress()
        return bytes(rest)

    def on_client_lost(self) -> None:
        """The client closed its connection."""
        if self.step is _OVER:
            return
        if self._reply.status == 0:
            self._log(CODES["H27"], 499, sock="client")
        else:
            self._log(None, self._reply.status)
        self._release(reusable=False)

    def on_pipe_eof(self, *, from_client: bool) -> None:
        """One side of a pipe says no more; the other may go on."""
        self._ends += 1
        if self._ends == 2:
            self.on_upstream_lost()
            return
        side = self._upstream.transport if from_client and self._upstream else self.client.transport
        if side.can_write_eof() and not side.is_closing():
            side.write_eof()

    def hold_answer(self, hold: bool) -> None:
        """The client takes no more for now, or takes it again."""
        if self._upstream is None or self._upstream.transport.is_closing():
            return
        if hold:
            self._upstream.transport.pause_reading()
        else:
            self._upstream.transport.resume_reading()

    def on_progress(self) -> None:
        """Something moved: the time of silence begins anew."""
        if self._app is None:
            return
        route = self._app.route
        if self.step is _ASKED and self.request_done:
            self.client.expires_at = self._proxy.loop.time() + route.first_byte_seconds
        elif self.step in (_ASKED, _ANSWERING, _PIPING):
            self.client.expires_at = self._proxy.loop.time() + route.idle_seconds

    def on_expired(self) -> None:
        """Nothing moved for too long; who had to move decides the code."""
        if self.step is _WAITING and self._app is not None:
            self.fail(self._app.code_of_waiting(self._proxy.loop.time()))
        elif self.step is _ASKED and self.request_done:
            self.fail("H12")
        elif self.client.blocked_writing or (self.step is _ASKED and not self.client.held_by_target):
            self.fail("H28", sock="client")
        else:
            self.fail("H15", sock="backend")

    # -- finding a target

    def dispatch(self) -> None:
        """Send to the best target, or wait for one, or say why there will be none. Again after each new table."""
        app, now = self._app, self._proxy.loop.time()
        if app is None or app.route.app_id not in self._proxy.apps:
            self._answer(NO_SUCH_APP, 404)
        elif app.route.maintenance:
            self._answer(CODES["H80"], 503, own=app.route.maintenance_page)
        elif (code := app.maybe_code_without_targets()) is not None:
            self.fail(code)
        elif (target := app.maybe_pick(now)) is not None:
            self.send_to(target)
        elif len(app.waiting) >= app.backlog(self._proxy.limits):
            self.fail("H11")
        else:
            self._queue_until = min(self._queue_until, now + self._proxy.limits.queue_seconds)
            self.step, self.client.expires_at = _WAITING, self._queue_until
            app.waiting.append(self)

    def send_to(self, target: LiveTarget) -> None:
        """Take a kept connection to the target, or open one."""
        now = self._proxy.loop.time()
        self.step, self._target, self._picked_at = _CONNECTING, target, now
        self.client.expires_at = math.inf  # connecting has a deadline of its own
        target.exchanges.add(self)
        within = self._proxy.limits.pool_seconds if self._replayable else self._proxy.limits.fresh_seconds
        connection = None if self._again else target.take_idle(now, within=within)
        if connection is None:
            self._proxy.connect(self, target)
        else:
            connection.used = True
            self.on_connected(connection)

    def on_connected(self, upstream: UpstreamConnection) -> None:
        """Send the request's head; its body follows as it comes."""
        self.step, self._upstream = _ASKED, upstream
        if self._target is not None:
            self._target.on_taken()
        self._connected_at = self._proxy.loop.time()
        upstream.begin(self, head_only=self.head.method == b"HEAD")
        upstream.transport.write(
            request_bytes(self.head, request_id=self._request_id, forwarded_for=self._fwd, port=self.client.port)
        )
        self.on_progress()
        if not self.request_done:
            self.client.advance()

    def on_connect_failed(self, code: str, *, elsewhere: bool = False) -> None:
        """The target refused (H21) or did not answer (H19): try another, or the same a little later.

        `elsewhere`: somebody else listens on the port of a dyno that lives, so our request has not ended that.
        """
        target, now = self._target, self._proxy.loop.time()
        if target is None or self.step is not _CONNECTING:
            return
        target.set_aside(now, self._proxy.limits)
        self._proxy.on_target_refused(target)
        self._tries += 1
        if self._again and not elsewhere and target.leaves_at is None:
            self.fail("H13")
        elif self._tries >= self._proxy.limits.connect_tries:
            self.fail(code)
        else:
            self._dispatch_again()

    def _dispatch_again(self) -> None:
        self._leave_target()
        self.step = _NEW
        self.dispatch()

    # -- the answer

    def on_interim(self, head: ResponseHead) -> None:
        """A 1xx answer, before the real one."""
        self._reply.interim(head)

    def on_switch(self, head: ResponseHead) -> None:
        """101: from here on bytes pass both ways, those already read first."""
        if not self.head.upgrade or not head.upgrade or self._upstream is None:
            self.fail("H17", cause="switch without being asked")
            return
        self.step = _PIPING
        self._upstream.piping = True
        self._reply.switch(head)
        self.client.advance()

    def on_answer(self, head: ResponseHead, body: Body) -> None:
        """The answer's head is there."""
        self.step = _ANSWERING
        self._reply.begin(head, body, stopping=self._proxy.stopping)

    def on_answer_data(self, payload: Bytes) -> None:
        """A piece of the answer's body, or of the protocol that was switched to."""
        self._reply.data(payload)

    def on_answer_end(self, trailers: bytes, *, reusable: bool) -> None:
        """The answer is complete. A request that is not has lost its reader: we say so by closing."""
        self._reply.end(trailers)
        self._log(None, self._reply.status)
        done = self.request_done
        self._release(reusable=reusable and done)
        self.client.on_exchange_over(keep=self._reply.keep_alive and done, linger=not done)

    def on_read(self) -> None:
        """All that came from the target at once has been taken in; the answer goes on."""
        self._reply.send()
        self.on_progress()

    def on_upstream_lost(self) -> None:
        """The target closed the connection before the answer was complete."""
        if self.step is _PIPING:
            self._log(None, self._reply.status)
            self._release(reusable=False)
            self.client.on_exchange_over(keep=False)
        elif self._reply.status:
            self.fail("H18", sock="backend")
        elif self._upstream is not None and self._upstream.used and not self._upstream.answered and self._replayable:
            self._ask_again()
        else:
            self.fail("H13")

    def _ask_again(self) -> None:
        """A kept connection was closed while idle, and our request crossed with that: on a fresh one to the same dyno.

        If that dyno has ended, the request may have been what ended it: no other dyno gets it, unless this one was to leave.
        """
        target, self._again = self._target, True
        self._leave_target()
        self.step = _NEW
        if target is None or target.leaves_at is not None:
            self.dispatch()
        else:
            self.send_to(target)

    def cut(self) -> None:
        """The target's drain time is over."""
        if self.step is _PIPING:
            self.on_upstream_lost()
        elif self.step is _CONNECTING:
            self._dispatch_again()
        else:
            self.fail("H18", cause="drain time over", sock="backend")

    # -- ends

    def fail(self, code_id: str, *, cause: str = "", sock: str = "") -> None:
        """End without the app's answer: a page while nothing was sent, else a cut connection. Logged either way."""
        code = CODES[code_id]
        if self._reply.status == 0 and code.status != 499:
            route = self._app.route if self._app else None
            self._answer(code, code.status, own=route.error_page if route and code.of_app else "", cause=cause, sock=sock)
            return
        self._log(code, code.status, cause=cause, sock=sock)
        self._release(reusable=False)
        self.client.transport.abort()

    def _answer(self, code: Code, status: int, *, own: str = "", cause: str = "", sock: str = "") -> None:
        reply, done = self._reply, self.request_done
        reply.keep_alive = reply.keep_alive and done and status != 400 and not self._proxy.stopping
        reply.page(code, status, own=own)
        reply.send()
        if code is not NO_SUCH_APP:
            self._log(code, status, cause=cause, sock=sock)
        self._release(reusable=False)
        self.client.on_exchange_over(keep=reply.keep_alive, linger=not done)

    def _release(self, *, reusable: bool) -> None:
        """Give back what is held: the place in the queue, the place at the target, the connection."""
        waiting = self.step is _WAITING
        self.step = _OVER
        if waiting and self._app is not None and self in self._app.waiting:
            self._app.waiting.remove(self)
        self._leave_target(reusable=reusable)

    def _leave_target(self, *, reusable: bool = False) -> None:
        target, self._target = self._target, None
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.exchange = None
            transport = upstream.transport
            if reusable and target is not None and not transport.is_closing() and not transport.get_write_buffer_size():
                if self.client.blocked_writing:
                    transport.resume_reading()
                target.put_idle(upstream, self._proxy.loop.time())
            else:
                upstream.close()
        if target is not None:
            target.exchanges.discard(self)
            self._proxy.on_target_freed(target)

    @property
    def _replayable(self) -> bool:
        return self._body is None and self.head.method in _IDEMPOTENT and not self.head.upgrade

    def _log(self, code: Code | None, status: int, *, cause: str = "", sock: str = "") -> None:
        if self._app is None:
            return
        times = "connect= service="
        if connected := self._connected_at:
            now = self._proxy.loop.time()
            times = f"connect={(connected - self._picked_at) * 1000:.0f}ms service={(now - connected) * 1000:.0f}ms"
        dyno = self._target.target.name if self._target else ""
        line = request_line(
            code, head=self.head, request_id=self._request_id, fwd=self._fwd, dyno=dyno, times=times,
            status=status, size_bytes=self._reply.size_bytes, cause=cause, sock=sock,
        )  # fmt: skip
        self._proxy.journal.record(self._app.route.app_id, INFO if code is None else code.level, line)
