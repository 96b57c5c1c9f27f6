"""The walk: each act of `pushd drill`, killed at each point; the drill's own look, and a closer one at store and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pushd.cli.drill.acts import APP, BYSTANDER, Scene
from pushd.cli.drill.stage import DrillStage
from pushd.cli.drill.tidy import end_left_behind, processes
from pushd.cli.drill.visitors import Visitors
from pushd.cli.drill.walk import CASES, Case, Walk
from pushd.crash_points import CRASH_POINTS
from pushd.shipped import shipped
from tests.e2e.harness import BIN
from tests.e2e.tidy import Tidiness

ELSEWHERE = {"log": "tests/logplex/test_kills.py"}  # acts whose points another test walks
# In the usual run: one of each kind of act.
SHORT = {
    "push at release.of-slug", "push at release.switched", "push at push.half-accepted", "config:set at config.stored",
    "rename at rename.stored", "destroy at destroy.forgotten",
}  # fmt: skip


class Scenery:
    """One scratch daemon for case after case; a new one after a case that did not hold."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._stages = 0
        self._set: tuple[DrillStage, Visitors, Walk] | None = None

    def walk(self, case: Case) -> None:
        stage, _, walk = self._set or self._set_up()
        try:
            walk.one(case)
            Tidiness(stage.data_dir, lambda: processes(stage.data_dir)).hold()
        except Exception as error:
            told = stage.daemon_log.read_text(errors="replace")[-4000:]
            self.clear()
            raise AssertionError(f"{case}: {error}\n{told}") from error

    def clear(self) -> None:
        """End the scratch daemon and all that belongs to it, which must leave nothing."""
        if self._set is not None:
            (stage, visitors, _), self._set = self._set, None
            visitors.__exit__()
            try:
                stage.__exit__(None, None, None)
                assert stage.left_behind() == []
            finally:
                end_left_behind(stage.data_dir)

    def _set_up(self) -> tuple[DrillStage, Visitors, Walk]:
        self._stages += 1
        environ = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "UV_", "SSL_"))}
        environ |= {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self._top)}
        stage = DrillStage(self._top / f"stage-{self._stages}", environ, app=APP)
        visitors = Visitors(stage.page_of, steady=BYSTANDER, changing=APP)
        stage.__enter__()
        self._set = (stage, visitors, Walk(scene := Scene(stage, shipped("examples/drill")), visitors))
        scene.set_up()
        visitors.__enter__()
        return self._set


@pytest.fixture(autouse=True)
def nothing_left_behind() -> None:
    """No look for new children: each case hands its daemon to the next one, and `Scenery.clear` looks at the end."""


@pytest.fixture(scope="module")
def scenery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scenery]:
    made = Scenery(tmp_path_factory.mktemp("walk"))
    yield made
    made.clear()


def test_the_walk_comes_to_every_point() -> None:
    walked = {case.point for case in CASES} | {case.then for case in CASES if case.then}

    assert walked == {point for point in CRASH_POINTS if point.partition(".")[0] not in ELSEWHERE}
    assert {str(case) for case in CASES} >= SHORT


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=str(case), marks=[] if str(case) in SHORT else [pytest.mark.long]) for case in CASES],
)
def test_an_act_that_is_killed_is_finished_or_undone(scenery: Scenery, case: Case) -> None:
    scenery.walk(case)
