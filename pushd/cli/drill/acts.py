"""What an act is, and the scene that all acts play in."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pushd.cli.demo_stage import Page
from pushd.cli.drill.held import NotHeld, eventually, hold
from pushd.cli.drill.stage import Doing, DrillStage
from pushd.client.client import Client
from pushd.client.shapes import BuildShape

APP = "drill"  # what acts are about
BYSTANDER = "bystander"  # beside it; nothing is ever done to this one
STOPPED = "the server stopped during the build"
_OK = frozenset({200})


class Scene:
    """The scratch daemon with its two apps, and what was done so far."""

    def __init__(self, stage: DrillStage, example: Path) -> None:
        self.stage = stage
        self._example = example
        self._number = 0

    def set_up(self) -> None:
        """Both apps, live, whatever an earlier set-up left."""
        for app in self.client.apps():
            self.stage.do("destroy", "--app", app["name"], "--confirm", app["name"])
        for pipeline in self.client.pipelines.all():
            self.client.pipelines.remove(pipeline["id"])
        self.stage.lay_out(self._example)
        self.stage.do("create", BYSTANDER, "--remote", BYSTANDER)
        self.stage.do("create", APP)
        self.commit_version()
        self.stage.deploy(BYSTANDER)
        self.stage.deploy()

    @property
    def client(self) -> Client:
        return self.stage.client

    def fresh(self) -> str:
        """A text that was not used before."""
        self._number += 1
        return f"v{self._number}"

    def commit_version(self) -> tuple[str, str]:
        """A new version of the app's page; gives its name and its commit."""
        version = self.fresh()
        path = self.stage.project / "app.py"
        lines = path.read_text().splitlines()
        path.write_text("\n".join(f'VERSION = "{version}"' if line.startswith("VERSION =") else line for line in lines) + "\n")
        return version, self.stage.commit(f"Version {version}")

    def page(self, app: str = APP) -> Page:
        return self.stage.page_of(app)

    def shown(self, name: str, app: str = APP) -> str:
        """What the page says after `name=`; "" if it does not answer with 200."""
        page = self.page(app)
        words = dict(word.partition("=")[::2] for word in page.text.split() if "=" in word)
        return words.get(name, "") if page.status == 200 else ""

    def await_shown(self, name: str, value: str, app: str = APP) -> None:
        """Raises: NotHeld when the page does not come to show it."""
        try:
            eventually(lambda: self.shown(name, app) == value, f"the page of {app} with {name}={value}")
        except NotHeld as error:
            page = self.page(app)
            raise NotHeld(f"{error.message}: it says {page.status} {' '.join(page.text.split())[:200]}") from error

    def build_of(self, commit: str) -> BuildShape | None:
        """The newest build of that commit, once it has ended; None if there is none."""

        def newest() -> BuildShape | None:
            return next((each for each in self.client.builds(APP) if each["source_blob"]["version"] == commit), None)

        eventually(lambda: (build := newest()) is None or build["status"] != "pending", "an end of the build")
        return newest()


class Act:
    """Something that a user does, which the daemon's death cuts short."""

    name = ""
    points: tuple[str, ...] = ()  # where
    may_meet: Collection[int] = _OK  # what visitors of the app may get meanwhile

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.stage = scene.stage

    def prepare(self) -> None:
        """What must be there before; the daemon is not in danger yet."""

    def begin(self) -> Doing:
        """Do it; the daemon dies meanwhile."""
        raise NotImplementedError

    def look(self, done: bool) -> None:
        """With the next daemon: it is as before the act or as after it, and it can be done again.

        `done`: the user was told that it is done. Raises: NotHeld.
        """
        raise NotImplementedError

    @property
    def client(self) -> Client:
        return self.scene.client


def hold_one_of(found: str, old: str, new: str, *, done: bool, what: str) -> None:
    """Raises: NotHeld unless it is old or new, and new if the user was told so."""
    hold(found in (old, new), f"{what} is {found!r}, neither {old!r} nor {new!r}")
    hold(found == new or not done, f"{what} is {found!r}, but the user was told that it is {new!r}")
