"""The whole product once more with a daemon, a client and a git that are no root: all that this needs is user namespaces.

The quick run takes what tells most: all attempts of the hostile app and its build, a push, config, a command, a daemon that is
killed. The long one takes whole files, the bombs among them.
"""

from __future__ import annotations

import os

import pytest

from tests.ordinary import ordinary_user

SOME = {
    "test_escapes.py": (
        "test_what_holds_is_told", "test_a_hostile_dyno_is_refused_everything", "test_a_hostile_build_is_refused_everything",
        "test_a_neighbour_noticed_nothing", "test_who_listens_beside_a_neighbours_port_gets_no_request",
        "test_who_takes_a_port_before_its_app_boots_gets_no_request", "test_a_build_leaves_no_process",
        "test_a_setuid_program_in_a_slug_has_lost_its_bit_or_gives_nobody_more",
        "test_the_daemons_log_tells_no_secret_and_has_no_traceback",
    ),
    "test_push.py": ("test_a_push_becomes_a_live_page",),
    "test_config_and_releases.py": ("test_setting_a_config_var_changes_the_page_and_makes_a_release",),
    "test_run.py": ("test_output_errors_and_exit_code",),
    "test_daemon.py": ("test_term_leaves_app_and_router_running_and_the_next_daemon_goes_on_with_them",),
}  # fmt: skip
ALL = (
    "escapes",
    "hostile_pushes",
    "push",
    "config_and_releases",
    "run",
    "running",
    "daemon",
    "secrets",
    "accounts",
    "bad_input",
)
ROOTS_OWN = (  # what only root can do, or what ssh refuses to somebody who stands in no /etc/passwd
    "over_ssh",
)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; then the other tests say it all")
def test_what_tells_most_holds_for_an_ordinary_user() -> None:
    chosen = [f"tests/e2e/{file}::{name}" for file, names in SOME.items() for name in names]
    with ordinary_user() as somebody:
        done = somebody.pytest(*chosen)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert f"{len(chosen)} passed" in done.stdout


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; then the other tests say it all")
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("topic", ALL)
def test_it_all_holds_for_an_ordinary_user(topic: str) -> None:
    with ordinary_user() as somebody:
        done = somebody.pytest(f"tests/e2e/test_{topic}.py", "-k", " and ".join(f"not {name}" for name in ROOTS_OWN))
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert " skipped" not in done.stdout
