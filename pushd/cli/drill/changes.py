"""Acts that change what runs, without a new version: config vars, rollback, scale, restart."""

from __future__ import annotations

from pushd.cli.drill.acts import APP, Act, Scene, hold_one_of
from pushd.cli.drill.held import eventually, hold
from pushd.cli.drill.stage import Call, Doing
from pushd.kit.key_file import next_key
from pushd.layout import Layout


class Config(Act):
    """A config var gets a new value."""

    name = "config:set"
    points: tuple[str, ...] = (
        "config.stored", "release.change-opened", "release.booted", "release.switched", "release.settled", "release.retiring",
        "change.followed",
    )  # fmt: skip

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.old = self.new = ""

    def prepare(self) -> None:
        self.old, self.new = self._stored(), self.scene.fresh()

    def begin(self) -> Doing:
        return self.stage.begin("config:set", f"VALUE={self.new}", "--app", APP)

    def look(self, done: bool) -> None:
        hold_one_of(self._stored(), self.old, self.new, done=done, what="the config var")
        self.scene.await_shown("value", self._stored())
        self.stage.do("config:set", f"VALUE={self.new}", "--app", APP)
        self.scene.await_shown("value", self.new)

    def _stored(self) -> str:
        return self.client.config_vars(APP).get("VALUE", "")


class ConfigBeforeNewKey(Config):
    """The same; the next daemon finds a new key for all that it has encrypted."""

    name = "config:set before a new key"
    points: tuple[str, ...] = ()  # it is the next daemon that is cut short at those of the key

    def prepare(self) -> None:
        super().prepare()
        self.stage.do("secret-key:rotate", "--data-dir", str(self.stage.data_dir))

    def look(self, done: bool) -> None:
        super().look(done)
        hold(not next_key(Layout(self.stage.data_dir).secret_key).exists(), "the new key waits still")


class ManyConfigs(Act):
    """Three values, one right after another: those that still wait to boot give way."""

    name = "config:set, three at once"
    points: tuple[str, ...] = ("release.overtaken",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.values: list[str] = []
        self._acknowledged: list[str] = []

    def begin(self) -> Doing:
        self.values = [self.scene.fresh() for _ in range(3)]
        return Call(self._set_all)

    def _set_all(self) -> None:
        for value in self.values:
            self.client.change_config_vars(APP, {"VALUE": value})
            self._acknowledged.append(value)

    def look(self, done: bool) -> None:
        stored = self.client.config_vars(APP).get("VALUE", "")
        newest = self._acknowledged[-1] if self._acknowledged else self.values[0]
        hold(
            stored in self.values[self.values.index(newest) :],
            f"the config var is {stored!r}, after {newest!r} was acknowledged",
        )
        self.scene.await_shown("value", stored)


class Rollback(Act):
    """Back to the config vars of the release before."""

    name = "rollback"
    points: tuple[str, ...] = ("rollback.stored", "release.change-opened")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.old = self.new = ""

    def prepare(self) -> None:
        self.new, self.old = self.scene.fresh(), self.scene.fresh()
        for value in (self.new, self.old):
            self.stage.do("config:set", f"VALUE={value}", "--app", APP)

    def begin(self) -> Doing:
        return self.stage.begin("rollback", "--app", APP)

    def look(self, done: bool) -> None:
        stored = self.client.config_vars(APP).get("VALUE", "")
        hold_one_of(stored, self.old, self.new, done=done, what="the config var")
        self.scene.await_shown("value", stored)


class ScaleUp(Act):
    """From one web dyno to two."""

    name = "ps:scale"
    points: tuple[str, ...] = ("scale.stored", "reboot.change-opened", "change.followed")
    old, new = "1", "2"

    def prepare(self) -> None:
        self.stage.do("ps:scale", f"web={self.old}", "--app", APP)

    def begin(self) -> Doing:
        return self.stage.begin("ps:scale", f"web={self.new}", "--app", APP)

    def look(self, done: bool) -> None:
        stored = self._stored()
        hold(stored == self.new, f"the quantity of web is {stored!r}, after {self.new!r} was stored")
        eventually(lambda: self._up() == int(self.new), f"{self.new} web dynos that are up, as is stored")
        self.stage.do("ps:scale", f"web={self.new}", "--app", APP)
        eventually(lambda: self._up() == int(self.new), f"{self.new} web dynos that are up after the same once more")
        self.stage.do("ps:scale", "web=1", "--app", APP)

    def _stored(self) -> str:
        return str(next(row["quantity"] for row in self.client.formation(APP) if row["type"] == "web"))

    def _up(self) -> int:
        return sum(dyno["type"] == "web" and dyno["state"] == "up" for dyno in self.client.dynos(APP))


class ScaleDown(ScaleUp):
    """And back."""

    name = "ps:scale down"
    points: tuple[str, ...] = ("reboot.change-opened",)
    old, new = "2", "1"


class Limits(Act):
    """Other dynos, which may take more."""

    name = "resources:set"
    points: tuple[str, ...] = ("resources.stored",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.old = self.new = 0
        self.before: set[str] = set()

    def prepare(self) -> None:
        self.old = self._stored()
        self.new = 600 if self.old != 600 else 700
        self.before = self._ids()

    def begin(self) -> Doing:
        return self.stage.begin("resources:set", "web", f"memory={self.new}M", "--app", APP)

    def look(self, done: bool) -> None:
        stored = self._stored()
        hold(stored == self.new, f"the memory of web is {stored} MB, after {self.new} was stored")
        eventually(lambda: self._ids() and not self._ids() & self.before, "web dynos that were started after the change")

    def _stored(self) -> int:
        return next(row for row in self.client.resources(APP) if row["type"] == "web")["memory_mb"]

    def _ids(self) -> set[str]:
        return {dyno["id"] for dyno in self.client.dynos(APP) if dyno["type"] == "web" and dyno["state"] == "up"}


class Restart(Act):
    """All dynos of the app are replaced."""

    name = "restart"
    points: tuple[str, ...] = (
        "restart.stored", "reboot.change-opened", "dyno.spawned", "dyno.recorded", "dyno.up", "dyno.exited", "dyno.read",
        "dyno.released", "change.followed",
    )  # fmt: skip
    words: tuple[str, ...] = ("restart", "--app", APP)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.started = ""

    def prepare(self) -> None:
        self.started = self.scene.shown("started")

    def begin(self) -> Doing:
        return self.stage.begin(*self.words)

    def look(self, done: bool) -> None:
        """It is stored at each of the points, so it is finished, whatever the user was told."""
        eventually(lambda: self.scene.shown("started") not in ("", self.started), "a page of a dyno that was started anew")


class RestartOne(Restart):
    """One dyno is replaced, or is as it was: nothing but the change says that it should be."""

    name = "restart of one dyno"
    points: tuple[str, ...] = ("reboot.change-opened", "change.followed")
    words = ("ps:restart", "web.1", "--app", APP)

    def look(self, done: bool) -> None:
        if done:
            super().look(done)


class DynoCrash(Restart):
    """A dyno ends by itself, and another one takes its place."""

    name = "crash of a dyno"
    points = ("dyno.exited", "dyno.read", "dyno.released", "dyno.spawned")
    may_meet = frozenset({200, 503})

    def begin(self) -> Doing:
        return Call(lambda: self.scene.stage.page_of(APP, "/exit"))


class StopOneOff(Act):
    """A one-off dyno is told to end."""

    name = "stop of a one-off dyno"
    points = ("dyno.leaving",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._name = ""

    def prepare(self) -> None:
        self._name = self.client.run_dyno(APP, {"command": "exec sleep 600", "attach": False})["name"]

    def begin(self) -> Doing:
        return self.stage.begin("ps:stop", self._name, "--app", APP)

    def look(self, done: bool) -> None:
        eventually(lambda: self._name not in {each["name"] for each in self.client.dynos(APP)}, "an end of the one-off dyno")
