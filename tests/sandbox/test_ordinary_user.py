"""Everything about sandboxes and dynos once more, by a user who is not root: user namespaces instead of privileges.

The quick run takes one test of each kind, the long one all of them.
"""

from __future__ import annotations

import os

import pytest

from tests.ordinary import ordinary_user

TESTS = (
    "tests/sandbox/test_sandbox.py", "tests/sandbox/test_interpreter.py", "tests/runner/test_local_scheduler.py",
    "tests/ssh/test_programs.py",
)  # fmt: skip
ALL = "not copy and not plain"
SOME = " or ".join((
    "test_a_dyno_sees_its_slug_and_writes_privately",
    "test_the_rest_of_the_machine_is_not_there",
    "test_a_build_that_forks_without_end_is_ended",
    "test_who_may_start_few_programs_is_not_counted_with_others_of_its_user and build",
    "test_no_capability_is_left_and_none_can_be_had",
    "test_term_reaches_the_program_and_kill_is_not_needed",
    "test_kill_takes_the_stubborn_and_the_escaped",
    "test_inside_a_dyno_system_calls_are_refused_as_in_it",
    "test_all_that_it_gets_is_the_api_and_a_token_that_ends_with_it and confined",
))  # fmt: skip


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; then the other tests say it all")
@pytest.mark.parametrize("which", [SOME, pytest.param(ALL, marks=pytest.mark.long)], ids=["some", "all"])
def test_it_all_holds_for_an_ordinary_user(which: str) -> None:
    with ordinary_user() as somebody:
        done = somebody.pytest("-k", f"({which}) and ({ALL})", *TESTS, long=which == ALL)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert f"{len(SOME.split(' or ')) if which == SOME else ''} passed" in done.stdout
