"""`python -m pushd.receiver.upload_child [--stateless-rpc] [--advertise-refs] REPOSITORY`: answer one clone or fetch with
dulwich alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from dulwich.errors import GitProtocolError
from dulwich.protocol import Protocol
from dulwich.repo import Repo
from dulwich.server import BackendRepo, DictBackend, UploadPackHandler


def main(arguments: Sequence[str]) -> int:
    """Read requests from stdin, write answers to stdout; the flags are those of `git upload-pack`."""
    protocol = Protocol(sys.stdin.buffer.read, _write)
    with Repo(arguments[-1]) as repo:
        repositories: dict[str, BackendRepo] = {"/": repo}
        handler = UploadPackHandler(
            DictBackend(repositories),
            ["/"],
            protocol,
            stateless_rpc="--stateless-rpc" in arguments,
            advertise_refs="--advertise-refs" in arguments,
        )
        try:
            handler.handle()
        except (GitProtocolError, AssertionError) as error:  # a request that is not the protocol
            protocol.write_pkt_line(f"ERR {error or 'this is not the protocol'}\n".encode())
            return 1
    return 0


def _write(data: bytes) -> int:
    written = sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
    return written


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
