"""Secrets in build output."""

from __future__ import annotations

import base64
import itertools
import json
import shlex
import subprocess
import textwrap
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.builder.redact import BuildOutput

LINE_LIMIT_BYTES = 1 << 16


def _secrets(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=least, max_size=most).filter(
        lambda text: text.strip() == text and "://" not in text
    )


SECRETS = _secrets(12, 60)


def _percent(text: str, safe: str = "") -> str:
    """As Go, Java and others write it: in small letters."""
    return "".join(each if each.isascii() and each.isalnum() else quote(each, safe=safe).lower() for each in text)


WRITTEN: list[Callable[[str], str]] = [
    str,
    lambda text: quote(text, safe=""),
    quote,
    quote_plus,
    lambda text: quote(text, safe="!'()*"),  # encodeURIComponent
    lambda text: quote(text, safe=";,/?:@&=+$!'()*#"),  # encodeURI
    _percent,
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1].replace("/", "\\/"),  # PHP
    lambda text: repr(text.encode())[2:-1],
    lambda text: text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$").replace("`", "\\`"),  # export -p
    lambda text: text.replace("'", "'\\''"),
    lambda text: shlex.quote(text).removeprefix("'").removesuffix("'") if "'" in text else text,
]


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


@given(SECRETS)
def test_no_form_of_it_passes(secret: str) -> None:
    for write in WRITTEN:
        assert cleaned(f"x={write(secret)}, y\n".encode(), config={"PASSWORD": secret}) == "x=[PASSWORD], y\n"


@given(SECRETS, st.integers(0, 200), st.sampled_from(WRITTEN), st.lists(st.integers(1, 50_000), max_size=5))
def test_it_is_hidden_wherever_a_line_without_end_is_cut(
    secret: str, before: int, write: Callable[[str], str], sizes: list[int]
) -> None:
    """A build of few lines fills the room for one; what is handed on then ends in the middle of something."""
    line = ("L" * (LINE_LIMIT_BYTES - before) + "<" + write(secret) + ">" + "R" * LINE_LIMIT_BYTES).encode()
    ends = [*itertools.accumulate(sizes), len(line)]
    pieces = [line[start:end] for start, end in itertools.pairwise([0, *ends])]

    shown = cleaned(*pieces, config={"PASSWORD": secret})

    assert shown == "L" * (LINE_LIMIT_BYTES - before) + "<[PASSWORD]>" + "R" * LINE_LIMIT_BYTES


@given(st.binary(min_size=100, max_size=2000), st.integers(16, 100), st.integers(0, 40), st.sampled_from(["", "       ", "\t"]))
def test_base64_that_is_wrapped_is_hidden_line_by_line(key: bytes, width: int, before: int, indent: str) -> None:
    secret = key.hex()
    printed = textwrap.wrap(base64.b64encode(b"u" * before + secret.encode() + b"\n").decode(), width)
    pieces = [f"{indent}{line}\n".encode() for line in printed]

    shown = cleaned(b"-----> Key\n", *pieces, b"-----> Done\n", config={"KEY": secret})

    lines = shown.splitlines()
    assert (lines[0], lines[-1]) == ("-----> Key", "-----> Done")
    assert "[KEY]" in shown
    left = "".join("".join(lines[1:-1]).replace("[KEY]", "").split())
    assert len(left) <= before * 8 // 6 + 8


def test_what_is_no_end_of_wrapped_base64_is_shown_at_once() -> None:
    written: list[bytes] = []
    output = BuildOutput(written.append, config={"KEY": "k" * 100}, environ={})
    output.write(b"-----> Installing requirements\n")
    assert written == [b"-----> Installing requirements\n"]


@given(_secrets(150, 700))
def test_a_long_one_is_hidden_and_so_is_a_part_of_it(secret: str) -> None:
    for write in WRITTEN:
        assert cleaned(f"x={write(secret)}, y\n".encode(), config={"PASSWORD": secret}) == "x=[PASSWORD], y\n"
    assert "[PASSWORD]" in cleaned((secret * 3)[:-10].encode(), config={"PASSWORD": secret * 3})


@pytest.mark.parametrize("length", [199, 399, 401, 9950])
def test_no_end_of_a_long_one_is_shown_where_a_line_is_cut_within_it(length: int) -> None:
    secret = "".join(f"{number:05}" for number in range(2000))[:length]
    printed = secret.encode() * (3 * LINE_LIMIT_BYTES // length)
    for step in (4096, 4999):
        pieces = [printed[start : start + step] for start in range(0, len(printed), step)]
        assert set(cleaned(*pieces, b"\n", config={"KEY": secret}).replace("[KEY]", "")) == {"\n"}


def test_what_is_nearly_a_secret_costs_no_more_than_other_text() -> None:
    """Config vars that begin with one another, or that are long, and a build that prints their beginnings without end."""
    began = time.process_time()
    cleaned((b"aaaaaaab" * 8000 + b" .\n") * 2, config={f"V{length}": "a" * length for length in range(8, 340)})
    assert time.process_time() - began < 3

    written: list[bytes] = []
    output = BuildOutput(written.append, config={"KEY": "a" * 60_000 + "b"}, environ={})
    output.write(b"a" * 2 * LINE_LIMIT_BYTES)
    assert written  # what is kept back goes by what is compared at once


def test_a_long_name_is_shown_cut_and_repetitions_once() -> None:
    """Else a build could make of each of its bytes as many as it likes."""
    assert cleaned(b"abcdefgh.abcdefgh\n", config={"N" * 6000: "abcdefgh"}) == f"[{'N' * 64}].[{'N' * 64}]\n"
    assert cleaned(b"a" * 5000 + b" \n", config={"NAME": "aaaaaaaa"}) == "[NAME] \n"


def test_variables_that_the_shell_lists_are_hidden() -> None:
    config = {"KEY": 'it\'s $5 \\ "quoted" `twice`!', "OTHER": "tabs\tand\x01bytes ä"}
    for script in ("export -p", 'printf %q "$KEY"', 'printf %q "$OTHER"', 'echo "${KEY@Q}" "${OTHER@Q}"'):
        listed = subprocess.run(["/bin/bash", "-c", script], env=config, capture_output=True, check=True).stdout
        shown = cleaned(listed, config=config)
        assert not [part for part in ("quoted", "twice", "tabs", "bytes") if part in shown], (script, shown)
    listed = subprocess.run(["/bin/sh", "-c", "export -p"], env=config, capture_output=True, check=True).stdout
    assert "quoted" not in cleaned(listed, config=config)


def test_two_that_overlap_are_both_hidden() -> None:
    assert cleaned(b"abcdefghijkl\n", config={"A": "abcdefgh", "B": "efghijkl"}) == "[A][B]\n"


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
