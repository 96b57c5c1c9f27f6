"""Where everything lies in the data folder: the one place that knows the paths."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from pushd.surroundings import ADMIN_TOKEN, ENDPOINTS

_PER_APP = ("repos", "environments", "cache", "buildpacks", "outputs", "logs", "storage")
_FOLDERS = ("tls", "slugs", "uploads", "run")
_NOT_OURS = {
    "lost+found",
    "daemon.log",
    "crash-at",
}  # of a disk's own root; of demo and drill, before their daemon's first start


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below one data folder. `<app>` in them is the app's UUID, so a rename moves nothing."""

    data: Path

    def strangers(self) -> list[str]:
        """What lies in the data folder and was never ours; leftovers of a start that was cut short are ours."""
        ours = {*_PER_APP, *_FOLDERS, *(file.name for file in (self.store, self.format, self.secret_key, self.admin_token))}
        found = sorted(path.name for path in self.data.iterdir()) if self.data.exists() else []
        return [name for name in found if name not in ours and not name.endswith(".tmp") and name not in _NOT_OURS]

    def make(self) -> None:
        """Create the folders that must be there, for their owner only.

        Through the data folder and `run` others may pass, to `run/hook.sock`: each file there must be closed by itself.
        """
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in (*_PER_APP, *_FOLDERS, "run/dynos"):
            (self.data / name).mkdir(exist_ok=True, mode=0o700)
        for folder in (self.data, self.run):
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)

    @property
    def store(self) -> Path:
        return self.data / "pushd.sqlite3"

    @property
    def format(self) -> Path:
        return self.data / "format"

    @property
    def secret_key(self) -> Path:
        return self.data / "secret.key"

    @property
    def admin_token(self) -> Path:
        return self.data / ADMIN_TOKEN

    @property
    def tls(self) -> Path:
        return self.data / "tls"

    @property
    def ssh_host_key(self) -> Path:
        return self.data / "ssh_host_key"

    @property
    def ssh_programs(self) -> Path:
        return self.run / "ssh"

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def endpoints(self) -> Path:
        return self.data / ENDPOINTS

    @property
    def router_socket(self) -> Path:
        return self.run / "router.sock"

    @property
    def hook_socket(self) -> Path:
        return self.run / "hook.sock"

    @property
    def uid_range(self) -> Path:
        """The uids that the apps had last."""
        return self.run / "uid-range"

    @property
    def daemon_lock(self) -> Path:
        return self.run / "daemon.lock"

    @property
    def dynos(self) -> Path:
        return self.run / "dynos"

    @property
    def slugs(self) -> Path:
        return self.data / "slugs"

    @property
    def uploads(self) -> Path:
        return self.data / "uploads"

    def dyno(self, dyno_id: UUID) -> Path:
        return self.dynos / str(dyno_id)

    def slug(self, checksum: str) -> Path:
        return self.slugs / checksum

    def repository(self, app_id: UUID) -> Path:
        return self.data / "repos" / f"{app_id}.git"

    def environments(self, app_id: UUID) -> Path:
        return self.data / "environments" / str(app_id)

    def environment(self, app_id: UUID, name: str) -> Path:
        return self.environments(app_id) / name

    def incoming_environment(self, app_id: UUID) -> Path:
        """Beside the folder that the app's builds can write to."""
        return self.data / "environments" / f"{app_id}.incoming"

    def cache(self, app_id: UUID) -> Path:
        return self.data / "cache" / str(app_id)

    def buildpacks(self, app_id: UUID) -> Path:
        return self.data / "buildpacks" / str(app_id)

    def logs(self, app_id: UUID) -> Path:
        return self.data / "logs" / str(app_id)

    def storage(self, app_id: UUID) -> Path:
        return self.data / "storage" / str(app_id)

    def outputs(self, app_id: UUID) -> Path:
        return self.data / "outputs" / str(app_id)

    def build_output(self, app_id: UUID, build_id: UUID) -> Path:
        return self.outputs(app_id) / "builds" / f"{build_id}.txt"

    def release_output(self, app_id: UUID, release_id: UUID) -> Path:
        return self.outputs(app_id) / "releases" / f"{release_id}.txt"

    def folders_of(self, app_id: UUID) -> list[Path]:
        """Every folder that is one app's alone."""
        return [
            self.repository(app_id),
            self.environments(app_id),
            self.cache(app_id),
            self.buildpacks(app_id),
            self.logs(app_id),
            self.outputs(app_id),
            self.storage(app_id),
        ]

    def app_ids(self) -> set[str]:
        """The apps that have folders here, also those whose row is gone."""
        names = {path.stem for name in _PER_APP for path in (self.data / name).iterdir()}
        return {name for name in names if _is_uuid(name)}


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
