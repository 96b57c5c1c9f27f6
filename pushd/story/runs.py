"""One-off dynos: which release they run, what their command means, and who asked for them."""

from __future__ import annotations

from dataclasses import replace

from pushd.errors import Conflict, NotFound
from pushd.model.app import App
from pushd.model.dyno import Dyno
from pushd.model.formation import RUN
from pushd.model.launch import Launch
from pushd.model.logline import APP
from pushd.model.release import current_release
from pushd.model.resources import DynoSize
from pushd.model.secret import Environ
from pushd.model.terminal import TerminalSize
from pushd.model.user import User
from pushd.releaser.releaser import Releaser
from pushd.store.store import Store
from pushd.story.dynos import check_fits
from pushd.story.rooms import AppLog, Attached, Runner


class Runs:
    """Starts commands in dynos of their own, with the code and the config vars of the release that runs."""

    def __init__(self, *, store: Store, releaser: Releaser, runner: Runner, app_log: AppLog, at_once: int = 0) -> None:
        """`at_once`: how many an app may have; 0: any number."""
        self._at_once = at_once
        self._store = store
        self._releaser = releaser
        self._runner = runner
        self._log = app_log

    async def detached(self, app: App, command: str, environ: Environ, user: User, dyno_size: DynoSize | None = None) -> Dyno:
        """Start it in the background; its output goes to the app's log.

        Raises: NotFound, Conflict, InvalidParams, BootFailed.
        """
        launch = await self._launch(app, dyno_size)
        command = _meaning(command, launch)
        self._check_room(app)
        self._tell(app, command, user)
        return await self._runner.start_detached(launch, command, environ=environ)

    async def attached(
        self,
        app: App,
        command: str,
        environ: Environ,
        user: User,
        size: TerminalSize | None,
        dyno_size: DynoSize | None = None,
    ) -> tuple[Dyno, str]:
        """A dyno that starts when its client comes with the secret; with a `size` it gets a terminal.

        Raises: NotFound, Conflict, InvalidParams.
        """
        launch = await self._launch(app, dyno_size)
        command = _meaning(command, launch)
        self._check_room(app)
        dyno, secret = self._runner.start_attached(launch, command, user, environ=environ, size=size)
        self._tell(app, command, user)
        return dyno, secret

    async def inside(
        self, app: App, name: str, command: str, environ: Environ, user: User, size: TerminalSize | None
    ) -> tuple[Dyno, str]:
        """The same in a dyno that runs: its files, its processes, its variables. Raises: NotFound, Conflict."""
        command = _meaning(command, await self._launch(app))
        self._check_room(app)
        dyno, secret = self._runner.start_inside(app.id, name, command, user, environ=environ, size=size)
        self._tell(app, command, user)
        return dyno, secret

    def maybe_claim(self, secret: str) -> Attached | None:
        """The dyno that waits for this secret, once; None if there is none (any more)."""
        return self._runner.maybe_claim(secret)

    async def _launch(self, app: App, dyno_size: DynoSize | None = None) -> Launch:
        """Of the current release, else of the newest with a slug: so the migration that it waits for can be run."""
        releases = [each for each in await self._store.releases.list(app) if each.slug_id]
        if not releases:
            raise NotFound("Nothing is deployed yet.", resource="slug", remedy="Push first, then run commands in it.")
        launch = await self._releaser.launch_of(app, current_release(releases) or releases[0])
        if dyno_size is None:
            return launch
        check_fits(dyno_size.memory_mb)
        return replace(launch, resources=launch.resources.resized(RUN, dyno_size))

    def _check_room(self, app: App) -> None:
        """For one more; nothing may be waited for between this and its start. Raises: Conflict."""
        count = sum(dyno.type == RUN for dyno in self._runner.dynos(app.id))
        if self._at_once and count >= self._at_once:
            raise Conflict(
                f"{app.name} has {count} one-off dynos, and an app of this server may have {self._at_once} at once.",
                remedy="Stop one with `pushd ps:stop`, or have the operator raise runs_per_app.",
            )

    def _tell(self, app: App, command: str, user: User) -> None:
        self._log.say(app.id, APP, "api", f"Starting process with command `{command}` by user {user.email}")


def _meaning(command: str, launch: Launch) -> str:
    """A process type stands for its command; what follows the type is added."""
    first, blank, rest = command.strip().partition(" ")
    if first not in launch.release.process_types:
        return command
    return launch.release.process_types[first] + blank + rest
