"""A server whose CA nobody knows yet: what is kept of what it answers. Here it may be somebody who stands between."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pushd.client.trust import trusted_file
from pushd.kit.fingerprint import fingerprint
from tests.cli.conftest import Cli
from tests.pki import Issued, chain, issue

TOKEN = "pushd-a-token-of-ada"
ACCOUNT = b'{"email": "ada@example.com"}'
OURS = issue(ca=True, common_name="the real one")
THEIRS = issue(ca=True, common_name="somebody else's")


@dataclass
class Tls:
    """A server over TLS that answers `/-/ca.pem` with `authorities`, and keeps what it was told."""

    url: str = ""
    authorities: str = ""
    tokens: list[str | None] = field(default_factory=list)


@contextmanager
def tls_server(certificate: Issued, folder: Path) -> Iterator[Tls]:
    server = Tls()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.tokens.append(self.headers.get("Authorization"))
            body = server.authorities.encode() if self.path == "/-/ca.pem" else ACCOUNT
            self.send_response(200)
            self.send_header("Request-Id", "1")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    file = folder / "server.pem"
    file.write_text(certificate.pem + certificate.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
        listening.handle_error = lambda request, client_address: None  # type: ignore[method-assign]  # a client that hangs up
        server.url = f"https://localhost:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()


@pytest.fixture
def stranger(cli: Cli) -> Cli:
    del cli.environ["PUSHD_API_KEY"], cli.environ["PUSHD_HOST"]
    return cli


def log_in(cli: Cli, server: Tls) -> tuple[int, str]:
    ended = cli("login", server.url, "--fingerprint", fingerprint(OURS.pem.encode()), stdin=f"{TOKEN}\n")
    return ended.code, ended.err


def test_the_one_that_was_compared_is_kept_and_nothing_that_came_with_it(stranger: Cli, tmp_path: Path) -> None:
    with tls_server(issue("localhost", by=OURS), tmp_path) as server:
        server.authorities = f"Some words.\n{chain(OURS, THEIRS)}{THEIRS.key_pem}"

        code, told = log_in(stranger, server)

        assert code == 0, told
        assert Path(trusted_file(server.url, stranger.environ)).read_text() == OURS.pem
        assert server.tokens[-1] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("authorities", [chain(OURS, THEIRS), chain(OURS), OURS.pem.strip() + "\n" + THEIRS.pem])
def test_who_stands_between_gets_no_token_with_the_real_one_before_their_own(
    stranger: Cli, tmp_path: Path, authorities: str
) -> None:
    with tls_server(issue("localhost", by=THEIRS), tmp_path) as server:
        server.authorities = authorities

        code, told = log_in(stranger, server)

        assert code == 1
        assert "certificate" in told
        assert set(server.tokens) == {None}
        assert not Path(trusted_file(server.url, stranger.environ)).exists()


def test_a_fingerprint_is_compared_with_a_server_that_is_trusted_already(stranger: Cli, tmp_path: Path) -> None:
    with tls_server(issue("localhost", by=OURS), tmp_path) as server:
        server.authorities = OURS.pem
        assert log_in(stranger, server)[0] == 0
        server.tokens.clear()
        server.authorities = THEIRS.pem  # what it says of itself counts for nothing now

        again = stranger("login", server.url, "--fingerprint", fingerprint(OURS.pem.encode()), stdin=f"{TOKEN}\n")
        other = stranger("login", server.url, "--fingerprint", fingerprint(THEIRS.pem.encode()), stdin=f"{TOKEN}\n")

        assert again.code == 0
        assert (other.code, "another CA" in other.err) == (1, True)
        assert fingerprint(OURS.pem.encode()) in other.err
        assert server.tokens[-1] is None


def test_what_keeps_git_from_trusting_it_and_how_other_folders_find_it_is_told(stranger: Cli, tmp_path: Path) -> None:
    with tls_server(issue("localhost", by=OURS), tmp_path) as server:
        server.authorities = OURS.pem
        code, told = log_in(stranger, server)
        assert (code, "GIT_SSL_CAINFO" in told) == (0, False)
        assert f"export PUSHD_HOST={server.url}" in told

        stranger.environ |= {"GIT_SSL_CAINFO": "/etc/all.pem", "PUSHD_HOST": server.url}
        code, told = log_in(stranger, server)

    assert code == 0
    assert "GIT_SSL_CAINFO is set: git trusts that file alone" in told
    assert "git config --global http.sslCAInfo /etc/all.pem" in told
    assert "export PUSHD_HOST" not in told


@pytest.mark.parametrize("terminal", [True, False])
def test_another_ca_than_before_is_pointed_out(stranger: Cli, tmp_path: Path, terminal: bool) -> None:
    with tls_server(issue("localhost", by=THEIRS), tmp_path) as server:
        server.authorities = THEIRS.pem
        kept = Path(trusted_file(server.url, stranger.environ))
        kept.parent.mkdir(parents=True)
        kept.write_text(OURS.pem)

        ended = stranger("login", server.url, stdin="n\n", terminal=terminal)

        assert ended.code == 1
        assert "has changed: somebody may stand between" in ended.err
        assert fingerprint(OURS.pem.encode()) in ended.err
        assert (f"--fingerprint {fingerprint(THEIRS.pem.encode())}" in ended.err) is False
        assert kept.read_text() == OURS.pem
        assert set(server.tokens) <= {None}


def test_a_server_without_a_ca_has_no_fingerprint(stranger: Cli) -> None:
    ended = stranger("login", "http://127.0.0.1:1", "--fingerprint", "AB:CD", stdin=f"{TOKEN}\n")
    assert (ended.code, "no CA to compare" in ended.err) == (1, True)


def test_no_two_servers_share_a_file() -> None:
    servers = ["host:5000", "host-5000", "host_5000", "host/5000", "[::1]:5000", "--1--5000", "host%3a5000"]
    assert len({trusted_file(f"https://{server}", {"HOME": "/home/ada"}) for server in servers}) == len(servers)


def test_without_a_scheme_no_token_goes_over_the_wire_in_clear_text(stranger: Cli) -> None:
    """This machine by a name that does not say so, as any other."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)

        def hear() -> None:
            connection, _ = listening.accept()
            with connection:
                heard.append(connection.recv(4096))

        thread = threading.Thread(target=hear)
        thread.start()
        ended = stranger("login", f"127.1:{listening.getsockname()[1]}", stdin=f"{TOKEN}\n")
        thread.join()
    assert ended.code == 1
    assert heard[0][:1] == b"\x16"
    assert TOKEN.encode() not in heard[0]
