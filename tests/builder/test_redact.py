"""Secrets in build output."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.builder.redact import BuildOutput


def cleaned(*pieces: bytes, config: dict[str, str] | None = None, environ: dict[str, str] | None = None) -> str:
    written: list[bytes] = []
    output = BuildOutput(written.append, config=config or {}, environ=environ or {})
    for piece in pieces:
        output.write(piece)
    output.flush()
    return b"".join(written).decode()


@pytest.mark.parametrize(
    ("config", "text", "expected"),
    [
        ({"TOKEN": "abcdefgh"}, "it is abcdefgh!\n", "it is [TOKEN]!\n"),
        ({"DEBUG": "true"}, "true\n", "true\n"),
        ({"KEY": "-----BEGIN-----\nMIIabcdef\n"}, "x MIIabcdef\n", "x [KEY]\n"),
        ({"A": "abcdefgh", "B": "abcdefgh-more"}, "abcdefgh-more abcdefgh\n", "[B] [A]\n"),
        ({"DATABASE_URL": "postgres://u:p%40ss@h/d"}, "p@ss and p%40ss\n", "[DATABASE_URL] and [DATABASE_URL]\n"),
        ({}, "from https://me:pw@example.org/simple\n", "from https://****@example.org/simple\n"),
        ({"ODD": "a.*+[(bcdef"}, "a.*+[(bcdef\n", "[ODD]\n"),
        ({"NAME": "größer als"}, "größer als\n", "[NAME]\n"),
    ],
)
def test_secrets_become_names(config: dict[str, str], text: str, expected: str) -> None:
    assert cleaned(text.encode(), config=config) == expected


@pytest.mark.parametrize("before", ["", "a", "ab", "user:", "ada@example.org:"])
@pytest.mark.parametrize("after", ["", "!", "and more"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_it_is_hidden_whatever_stands_around_it(before: str, after: str, encode: Callable[[bytes], bytes]) -> None:
    secret = "k>?k~ÿhunter2-and-more"
    printed = encode(f"{before}{secret}{after}".encode())

    shown = cleaned(b"Authorization: Basic " + printed + b"\n", config={"PASSWORD": secret})

    assert "[PASSWORD]" in shown
    assert len(shown.split()[-1].replace("[PASSWORD]", "")) <= len(encode(f"{before}{after}".encode())) + 6


@pytest.mark.parametrize("printed", ["p%40ss+w%C3%B6rd%3D1", "p%40ss%20w%C3%B6rd%3D1", "p@ss w\\u00f6rd=1", "p@ss wörd=1"])
def test_it_is_hidden_in_urls_and_in_json(printed: str) -> None:
    assert cleaned(f"x={printed}&y\n".encode(), config={"PASSWORD": "p@ss wörd=1"}) == "x=[PASSWORD]&y\n"


@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=12, max_size=60).filter(lambda text: text.strip() == text)
)
def test_no_form_of_it_passes(secret: str) -> None:
    for printed in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode(), json.dumps(secret)):
        assert printed not in cleaned(f"{printed}\n".encode(), config={"PASSWORD": secret})


def test_a_secret_in_two_pieces_is_found() -> None:
    assert cleaned(b"it is abcd", b"efgh", b"!\nand more", config={"TOKEN": "abcdefgh"}) == "it is [TOKEN]!\nand more"


def test_index_credentials_of_the_server_are_hidden() -> None:
    environ = {"PIP_INDEX_URL": "https://u:s3cr3t@i.example/simple", "LANG": "C.UTF-8"}
    assert cleaned(b"s3cr3t C.UTF-8\n", environ=environ) == "[PIP_INDEX_URL] C.UTF-8\n"


def test_bytes_that_are_no_utf8_pass() -> None:
    written: list[bytes] = []
    output = BuildOutput(written.append, config={}, environ={})
    output.write(b"\xff\xfe\n")
    assert written == [b"\xff\xfe\n"]


def test_the_last_error_is_remembered_by_its_first_line() -> None:
    output = BuildOutput(lambda data: None, config={"TOKEN": "abcdefgh"}, environ={})
    output.write(b" !     Warning: old\n !     very\n\n !     no abcdefgh here\n !     do this\n       fine! really\n")
    assert output.last_error == "no [TOKEN] here"
