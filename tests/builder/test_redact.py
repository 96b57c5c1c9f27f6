"""Secrets in build output."""

from __future__ import annotations

import pytest

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
