"""`pushd demo`: the whole story on this machine, with the real daemon, the real git and the real client."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import click

from pushd.cli import render
from pushd.cli.demo_stage import DemoFailed, Stage
from pushd.cli.options import place

APP = "hello"
LOG_PATIENCE_SECONDS = 15.0
GREETING = "Good morning from a config var"


@click.command("demo")
@click.option(
    "--data-dir", metavar="PATH", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True,
    help="Folder for the demo's daemon and app.",
)  # fmt: skip
@click.option(
    "--once", is_flag=True, help="Check rollback and maintenance too, then end; exit code 0 only if every step worked."
)
def demo(data_dir: Path, once: bool) -> None:
    """Show pushd at work on this machine.

    A daemon on free ports, a Flask app pushed to it, its page, a config change, its logs. Needs git and nothing else,
    writes into its own folder only, and stops all it started at Ctrl-C.

    \b
    Examples:
        git pushd demo
        git pushd demo --once --data-dir /tmp/demo
    """
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _as_ctrl_c)
    with Stage((place().folder / data_dir).absolute(), place().environ, app=APP) as stage:
        _show(stage)
        if once:
            _check_the_rest(stage)
        else:
            _stay(stage)
    if once:
        _expect(not stage.left_behind(), f"processes were left behind: {', '.join(stage.left_behind())}")
        render.out("\nEvery step worked, and nothing is left running.")


def _show(stage: Stage) -> None:
    """Create, push, look, change a config var, look again, read the logs."""
    _title("A daemon of its own")
    render.out(f"It listens at {stage.api} (API and git) and {stage.router} (visitors); its log is {stage.daemon_log}")
    stage.forget_earlier_app()
    stage.lay_out_project(_example())
    _title("An app")
    stage.pushd("create", APP)
    _title("A push")
    stage.push()
    _title("The page")
    before = stage.page()
    _expect(before.status == 200 and GREETING not in before.text, f"the page should answer 200, it says {before.status}")
    _print_page(stage, before.text)
    _title("A config var")
    stage.pushd("config:set", f"GREETING={GREETING}")
    after = stage.page()
    _expect(after.status == 200 and GREETING in after.text, "the page should show the new greeting")
    _print_page(stage, after.text)
    _title("The logs")
    _expect('path="/"' in _logs_with(stage, 'path="/"'), "the log should have the router's line of our request")
    stage.pushd("logs", "-n", "20")


def _check_the_rest(stage: Stage) -> None:
    """What `--once` proves beyond the tour."""
    _title("Back to the release before")
    stage.pushd("rollback")
    _expect(GREETING not in stage.page().text, "after the rollback the page should greet as before")
    _title("Maintenance")
    stage.pushd("maintenance:on")
    page = stage.page()
    _expect(page.status == 503, f"visitors should get 503, they get {page.status}")
    render.out(f"Visitors get {page.status}.")
    stage.pushd("maintenance:off")
    _expect(stage.page().status == 200, "after maintenance the page should answer again")


def _stay(stage: Stage) -> None:
    """Say what to try, and keep the daemon until Ctrl-C."""
    _title("Yours to try, in another terminal")
    for line in stage.lines_to_try():
        render.out(f"    {line}")
    render.out(f"\nThe page: {stage.page_url}\nCtrl-C stops everything.")
    stage.wait_for_daemon()


def _logs_with(stage: Stage, wanted: str) -> str:
    """The log, once the line is in; lines need a moment from the pipe to the disk."""
    deadline = time.monotonic() + LOG_PATIENCE_SECONDS
    while True:
        text = stage.pushd_output("logs", "-n", "200")
        if wanted in text or time.monotonic() > deadline:
            return text
        time.sleep(0.1)


def _expect(holds: bool, what: str) -> None:
    if not holds:
        raise DemoFailed(f"The demo went wrong: {what}.", remedy="Look at daemon.log in the demo's folder.")


def _title(text: str) -> None:
    render.out("\n" + render.paint(f"# {text}", sys.stdout, bold=True))


def _print_page(stage: Stage, text: str) -> None:
    """The page as curl would show it, its first lines."""
    render.out(f"$ curl {stage.page_url}")
    for line in text.strip().splitlines()[:12]:
        render.out(f"    {render.printable(line)}")


def _example() -> Path:
    """The folder of the example app, in the installed package or the checkout."""
    from pushd.shipped import shipped

    if shutil.which("git") is None:
        raise DemoFailed("The demo pushes with git, and git is not installed.", remedy="Install git, then try again.")
    return shipped("examples/flask")


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
