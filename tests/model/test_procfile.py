"""What a Procfile may look like, and that honcho reads the clean text as we do."""

from __future__ import annotations

import re

import pytest
from honcho.environ import parse_procfile as honcho_parse
from hypothesis import given
from hypothesis import strategies as st

from pushd.model.procfile import ProcfileError, parse_procfile, procfile_text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"web: gunicorn hello:app\n", {"web": "gunicorn hello:app"}),
        (b"\xef\xbb\xbfweb: a\r\nworker: b\r\n", {"web": "a", "worker": "b"}),
        (b"web: a\rworker: b", {"web": "a", "worker": "b"}),
        (b"  web  :\ta b \t\n\n# note\n   # note\n", {"web": "a b"}),
        (b"release: python manage.py migrate --noinput\n", {"release": "python manage.py migrate --noinput"}),
        ("web: ./sérve 'ü'\n".encode(), {"web": "./sérve 'ü'"}),
        (b"web:a\n", {"web": "a"}),
        (b"clock_2-x: a: b # not a comment\n", {"clock_2-x": "a: b # not a comment"}),
        (b"", {}),
        (b"# only words\n", {}),
    ],
)
def test_good_procfiles(data: bytes, expected: dict[str, str]) -> None:
    assert list(parse_procfile(data).items()) == list(expected.items())


@pytest.mark.parametrize(
    ("data", "number", "text"),
    [
        (b"web gunicorn\n", 1, "there is no colon after a process type's name: web gunicorn"),
        (b"web: a\n\nworker:   \n", 3, "there is no command after worker:"),
        (b": a\n", 1, "letters, digits, - and _ only"),
        (b":\n", 1, "neither a name nor a command"),
        (b"we b: a\n", 1, "letters, digits, - and _ only: we b: a"),
        (b"w\xc3\xa9b: a\n", 1, "letters, digits, - and _ only"),
        (b"web: a\nweb: b\n", 2, "web is there twice"),
        (b"web: a\n- web: b\n", 2, "letters, digits"),
        (b"web: a\x0bworker: b\n", 1, r"control character: web: a\x0bworker: b"),
        ("web: a\u2028b\n".encode(), 1, r"control character: web: a\u2028b"),
        (b"web: a\0\n", 1, "control character"),
        (b"web: ok\nworker: \xff\n", 2, r"it is not UTF-8: worker: \xff"),
        (b"x" * 31 + b": a\n", 1, "more than 30 characters"),
        (b"<<<<<<< HEAD\nweb: a\n", 1, "no colon"),
        (b"".join(b"t%d: a\n" % number for number in range(501)), 501, "an app has 500 process types at most: t500: a"),
    ],
)
def test_bad_procfiles_are_refused_with_line_and_text(data: bytes, number: int, text: str) -> None:
    with pytest.raises(ProcfileError, match=re.escape(text)) as caught:
        parse_procfile(data)

    assert caught.value.line_number == number
    assert f"line {number} " in caught.value.message
    assert caught.value.remedy
    assert "\n" not in caught.value.message


def test_a_long_bad_line_is_cut() -> None:
    with pytest.raises(ProcfileError) as caught:
        parse_procfile(b"x" * 5000)

    assert len(caught.value.message) < 200


@given(st.binary(max_size=200) | st.text(alphabet="web:-_ \t\r\n#\x0b\x0c\x85\u2028é'\"", max_size=60).map(str.encode))
def test_nothing_but_a_procfile_error_and_honcho_agrees(data: bytes) -> None:
    try:
        ours = dict(parse_procfile(data))
    except ProcfileError:
        return
    assert dict(honcho_parse(procfile_text(ours)).processes) == ours


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_-]{1,30}", fullmatch=True),
        st.text(min_size=1).filter(lambda text: text.isprintable() and text == text.strip()),
        max_size=5,
    )
)
def test_clean_text_is_read_back(process_types: dict[str, str]) -> None:
    assert dict(parse_procfile(procfile_text(process_types).encode())) == process_types
