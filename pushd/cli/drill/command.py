"""`pushd drill`: a user sees on their own machine what holds when the daemon is killed, at every step."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from pushd.cli import render
from pushd.cli.demo_stage import DemoFailed
from pushd.cli.drill.acts import APP, BYSTANDER, Scene
from pushd.cli.drill.stage import DrillStage
from pushd.cli.drill.tidy import end_left_behind
from pushd.cli.drill.visitors import Visitors
from pushd.cli.drill.walk import Case, Walk, chosen
from pushd.cli.options import place


@click.command("drill")
@click.option("--only", metavar="NAME", multiple=True, help="An act, a point, or how one begins; may be given again.")
@click.option("--list", "list_", is_flag=True, help="Show the cases and end.")
@click.option("--keep", is_flag=True, help="Leave the scratch folder, with the log of its daemons.")
def drill(only: tuple[str, ...], list_: bool, keep: bool) -> None:
    """Kill a scratch daemon at every step of all that it does, and show what held.

    A daemon of its own in a folder of its own, on free ports: yours is not touched. Two small apps are pushed to it; then
    each act (a push, config:set, a rename ...) is done again and again, and each time the daemon kills itself at another
    step. The next daemon must have finished the act or undone it; visitors of the apps must not have noticed; nothing may be
    left over. All cases take five to seven minutes. Ends with 1 if something did not hold.

    \b
    Examples:
        git pushd drill
        git pushd drill --only push --only destroy.stored
    """
    cases = chosen(only)
    if not cases:
        raise click.UsageError("No case has such a name; --list shows them.", click.get_current_context())
    if list_:
        render.out("\n".join(map(str, cases)))
        return
    if not _drill(cases, keep=keep):
        raise click.exceptions.Exit(1)


def _drill(cases: list[Case], *, keep: bool) -> bool:
    """Whether all held."""
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _as_ctrl_c)
    example = _example()
    began = time.monotonic()
    failed: list[Case] = []
    with _scratch_folder(keep=keep) as folder:
        stage = DrillStage(folder, place().environ, app=APP)
        with stage:
            scene = Scene(stage, example)
            with render.doing("Pushing two scratch apps to a scratch daemon"):
                scene.set_up()
            with Visitors(stage.page_of, steady=BYSTANDER, changing=APP) as visitors:
                for case, trouble in Walk(scene, visitors).all(cases):
                    _tell(case, trouble)
                    failed += [case] if trouble else []
        left = stage.left_behind()
    _sum_up(cases, failed, visitors.visits, left, time.monotonic() - began)
    return not failed and not left


def _tell(case: Case, trouble: str) -> None:
    mark = render.paint("FAILED", sys.stdout, fg="red") if trouble else render.paint("held", sys.stdout, fg="green")
    render.out(f"{mark:8}{case}")
    for line in trouble.splitlines():
        render.out(f"        {render.printable(line)}")


def _sum_up(cases: list[Case], failed: list[Case], visits: int, left: list[str], seconds: float) -> None:
    render.out(
        f"\n{len(cases) - len(failed)} of {len(cases)} cases held in {seconds:.0f} s; "
        f"visitors asked for {visits} pages meanwhile."
    )
    for line in left:
        render.out(f"left behind: {line}")


@contextmanager
def _scratch_folder(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pushd-drill-"))
    try:
        yield folder
    finally:
        end_left_behind(folder)
        if keep:
            render.hint(f"The scratch folder is {folder}, the log of its daemons {folder / 'daemon.log'}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _example() -> Path:
    """The folder of the drill's app, in the installed package or the checkout."""
    from pushd.shipped import shipped

    if shutil.which("git") is None:
        raise DemoFailed("The drill pushes with git, and git is not installed.", remedy="Install git, then try again.")
    return shipped("examples/drill")


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
