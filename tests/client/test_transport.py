"""One request and its JSON, and every way in which that can fail."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pushd.client.transport import NotOurs, Transport, Unreachable, refusal
from pushd.errors import DiskFull, Forbidden, InvalidParams, NotFound, PushdError, Unauthorized
from tests.client.fake_api import TOKEN, FakeApi


@contextmanager
def raw_server(answer: bytes, *, family: socket.AddressFamily = socket.AF_INET, path: str = "") -> Iterator[str]:
    """A server that reads one request per connection and sends the same bytes back."""
    with socket.socket(family) as listener:
        listener.bind(("127.0.0.1", 0) if family == socket.AF_INET else path)
        listener.listen()
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                connection, _ = listener.accept()
                with connection:
                    if not over.is_set():
                        connection.recv(65536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}" if family == socket.AF_INET else f"unix:{path}"
        finally:
            over.set()
            with socket.socket(family) as last:
                last.connect(listener.getsockname())
            thread.join()


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def test_a_call_sends_token_and_version_and_gives_json(api: FakeApi) -> None:
    transport = Transport(api.url, token=TOKEN)

    answer = transport.call("GET", "/account")
    transport.close()

    assert answer.value["email"] == "ada@example.com"
    assert api.asked[0].headers["accept"] == "application/vnd.heroku+json; version=3"
    assert api.asked[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_calls_share_one_connection(api: FakeApi) -> None:
    transport = Transport(api.url, token=TOKEN)
    transport.call("GET", "/account")
    first = transport._connection.sock.getsockname()  # type: ignore[union-attr]
    transport.call("GET", "/apps")

    assert transport._connection.sock.getsockname() == first  # type: ignore[union-attr]
    transport.close()


def test_a_connection_that_the_server_closed_is_made_again() -> None:
    with raw_server(OK) as url:  # closes after each answer without saying so
        transport = Transport(url, token=None)
        for _ in range(3):
            assert transport.call("POST", "/apps", body={}).value == {}
            select.select([transport._connection.sock], [], [], 10)  # type: ignore[union-attr]  # its end has arrived
        transport.close()


def test_a_unix_socket_with_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    with raw_server(OK, family=socket.AF_UNIX, path=str(tmp_path / "s")) as url:
        (tmp_path / "s").rename(folder / "api.sock")
        transport = Transport(f"unix:{folder}/api.sock", token=None)
        assert transport.call("GET", "/account").value == {}
        transport.close()
        (folder / "api.sock").rename(tmp_path / "s")
        assert url


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<h1>", "not a pushd API"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", "not a pushd API"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<h1>", "answered 502"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{{{{", "broken JSON"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not answer in HTTP"),
    ],
)
def test_something_else_answers(answer: bytes, says: str) -> None:
    with raw_server(answer) as url:
        with pytest.raises(NotOurs) as caught:
            Transport(url, token=None).call("GET", "/account")
    assert says in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{}"])
def test_a_connection_that_breaks(answer: bytes) -> None:
    with raw_server(answer) as url:
        with pytest.raises(Unreachable, match="broke"):
            Transport(url, token=None).call("GET", "/account")


@pytest.mark.parametrize("code", [errno.EHOSTUNREACH, errno.ENETUNREACH])
def test_no_way_leads_there(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def nowhere(*words: object, **options: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(socket, "create_connection", nowhere)

    with pytest.raises(Unreachable, match=r"Cannot reach \S+: (no route to host|network is unreachable)\.") as caught:
        Transport("http://192.0.2.1:5000", token=None).call("GET", "/account")
    assert "firewall" in caught.value.remedy


def test_nobody_listens() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(Unreachable) as caught:
            Transport(url, token=None).call("GET", "/account")
    assert "nobody listens" in caught.value.message
    assert "git pushd serve" in caught.value.remedy


def test_no_such_unix_socket(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="nobody listens"):
        Transport(f"unix:{tmp_path}/none/api.sock", token=None).call("GET", "/account")


def test_no_answer_in_time() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unreachable, match=r"within 0\.01 s"):
            Transport(url, token=None).call("GET", "/account", within=0.01)


@pytest.mark.parametrize(
    ("status", "body", "kind", "message", "remedy"),
    [
        (401, {"message": "No."}, Unauthorized, "No.", "pushd login"),
        (403, {"message": "No."}, Forbidden, "No.", ""),
        (404, {"message": "Gone.", "resource": "app"}, NotFound, "Gone.", "pushd apps"),
        (422, {"message": "Taken.\nPick another."}, InvalidParams, "Taken.", "Pick another."),
        (507, {"message": "Full.\nMake room."}, DiskFull, "Full.", "Make room."),
        (500, {"message": "Oops."}, PushdError, "Oops.", "log"),
        (418, [], PushdError, "status 418", ""),
    ],
)
def test_refusals_become_typed_errors(status: int, body: object, kind: type[PushdError], message: str, remedy: str) -> None:
    error = refusal(status, body)

    assert type(error) is kind
    assert message in error.message
    assert remedy in error.remedy


def test_a_stream_sends_no_token(api: FakeApi) -> None:
    api.outputs["/out/secret"] = "line 1\nline 2\n"
    transport = Transport(api.url, token=TOKEN)  # a stream has a connection of its own

    assert b"".join(transport.stream("/out/secret", silence_seconds=5)) == b"line 1\nline 2\n"
    assert "authorization" not in api.asked[0].headers


def test_tls_needs_a_ca_that_signed(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                try:
                    with context.wrap_socket(connection, server_side=True) as tls:
                        tls.recv(65536)
                        tls.sendall(OK)
                except OSError:
                    connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unreachable) as caught:
            Transport(url, token=None).call("GET", "/account")
        trusting = Transport(url, token=None, ca_file=certificate)
        assert trusting.call("GET", "/account").value == {}
        trusting.close()
        thread.join()
    assert "certificate" in caught.value.message
    assert "pushd login https" in caught.value.remedy
