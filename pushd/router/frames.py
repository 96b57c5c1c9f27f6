"""The wire between daemon and router: JSON messages with a length in front, open sockets beside them.

Each frame is 4 bytes of length (big endian) and one JSON object with a "type". Sockets travel by SCM_RIGHTS with the frame
whose "sockets" says how many. Who says what:

    router -> daemon   hello   version, pid, addresses, table, targets, draining, sockets   first, once per connection
                       ack     number                                                       that table is in force
                       drained dyno_id                                                      a target that left is done
                       refused dyno_id                                                      a target refused a connection
                       lines   lines [[app_id, level, text]], dropped
    daemon -> router   listen  addresses, sockets                                           accept on these, no longer on others
                       table   table                                                        whole, numbered
                       ping                                                                 answered by an ack once more
                       stop    within, idle_within                                          finish, at most so many seconds

A daemon meets routers of other versions: what it needs of those (hello, stop) may get more fields, and loses none;
nothing else is sent to them, so a new kind of frame needs no agreement.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

_LENGTH = struct.Struct("!I")
_FRAME_LIMIT_BYTES = 64 << 20
_READ_BYTES = 1 << 18
_RIGHTS_BYTES = socket.CMSG_SPACE(64 * array.array("i").itemsize)


class Channel:
    """One end of a connected Unix socket. Calls `on_message` for each frame, in order, and `on_closed` once, at the end."""

    def __init__(self, connection: socket.socket) -> None:
        self.on_message: Callable[[Message, list[socket.socket]], None] = lambda message, sockets: None
        self.on_closed: Callable[[], None] = lambda: None
        self.on_sent: Callable[[], None] = lambda: None  # the backlog has gone out
        self.backlog_bytes = 0
        self.closed = False
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._incoming = bytearray()
        self._sockets: deque[socket.socket] = deque()
        self._outgoing: deque[tuple[memoryview, Sequence[socket.socket]]] = deque()
        connection.setblocking(False)
        self._loop.add_reader(connection, self._on_readable)

    def send(self, message: Message, sockets: Sequence[socket.socket] = ()) -> None:
        """Send one frame now or as soon as the other end reads; the sockets stay ours. Nothing once closed."""
        if self.closed:
            return
        text = json.dumps({**message, "sockets": len(sockets)}, separators=(",", ":")).encode()
        frame = memoryview(_LENGTH.pack(len(text)) + text)
        copies = [each.dup() for each in sockets]  # the frame may wait longer than the caller keeps them open
        self._outgoing.append((frame, copies))
        self.backlog_bytes += len(frame)
        if len(self._outgoing) == 1:
            self._on_writable()

    def close(self) -> None:
        """End the connection; `on_closed` is called too."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._connection)
        self._loop.remove_writer(self._connection)
        self._connection.close()
        for each in (*self._sockets, *(each for _, copies in self._outgoing for each in copies)):
            each.close()
        self._outgoing.clear()
        self._sockets.clear()
        self.on_closed()

    def _on_writable(self) -> None:
        while self._outgoing:
            frame, sockets = self._outgoing[0]
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [each.fileno() for each in sockets]))]
            try:
                sent = self._connection.sendmsg([frame], rights if sockets else [])
            except (BlockingIOError, InterruptedError):
                self._loop.add_writer(self._connection, self._on_writable)
                return
            except OSError:
                self._loop.call_soon(self.close)  # not in the middle of somebody's send
                return
            self.backlog_bytes -= sent
            for each in sockets:
                each.close()
            if sent < len(frame):
                self._outgoing[0] = (frame[sent:], ())
            else:
                self._outgoing.popleft()
        self._loop.remove_writer(self._connection)
        self.on_sent()

    def _on_readable(self) -> None:
        try:
            data, extras, _, _ = self._connection.recvmsg(_READ_BYTES, _RIGHTS_BYTES, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, extras = b"", []
        for _, _, rights in extras:  # SCM_RIGHTS is all that a socket without options gets
            self._sockets.extend(socket.socket(fileno=descriptor) for descriptor in array.array("i", rights))
        if not data:
            self.close()
            return
        self._incoming += data
        try:
            self._take_frames()
        except (ValueError, KeyError, TypeError, IndexError):  # not our protocol: whoever it is, we do not go on with it
            self.close()

    def _take_frames(self) -> None:
        while len(self._incoming) >= _LENGTH.size and not self.closed:
            (length,) = _LENGTH.unpack_from(self._incoming)
            if length > _FRAME_LIMIT_BYTES:
                raise ValueError("frame too long")
            end = _LENGTH.size + length
            if len(self._incoming) < end:
                return
            message = json.loads(bytes(self._incoming[_LENGTH.size : end]))
            del self._incoming[:end]
            sockets = [self._sockets.popleft() for _ in range(message["sockets"])]
            self.on_message(message, sockets)


def listen_at(path: str) -> socket.socket:
    """A listening Unix socket (0600) that takes the place of whatever had this path, in one step; the path may be long."""
    folder_name, name = os.path.split(path)
    folder = os.open(folder_name or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            new = f"/proc/self/fd/{folder}/.{name}.{os.getpid()}"
            with contextlib.suppress(FileNotFoundError):
                os.unlink(new)
            listening.bind(new)
            os.chmod(new, 0o600)
            listening.listen(8)
            listening.setblocking(False)
            os.rename(f".{name}.{os.getpid()}", name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            listening.close()
            raise
        return listening
    finally:
        os.close(folder)
