"""Acts that concern an app as a whole, and what visitors find it by: create, rename, destroy, maintenance, domains."""

from __future__ import annotations

import shutil
from uuid import UUID

from pushd.cli.drill.acts import APP, Act, Scene, hold_one_of
from pushd.cli.drill.held import eventually, hold
from pushd.cli.drill.stage import Doing
from pushd.layout import Layout

HOST = "drill.example"
_GONE = 404


class Create(Act):
    """A new app."""

    name = "create"
    points: tuple[str, ...] = ("create.stored",)
    app = "drill-new"

    def begin(self) -> Doing:
        return self.stage.begin("create", self.app, "--no-remote")

    def look(self, done: bool) -> None:
        there = self.app in {each["name"] for each in self.client.apps()}
        hold(there or not done, "the user was told that the app is there")
        hold((self.scene.page(self.app).status != _GONE) == there, "the router and the list of apps disagree")
        if not there:
            self.stage.do("create", self.app, "--no-remote")
        self.stage.do("destroy", "--app", self.app, "--confirm", self.app)


class Rename(Act):
    """Another name, and back."""

    name = "rename"
    points: tuple[str, ...] = ("rename.stored",)
    may_meet = frozenset({200, _GONE})
    new = "drill-renamed"

    def begin(self) -> Doing:
        return self.stage.begin("rename", self.new, "--app", APP)

    def look(self, done: bool) -> None:
        names = {each["name"] for each in self.client.apps()} & {APP, self.new}
        hold(len(names) == 1, f"the app has the names {sorted(names)}")
        (name,) = names
        hold_one_of(name, APP, self.new, done=done, what="the app's name")
        other = self.new if name == APP else APP
        eventually(lambda: self.scene.page(name).status == 200, "a page under the app's name")
        hold(self.scene.page(other).status == _GONE, "the app answers under its other name too")
        if name != APP:
            self.stage.do("rename", APP, "--app", name)


class Maintenance(Act):
    """The maintenance page, on."""

    name = "maintenance:on"
    points: tuple[str, ...] = ("maintenance.stored",)
    may_meet = frozenset({200, 503})
    words = ("maintenance:on", "--app", APP)
    on = True

    def begin(self) -> Doing:
        return self.stage.begin(*self.words)

    def look(self, done: bool) -> None:
        on = self.client.app(APP)["maintenance"]
        hold(on == self.on or not done, "the user was told that it is done, and it is not stored")
        eventually(lambda: self.scene.page().status == (503 if on else 200), "the page that goes with what is stored")
        self.stage.do("maintenance:off", "--app", APP)


class MaintenanceOff(Maintenance):
    """And off."""

    name = "maintenance:off"
    words = ("maintenance:off", "--app", APP)
    on = False

    def prepare(self) -> None:
        self.stage.do("maintenance:on", "--app", APP)


class Settings(Act):
    """A setting of the app."""

    name = "settings:set"
    points: tuple[str, ...] = ("settings.stored",)

    def begin(self) -> Doing:
        return self.stage.begin("settings:set", "log-limit-mb=7", "--app", APP)

    def look(self, done: bool) -> None:
        found = next(each["value"] for each in self.client.settings(APP) if each["name"] == "log-limit-mb")
        hold(str(found) == "7" or not done, "the user was told that the setting is stored")
        self.stage.do("settings:set", "log-limit-mb=7", "--app", APP)
        self.stage.do("settings:unset", "log-limit-mb", "--app", APP)


class AddDomain(Act):
    """A domain of the user's own."""

    name = "domains:add"
    points: tuple[str, ...] = ("domain.added",)
    words: tuple[str, ...] = ("domains:add", HOST, "--app", APP)
    there = True  # after it

    def begin(self) -> Doing:
        return self.stage.begin(*self.words)

    def look(self, done: bool) -> None:
        there = HOST in {each["hostname"] for each in self.client.domains(APP).all()}
        hold(there == self.there or not done, "the user was told that it is done, and it is not stored")
        hold((self.stage.page_at(HOST).status == 200) == there, "the router and the list of domains disagree")
        if there:
            self.stage.do("domains:remove", HOST, "--app", APP)


class RemoveDomain(AddDomain):
    """It goes again."""

    name = "domains:remove"
    points: tuple[str, ...] = ("domain.removed",)
    words = ("domains:remove", HOST, "--app", APP)
    there = False

    def prepare(self) -> None:
        self.stage.do("domains:add", HOST, "--app", APP)


class Certificate(Act):
    """A certificate for that domain, renewed."""

    name = "certs:update"
    points: tuple[str, ...] = ("certificate.updated",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._name = ""

    @property
    def pair(self) -> tuple[str, str]:
        """The files with the certificate and its key, made once."""
        stem = self.stage.data_dir / "demo" / HOST
        if not stem.with_name(f"{HOST}.crt").exists():
            self.stage.do("certs:generate", HOST, "--selfsigned", "--now", "--app", APP)
            for suffix in ("crt", "key"):
                shutil.move(self.stage.project / f"{HOST}.{suffix}", stem.with_name(f"{HOST}.{suffix}"))
        return str(stem.with_name(f"{HOST}.crt")), str(stem.with_name(f"{HOST}.key"))

    def prepare(self) -> None:
        self.stage.do("domains:add", HOST, "--app", APP)
        self.stage.do("certs:add", *self.pair, "--app", APP)
        self._name = self.client.certificates(APP).all()[0]["name"]

    def begin(self) -> Doing:
        return self.stage.begin("certs:update", *self.pair, "--confirm", APP, "--app", APP)

    def look(self, done: bool) -> None:
        hold(self.stage.page_at(HOST).status == 200, "the domain does not answer")
        self.hold_stored(done)
        if self.client.certificates(APP).all():
            self.stage.do("certs:remove", "--confirm", APP, "--app", APP)
        self.stage.do("domains:remove", HOST, "--app", APP)

    def hold_stored(self, done: bool) -> None:
        hold(
            [each["name"] for each in self.client.certificates(APP).all()] == [self._name], "the certificate is not there once"
        )


class BindDomain(Certificate):
    """A domain gets its certificate."""

    name = "domains:update"
    points: tuple[str, ...] = ("domain.bound",)

    def begin(self) -> Doing:
        return self.stage.begin("domains:update", HOST, "--cert", self._name, "--app", APP)

    def hold_stored(self, done: bool) -> None:
        (domain,) = [each for each in self.client.domains(APP).all() if each["hostname"] == HOST]
        hold(domain["sni_endpoint"] is not None or not done, "the user was told that the domain has its certificate")


class RemoveCertificate(Certificate):
    """The certificate goes."""

    name = "certs:remove"
    points: tuple[str, ...] = ("certificate.removed",)

    def begin(self) -> Doing:
        return self.stage.begin("certs:remove", "--confirm", APP, "--app", APP)

    def hold_stored(self, done: bool) -> None:
        hold(not (done and self.client.certificates(APP).all()), "the user was told that the certificate is gone")


class Destroy(Act):
    """An app with its dynos, its log and its folders."""

    name = "destroy"
    points: tuple[str, ...] = (
        "destroy.stored", "destroy.forgotten", "destroy.stopped", "destroy.unlogged", "repository.set-aside",
        "destroy.half-removed", "destroy.removed",
    )  # fmt: skip
    app = "drill-old"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._id = ""

    def prepare(self) -> None:
        self.stage.do("create", self.app, "--remote", self.app)
        self.stage.deploy(self.app)
        self._id = self.client.app(self.app)["id"]

    def begin(self) -> Doing:
        return self.stage.begin("destroy", "--app", self.app, "--confirm", self.app)

    def look(self, done: bool) -> None:
        there = self.app in {each["name"] for each in self.client.apps()}
        hold(not (there and done), "the user was told that the app is gone")
        eventually(lambda: self.scene.page(self.app).status == (200 if there else _GONE), "what visitors of the app should get")
        if there:
            self.stage.do("destroy", "--app", self.app, "--confirm", self.app)
        folders = Layout(self.stage.data_dir).folders_of(UUID(self._id))
        eventually(lambda: not [path for path in folders if path.exists()], "an end of the app's folders")
