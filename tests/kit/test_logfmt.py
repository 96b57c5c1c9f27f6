from __future__ import annotations

import json
import logging
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pushd.kit.logfmt import LogfmtFormatter, line, quoted

TOKEN = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "=]*)(?: |$)', re.DOTALL)


def parse(text: str) -> dict[str, str]:
    """What a reader of logfmt gets; raises if `text` is anything else."""
    assert TOKEN.sub("", text) == ""
    return {key: _value(raw) for key, raw in TOKEN.findall(text)}


def _value(raw: str) -> str:
    if not raw.startswith('"'):
        return raw
    as_json = re.sub(r"\\x(..)", r"\\u00\1", raw.replace("\\\\", "\\u005c"))
    return str(json.loads(as_json))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("info", "info"),
        (7, "7"),
        (None, ""),
        (True, "true"),
        (False, "false"),
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "hi"', r'"say \"hi\""'),
        ("C:\\x", r'"C:\\x"'),
        ("two\nlines", r'"two\nlines"'),
        ("\x1b[31mred", r'"\x1b[31mred"'),
        ("\x85", r'"\x85"'),
        ("\u2028", r'"\u2028"'),
        ("/é", "/é"),
    ],
)
def test_one_value(value: object, expected: str) -> None:
    assert quoted(value) == expected


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text()))
def test_any_text_stays_one_line_and_comes_back(pairs: dict[str, str]) -> None:
    text = line(pairs)

    assert len(text.splitlines()) <= 1
    assert parse(text) == pairs


def test_pairs_keep_their_order() -> None:
    assert line({"at": "info", "method": "GET", "path": "/a b"}) == 'at=info method=GET path="/a b"'


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    return logging.getLogger("pushd.test").makeRecord(
        "pushd.test", logging.INFO, __file__, 1, message, args, None, extra=dict(extra)
    )


def test_a_record_becomes_time_level_logger_message_and_its_extra() -> None:
    made = record("dyno %s", "moved", dyno="web.1", was=None)
    made.created = 1767225600.25

    assert LogfmtFormatter().format(made) == (
        'time=2026-01-01T00:00:00.250+00:00 level=info logger=pushd.test msg="dyno moved" dyno=web.1 was='
    )


def test_a_traceback_follows_on_lines_of_its_own() -> None:
    made = record("task failed")
    try:
        raise KeyError("why")
    except KeyError:
        made.exc_info = sys.exc_info()

    first, *rest = LogfmtFormatter().format(made).splitlines()

    assert first.endswith('msg="task failed"')
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "KeyError: 'why'"
