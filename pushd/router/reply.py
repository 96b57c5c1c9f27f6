"""What the client gets for one request: the target's answer in our framing, or a page of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushd.router.bodies import LAST_CHUNK, Body, Bytes, chunk
from pushd.router.codes import Code
from pushd.router.forwarding import answer_bytes, interim_bytes, plan_framing
from pushd.router.heads import RequestHead, ResponseHead
from pushd.router.pages import answer

if TYPE_CHECKING:
    from pushd.router.client import ClientConnection


class Reply:
    """Collects what comes from the target at once and sends it in one call; counts what the log line tells."""

    __slots__ = ("_chunked", "_client", "_request", "_unsent", "keep_alive", "size_bytes", "status")

    def __init__(self, client: ClientConnection, request: RequestHead) -> None:
        self._client = client
        self._request = request
        self._chunked = False  # we put chunks around the answer
        self._unsent: list[Bytes] = []
        self.keep_alive = request.keep_alive  # another request may follow
        self.status = 0  # of the answer that has begun; 0 = none has
        self.size_bytes = 0  # of its body

    def interim(self, head: ResponseHead) -> None:
        """100 Continue, 103 Early Hints: for clients that know them."""
        if self._request.minor == 1:
            self._unsent.append(interim_bytes(head))

    def switch(self, head: ResponseHead) -> None:
        """101: what comes now belongs to another protocol."""
        self.status = 101
        self._unsent.append(interim_bytes(head))

    def begin(self, head: ResponseHead, body: Body, *, stopping: bool) -> None:
        """The head of the answer."""
        framing = plan_framing(self._request, body, stopping=stopping)
        self.status, self.keep_alive, self._chunked = head.status, framing.keep_alive, framing.chunked
        self._unsent.append(answer_bytes(self._request, head, framing))

    def data(self, payload: Bytes) -> None:
        """A piece of the answer's body, or of the protocol that was switched to."""
        self.size_bytes += len(payload)
        self._unsent.append(chunk(payload) if self._chunked else payload)

    def end(self, trailers: bytes) -> None:
        """The answer is complete."""
        if self._chunked:
            self._unsent.append(LAST_CHUNK + trailers + b"\r\n")
        self.send()

    def send(self) -> None:
        """Let go what has been collected."""
        unsent, self._unsent = self._unsent, []
        if len(unsent) == 1:
            self._client.transport.write(unsent[0])
        elif unsent:
            self._client.transport.writelines(unsent)

    def page(self, code: Code, status: int, *, own: str) -> None:
        """A page instead of an answer, at the next `send`; `own` is the app's and replaces ours."""
        head_only = self._request.method == b"HEAD"
        response, self.size_bytes = answer(code, status, own=own, head_only=head_only, keep_alive=self.keep_alive)
        self._unsent = [response]
