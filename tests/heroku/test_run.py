"""One-off dynos that one stays with: a terminal, pipes, exit codes, signals."""

from __future__ import annotations

import re
import signal
import subprocess

from tests.e2e.harness import PATIENCE_SECONDS, eventually, read_until
from tests.heroku.conftest import Live
from tests.heroku.harness import Heroku


def one_offs(heroku: Heroku, app: str) -> list[str]:
    return [each["name"] for each in heroku.call(f"/apps/{app}/dynos") if each["type"] == "run"]


def gone(heroku: Heroku, app: str) -> bool:
    return eventually(lambda: not one_offs(heroku, app), what="the end of the one-off dyno")


def test_a_command_its_output_and_its_config(heroku: Heroku, site: Live) -> None:
    assert heroku("run", "echo hello from $GREETING", "-a", "site") == "hello from hello\n"
    assert heroku("run", "-e", "WHO=ada;HOW=well", "-a", "site", "--", 'echo "$WHO is $HOW"').strip() == "ada is well"
    assert gone(heroku, "site")


def test_exit_codes(heroku: Heroku, site: Live) -> None:
    assert heroku.maybe("run", "--exit-code", "-a", "site", "--", "sh -c 'exit 3'").exit_code == 3
    assert heroku.maybe("run", "-x", "-a", "site", "--", "exit 7").exit_code == 7
    done = heroku.run("run", "-x", "-a", "site", "--", "echo fine")
    assert done.stdout == "fine\n"
    assert heroku.maybe("run", "false", "-a", "site").exit_code == 0  # only -x asks


def test_standard_input_goes_there_whole(heroku: Heroku, site: Live) -> None:
    lines = "".join(f"line {number}\n" for number in range(20_000))

    assert heroku("run", "--no-tty", "cat", "-a", "site", stdin=lines) == lines
    assert heroku("run", "wc -l", "--no-tty", "-a", "site", stdin="one\ntwo\nthree").strip() == "2"


def test_ten_megabytes_come_back_unharmed(heroku: Heroku, site: Live) -> None:
    script = "import sys; [sys.stdout.write('%07d ' % n + 'x' * 91 + chr(10)) for n in range(100_000)]"

    printed = heroku("run", "--no-tty", "-a", "site", "--", f'python -c "{script}"')

    lines = printed.splitlines()
    assert len(printed) == 10_000_000
    assert lines[0].startswith("0000000 ")
    assert lines[-1].startswith("0099999 ")


def test_a_terminal_of_its_size(heroku: Heroku, site: Live) -> None:
    with heroku.terminal("run", "bash", "-a", "site", columns=101, lines=33) as terminal:
        terminal.expect(r"[$#] ")
        terminal.type("stty size; test -t 0 && echo $TERM\r")
        terminal.expect("33 101")
        terminal.expect("xterm")
        terminal.type("exit\r")
        assert terminal.wait() == 0
    assert gone(heroku, "site")


SLEEPS = "sh -c 'echo re\"\"ady; exec sleep 1000'\r"  # says so once it is there to be interrupted


def test_keys_that_mean_something(heroku: Heroku, site: Live) -> None:
    with heroku.terminal("run", "bash", "-a", "site") as terminal:
        terminal.expect(r"[$#] ")
        terminal.type(SLEEPS)
        terminal.expect("ready")
        terminal.type("\x03")
        terminal.expect(r"\^C")
        terminal.expect(r"[$#] ")
        terminal.type("echo still $((40 + 2))\r")
        terminal.expect("still 42")
        terminal.type(SLEEPS)
        terminal.expect("ready")
        terminal.type("\x1a")
        terminal.expect("Stopped")
        terminal.type("kill -KILL %1; disown -a; echo gone $((1 + 1))\r")
        terminal.expect("gone 2")
        terminal.expect(r"[$#] ")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert gone(heroku, "site")


def test_a_client_that_is_killed_takes_its_dyno_along(heroku: Heroku, site: Live) -> None:
    run = heroku.start("run", "echo here; sleep 1000", "-a", "site", stdin=subprocess.PIPE)
    read_until(run.stdout, "here")
    assert len(one_offs(heroku, "site")) == 1

    run.send_signal(signal.SIGKILL)
    run.communicate(timeout=PATIENCE_SECONDS)

    assert gone(heroku, "site")


def test_it_is_listed_while_it_runs_and_its_log_tells_of_it(heroku: Heroku, site: Live) -> None:
    with heroku.terminal("run", "cat", "-a", "site") as terminal:
        terminal.expect("run\\.\\d+")
        (name,) = eventually(lambda: one_offs(heroku, "site"), what="the dyno in the list")
        assert re.search(rf"{re.escape(name)}.*: up .*: cat", heroku("ps", "-a", "site"))
        terminal.type("\x04")
        assert terminal.wait() == 0
    log = heroku("logs", "-n", "1500", "--dyno-name", name, "-a", "site")
    assert "Starting process with command `cat`" in log
    assert "Process exited with status 0" in log


def test_detached(heroku: Heroku, site: Live) -> None:
    done = heroku.run("run:detached", "echo from afar", "-a", "site")
    (name,) = re.findall(r"run\.\d+", done.output)[:1]

    assert eventually(
        lambda: "from afar" in heroku.server.ok("logs", "--app", "site", "-d", name), what="its output in the log"
    )
    log = heroku.server.ok("logs", "--app", "site", "-n", "1000")
    assert log.index("app[api]: Starting process with command `echo from afar` by") < log.index(f"heroku[{name}]: Starting")


def test_what_cannot_run(heroku: Heroku, app: str) -> None:
    assert heroku.fails("run", "bash", "-a", app).exit_code != 0
    assert heroku.fails("run:inside", "web.9", "ls", "-a", app).exit_code != 0


def test_inside_a_dyno_that_runs(heroku: Heroku, site: Live) -> None:
    done = heroku.maybe("run:inside", "web.1", "-x", "-a", "site", "--", "echo $DYNO; exit 4")

    assert (done.exit_code, done.stdout) == (4, "web.1\n")
    assert "find that dyno" in heroku.fails("run:inside", "web.9", "ls", "-a", "site").output
