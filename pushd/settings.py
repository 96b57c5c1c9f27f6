"""Every setting of the daemon once: name, unit, default, help.

Where a value comes from, the later winning: default < /etc/pushd/pushd.toml (or --config) < PUSHD_* < flag.
Settings of one app are another table: `model/app_settings.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pushd.crash_points import CrashAt, parse_crash_at
from pushd.errors import PushdError
from pushd.kit.addresses import is_host
from pushd.kit.key_source import KeySource, parse_key_source
from pushd.kit.listen import parse_address
from pushd.kit.parse import count, one_of, seconds
from pushd.kit.reach import Reach, parse_reach
from pushd.kit.uids import check_uid_range
from pushd.surroundings import user_data_folder

DEFAULT_CONFIG = Path("/etc/pushd/pushd.toml")

# What a build may see of the daemon's environment, beside the app's config vars.
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
    """One row of the table: `name` is the flag without dashes, the TOML key and, in capitals, the PUSHD_* variable.

    Values come as text, from wherever; `parse` gives what the code uses and raises ValueError with the rule.
    """

    name: str
    default: str | None  # None: it depends on the user
    parse: Callable[[str], Any]
    help: str
    unit: str
    is_repeated: bool = True  # when it does not fit, its text is: not where somebody may have written a secret

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "PUSHD_" + self.name.upper()


def _folder(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("it must be a path")
    return Path(text).expanduser().absolute()


def _folder_or_nothing(text: str) -> Path | None:
    return _folder(text) if text else None


def _address(text: str) -> str:
    if "\0" in text:
        raise ValueError("it must be host:port or unix:/path")
    parse_address(text)
    return text


def _tcp_address_or_nothing(text: str) -> str:
    if text and isinstance(parse_address(text), Path):
        raise ValueError("it must be host:port")
    return text


def _host_name(text: str) -> str:
    if len(text) > _LONGEST_DOMAIN or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError("it must be a host name, such as apps.example.com")
    return text.lower()


def _hosts(text: str) -> tuple[str, ...]:
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    if not all(map(is_host, names)):
        raise ValueError("they must be host names or addresses, with commas between them")
    return names


def _app_name_or_nothing(text: str) -> str:
    if text and not (_LABEL.fullmatch(text) and text == text.lower()):
        raise ValueError("it must be the name of an app")
    return text


def _builds_at_once(text: str) -> int:
    return min(len(os.sched_getaffinity(0)), 4) if text == "auto" else count(1, 1000)(text)


def _group_or_nothing(text: str) -> str:
    import grp  # only for the daemon

    try:
        return text and grp.getgrnam(text).gr_name
    except (KeyError, ValueError):
        raise ValueError("it must be the name of a group of this machine") from None


_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST_DOMAIN = 253 - len(".") - 30  # a host name has 253 characters at most (RFC 1035), an app's name 30
_bytes = count(0, 10**18)
_limit_seconds = seconds(0.1, 31_536_000)
_kept = count(1, 1_000_000)
_WHERE = "host:port or unix:/path"
_ASKED_FOR = {  # units that are no answer to "Give ..."
    "count": "a number", "bytes": "a number of bytes", "seconds": "a number of seconds", "count or auto": "a number or auto",
    "path": "a path", "host name": "a host name", "app name": "an app's name", "group name": "a group's name",
    "level": "a level",
}  # fmt: skip

SETTINGS: tuple[Setting, ...] = (
    Setting("data_dir", None, _folder, "Folder that holds everything: store, repositories, slugs, logs, sockets.", "path"),
    Setting("secret_key_from", "", parse_key_source,
            "Where the key is read from that encrypts config vars and credentials, if not from secret.key in the data folder.",
            "file:/PATH, env:NAME or fd:NUMBER", is_repeated=False),
    Setting("api_listen", "127.0.0.1:5000", _address, "Where the API, git over HTTP and log sessions listen.", _WHERE),
    Setting("api_names", "", _hosts,
            "Names and addresses under which clients reach the API, beside the machine's own: for its certificate.",
            "names, with commas"),
    Setting("api_certificate", "", _folder_or_nothing,
            "Certificate of the API port, with its chain, in PEM; empty: one of a CA of our own.", "path"),
    Setting("api_private_key", "", _folder_or_nothing, "Key of that certificate, in PEM.", "path"),
    Setting("api_clear_text", "here", one_of("here", "everywhere"),
            "Who may speak to the API without TLS: this machine alone (here), or other ones too.", "here or everywhere"),
    Setting("router_listen", "127.0.0.1:8080", _address, "Where visitors' requests to apps arrive.", _WHERE),
    Setting("ssh_listen", "127.0.0.1:2222", _tcp_address_or_nothing, "Where git and commands over SSH arrive; empty: nowhere.",
            "host:port"),
    Setting("ssh_commands_at_once", "20", count(1, 1000),
            "Commands that run over SSH at the same time (up to 30 MB each); one user may have half of them.", "count"),
    Setting("domain", "localhost", _host_name, "Apps are reached at <app>.<domain>.", "host name"),
    Setting("default_app", "", _app_name_or_nothing, "App that answers for every Host that no app has.", "app name"),
    Setting("hook_group", "", _group_or_nothing,
            "Group whose users may push through hooks/, beside root and the daemon's user.", "group name"),
    Setting("git_program", "auto", one_of("auto", "never"),
            "Use the git program to index large packs: auto, never.", "auto or never"),
    Setting("git_index_above_bytes", "1000000", _bytes, "Packs above this size are indexed by the git program.", "bytes"),
    Setting("body_limit_bytes", "1000000", _bytes, "Largest JSON body that the API reads.", "bytes"),
    Setting("api_requests_per_hour", "36000", _bytes,
            "Calls of the API that a user may make in an hour; 0: as many as they like.", "count"),
    Setting("apps_per_user", "100", _bytes,
            "Apps that a user may own who is no admin; 0: as many as they like (Heroku: 100).", "count"),
    Setting("source_limit_bytes", "2000000000", _bytes,
            "Largest archive that a build or a slug is made of, packed or unpacked.", "bytes"),
    Setting("fetch_private", "", parse_reach,
            "Hosts and networks that are fetched from although they are private: sources, buildpacks, pages.",
            "names, with commas"),
    Setting("send_private", "", parse_reach,
            "Hosts and networks that webhooks are sent to although they are private, or this machine.", "names, with commas"),
    Setting("builds_at_once", "auto", _builds_at_once,
            "Builds that run at the same time, of all apps; further ones wait. auto: one per processor, 4 at most.",
            "count or auto"),
    Setting("source_timeout_seconds", "600", _limit_seconds,
            "Checkouts, fetches, repacks of repositories and the reading of slugs end when they take longer.", "seconds"),
    Setting("build_timeout_seconds", "3600", _limit_seconds, "Buildpacks that take longer are ended.", "seconds"),
    Setting("build_keepalive_seconds", "5", _limit_seconds,
            "While a build is silent, git hears from us this often.", "seconds"),
    Setting("release_phase_timeout_seconds", "3600", _limit_seconds,
            "A release phase that takes longer is ended (Heroku: 1 hour).", "seconds"),
    Setting("run_timeout_seconds", "86400", _limit_seconds,
            "A one-off dyno that runs longer is ended (Heroku: 24 hours).", "seconds"),
    Setting("run_attach_seconds", "60", _limit_seconds,
            "An attached one-off dyno that nobody attaches to for so long is not started.", "seconds"),
    Setting("run_idle_seconds", "3600", _limit_seconds,
            "An attached one-off dyno ends when nothing is sent or received for so long (Heroku: 1 hour).", "seconds"),
    Setting("runs_per_app", "50", _bytes,
            "One-off dynos that an app may have at once, with those that wait for their client; 0: any number.", "count"),
    Setting("slugs_kept", "10", _kept, "Slugs kept per app for rollback; one that a kept release needs always stays.", "count"),
    Setting("builds_kept", "50", _kept, "Builds kept per app, and outputs of builds and of releases.", "count"),
    Setting("slugs_kept_bytes", "5000000000", _bytes,
            "Bytes of slugs and environments kept per app for rollback; the newest two and what runs always stay.", "bytes"),
    Setting("releases_kept", "1000", _kept,
            "Releases kept per app; what runs, and what can be rolled back to, always stays.", "count"),
    Setting("outputs_kept_bytes", "300000000", _bytes,
            "Bytes kept per app of what builds and release phases printed; the newest always stays.", "bytes"),
    Setting("caches_kept_bytes", "2000000000", _bytes,
            "The caches of an app's builds are emptied when they hold more than this.", "bytes"),
    Setting("disk_reserve_bytes", "50000000", _bytes,
            "Pushes and changes that need room are refused, and builds are stopped, when the disk has less room than this.",
            "bytes"),
    Setting("disk_reserve_files", "1000", _bytes,
            "The same when the disk has room for fewer files than this (inodes).", "count"),
    Setting("dyno_cgroup", "", _folder_or_nothing,
            "Folder of a cgroup v2 tree, left to pushd, for dynos, builds and router; the systemd unit names its own.", "path"),
    Setting("sandbox", "auto", one_of("auto", "off", "require"),
            "Confine dynos and builds with bubblewrap: auto (where it works), off, or require (do not serve without).",
            "auto, off or require"),
    Setting("uid_range", "auto", check_uid_range,
            "As root: uids that apps run as, one each. auto: some that nobody on this machine uses; off: none.",
            "auto, off or first-last"),
    Setting("private_ports", "auto", one_of("auto", "off"),
            "As root with nftables: nobody but the app itself and the router reaches the PORT of a dyno: auto, off.",
            "auto or off"),
    Setting("log_level", "info", one_of("debug", "info", "warning", "error"),
            "The daemon's own log: debug, info, warning, error.", "level"),
    Setting("crash_at", "", parse_crash_at,
            "Where in its code the daemon kills itself, for tests and drills.", "name of a crash point, or @/file with one"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The effective settings; one field per row of SETTINGS, of the type that its `parse` gives."""

    data_dir: Path
    secret_key_from: KeySource | None
    api_listen: str
    api_names: tuple[str, ...]
    api_certificate: Path | None
    api_private_key: Path | None
    api_clear_text: str
    router_listen: str
    ssh_listen: str
    ssh_commands_at_once: int
    domain: str
    default_app: str
    hook_group: str
    git_program: str
    git_index_above_bytes: int
    body_limit_bytes: int
    api_requests_per_hour: int
    apps_per_user: int
    source_limit_bytes: int
    fetch_private: Reach
    send_private: Reach
    builds_at_once: int
    source_timeout_seconds: float
    build_timeout_seconds: float
    build_keepalive_seconds: float
    release_phase_timeout_seconds: float
    run_timeout_seconds: float
    run_attach_seconds: float
    run_idle_seconds: float
    runs_per_app: int
    slugs_kept: int
    builds_kept: int
    slugs_kept_bytes: int
    releases_kept: int
    outputs_kept_bytes: int
    caches_kept_bytes: int
    disk_reserve_bytes: int
    disk_reserve_files: int
    dyno_cgroup: Path | None
    sandbox: str
    uid_range: str
    private_ports: str
    log_level: str
    crash_at: CrashAt | None


@dataclass(frozen=True, slots=True)
class Effective:
    """Settings, and for each name where its value came from: "default", "flag", a variable or a file."""

    settings: Settings
    origins: Mapping[str, str]


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """$XDG_DATA_HOME/pushd (~/.local/share/pushd); the systemd unit names its own."""
    return Path(user_data_folder(environ))


def load(flags: Mapping[str, Any], *, environ: Mapping[str, str], config: Path | None = None) -> Effective:
    """Merge the four sources; `flags` holds only what was given on the command line.

    Raises: SettingsError for an unknown key in the file, an unreadable file, or a value that does not fit.
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
        text = str(value or default_data_dir(environ)) if setting.name == "data_dir" else str(value)
        values[setting.name], origins[setting.name] = _parsed(setting, text, origin), origin
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


def _parsed(setting: Setting, text: str, origin: str) -> Any:
    try:
        return setting.parse(text)
    except ValueError as error:
        shown = f" = {text[:200]!r}" if setting.is_repeated else ""
        example = f", for example {setting.default}" if setting.default else ""
        raise SettingsError(
            f"cannot use {setting.name}{shown} (from {origin}): {error}",
            remedy=f"Give {_ASKED_FOR.get(setting.unit, setting.unit)}{example}.",
        ) from None
