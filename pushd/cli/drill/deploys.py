"""Acts that bring a new version: pushes, good and bad, builds of archives, slugs made elsewhere, promotions."""

from __future__ import annotations

import io
import tarfile
from contextlib import suppress

from pushd.cli.drill.acts import APP, STOPPED, Act, Scene
from pushd.cli.drill.held import eventually, hold
from pushd.cli.drill.stage import Call, Doing, Program
from pushd.client.calls import request_target
from pushd.errors import NotFound, PushdError

_SLUG = "shelf"  # process type and file of a slug made elsewhere


class Push(Act):
    """A new version by git push."""

    name = "push"
    points: tuple[str, ...] = (
        "push.opened", "push.quarantined", "build.recorded", "workshop.opened", "workshop.checked-out",
        "workshop.furnished", "workshop.compiling",
        "workshop.compiled", "slug.shelved", "slug.stored", "build.slug-recorded", "release.of-slug",
        "release.of-build", "dyno.recorded",
        "phase.passed", "release.booted", "release.switched", "release.moved", "release.settled", "release.retiring",
        "build.settled", "push.half-accepted", "push.accepted", "push.ref-moved",
    )  # fmt: skip

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.old = self.new = self.commit = ""

    def prepare(self) -> None:
        self.old = self.scene.shown("version")
        self.new, self.commit = self.scene.commit_version()

    def begin(self) -> Doing:
        return self.stage.begin_push()

    def look(self, done: bool) -> None:
        self.hold_one_version(done)
        self.stage.deploy()  # the same push once more
        self.scene.await_shown("version", self.new)
        hold(self.stage.git("ls-remote", "pushd", "refs/heads/master").startswith(self.commit), "the branch has not moved")

    def hold_one_version(self, done: bool) -> None:
        """The page shows what the build's record says."""
        build = self.scene.build_of(self.commit)
        live = build is not None and build["status"] == "succeeded"
        hold(live or not done, "the user was told that the push is live, its build says otherwise")
        self.scene.await_shown("version", self.new if live else self.old)
        if build is not None and not live:
            hold(build["reason"] == STOPPED, f"the build failed and says {build['reason']!r}")


class ForgetfulPush(Push):
    """A push after which old slugs, builds and their output are forgotten."""

    name = "retention"
    points: tuple[str, ...] = ("retention.slug-forgotten", "retention.slug-set-aside", "retention.builds-forgotten")

    def prepare(self) -> None:
        for _ in range(2):  # so that there is more than is kept
            self.scene.commit_version()
            self.stage.deploy()
        super().prepare()


class FirstPush(Act):
    """The first push to an app."""

    name = "first push"
    points: tuple[str, ...] = ("repository.half-made",)
    app = "drill-first"

    def prepare(self) -> None:
        self.stage.do("create", self.app, "--remote", self.app)

    def begin(self) -> Doing:
        return self.stage.begin_push(self.app)

    def look(self, done: bool) -> None:
        hold(not done, "the user was told that the push is live")
        hold(self.scene.page(self.app).status != 200, "the page answers, though nothing was deployed")
        self.stage.deploy(self.app)
        hold(self.scene.page(self.app).status == 200, "the page does not answer after the push")
        self.stage.do("destroy", "--app", self.app, "--confirm", self.app)


class BadPush(Act):
    """A push whose release phase fails."""

    name = "push that fails"
    points: tuple[str, ...] = ("phase.ended", "release.failing", "release.failed", "build.failing")
    flaw = "release-fails"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.old = self.commit = ""

    def prepare(self) -> None:
        self.old = self.scene.shown("version")
        (self.stage.project / self.flaw).touch()
        _, self.commit = self.scene.commit_version()

    def begin(self) -> Doing:
        return self.stage.begin_push()

    def look(self, done: bool) -> None:
        hold(not done, "the user was told that a push is live that cannot be")
        self.hold_failed()
        (self.stage.project / self.flaw).unlink()
        new, _ = self.scene.commit_version()
        self.stage.deploy()
        self.scene.await_shown("version", new)

    def hold_failed(self) -> None:
        """The old version serves, and the build has failed."""
        build = self.scene.build_of(self.commit)
        hold(build is not None and build["status"] == "failed", "the build has not failed")
        self.scene.await_shown("version", self.old)


class Cancel(BadPush):
    """`builds:cancel` while a buildpack is at work."""

    name = "cancel"
    points: tuple[str, ...] = ("build.failing",)
    flaw = "slow-build"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._push: Program | None = None

    def begin(self) -> Doing:
        self._push = self.stage.begin_push()
        eventually(lambda: any(each["status"] == "pending" for each in self.client.builds(APP)), "the build")
        return self.stage.begin("builds:cancel", "--app", APP)

    def look(self, done: bool) -> None:
        assert self._push is not None
        hold(not self._push.wait().done, "the user was told that a cancelled push is live")
        super().look(False)


class ConfigDuringBadPush(BadPush):
    """`config:set` while a release phase runs that will fail: the new value goes to the version that runs."""

    name = "config:set during a push that fails"
    points: tuple[str, ...] = ("release.replaced",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.value = ""
        self._set = False

    def begin(self) -> Doing:
        self.value = self.scene.fresh()
        push = self.stage.begin_push()
        eventually(lambda: self.client.releases(APP, limit=1)[0]["status"] == "pending", "the release of the push")
        self.client.change_config_vars(APP, {"VALUE": self.value})
        return push

    def look(self, done: bool) -> None:
        self.scene.await_shown("value", self.value)  # it was acknowledged
        super().look(done)


class ArchiveBuild(Push):
    """A new version by `builds:create`."""

    name = "builds:create"
    points: tuple[str, ...] = ("upload.written", "upload.kept", "source.recorded")

    def begin(self) -> Doing:
        return self.stage.begin("builds:create", "--app", APP)

    def look(self, done: bool) -> None:
        self.hold_one_version(done)
        self.stage.do("builds:create", "--app", APP)
        self.scene.await_shown("version", self.new)


class UploadedSlug(Act):
    """A slug made elsewhere, sent to where its record says."""

    name = "slug upload"
    points: tuple[str, ...] = ("slug.shelved",)
    may_meet = frozenset({200, 503})  # it has no web

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._id = self._target = ""
        self._archive = b""

    def prepare(self) -> None:
        self._archive = _packed(self.scene.fresh())
        transport = self.stage.transport()
        slug = transport.call("POST", f"/apps/{APP}/slugs", body={"process_types": {_SLUG: f"cat {_SLUG}"}}).value
        transport.close()
        self._id, self._target = slug["id"], request_target(slug["blob"]["url"])

    def begin(self) -> Doing:
        return Call(self._send)

    def look(self, done: bool) -> None:
        with suppress(PushdError):  # its files came, and the user was not told
            self._send()
        released, _ = self.client.release_slug(APP, self._id, "A slug from elsewhere")[:2]
        hold(released["slug"] is not None, "the slug cannot be released")
        self.stage.do("rollback", "--app", APP)

    def _send(self) -> None:
        transport = self.stage.transport()
        try:
            transport.upload(self._target, io.BytesIO(self._archive), len(self._archive))
        finally:
            transport.close()


class Promotion(Act):
    """What runs in the app, promoted to another one."""

    name = "promotion"
    points: tuple[str, ...] = (
        "promotion.stored", "slug.environment-copied", "slug.adopted", "promotion.adopted", "promotion.slug-noted",
        "promotion.released",
    )  # fmt: skip
    app, pipeline = "drill-next", "drill-line"

    def prepare(self) -> None:
        self.stage.do("create", self.app, "--no-remote")
        self.stage.do("pipelines:create", self.pipeline, "--app", APP, "--stage", "staging")
        self.stage.do("pipelines:add", self.pipeline, "--app", self.app, "--stage", "production")

    def begin(self) -> Doing:
        return self.stage.begin("pipelines:promote", "--app", APP)

    def look(self, done: bool) -> None:
        version = self.scene.shown("version")
        if done:
            self.scene.await_shown("version", version, self.app)
        self.stage.do("pipelines:promote", "--app", APP)
        self.scene.await_shown("version", version, self.app)
        self.stage.do("destroy", "--app", self.app, "--confirm", self.app)
        with suppress(NotFound):
            self.stage.do("pipelines:destroy", self.pipeline)


def _packed(text: str) -> bytes:
    """An archive with one file in ./app, as Heroku's slugs are."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(f"./app/{_SLUG}")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return packed.getvalue()
