"""Host names: what is one, how it is written, and whose it is."""

from __future__ import annotations

import pytest

from pushd.errors import InvalidParams
from pushd.model.domain import covers, is_servers_own, parse_hostname


@pytest.mark.parametrize(
    ("text", "hostname"),
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM.", "www.example.com"),
        ("*.example.com", "*.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("*.bücher.example.com", "*.xn--bcher-kva.example.com"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        ("www。example。com", "www.example.com"),
        ("a.b.apps.test", "a.b.apps.test"),
        (f"{'a' * 63}.example.com", f"{'a' * 63}.example.com"),
        ("123.example.com", "123.example.com"),
    ],
)
def test_a_name_as_it_stands_in_a_host_header(text: str, hostname: str) -> None:
    assert parse_hostname(text, server_domain="apps.test") == hostname
    assert parse_hostname(hostname, server_domain="apps.test") == hostname


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "*", "*.", "www", "*.com.", "www..com", "-a.example.com", "a-.example.com", "a_b.example.com",
        "a b.example.com", "www.example.com:80", "http://www.example.com", "www.example.com/", "a@example.com",
        f"{'a' * 64}.example.com", ".".join(["abcdefgh"] * 29), "x" * 100_000, "www.*.com", "*w.example.com", "*.*.example.com",
        "127.0.0.1", "1.2.3", "a.0x7f", "[::1]", "www.example.com\n", "www.exa\0mple.com", "\ud800.example.com",
        "xn--zzzz9.example.com",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(InvalidParams, match="is not a valid domain name: ") as caught:
        parse_hostname(text, server_domain="apps.test")
    assert "www.example.com" in caught.value.remedy


@pytest.mark.parametrize("text", ["apps.test", "APPS.test.", "shop.apps.test", "*.apps.test"])
def test_the_servers_own_names_stay_its_own(text: str) -> None:
    with pytest.raises(InvalidParams, match="belongs to this server"):
        parse_hostname(text, server_domain="Apps.Test")


def test_whose_a_name_is() -> None:
    assert is_servers_own("shop.localhost", "localhost")
    assert not is_servers_own("a.shop.localhost", "localhost")
    assert not is_servers_own("notlocalhost", "localhost")


@pytest.mark.parametrize(
    ("names", "hostname", "good"),
    [
        (["www.example.com"], "www.example.com", True),
        (["WWW.example.com"], "www.example.com", True),
        (["*.example.com"], "www.example.com", True),
        (["*.example.com"], "*.example.com", True),
        (["*.example.com"], "example.com", False),
        (["*.example.com"], "a.b.example.com", False),
        (["www.example.com"], "*.example.com", False),
        ([], "www.example.com", False),
    ],
)
def test_which_names_a_certificate_is_good_for(names: list[str], hostname: str, good: bool) -> None:
    assert covers(names, hostname) is good
