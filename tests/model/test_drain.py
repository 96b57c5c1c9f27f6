"""URLs of drains, and e-mail addresses of collaborators."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from pushd.errors import InvalidParams
from pushd.model.collaborator import parse_email
from pushd.model.drain import URL_LIMIT, Drain, parse_drain_url


@pytest.mark.parametrize(
    "url",
    [
        "https://logs.example.com/path?token=1",
        "http://user:pass@127.0.0.1:8080/",
        "syslog://logs.example.com:514",
        "syslog+tls://logs.example.com",
        "https://[::1]:8443/x",
    ],
)
def test_a_url_comes_out_as_it_was(url: str) -> None:
    assert parse_drain_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "", "logs.example.com", "ftp://logs.example.com", "file:///etc/passwd", "https://", "https:///path", "https://:443/",
        "https://x:99999/", "https://x:port/", "https://[::1/", "https://x/a b", "https://x/\n", "https://bücher.example.com/",
        "https://x/#part", "https://x/" + "a" * URL_LIMIT, "https://x/\0", "\ud800",
    ],
)  # fmt: skip
def test_a_bad_url_is_refused_and_never_repeated(url: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        parse_drain_url(url)
    assert caught.value.remedy
    assert not url or url not in caught.value.message


def test_only_the_host_of_a_drain_is_shown() -> None:
    now = datetime.now(UTC)
    drain = Drain(
        id=UUID(int=1), app_id=UUID(int=2), url="https://me:s3cret@logs.example.com:8443/tok?en=1", token="d.1",
        created_at=now, updated_at=now,
    )  # fmt: skip

    assert drain.shown == "https://logs.example.com:8443"
    assert "s3cret" not in repr(drain)
    assert "tok" not in repr(drain).replace("token", "")


@pytest.mark.parametrize("email", ["ada@example.com", "ada+x@localhost", "Ada.L@bücher.example"])
def test_an_address(email: str) -> None:
    assert parse_email(email) == email


@pytest.mark.parametrize(
    "email",
    ["", "ada", "@x", "ada@", "a b@x", "a@b@c", "a@b\n", "<a@b>", "a@b,c@d", "a" * 250 + "@x.com", "a\ud800@b", "a@b\x1b"],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(InvalidParams, match="is not an e-mail address"):
        parse_email(email)
