"""Every setting of the daemon once: name, unit, default, help.

Where a value comes from, the later winning: default < /etc/pushd/pushd.toml (or --config) < PUSHD_* < flag.
Settings of one app are another table: `model/app_settings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pushd.errors import PushdError
from pushd.surroundings import SERVICE_DATA_FOLDER, user_data_folder

DEFAULT_CONFIG = Path("/etc/pushd/pushd.toml")

# The client's own variables: the daemon ignores them and passes them to no child.
CLIENT_VARIABLES = frozenset({"PUSHD_HOST", "PUSHD_API_KEY", "PUSHD_APP", "PUSHD_REMOTE"})

# What a build may see of the daemon's environment (DESIGN section 5), beside the app's config vars.
BUILD_PASSTHROUGH_NAMES = frozenset(
    {
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE",
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
        "LANG", "LC_ALL", "TZ",
    }
)  # fmt: skip
BUILD_PASSTHROUGH_PREFIXES = ("PIP_", "UV_")


class SettingsError(PushdError):
    """A setting has a value that cannot be used; `serve` ends with exit 2 before it changes anything."""

    id, status = "bad_settings", 500


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: `name` is the flag without dashes, the TOML key and, in capitals, the PUSHD_* variable."""

    name: str
    default: Any
    help: str
    unit: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "PUSHD_" + self.name.upper()


SETTINGS: tuple[Setting, ...] = (
    Setting("data_dir", None, "Folder that holds everything: store, repositories, slugs, logs, sockets.", "path"),
    Setting("api_listen", "127.0.0.1:5000", "Where the API, git over HTTP and log sessions listen.", "host:port or unix:/path"),
    Setting("router_listen", "127.0.0.1:8080", "Where visitors' requests to apps arrive.", "host:port"),
    Setting("ssh_listen", "127.0.0.1:2222", "Where git over SSH will listen (not served yet).", "host:port"),
    Setting("domain", "localhost", "Apps are reached at <app>.<domain>.", "host name"),
    Setting("default_app", "", "App that answers for every Host that no app has.", "app name"),
    Setting("git_program", "auto", "Use the git program to index large packs: auto, never.", "auto or never"),
    Setting("git_index_above_bytes", 1_000_000, "Packs above this size are indexed by the git program.", "bytes"),
    Setting("body_limit_bytes", 1_000_000, "Largest JSON body that the API reads.", "bytes"),
    Setting("build_timeout_seconds", 3600.0, "A build that takes longer is ended.", "seconds"),
    Setting("build_keepalive_seconds", 5.0, "While a build is silent, git hears from us this often.", "seconds"),
    Setting("release_phase_timeout_seconds", 3600.0, "A release phase that takes longer is ended (Heroku: 1 hour).", "seconds"),
    Setting("run_timeout_seconds", 86400.0, "A one-off dyno that runs longer is ended (Heroku: 24 hours).", "seconds"),
    Setting("slugs_kept", 10, "Slugs kept per app for rollback; one that a kept release needs always stays.", "count"),
    Setting("builds_kept", 50, "Builds kept per app, with their output.", "count"),
    Setting("disk_reserve_bytes", 50_000_000, "Pushes and changes are refused when the disk has less room than this.", "bytes"),
    Setting("sandbox", "auto", "Confine dynos and builds with bubblewrap: auto (where it works) or off.", "auto or off"),
    Setting("log_level", "info", "The daemon's own log: debug, info, warning, error.", "level"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings; one field per row of SETTINGS."""

    data_dir: Path
    api_listen: str = "127.0.0.1:5000"
    router_listen: str = "127.0.0.1:8080"
    ssh_listen: str = "127.0.0.1:2222"
    domain: str = "localhost"
    default_app: str = ""
    git_program: str = "auto"
    git_index_above_bytes: int = 1_000_000
    body_limit_bytes: int = 1_000_000
    build_timeout_seconds: float = 3600.0
    build_keepalive_seconds: float = 5.0
    release_phase_timeout_seconds: float = 3600.0
    run_timeout_seconds: float = 86400.0
    slugs_kept: int = 10
    builds_kept: int = 50
    disk_reserve_bytes: int = 50_000_000
    sandbox: str = "auto"
    log_level: str = "info"


@dataclass(frozen=True, slots=True)
class Effective:
    """Settings, and for each name where its value came from: "default", "flag", a variable or a file."""

    settings: Settings
    origins: Mapping[str, str]


def default_data_dir(environ: Mapping[str, str], *, is_root_service: bool = False) -> Path:
    """/var/lib/pushd for the service, else $XDG_DATA_HOME/pushd (~/.local/share/pushd)."""
    return Path(SERVICE_DATA_FOLDER if is_root_service else user_data_folder(environ))


def load(flags: Mapping[str, Any], *, environ: Mapping[str, str], config: Path | None = None) -> Effective:
    """Merge the four sources; `flags` holds only what was given on the command line.

    Raises: SettingsError for an unknown key in the file, an unreadable file, or a value of the wrong type.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    file = config or DEFAULT_CONFIG
    from_file = _read_file(file, required=config is not None)
    for setting in SETTINGS:
        candidates = (
            (from_file.get(setting.name), str(file)),
            (environ.get(setting.variable), setting.variable),
            (flags.get(setting.name), "flag"),
        )
        value, origin = setting.default, "default"
        for candidate, source in candidates:
            if candidate is not None:
                value, origin = candidate, source
        if setting.name == "data_dir":
            value = Path(value).expanduser().absolute() if value else default_data_dir(environ)
        values[setting.name], origins[setting.name] = _converted(setting, value, origin), origin
    return Effective(Settings(**values), origins)


def build_passthrough(environ: Mapping[str, str]) -> dict[str, str]:
    """The allow-list of the daemon's environment that builds see: certificates, proxies, index settings."""
    return {
        name: value
        for name, value in environ.items()
        if name in BUILD_PASSTHROUGH_NAMES or name.startswith(BUILD_PASSTHROUGH_PREFIXES)
    }


def _read_file(file: Path, *, required: bool) -> dict[str, Any]:
    import tomllib  # only the daemon reads the file: not for every command

    try:
        content = tomllib.loads(file.read_text())
    except FileNotFoundError:
        if required:
            raise SettingsError(f"cannot read {file}: there is no such file", remedy="Check --config.") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"cannot read {file}: {error}", remedy="Mend the file, or name another with --config.") from error
    known = {setting.name for setting in SETTINGS}
    if unknown := sorted(set(content) - known):
        raise SettingsError(
            f"cannot use {file}: it has no setting called {', '.join(unknown)}",
            remedy=f"Known settings: {', '.join(sorted(known))}.",
        )
    return content


def _converted(setting: Setting, value: Any, origin: str) -> Any:
    kind = {field.name: field.type for field in fields(Settings)}[setting.name]
    try:
        if kind == "int":
            return int(str(value))
        if kind == "float":
            return float(str(value))
    except ValueError:
        raise SettingsError(
            f"cannot use {setting.name} = {value!r} (from {origin}): it is not a number",
            remedy=f"Give {setting.unit}, for example {setting.default}.",
        ) from None
    return value if isinstance(value, Path) else str(value)
