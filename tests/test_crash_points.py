"""The table of crash points and the code name the same lines; an armed one ends the process, wherever it is passed."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from pushd.crash_points import CRASH_POINTS, CrashAt, parse_crash_at
from pushd.kit.crash import crash_point

PACKAGE = Path(__file__).parents[1] / "pushd"


def test_each_point_of_the_table_stands_in_the_code_once_and_no_other_does() -> None:
    calls = [
        node
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("crash_point")
    ]
    names = [node.args[0].value for node in calls if isinstance(node.args[0], ast.Constant)]

    assert len(names) == len(calls), "name it by a literal, so that it can be found"
    assert Counter(names) == Counter(dict.fromkeys(CRASH_POINTS, 1))


def test_what_the_setting_may_say() -> None:
    point = next(iter(CRASH_POINTS))

    assert parse_crash_at("") is None
    assert parse_crash_at(point) == CrashAt(point)
    assert parse_crash_at(f"{point}:3") == CrashAt(point, 3)
    assert [str(parse_crash_at(text)) for text in (point, f"{point}:1", f"{point}:3")] == [point, point, f"{point}:3"]
    assert str(parse_crash_at("@/tmp/note")) == "@/tmp/note"


@pytest.mark.parametrize(("text", "rule"), [("nowhere", "the name of a crash point"), ("{point}x", "such as {point}"),
                                            ("{point}:0", "a number from 1"), ("{point}:x", "a number from 1")])  # fmt: skip
def test_what_it_may_not_say(text: str, rule: str) -> None:
    point = next(iter(CRASH_POINTS))

    with pytest.raises(ValueError, match=rule.format(point=point)):
        parse_crash_at(text.format(point=point))


def test_a_point_that_is_not_armed_does_nothing() -> None:
    crash_point("anything")


@pytest.mark.parametrize("passing", ["crash_point('here')", "threading.Thread(target=crash_point, args=['here']).start()"])
def test_an_armed_point_kills_the_process_at_the_passing_that_counts(passing: str) -> None:
    program = f"""
import threading
from pushd.kit.crash import arm, crash_point
arm("here", passing=2)
crash_point("there")
crash_point("here")
print("passed once", flush=True)
try:
    {passing}
    threading.Event().wait(60)
finally:
    print("cleaned up", flush=True)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "passed once\n")
    assert "crash point" in ended.stderr


def test_a_note_tells_the_line_and_goes_with_the_process(tmp_path: Path) -> None:
    note = tmp_path / "note"
    program = f"""
from pathlib import Path
from pushd.kit.crash import arm_by, crash_point
note = Path({str(note)!r})
arm_by(note)
crash_point("here")
note.write_text("there")
crash_point("here")
print("alive", flush=True)
crash_point("there")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "alive\n")
    assert not note.exists()
