"""All cases, one after another: an act, the point at which the daemon kills itself, the next daemon, and a look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pushd.cli.drill import apps, changes, deploys
from pushd.cli.drill.acts import APP, BYSTANDER, Act, Scene
from pushd.cli.drill.held import NotHeld, eventually, hold
from pushd.cli.drill.stage import Doing
from pushd.cli.drill.tidy import hold_tidy
from pushd.cli.drill.visitors import Visitors
from pushd.errors import PushdError

ACTS: tuple[type[Act], ...] = (
    deploys.Push, deploys.ForgetfulPush, deploys.FirstPush, deploys.BadPush, deploys.Cancel, deploys.ArchiveBuild,
    deploys.UploadedSlug, deploys.Promotion,
    changes.Config, changes.ManyConfigs, deploys.ConfigDuringBadPush, changes.Rollback, changes.ScaleUp, changes.ScaleDown,
    changes.Limits, changes.Restart, changes.RestartOne, changes.DynoCrash, changes.StopOneOff,
    apps.Create, apps.Rename, apps.Maintenance, apps.MaintenanceOff, apps.Settings, apps.AddDomain, apps.RemoveDomain,
    apps.Certificate, apps.BindDomain, apps.RemoveCertificate, apps.Destroy,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """One act, cut short at a point; `then` is where the next daemon is cut short too, while it puts things in order."""

    act: type[Act]
    point: str
    then: str = ""

    def __str__(self) -> str:
        return f"{self.act.name} at {self.point}" + (f", then at {self.then}" if self.then else "")


TWICE: tuple[Case, ...] = (
    Case(deploys.Push, "release.of-build", "start.release-failed"),
    Case(deploys.Push, "release.of-build", "start.build-failed"),
    Case(deploys.Push, "release.switched", "start.dynos-found"),
    Case(deploys.Push, "release.switched", "start.dynos-adopted"),
    Case(deploys.Push, "release.settled", "start.announced"),
    Case(deploys.ForgetfulPush, "retention.slug-forgotten", "retention.slug-set-aside"),
    Case(changes.Config, "config.stored", "release.booted"),
    Case(changes.Restart, "restart.stored", "start.resumed"),
    Case(changes.ManyConfigs, "release.booted", "start.overtaken"),
    Case(changes.ConfigBeforeNewKey, "config.stored", "key.sealing"),
    Case(changes.ConfigBeforeNewKey, "config.stored", "key.sealed"),
    Case(apps.Destroy, "destroy.stored", "start.dynos-adopted"),
    Case(apps.Destroy, "destroy.stored", "destroy.half-removed"),
)
CASES: tuple[Case, ...] = (*(Case(act, point) for act in ACTS for point in act.points), *TWICE)


def chosen(words: Iterable[str]) -> list[Case]:
    """The cases that one of `words` names: an act, a point, or how one begins; without any words all of them."""
    wanted = tuple(words)
    return [case for case in CASES if not wanted or any(_is_meant(case, word) for word in wanted)]


def _is_meant(case: Case, word: str) -> bool:
    return case.act.name == word or case.point.startswith(word) or bool(case.then and case.then.startswith(word))


class Walk:
    """Goes through cases with one scene; each begins where all is in order."""

    def __init__(self, scene: Scene, visitors: Visitors) -> None:
        self._scene = scene
        self._stage = scene.stage
        self._visitors = visitors

    def all(self, cases: Iterable[Case]) -> Iterator[tuple[Case, str]]:
        """Each case with what did not hold, "" if all did; after one that did not all begins anew."""
        in_order = True
        for case in cases:
            try:
                if not in_order:
                    self._begin_anew()
                self.one(case)
            except PushdError as error:
                in_order = False
                yield case, error.text
            else:
                in_order = True
                yield case, ""

    def one(self, case: Case) -> None:
        """Raises: NotHeld, or PushdError when a command was refused that should not have been."""
        act = case.act(self._scene)
        act.prepare()
        self._visitors.expect(act.may_meet)
        self._stage.doom(case.point)
        self._cut_short(act.begin(), act, case)
        eventually(lambda: self._serves(APP) and self._serves(BYSTANDER), "the pages of both apps")
        hold_tidy(self._stage.data_dir, self._scene.client)
        failures = self._visitors.failures()
        hold(not failures, f"{len(failures)} visitors met what they should not have: {'; '.join(failures[:3])}")

    def _cut_short(self, doing: Doing, act: Act, case: Case) -> None:
        try:
            self._stage.await_crash(case.point)
            if case.then:
                self._stage.doom(case.then)
                self._stage.start_doomed()
                self._stage.await_crash(case.then)
            self._stage.start()
            ended = doing.wait()
        finally:
            doing.close()
        try:
            act.look(ended.done)
        except NotHeld as error:
            raise NotHeld(error.message, remedy=f"The user was told: {' '.join(ended.output.split())[-300:]}") from error

    def _begin_anew(self) -> None:
        self._stage.ensure_daemon()
        self._visitors.expect({200, 404, 503})
        self._scene.set_up()
        self._visitors.failures()

    def _serves(self, app: str) -> bool:
        return self._scene.page(app).status == 200
