"""One spelling for each server."""

from __future__ import annotations

import pytest

from pushd.client.server import BadServer, app_url, maybe_app_of, parse_server


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1", "http://127.0.0.1"),
        ("[::1]:5000/x", "http://[::1]:5000/x"),
        ("myserver:5000", "https://myserver:5000"),
        ("192.0.2.7:5000", "https://192.0.2.7:5000"),
        ("localhost.example.com", "https://localhost.example.com"),
        ("HTTP://Example.COM:80/", "http://example.com"),
        ("https://example.com:443", "https://example.com"),
        ("https://example.com:80", "https://example.com:80"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("https://example.com/pushd/", "https://example.com/pushd"),
        ("unix:/run/pushd/api.sock", "unix:/run/pushd/api.sock"),
    ],
)
def test_spellings(text: str, server: str) -> None:
    assert parse_server(text) == server
    assert parse_server(server) == server


@pytest.mark.parametrize(
    "text", ["", "http://", "ftp://host", "http://host:port", "http://host:99999", "http://h/?q", "http://h\n", "ssh://h/x"]
)
def test_what_is_no_server(text: str) -> None:
    with pytest.raises(BadServer) as caught:
        parse_server(text)
    assert caught.value.remedy


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadServer) as caught:
        parse_server("http://me:hunter2@host")
    assert "hunter2" not in caught.value.text


@pytest.mark.parametrize(
    ("url", "app"),
    [
        ("http://h:5000/shop.git", "shop"),
        ("http://h:5000/shop", "shop"),
        ("http://ada@h:5000/shop.git", "shop"),
        ("http://h:5001/shop.git", None),
        ("http://h:5000/team/shop.git", None),
        ("http://h:5000/", None),
        ("git@github.com:ada/shop.git", None),
        ("/srv/git/shop.git", None),
    ],
)
def test_the_app_of_a_git_url(url: str, app: str | None) -> None:
    assert maybe_app_of(url, "http://h:5000") == app


def test_both_ways() -> None:
    assert maybe_app_of(app_url("https://h/x", "shop"), "https://h/x") == "shop"


@pytest.mark.parametrize(
    ("url", "app"),
    [
        ("https://localhost:5000/shop.git", "shop"),  # as `heroku create` writes it
        ("http://[::1]:5000/shop.git", "shop"),
        ("https://localhost:5001/shop.git", None),
        ("https://localhost/shop.git", None),
        ("https://localhost.example:5000/shop.git", None),
        ("https://localhost:5000/team/shop.git", None),
    ],
)
def test_this_machine_has_several_names(url: str, app: str | None) -> None:
    assert maybe_app_of(url, "http://127.0.0.1:5000") == app
