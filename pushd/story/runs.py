"""One-off dynos: which release they run, what their command means, and who asked for them."""

from __future__ import annotations

from pushd.errors import NotFound
from pushd.model.app import App
from pushd.model.dyno import Dyno
from pushd.model.launch import Launch
from pushd.model.logline import APP
from pushd.model.release import current_release
from pushd.model.secret import Environ
from pushd.model.terminal import TerminalSize
from pushd.model.user import User
from pushd.releaser.releaser import Releaser
from pushd.store.store import Store
from pushd.story.rooms import AppLog, Attached, Runner


class Runs:
    """Starts commands in dynos of their own, with the code and the config vars of the release that runs."""

    def __init__(self, *, store: Store, releaser: Releaser, runner: Runner, app_log: AppLog) -> None:
        self._store = store
        self._releaser = releaser
        self._runner = runner
        self._log = app_log

    async def detached(self, app: App, command: str, environ: Environ, user: User) -> Dyno:
        """Start it in the background; its output goes to the app's log. Raises: NotFound, BootFailed."""
        launch = await self._launch(app)
        command = _meaning(command, launch)
        self._tell(app, command, user)
        return await self._runner.start_detached(launch, command, environ=environ)

    async def attached(
        self, app: App, command: str, environ: Environ, user: User, size: TerminalSize | None
    ) -> tuple[Dyno, str]:
        """A dyno that starts when its client comes with the secret; with a `size` it gets a terminal. Raises: NotFound."""
        launch = await self._launch(app)
        command = _meaning(command, launch)
        dyno, secret = self._runner.start_attached(launch, command, user, environ=environ, size=size)
        self._tell(app, command, user)
        return dyno, secret

    async def inside(
        self, app: App, name: str, command: str, environ: Environ, user: User, size: TerminalSize | None
    ) -> tuple[Dyno, str]:
        """The same in a dyno that runs: its files, its processes, its variables. Raises: NotFound, Conflict."""
        command = _meaning(command, await self._launch(app))
        dyno, secret = self._runner.start_inside(app.id, name, command, user, environ=environ, size=size)
        self._tell(app, command, user)
        return dyno, secret

    def maybe_claim(self, secret: str) -> Attached | None:
        """The dyno that waits for this secret, once; None if there is none (any more)."""
        return self._runner.maybe_claim(secret)

    async def _launch(self, app: App) -> Launch:
        """Of the current release, else of the newest with a slug: so the migration that it waits for can be run."""
        releases = [each for each in await self._store.releases.list(app) if each.slug_id]
        if not releases:
            raise NotFound("Nothing is deployed yet.", resource="slug", remedy="Push first, then run commands in it.")
        return await self._releaser.launch_of(app, current_release(releases) or releases[0])

    def _tell(self, app: App, command: str, user: User) -> None:
        self._log.say(app.id, APP, "api", f"Starting process with command `{command}` by user {user.email}")


def _meaning(command: str, launch: Launch) -> str:
    """A process type stands for its command; what follows the type is added."""
    first, blank, rest = command.strip().partition(" ")
    if first not in launch.release.process_types:
        return command
    return launch.release.process_types[first] + blank + rest
